"""A smoke of the accuracy of short phases: the way of ours, the arithmetic of the truth, and the judgement without the other tools."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.bench.engine import accuracy
from tests.bench.engine.accuracy import HALF_NS, Found

BEGIN_NS = 1_790_000_000_123_456_789


def found(name: str, *, off: float, u95_j: float | None = 1.0) -> Found:
    """A phase of the length in its name whose energy is wrong by the share `off`."""
    bare = Found(name, BEGIN_NS, BEGIN_NS + round(float(name.partition(" ")[0]) * 1e9), 0.0, u95_j)
    return replace(bare, energy_j=bare.true_j * (1 + off))


def test_the_truth_is_that_of_the_wave() -> None:
    """Level by level it is what the stand-in's own description gives, and half of each level over whole periods."""
    wave = accuracy.wave()
    for length_ns in (1, 350_000_000, HALF_NS, 9_600_000_001):
        true_j = accuracy.true_mw_ns(BEGIN_NS, BEGIN_NS + length_ns) / 1e12
        assert true_j == pytest.approx(wave.energy_j(BEGIN_NS, BEGIN_NS + length_ns), rel=1e-12)
    assert accuracy.true_mw_ns(BEGIN_NS, BEGIN_NS + 4 * HALF_NS) == 4 * HALF_NS * (accuracy.LOW_MW + accuracy.HIGH_MW) // 2


def test_a_plan_is_one_timeline() -> None:
    """Every length as often as was asked, none before the one before it has ended, the same for a seed."""
    plan = accuracy.planned(7, 3, accuracy.LENGTHS_S, BEGIN_NS)
    assert plan == accuracy.planned(7, 3, accuracy.LENGTHS_S, BEGIN_NS) != accuracy.planned(8, 3, accuracy.LENGTHS_S, BEGIN_NS)
    assert sorted(round((end_ns - begin_ns) / 1e9, 6) for _, begin_ns, end_ns in plan) == sorted(accuracy.LENGTHS_S * 3)
    assert all(before[2] < after[1] for before, after in pairwise(plan))


def test_the_better_path_of_a_rival_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Medians by length; the best of all rivals is the measure; a wave that is not the one that was shown turns it red."""
    told = {
        "ours default": [found(f"0.35 {i}", off=off) for i, off in enumerate((0.001, 0.002, 0.5))],
        "Zeus window": [found("0.35 0", off=0.1, u95_j=None)],
        "Zeus power, default": [found("0.35 0", off=-1.0, u95_j=None)],
        "AIPerf default": [found("0.35 0", off=0.05, u95_j=None)],
        "AIPerf 20 Hz": [found("0.35 0", off=0.0001, u95_j=None)],
    }
    goals = accuracy.judged(told)
    assert [(goal.id, goal.met) for goal in goals] == [("E10a", True), ("E10j", False), ("E10i", False)]
    assert [goal.figure for goal in goals] == [pytest.approx(0.002 / 0.05), pytest.approx(0.2), pytest.approx(200 / 3)]
    assert accuracy.judged({"ours 20 Hz": told["ours default"]})[0].not_run
    monkeypatch.setenv("MUTATE", "shift")
    assert not any(goal.met for goal in accuracy.judged(told))


def test_a_smoke_is_clear_of_turns() -> None:
    """However the plan falls, no mark stands in a refresh in which the wave turns over, also 50 ms late; the order and lengths stay."""
    for seed in range(40):
        plan = accuracy.planned(seed, 3, accuracy.LENGTHS_S[:2], BEGIN_NS + seed * 17_000_000)
        moved = accuracy.clear(plan)
        assert [(name, end_ns - begin_ns) for name, begin_ns, end_ns in moved] == [(name, end - begin) for name, begin, end in plan]
        assert all(before[2] < after[1] for before, after in pairwise(moved))
        for _, *marks_ns in moved:
            assert all((at_ns - 100_000_000) // HALF_NS == (at_ns + 150_000_000) // HALF_NS for at_ns in marks_ns)


def test_a_phase_goes_the_whole_way() -> None:
    """Marks, agent, collector and card of six short phases: the truth within U95, and the middle one of each length right to half a
    per cent. A machine that is busy may hold a read up for longer than a refresh: then one phase is less sure, and says so.
    """
    [*each, middle, coverage] = accuracy.goals("smoke")
    assert len(each) == 2
    assert all(goal.not_run for goal in each)
    assert coverage.met, coverage.beside
    assert middle.figure < 0.5, coverage.beside
