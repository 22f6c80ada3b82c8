"""Counter against power (SMP-9): both limits, the step of the counter, and idle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.runs import PhaseKind, Window
from joulemark.standard.case import Case
from tests.kit.small import COUNTER, POWER, at, case, judged, moving, shown, verdict

AT_S = np.arange(-130.0, 131.0)


def power() -> Series:
    """1000 W on average, never the same twice: a power that stands still beside a counter that moves is frozen."""
    return shown(AT_S, 1000.0 + (np.arange(len(AT_S)) % 2 - 0.5), POWER)


def counter(gain: float, *, step_j: float = 0.001, idle_w: float = 1000.0) -> Series:
    """`gain` times 1000 W in the phase, `idle_w` before it, in steps of `step_j`."""
    wave_j = 0.01 * np.sin(AT_S)  # else every count is a multiple of a second, and passes for a step
    energy_j = np.where(AT_S < 0.0, idle_w * AT_S, gain * 1000.0 * AT_S) + 200_000.0 + wave_j
    return shown(AT_S, np.floor(energy_j / step_j) * step_j, replace(COUNTER, step=round(step_j * 1000)))


@pytest.mark.parametrize(
    ("gain", "grade", "expected"),
    [
        (1.0299, "ES1", "pass"),
        (1.0301, "ES1", "fail"),
        (0.9701, "ES1", "pass"),
        (0.9699, "ES1", "fail"),
        (1.0099, "ES2", "pass"),
        (1.0101, "ES2", "fail"),
    ],
)
def test_how_far_both_may_part(gain: float, grade: str, expected: str) -> None:
    """3 % at ES1, 1 % at ES2, either way."""
    assert verdict("SMP-9", grade, case(power(), counter(gain))) == expected


@pytest.mark.parametrize(("step_j", "expected"), [(600.0, "fail"), (800.0, "n/a")])
def test_a_coarse_counter_is_not_held_against_power(step_j: float, expected: str) -> None:
    """Of 132 kJ a step of 600 J is less than 0.5 %, one of 800 J is more."""
    assert verdict("SMP-9", "ES1", case(power(), counter(1.1, step_j=step_j))) == expected


def test_idle_alone_is_a_warning() -> None:
    """Counter and power agree under load and part by a fifth while idle: reported, not failed."""
    found = case(power(), counter(1.0, idle_w=1200.0))
    assert found.evidence is not None
    idle = Window("idle", PhaseKind.IDLE_BEFORE, at(-120.0), at(-10.0))
    run = replace(found.evidence.run, windows=(idle, *found.evidence.run.windows))
    outcome = judged("SMP-9", "ES2", Case(found.folder, replace(found.evidence, run=run)))
    assert outcome.verdict == "warn"
    assert isinstance(outcome.measured, dict)
    assert outcome.measured["idle_difference"] == pytest.approx(0.2, rel=0.01)


def test_an_alignment_of_the_power_does_not_enter() -> None:
    """What was measured twice is held against itself as measured; see `Pair`."""
    outcome = judged("SMP-9", "ES2", case(power(), counter(1.0)))
    assert isinstance(outcome.measured, dict)
    assert outcome.measured["difference"] == pytest.approx(0.0, abs=1e-6)


def test_power_alone_has_nothing_to_agree_with() -> None:
    """Without a counter the rule does not apply."""
    assert verdict("SMP-9", "ES1", case(moving(AT_S))) == "n/a"
    assert isinstance(case(power()).evidence, Evidence)


def test_a_counter_that_does_not_reach_over_the_phase_cannot_be_held_against_power() -> None:
    """A counter that ends inside the phase, or was reset there, is one all the same: that both agree is not known."""
    whole = counter(1.0)
    reset = replace(whole, value=np.where(whole.t_ns < at(60.0), whole.value, whole.value - whole.value[185]))
    for broken in (whole.rows(whole.t_ns < at(60.0)), reset):
        assert verdict("SMP-9", "ES1", case(power(), broken)) == "cannot_tell"


def test_a_counter_that_stands_still_is_not_left_out() -> None:
    """A counter that never moved beside a power that did tells another energy, and so does one that hardly moved."""
    dead = shown(AT_S, 5000.0, COUNTER)
    assert verdict("SMP-9", "ES1", case(power(), dead)) == "cannot_tell"
    coarse = shown(AT_S, 360_000.0, replace(COUNTER, step=360_000_000))
    assert verdict("SMP-9", "ES1", case(power(), coarse)) == "n/a"
    assert verdict("SMP-9", "ES1", case(power(), counter(0.01, step_j=20.0))) == "fail"
