"""Runs, windows, tokens and run ids."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.runs import RUN_SCHEMA, ClockKind, PhaseKind, ResultFile, Run, Tokens, ToolReported, Window, new_run_id
from tests.conftest import ManualClock

WINDOW = Window("decode", PhaseKind.MEASURED, 1_000_000_000, 3_500_000_000)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Any run a reader could return."""
    count = st.none() | st.integers(0, 2**40) | st.floats(1e-6, 1e12)
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    windows = []
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.integers(0, 2**61))
        windows.append(
            Window(
                draw(text),
                draw(st.sampled_from(PhaseKind)),
                begin,
                begin + draw(st.integers(1, 2**40)),
                draw(st.integers(0, 10**9)),
                draw(st.builds(Tokens, count, count, count, count, text)),
                draw(st.none() | st.integers(0, 10**6)),
            )
        )
    return Run(
        tuple(windows),
        draw(text),
        draw(text),
        draw(st.sampled_from(ClockKind)),
        tuple(draw(st.lists(st.builds(ToolReported, text, st.floats(0, 1e9), text), max_size=2))),
        draw(st.dictionaries(text, text, max_size=2)),
        tuple(draw(st.lists(text, max_size=2))),
    )


@given(runs())
def test_run_survives_json(run: Run) -> None:
    """A run comes back from its JSON object as it was, counts that nobody knows still None."""
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "joulemark.run/9"},
        {"clock": "sundial"},
        {"phases": [{"name": "x"}]},
        {"tool_reported": [{"nam": "x"}]},
        {"phases": None},
        {"labels": {"a": 1}},
        {"findings": "x"},
        {"run_id": ["x"]},
        {"tool_reported": [{"name": "x", "value": float("nan"), "unit": "J"}]},
    ],
)
def test_run_description_that_is_wrong_is_refused(change: dict[str, Any]) -> None:
    """Another schema, an unknown clock, a missing or unknown key raise FormatError."""
    with pytest.raises(FormatError):
        Run.from_json({"schema": RUN_SCHEMA, "phases": [], **change})


@pytest.mark.parametrize("end_ns", [1_000_000_000, 999_999_999])
def test_window_must_end_after_it_begins(end_ns: int) -> None:
    """A phase of no or negative length is refused by name."""
    with pytest.raises(FormatError, match="decode"):
        Window("decode", PhaseKind.MEASURED, 1_000_000_000, end_ns)


def test_shift_moves_both_edges() -> None:
    """A window on another time axis keeps its length and everything else."""
    assert WINDOW.shifted(-500_000_000) == Window("decode", PhaseKind.MEASURED, 500_000_000, 3_000_000_000)
    assert WINDOW.duration_s == 2.5


def test_total_is_unknown_when_a_part_is() -> None:
    """The total of tokens is None as soon as input or output is unknown; zero is known."""
    assert Tokens(5, 7).total == 12
    assert Tokens(0, 0).total == 0
    assert Tokens(None, 7).total is None
    assert Tokens(5, None).total is None


def test_only_measured_windows_count() -> None:
    """Warm-up and idle windows are not among those whose tokens count."""
    idle = Window("idle", PhaseKind.IDLE_BEFORE, 0, 1)
    assert Run((idle, WINDOW)).measured == (WINDOW,)


def test_run_ids_are_uuid7_and_sort_by_time(manual_clock: ManualClock) -> None:
    """Run ids are valid uuid7, all different, and sort by the millisecond they were made in."""
    ids = []
    for _ in range(200):
        ids.append(new_run_id(manual_clock))
        manual_clock.advance(1_000_000)
    parsed = [uuid.UUID(text) for text in ids]
    assert ids == sorted(ids)
    assert {(u.version, u.variant) for u in parsed} == {(7, uuid.RFC_4122)}
    assert [u.int >> 80 for u in parsed] == [1_790_000_000_000 + i for i in range(200)]
    assert len({new_run_id(manual_clock) for _ in range(200)}) == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"begin_ns": 1.5},
        {"begin_ns": -1},
        {"end_ns": 10**30},
        {"requests": 10**30},
        {"unc_ns": None},
        {"tokens": Tokens(output=float("nan"))},
    ],
)
def test_a_window_holds_only_numbers_that_can_be_stored(wrong: dict[str, Any]) -> None:
    """Fractions of a nanosecond, negative times, counts beyond 64 bits and NaN are refused where the window is made."""
    fields: dict[str, Any] = {"name": "w", "kind": PhaseKind.MEASURED, "begin_ns": 1, "end_ns": 2, **wrong}
    with pytest.raises(FormatError, match="check what it was read from"):
        Window(**fields)


def test_result_files_travel_with_the_run() -> None:
    """What the command wrote comes back as it was; a run without any has no such key, so that bundles from before keep their bytes."""
    run = Run((), result_files=(ResultFile("out.json", "ab" * 32, 12, 34),))
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    assert "result_files" not in Run(()).to_json()
    with pytest.raises(FormatError, match="size_bytes"):
        Run.from_json({**run.to_json(), "result_files": [{"name": "a", "sha256": "b", "size_bytes": "12", "mtime_ns": 3}]})
