"""Rules CLK at their limits, on the bundles of the kit with one fact changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from joulemark.cards.evidence import Evidence
from joulemark.runs import PhaseKind
from joulemark.standard.case import Case
from joulemark.standard.checks.clock import CHECKS, covers, largest_step, longest_s
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Outcome
from tests.kit.small import NS, case, judged, moving, verdict
from tests.kit.spoil import good
from tests.kit.spoils.clock import Clock, kept, late, of_role, stepped, told, vague

Spoiling = Callable[[Evidence], Evidence]


def on(spoil: Spoiling | None, level: str) -> Case:
    """The good bundle of a level, spoilt or not; checks of clocks look at no file."""
    evidence = good(level)
    return Case(Path(), evidence if spoil is None else spoil(evidence))


@cache
def sound(level: str) -> Case:
    """The good bundle of a level."""
    return on(None, level)


@pytest.mark.parametrize("rule_id", CHECKS)
@pytest.mark.parametrize("grade", ["ES1", "ES2"])
def test_nothing_is_passed_without_evidence(rule_id: str, grade: str) -> None:
    """Without a phase, without a clock and without any evidence nothing can be told."""
    for nothing in (Case(Path(), None), case(), case(moving(range(-20, 140)))):
        assert verdict(rule_id, grade, nothing) == "cannot_tell"


@pytest.mark.parametrize(
    ("bound_ns", "grade", "expected"),
    [(250_000_000, "ES1", "pass"), (250_000_001, "ES1", "fail"), (50_000_000, "ES2", "pass"), (50_000_001, "ES2", "fail")],
)
@pytest.mark.parametrize("of", ["agents", "marks"])
def test_the_bound_of_a_clock(of: str, bound_ns: int, grade: str, expected: str) -> None:
    """CLK-2: 250 ms and 50 ms, of the agents as of the clock that dated the marks."""
    spoil = of_role("agent", bound_ns=bound_ns) if of == "agents" else vague(bound_ns)
    assert verdict("CLK-2", grade, on(spoil, grade)) == expected


def test_the_bound_of_the_readings_counts() -> None:
    """CLK-2: a stream that says of itself how far its times may be off."""

    def loose(evidence: Evidence) -> Evidence:
        return replace(evidence, series=tuple(replace(one, clock_bound_ns=300_000_000) for one in evidence.series))

    outcome = judged("CLK-2", "ES1", on(loose, "ES1"))
    assert outcome.verdict == "fail"
    assert outcome.measured == {"bound_s": 0.3, "clock": "readings"}


def test_one_loose_state_among_good_ones_decides() -> None:
    """CLK-2 and CLK-3: the worst state of the run, not the last one."""

    def once(name: str, clock: Clock, evidence: Evidence) -> Clock:
        del evidence
        states = list(clock["states"])
        states[len(states) // 2] = {**states[len(states) // 2], "bound_ns": 400_000_000}
        return {**clock, "states": states} if name == "node-1" else clock

    assert [verdict(rule_id, "ES1", on(told(once), "ES1")) for rule_id in ("CLK-2", "CLK-3")] == ["fail", "fail"]


@pytest.mark.parametrize(
    ("offset_ns", "grade", "expected"),
    [(248_000_000, "ES1", "pass"), (-248_000_001, "ES1", "fail"), (48_000_000, "ES2", "pass"), (48_000_001, "ES2", "fail")],
)
def test_how_far_the_probes_see_both_clocks_apart(offset_ns: int, grade: str, expected: str) -> None:
    """CLK-3: the difference itself and the 2 ms by which it is uncertain, either way."""
    assert verdict("CLK-3", grade, on(of_role("agent", offset_ns=offset_ns), grade)) == expected


@pytest.mark.parametrize(("step_ns", "expected"), [(10_000_000, "pass"), (-10_000_001, "fail")])
def test_a_step_of_the_clock(step_ns: int, expected: str) -> None:
    """CLK-3: ten milliseconds, either way."""
    found = on(stepped(step_ns), "ES2")
    assert verdict("CLK-3", "ES2", found) == expected
    assert largest_step(found) == (pytest.approx(0.01), "node-1")


def test_probes_every_minute() -> None:
    """CLK-3: of states every 40 s none may be without a new probe; the same states with probes in them pass."""
    assert verdict("CLK-3", "ES1", sound("ES1")) == "pass"
    thinned = kept(lambda t_ns, e: (t_ns - e.run.windows[0].begin_ns) // (40 * NS) % 2 == 0)
    assert "not probed for 80 s" in judged("CLK-3", "ES1", on(thinned, "ES1")).detail


@pytest.mark.parametrize(("probes_s", "expected"), [([0, 60, 120], 60.0), ([0, 61, 120], 61.0), ([-100, 0, 60, 120, 300], 60.0)])
def test_the_longest_time_without_a_probe(probes_s: list[int], expected: float) -> None:
    """Only what reaches into the span counts, and each side of it has to be covered."""
    t_ns = [second * NS for second in probes_s]
    assert longest_s(t_ns, 0, 120 * NS) == expected
    assert covers(t_ns, 0, 120 * NS)
    assert not covers(t_ns, t_ns[0] - 1, 120 * NS)
    assert not covers(t_ns, 0, t_ns[-1] + 1)
    assert not covers([], 0, 1)


def residual_s(outcome: Outcome) -> float:
    """What CLK-4 measured."""
    assert isinstance(outcome.measured, dict)
    return float(outcome.measured["residual_s"] or 0.0)


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.3, -0.3])
def test_what_is_left_of_a_lag(late_s: float) -> None:
    """CLK-4: a stream that is late by x and that nothing corrects has x left, besides what is not known of it; 0.25 s is the limit."""
    outcome = judged("CLK-4", "ES2", on(late(late_s), "ES2"))
    assert residual_s(outcome) == pytest.approx(abs(late_s) + 0.1, abs=0.06)
    assert outcome.verdict == ("pass" if residual_s(outcome) <= 0.25 else "fail")


def test_an_alignment_corrects_the_lag_that_it_found() -> None:
    """CLK-4: the BMC is 1.3 s late, which its alignment says; without it nobody does."""
    assert residual_s(judged("CLK-4", "ES1", sound("ES1"))) < 0.3
    bare = judged("CLK-4", "ES1", on(late(0.0), "ES1"))
    assert residual_s(bare) > 1.2
    assert bare.verdict == "fail"


@pytest.mark.parametrize(("repetitions", "expected"), [(1, "fail"), (2, "pass")])
def test_three_edges(repetitions: int, expected: str) -> None:
    """CLK-4 at ES2: one repetition has two edges, two have four; at ES1 one edge is enough."""
    names = {f"{phase}-{n + 1}" for n in range(repetitions) for phase in ("warmup", "measured", "cooldown")}

    def fewer(evidence: Evidence) -> Evidence:
        idle = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)
        windows = tuple(one for one in evidence.run.windows if one.name in names or one.kind in idle)
        return replace(evidence, run=replace(evidence.run, windows=windows))

    assert verdict("CLK-4", "ES2", on(fewer, "ES2")) == expected
    assert verdict("CLK-4", "ES1", on(fewer, "ES2")) == "pass"


@pytest.mark.parametrize("grade", ["ES1", "ES2"])
@pytest.mark.parametrize(("share", "expected"), [(0.99, "pass"), (1.01, "fail")])
def test_the_timing_error(grade: str, share: float, expected: str) -> None:
    """CLK-5: with the bound of the marks' clock such that the error is just below its limit, or just above."""
    outcome = judged("CLK-5", grade, sound(grade))
    assert isinstance(outcome.measured, dict)
    error, delta_s = float(outcome.measured["error"] or 0.0), float(outcome.measured["delta_s"] or 0.0)
    wanted_s = share * edition().rule("CLK-5").limit(grade, "error") / (error / delta_s)
    bound_s = wanted_s - (delta_s - 0.002)  # what is not the bound of a clock is the latency
    assert verdict("CLK-5", grade, on(vague(round(bound_s * NS)), grade)) == expected


@pytest.mark.parametrize("fact", ["offset_ns", "bound_ns"])
def test_a_probe_without_its_result_is_no_agreement(fact: str) -> None:
    """A host that was probed, and does not tell offset or bound, is not 0 away from the collector (CLK-3)."""
    assert verdict("CLK-3", "ES1", on(of_role("agent", **{fact: None}), "ES1")) == "cannot_tell"


@pytest.mark.parametrize("step", [{"step_ns": None}, {"step_ns": "many"}, {}])
def test_a_step_of_unknown_size_is_not_none(step: dict[str, object]) -> None:
    """A step that does not tell its size in whole nanoseconds ends no run, and is not taken for 0 (CLK-3)."""
    found = on(lambda evidence: replace(evidence, clock_steps=({"agent_id": "node-1", "t_ns": 1, **step},)), "ES1")
    assert verdict("CLK-3", "ES1", found) == "cannot_tell"


@pytest.mark.parametrize("rule_id", ["CLK-1", "CLK-2", "CLK-3", "CLK-5"])
def test_one_clock_is_the_collectors(rule_id: str) -> None:
    """An agent that calls its clock the collector's does not escape being held against it."""

    def renamed(name: str, clock: Clock, evidence: Evidence) -> Clock:
        del evidence
        return {**clock, "role": "collector"} if name == "node-1" else clock

    assert verdict(rule_id, "ES1", on(told(renamed), "ES1")) == "cannot_tell"
