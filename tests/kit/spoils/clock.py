"""What may be wrong by the rules CLK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.readings import Quantity
from joulemark.runs import PhaseKind
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import Spoil
from tests.kit.spoils.sampling import NS, at, leads

Clock = dict[str, Any]


def told(change: Callable[[str, Clock, Evidence], Clock | None]) -> Callable[[Evidence], Evidence]:
    """Evidence with what each host says of its clock changed; None for a host that says nothing."""

    def spoil(evidence: Evidence) -> Evidence:
        found = {name: change(name, dict(clock), evidence) for name, clock in evidence.clocks.items()}
        return replace(evidence, clocks={name: clock for name, clock in found.items() if clock is not None})

    return spoil


def of_role(role: str, **facts: object) -> Callable[[Evidence], Evidence]:
    """Every state of the hosts of one role with other facts; a fact that is None is left out."""

    def change(name: str, clock: Clock, evidence: Evidence) -> Clock:
        del name, evidence
        if clock["role"] != role:
            return clock
        return {**clock, "states": [known({**state, **facts}) for state in clock["states"]]}

    return told(change)


def known(facts: Mapping[str, object]) -> dict[str, object]:
    """What is not None."""
    return {name: fact for name, fact in facts.items() if fact is not None}


def kept(keep: Callable[[int, Evidence], bool]) -> Callable[[Evidence], Evidence]:
    """Only the states at the times that `keep` chooses, of every host."""

    def change(name: str, clock: Clock, evidence: Evidence) -> Clock:
        del name
        return {**clock, "states": [state for state in clock["states"] if keep(state["t_ns"], evidence)]}

    return told(change)


def unprobed(evidence: Evidence) -> Evidence:
    """Nobody answers the agents' probes during the first repetition: their count stands."""

    def change(name: str, clock: Clock, evidence: Evidence) -> Clock:
        del name
        silent = [state for state in clock["states"] if at(evidence, 5.0) <= state["t_ns"] <= at(evidence, -5.0)]
        count = min(state["probe_count"] for state in silent) - 8
        return {**clock, "states": [{**state, "probe_count": count} if state in silent else state for state in clock["states"]]}

    return told(change)(evidence)


def stepped(step_ns: int) -> Callable[[Evidence], Evidence]:
    """The UTC of the agent's host jumps in the first repetition."""

    def spoil(evidence: Evidence) -> Evidence:
        step = {"agent_id": "node-1", "t_ns": at(evidence, 40.0), "unc_ns": 1_000_000, "step_ns": step_ns}
        return replace(evidence, clock_steps=(step,))

    return spoil


def vague(unc_ns: int) -> Callable[[Evidence], Evidence]:
    """The marks come from a clock that nobody kept."""

    def spoil(evidence: Evidence) -> Evidence:
        windows = tuple(replace(one, unc_ns=unc_ns) for one in evidence.run.windows)
        return replace(evidence, run=replace(evidence.run, windows=windows))

    return spoil


def late(seconds: float) -> Callable[[Evidence], Evidence]:
    """The headline is late by so much more, and no alignment says so."""

    def spoil(evidence: Evidence) -> Evidence:
        shift = round(seconds * NS)
        series = []
        for one in evidence.series:
            if leads(one):
                assert one.t_read0_ns is not None
                assert one.t_read1_ns is not None
                moved = {"t_ns": one.t_ns + shift, "t_read0_ns": one.t_read0_ns + shift, "t_read1_ns": one.t_read1_ns + shift}
                series.append(replace(one, **moved))
            else:
                series.append(one)
        return replace(evidence, series=tuple(series), alignments=())

    return spoil


def without_steps(evidence: Evidence) -> Evidence:
    """No stream of a GPU shows the load, and no alignment knows the sensor."""
    series = []
    for one in evidence.series:
        still = one.meter.kind == "nvml" and one.meter.quantity is Quantity.POWER
        series.append(replace(one, value=np.full(len(one), 90_000, dtype=np.int64)) if still else one)
    return replace(evidence, series=tuple(series), alignments=())


def never_idle(evidence: Evidence) -> Evidence:
    """Nobody marked a phase without load."""
    idle = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)
    return replace(evidence, run=replace(evidence.run, windows=tuple(one for one in evidence.run.windows if one.kind not in idle)))


def without_states(name: str, clock: Clock, evidence: Evidence) -> Clock:
    """Only the last word of each host, as bundles had it before the standard."""
    del name, evidence
    return {key: value for key, value in clock.items() if key not in ("states", "role")}


def hidden(evidence: Evidence) -> Evidence:
    """The clocks of who reads no GPU are there; the one of who reads the node or its cords is left out."""
    return replace(evidence, clocks={name: clock for name, clock in evidence.clocks.items() if name not in readers(evidence)})


def readers(evidence: Evidence) -> set[str]:
    """The hosts that read power outside the GPUs."""
    return {one.meter.host for one in evidence.series if one.meter.kind != "nvml" and one.meter.quantity is Quantity.POWER}


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("CLK-1", "nothing keeps the clock", of_role("agent", discipline="")),
    Spoil("CLK-1", "nothing keeps the clock of the collector", of_role("collector", discipline="")),
    Spoil("CLK-1", "not synchronised", of_role("agent", kernel_synchronized=False), verdict=Verdict.WARN),
    Spoil("CLK-1", "synchronised or not", of_role("agent", kernel_synchronized=None), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-1", "no states", told(without_states), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-1", "no collector", told(lambda _, c, __: None if c["role"] == "collector" else c), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-1", "at the begin alone", kept(lambda t_ns, e: t_ns < at(e, 5.0)), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-1", "clock of the reader left out", hidden, verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-2", "loose", of_role("agent", bound_ns=251_000_000)),
    Spoil("CLK-2", "loose for a meter", of_role("agent", bound_ns=51_000_000), grades=("ES2",)),
    Spoil("CLK-2", "unprobed and loose", of_role("agent", probe_count=0, offset_ns=-200_000_000, discipline_bound_ns=60_000_000)),
    Spoil("CLK-2", "unprobed and tight", of_role("agent", probe_count=0, offset_ns=2_000_000), verdict=Verdict.PASS),
    Spoil("CLK-2", "marks of another clock", vague(300_000_000)),
    Spoil("CLK-2", "clock of the reader left out", hidden, verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-2", "never compared", of_role("agent", probe_count=0, discipline_bound_ns=None), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-3", "far off", of_role("agent", offset_ns=260_000_000)),
    Spoil("CLK-3", "no probe in a repetition", unprobed),
    Spoil("CLK-3", "step", stepped(-20_000_000)),
    Spoil("CLK-3", "small step", stepped(9_000_000), verdict=Verdict.PASS),
    Spoil("CLK-3", "clock of the reader left out", hidden, verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-3", "no probe afterwards", kept(lambda t_ns, e: t_ns < at(e, -5.0)), verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-4", "late", late(1.2)),
    Spoil("CLK-4", "a third of a second late", late(0.33), grades=("ES2",)),
    Spoil("CLK-4", "no step of the load", without_steps, verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-5", "late", late(1.5)),
    Spoil("CLK-5", "loose", of_role("agent", bound_ns=1_100_000_000)),
    Spoil("CLK-5", "no idle phase", never_idle, verdict=Verdict.CANNOT_TELL),
    Spoil("CLK-5", "never compared", of_role("agent", probe_count=0, discipline_bound_ns=None), verdict=Verdict.CANNOT_TELL),
)
