"""Energy of a run: its windows from the marks, its readings from the store, one result for each window and boundary."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from joulemark.cards.served import with_tokens
from joulemark.chain import Chain
from joulemark.collector.chain import chain_of
from joulemark.collector.placement import Axis, told
from joulemark.collector.recorded import Recorded, run_of
from joulemark.collector.store.axis import COLLECTOR
from joulemark.collector.store.base import ClockStep, HostState, ReadingStore, Stream, Surveyed
from joulemark.energy.cords import counting, named, uncovered
from joulemark.energy.edges import edges
from joulemark.energy.frozen import marked
from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.proto.messages import Loss
from joulemark.readings import Boundary
from joulemark.runs import Run
from joulemark.units import NS_PER_S

MARGIN_NS: Final = 90 * NS_PER_S
"""Readings are fetched this far beyond a window: an interpolated edge needs one on each side, of the slowest meter too."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A run and everything the store knows around it; `settled`: every meter that counts has spoken beyond its end.

    `states` and `losses` are those of the agents whose meters count, with what is `unheard`; `clock_steps` the collector's too,
    `own_states` its alone. `chain`: what was said of the run, with the times of its marks on the collector's axis. `surveys`: what the
    agents saw of their hosts.
    """

    run: Run
    series: tuple[Series, ...]
    states: tuple[HostState, ...]
    losses: tuple[tuple[str, Loss], ...]
    settled: bool
    clock_steps: tuple[ClockStep, ...] = ()
    own_states: tuple[HostState, ...] = ()
    chain: Chain = field(default_factory=Chain)
    surveys: tuple[Surveyed, ...] = ()


def run_with_axis(recorded: Recorded, store: ReadingStore, boot_id: str) -> Run:
    """The run on the collector's axis; steps of the clocks that count are findings."""
    return placed(recorded, store, boot_id)[0]


def placed(recorded: Recorded, store: ReadingStore, boot_id: str) -> tuple[Run, tuple[ClockStep, ...], Chain]:
    """The run on the collector's axis, the steps of its agents' clocks and of the collector's in its time, and the chain of its marks."""
    times = [t_ns for m in recorded.marks for t_ns in (m.utc_ns, m.received_ns, m.end_ns or m.utc_ns)]
    t0_ns, t1_ns = min(times, default=0) - MARGIN_NS, max(times, default=0) + MARGIN_NS
    streams, found = store.streams(), store.clock_steps(t0_ns, t1_ns)
    axis = Axis(boot_id, streams, store.states(t0_ns, t1_ns), axes=store.axes(), steps=found)
    run = run_of(recorded, axis)
    begin_ns, end_ns = min((w.begin_ns for w in run.windows), default=t0_ns), max((w.end_ns for w in run.windows), default=t1_ns)
    count = {COLLECTOR, *agents_of(recorded, streams)}
    steps = tuple(s for s in found if s.agent_id in count and s.t_ns + s.unc_ns >= begin_ns and s.t_ns - s.unc_ns <= end_ns)
    return replace(run, findings=(*run.findings, *told(steps))), steps, chain_of(recorded, axis)


def gather(recorded: Recorded, store: ReadingStore, boot_id: str) -> Gathered:
    """The run with its readings. Raises InsufficientData while it has no window or no reading lies around one."""
    run, steps, chain = placed(recorded, store, boot_id)
    if not run.windows:
        raise InsufficientData(f"run {run.run_id} has no finished phase", f"end its phase, or stop it: joulemark run stop {run.run_id}")
    begin_ns, end_ns = min(w.begin_ns for w in run.windows), max(w.end_ns for w in run.windows)
    streams = store.streams()
    agents = agents_of(recorded, streams)
    devices = store.devices(agents)
    meter_ids = [meter.meter_id for d in devices for meter in d.device.meters]
    series = tuple(store.series(meter_ids, begin_ns - MARGIN_NS, end_ns + MARGIN_NS))
    if not series:
        raise InsufficientData(f"no reading lies within run {run.run_id}", "check that an agent is connected: joulemark doctor")
    states = tuple(s for s in store.states(begin_ns, end_ns) if s.agent_id in agents)
    losses = [loss for loss in store.losses(begin_ns - MARGIN_NS, end_ns + MARGIN_NS) if loss[0] in agents]
    present = {one.meter.device_id for one in series}
    heard = {d.agent_id for d in devices if d.device.device_id in present}
    return Gathered(
        with_tokens(run, series),
        series,
        states,
        (*losses, *unheard(agents, streams, heard, begin_ns, end_ns), *unread(states, begin_ns, end_ns)),
        settled=settled(series, end_ns) and not any(pending([s for s in streams if s.agent_id == a], end_ns) for a in agents),
        clock_steps=steps,
        own_states=tuple(store.own_states(begin_ns, end_ns)),
        chain=chain,
        surveys=tuple(one for one in store.surveys(begin_ns, end_ns) if one.agent_id in agents),
    )


def unheard(
    agents: Collection[str], streams: Sequence[Stream], heard: Collection[str], begin_ns: int, end_ns: int
) -> list[tuple[str, Loss]]:
    """A loss of unknown size for each agent that counts and of which something is not here, or the whole run never was.

    What is missing stands nowhere among the series, so that their sum would pass for all there is.
    """
    reasons = {agent_id: pending([s for s in streams if s.agent_id == agent_id], end_ns) for agent_id in sorted(agents)}
    reasons |= {
        agent_id: "no reading of this agent lies within the run" for agent_id, why in reasons.items() if not why and agent_id not in heard
    }
    return [(agent_id, Loss("", 0, begin_ns, end_ns, reason)) for agent_id, reason in reasons.items() if reason]


def pending(streams: Sequence[Stream], end_ns: int) -> str:
    """Why readings up to `end_ns`, or losses among them, may still arrive on the `streams` of an agent; empty when none do.

    A loss is told by a batch that was closed after it happened: behind everything that waits in the spool.
    """
    last_ns = max((s.last_ns for s in streams), default=0)
    if last_ns <= end_ns:
        return "its newest reading is from before the end of the run: not arrived, or never read"
    if max(s.last_rx_ns for s in streams) - last_ns > MARGIN_NS:
        return "its spool is still being delivered: losses may be told at the end"
    return ""


def unread(states: Sequence[HostState], begin_ns: int, end_ns: int) -> list[tuple[str, Loss]]:
    """A loss of unknown size for each meter that an agent is to read and that it could not open since its start."""
    last = {state.agent_id: state for state in states}
    return [
        (agent_id, Loss("", 0, begin_ns, end_ns, f"meter {cost.source} was never read: it cannot be opened"))
        for agent_id, state in sorted(last.items())
        for cost in state.overhead.meters
        if not cost.read_count and cost.error_count
    ]


def settled(series: Sequence[Series], end_ns: int) -> bool:
    """Whether every meter has a reading, or a dated gap, at or after `end_ns`: a counter may refresh later than it is read."""
    latest: dict[str, int] = {}
    for one in series:
        if len(one):
            latest[one.meter.meter_id] = max(latest.get(one.meter.meter_id, 0), int(one.t_ns[-1]))
    return all(t_ns >= end_ns for t_ns in latest.values())


def energy_json(gathered: Gathered) -> dict[str, Any]:
    """Energy of every window at every boundary, `joulemark.energy/1`. Raises InsufficientData when none has any."""
    run = gathered.run
    series = marked([one for one in gathered.series if one.meter.quantity.measures_energy])
    phases, findings = phases_of(run, by_boundary(series), cords=named(series))
    if not phases:
        raise InsufficientData(f"run {run.run_id} has no energy: {' '.join(findings)}", "record from before each phase until after it")
    warning = edges(series, run.windows).finding(run.clock)
    return {
        "schema": "joulemark.energy/1",
        "run_id": run.run_id,
        "benchmark": run.benchmark,
        "settled": gathered.settled,
        "phases": [phase.to_json() for phase in phases],
        "findings": [*run.findings, *findings, *([warning] if warning else []), *lost(gathered.losses)],
    }


def lost(losses: Sequence[tuple[str, Loss]]) -> list[str]:
    """In words how many samples each agent lost around the run, by reason."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(list)
    for agent_id, loss in losses:
        counts[agent_id, loss.reason].append(loss.sample_count)
    return [
        f"Agent {agent_id} lost {sum(found) if all(found) else 'an unknown number of'} samples in or near the run: {reason}."
        for (agent_id, reason), found in counts.items()
    ]


def phases_of(run: Run, levels: Mapping[Boundary, Sequence[Series]], *, cords: Sequence[str] = ()) -> tuple[list[PhaseEnergy], list[str]]:
    """Energy of each window at each boundary, and in words the ones that have none.

    The clock bounds are in already: the marks' in the windows, the agents' in the series.
    """
    phases, findings = [], []
    for window in run.windows:
        for boundary, level in levels.items():
            try:
                counts = counting(level, cords)
                phases.append(measure(window, counts, uncovered=uncovered(counts, cords)))
            except (InsufficientData, UsageError) as error:
                findings.append(f"No energy at {boundary}: {error}")
    return phases, findings


def by_boundary(series: Sequence[Series]) -> dict[Boundary, list[Series]]:
    """Series by boundary: energies of different levels are never added up."""
    levels: dict[Boundary, list[Series]] = defaultdict(list)
    for one in series:
        levels[one.meter.boundary].append(one)
    return levels


def agents_of(recorded: Recorded, streams: Sequence[Stream]) -> frozenset[str]:
    """Whose meters count: the agents the client named, else those on the hosts that set marks, else all."""
    return agents_on(recorded.agents, recorded.boot_ids, streams)


def agents_on(named: Collection[str], boot_ids: Collection[str], streams: Sequence[Stream]) -> frozenset[str]:
    """The same of a run of which these are known."""
    if named:
        return frozenset(named)
    local = frozenset(s.agent_id for s in streams if s.boot_id in boot_ids)
    return local or frozenset(s.agent_id for s in streams)


def newest(streams: Sequence[Stream]) -> list[Stream]:
    """The latest epoch of each agent."""
    return list({s.agent_id: s for s in sorted(streams, key=lambda s: s.epoch_ns)}.values())
