"""Recomputation: which claims are compared, how, and which are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.standard.recompute import differences, relative

LIMIT = 1e-6


def beyond(claimed: dict[str, object], recomputed: dict[str, object]) -> list[str]:
    return [one.path for one in differences(claimed, recomputed, name="card") if one.beyond(LIMIT)]


@pytest.mark.parametrize(
    ("claimed", "recomputed", "wrong"),
    [
        ({"energy_j": 1000.0}, {"energy_j": 1000.0009}, False),
        ({"energy_j": 1000.0}, {"energy_j": 1000.0011}, True),
        ({"energy_j": 0.0}, {"energy_j": 0.0}, False),
        ({"energy_j": 0.0}, {"energy_j": 1e-300}, True),
        ({"energy_j": None}, {"energy_j": 5.0}, False),
        ({"energy_j": 5.0}, {"energy_j": None}, True),
        ({"begin_ns": 1_790_000_000_000_000_000}, {"begin_ns": 1_790_000_000_000_000_001}, True),
        ({"begin_ns": 1.790000000000001e18}, {"begin_ns": 1_790_000_000_000_000_000}, True),
        ({"output": 3.0}, {"output": 3}, False),
        ({"output": 3}, {"output": 3.000001}, False),
        ({"span_w": [1.0, 2.0]}, {"span_w": [1.0, 2.1]}, True),
        ({"cost": {"amount": "0.5"}}, {"cost": {"amount": "0.500000000000000001"}}, False),
        ({"cost": {"amount": "0.5"}}, {"cost": {"amount": "0.6"}}, True),
        ({"benchmark": "0.5"}, {"benchmark": "0.6"}, False),
        ({"scope": "NODE_AC"}, {"scope": "GPU"}, True),
        ({"simulated": False}, {"simulated": True}, True),
        ({"display": {"value": 1.0}}, {"display": {"value": 2.0}}, False),
        ({"hashes": {"x": 1}}, {}, False),
        ({"level": "ES2"}, {"level": None}, False),
        ({"surprise": 7}, {}, True),
    ],
)
def test_a_claim_is_held_against_what_comes_out(claimed: dict[str, object], recomputed: dict[str, object], wrong: bool) -> None:
    """Numbers to a millionth, whole ones and words exactly, money as decimal text; what is not claimed and what is for people is left."""
    assert bool(beyond(claimed, recomputed)) is wrong


def test_a_repetition_that_never_was_is_known_to_be_false() -> None:
    """One phase more than the readings bear out is a false claim, a key that no version knows only an unknown one."""
    claimed = {"phases": [{"energy_j": 1.0}, {"energy_j": 2.0}], "shine": 9.0}
    phase, shine = (one for one in differences(claimed, {"phases": [{"energy_j": 1.0}]}, name="card") if one.beyond(LIMIT))
    assert (phase.path, phase.known) == ("card.phases[1].energy_j", True)
    assert (shine.path, shine.known) == ("card.shine", False)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["cost", "scope", "energy_j", "display"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["cost", "scope", "energy_j", "phases"]), ANY, max_size=4)


@given(claimed=OBJECTS, recomputed=OBJECTS)
def test_any_two_documents_can_be_compared(claimed: dict[str, object], recomputed: dict[str, object]) -> None:
    """No pair of JSON objects makes the comparison fail, and an object always agrees with itself."""
    beyond(claimed, recomputed)
    assert beyond(claimed, claimed) == []


@given(a=st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False), b=st.integers(-(2**70), 2**70))
def test_the_difference_is_symmetric_and_bounded(a: float, b: int) -> None:
    """The relative difference lies between 0 and 2, whatever comes first."""
    assert relative(a, b) == relative(b, a)
    assert 0.0 <= relative(a, b) <= 2.0
