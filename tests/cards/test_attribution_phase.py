"""One phase shared out: which requests take part, and what becomes of a phase that cannot be shared out."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.attribution_phase import COPIED, PARTS, Phase, in_flight, unknown
from joulemark.energy.phase import measure
from tests.cards.attribution_truth import GPU, PHASES, Served, counter, flights

DECODE = PHASES[1]


def made(*served: Served, because: str = "") -> tuple[Phase, dict[str, Any]]:
    series = counter(served)
    energy = measure(DECODE, [series])
    phase = Phase.of(DECODE, energy, {GPU.meter_id: series}, Told(flights(served)), Asked(), cuts=(), because=because)
    return phase, phase.to_json(energy.to_json(), [])


@pytest.mark.parametrize(
    ("begin", "end", "expected"), [(-10, 0, False), (-10, 1, True), (59_999, 70_000, True), (60_000, 70_000, False), (5, 6, True)]
)
def test_who_takes_part(begin: int, end: int, expected: bool) -> None:
    """A request that ends where the phase begins, or begins where it ends, is not in it."""
    (flight,) = flights([Served(begin, None, end)])
    assert in_flight(flight, DECODE) is expected


def test_claims_know_whose_they_are() -> None:
    """Two claims of a streamed request of this phase, one of a request of another."""
    phase, _ = made(Served(0, 5000, 10_000), Served(0, None, 10_000, phase="other"))
    assert phase.own.tolist() == [True, True, False]


def test_a_reason_takes_everything() -> None:
    """Where there is a reason not to share out, all of the energy is unattributed, and every other part is null."""
    _, found = made(Served(0, 5000, 10_000), because="the GPU is divided")
    assert found["unattributed_j"] == pytest.approx(found["energy_j"], rel=1e-12)
    assert [found[name] for name in ("requests_j", "others_j", "idle_j", "requests")] == [None] * 4
    assert found["unattributed_because"] == found["reason"] == found["split"]["reason"] == "the GPU is divided"


def test_an_unknown_phase_has_the_same_keys() -> None:
    """A phase without energy is the same object, null where nothing is known."""
    _, found = made(Served(0, 5000, 10_000))
    bare = unknown(dict.fromkeys(COPIED))
    assert set(bare) == set(found)
    assert {bare[name] for name in PARTS} == {None}
