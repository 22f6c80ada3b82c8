"""The plan of an alignment and the progress in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from joulemark.calibration.procedure import HELD_OUT, Plan, Progress, better_mid
from joulemark.errors import FormatError, UsageError
from joulemark.runs import IdleKind

PLAN = Plan("ipmi:h:1:power", "scpi:h:2:power", "joulemark cpu load")


def test_the_customary_plan_is_what_the_standard_asks_for() -> None:
    """Idle, mid and full with 60 s to settle and five minutes of windows, then a run that is held out; nothing short of CAL-2."""
    assert [(s.name, s.level, s.settle_s, s.measured_s) for s in PLAN.steps] == [
        ("idle", 0.0, 60.0, 300.0),
        ("mid", 0.5, 60.0, 300.0),
        ("full", 1.0, 60.0, 300.0),
        (HELD_OUT, 0.75, 10.0, 180.0),
    ]
    assert PLAN.shortfalls == ()


def test_a_second_pass_goes_back() -> None:
    """In reverse order, as ES2 asks."""
    steps = replace(PLAN, reverse=True).steps
    assert [(s.name, s.turn) for s in steps] == [("idle", 1), ("mid", 1), ("full", 1), ("full", 2), ("mid", 2), ("idle", 2), (HELD_OUT, 1)]


@pytest.mark.parametrize("short", [{"settle_s": 59.9}, {"windows": 4}, {"window_s": 59.0}])
def test_a_shorter_plan_is_allowed_and_told(short: dict[str, Any]) -> None:
    """One that does not reach CAL-2 says by which figure."""
    (said,) = replace(PLAN, **short).shortfalls
    assert said.startswith(next(iter(short)).replace("_", "-"))
    assert "CAL-2" in said


@pytest.mark.parametrize(
    "wrong",
    [{"reference": PLAN.sensor}, {"mid": 0.0}, {"mid": 1.0}, {"held_out": 1.1}, {"windows": 1}, {"window_s": 0.0}, {"settle_s": -1.0}],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong: dict[str, Any]) -> None:
    """Before anything is measured."""
    with pytest.raises(UsageError):
        replace(PLAN, **wrong)


def test_progress_goes_from_step_to_step() -> None:
    """Each step that is finished leaves the ones behind it; the phases of interrupted steps keep their own names."""
    progress = Progress(PLAN, "run", 1)
    total_s = 3 * 360.0 + 190.0
    assert (progress.phase, progress.left_s) == ("1-idle", total_s)
    progress = progress.beginning()
    assert (progress.phase, progress.next) == ("2-idle", PLAN.steps[0])
    progress = progress.beginning().finished("2-idle", 10, 20)
    assert (progress.phase, progress.left_s) == ("3-mid", total_s - 360.0)
    for n in range(3):
        progress = progress.beginning().finished(progress.phase, 30 + n, 40 + n)
    assert (progress.next, progress.phase, progress.left_s) == (None, "", 0.0)
    assert [(d.name, d.phase) for d in progress.done] == [
        ("idle", "2-idle"),
        ("mid", "3-mid"),
        ("full", "4-full"),
        (HELD_OUT, "5-held-out"),
    ]
    with pytest.raises(ValueError, match="done"):
        progress.finished("x", 1, 2)


def test_progress_survives_in_a_file() -> None:
    """What was written is what is read, gates too; another schema and an unknown key are refused."""
    gates = ({"gate": "clocks", "passed": None, "saw": "x", "next_step": "y", "accepted": True},)
    plan = replace(PLAN, idle_kind=IdleKind.BARE, reverse=True)
    progress = Progress(plan, "run", 5, 2, gates=gates).finished("1-idle", 7, 8, "mean 5 W")
    data = json.loads(json.dumps(progress.to_json()))
    assert Progress.from_json(data) == progress
    for wrong in ({**data, "schema": "other/1"}, {**data, "more": 1}, {**data, "run_id": 5}):
        with pytest.raises(FormatError):
            Progress.from_json(wrong)


def test_which_level_comes_nearer_to_the_middle() -> None:
    """As if the power went with the level: lower where mid lay too high, higher where it lay too low, and never idle or full."""
    assert better_mid(0.5, 0.8) == 0.31
    assert better_mid(0.5, 0.5) == 0.5
    assert better_mid(0.5, 0.2) == 0.95
    assert better_mid(0.4, 0.0) == 0.8
    assert better_mid(0.05, 0.9) == 0.05
