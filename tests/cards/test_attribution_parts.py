"""The parts of a phase: how a tool's slices and ours are cut, and when a request or a split has no figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.cards.attribution_parts import Columns, Cut, no_split, requests_of, row, unresolved
from joulemark.energy.attribution import Shared
from joulemark.energy.attribution_claims import Claimed, Method
from joulemark.runs import PhaseKind
from tests.cards.attribution_truth import PHASES, T0, S, Served, flights

DECODE = PHASES[1]


def shared(*served: Served, gap: tuple[float, float] | None = None) -> tuple[Shared, Claimed]:
    """At 1 W over the phase."""
    claimed = Claimed.of(flights(served), method=Method.EQUAL)
    gaps_ns = np.array([] if gap is None else [T0 + round(at * S) for at in gap], dtype=np.int64).reshape(-1, 2)
    none = np.zeros(0, dtype=np.int64)
    found = Shared.of(lambda t: (t - T0) / S, claimed.claims, begin_ns=DECODE.begin_ns, end_ns=DECODE.end_ns, gaps_ns=gaps_ns, cuts_ns=none)
    return found, claimed


@pytest.mark.parametrize(
    ("begin_s", "end_s", "name", "expected"),
    [
        (0, 10, "slice 0", (0, 10, True)),
        (50, 60, "slice 5 (cut off)", (50, 60, False)),
        (-5, 5, "slice 0", (0, 5, False)),
        (55, 65, "slice 5", (55, 60, False)),
        (60, 70, "slice 6", None),
        (-10, 0, "slice 0", None),
    ],
)
def test_slices_of_a_tool(begin_s: int, end_s: int, name: str, expected: tuple[int, int, bool] | None) -> None:
    """A tool's slice is taken as far as it lies in the phase, and is complete only where all of it does and the tool says so."""
    part = replace(DECODE, name=name, kind=PhaseKind.OTHER, begin_ns=T0 + begin_s * S, end_ns=T0 + end_s * S)
    cut = Cut.of_tool(part, DECODE)
    got = None if cut is None else ((cut.window.begin_ns - T0) // S, (cut.window.end_ns - T0) // S, cut.complete)
    assert got == expected


def test_a_slice_of_a_grid_knows_whether_it_is_whole() -> None:
    """The last slice of a phase may be shorter than the others."""
    made = [Cut.of_grid(DECODE, n, T0, T0 + length * S, step_ns=7 * S) for n, length in enumerate((7, 4))]
    assert [cut.complete for cut in made] == [True, False]


@pytest.mark.parametrize(
    ("length_ms", "lost_s", "needed_s", "said"), [(900, 0.0, 1.0, "shorter"), (1000, 0.0, 1.0, ""), (9000, 0.1, 1.0, "no readings")]
)
def test_when_a_request_has_no_figure(length_ms: int, lost_s: float, needed_s: float, said: str) -> None:
    """Just as long as the meters need is enough; a tenth of a second less, or a gap inside, is not."""
    (flight,) = flights([Served(0, None, length_ms)])
    reason = unresolved(flight, lost_s, needed_s)
    assert said in reason
    assert bool(said) == bool(reason)


def test_columns_add_up_the_claims_of_a_flight() -> None:
    """Prefill and decode of one request come to its energy; what it had alone and what it lost stand beside."""
    found = Columns.of(*shared(Served(0, 4000, 10_000), Served(8000, None, 20_000), gap=(1.0, 2.0)))
    assert found.energy_j.tolist() == pytest.approx([8.0, 11.0])
    assert (found.prefill_j + found.decode_j).tolist() == pytest.approx([8.0, 0.0])
    assert found.prefill_j.tolist() == pytest.approx([3.0, 0.0])
    assert found.alone_j.tolist() == pytest.approx([7.0, 10.0])
    assert found.lost_s.tolist() == pytest.approx([1.0, 0.0])


def test_only_the_phase_s_own_requests_are_counted() -> None:
    """A request of another phase takes its share and is not in the list."""
    found = requests_of(*shared(Served(0, None, 10_000), Served(5000, None, 10_000, phase="other")), DECODE, needed_s=0.0, listed=True)
    assert (found["count"], found["resolved_j"]) == (1, pytest.approx(7.5))
    assert [entry["id"] for entry in found["list"]] == [0]


def test_a_request_that_began_before_its_phase_is_not_whole() -> None:
    """What it took before is not in its figure."""
    found = requests_of(*shared(Served(-1000, None, 4000), Served(0, None, 4000)), DECODE, needed_s=0.0, listed=True)
    assert [entry["whole"] for entry in found["list"]] == [False, True]


def test_a_row_without_a_figure_has_none_at_all() -> None:
    """Where a request has no figure, neither has any part of it."""
    both = shared(Served(0, 4000, 10_000))
    entry: dict[str, Any] = row(both[1].flights[0], DECODE, Columns.of(*both), 0, "too short")
    assert {entry[name] for name in ("energy_j", "prefill_j", "decode_j", "alone_share", "u95_j")} == {None}
    assert entry["reason"] == "too short"


def test_no_split_is_null() -> None:
    """In place of a split that cannot be made stands the reason, and no 0."""
    assert {value for key, value in no_split("why").items() if key != "reason"} == {None}
