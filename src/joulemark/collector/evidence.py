"""From what the store knows of a run to the evidence of its card."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, replace

from joulemark.cards.evidence import Aligned, Evidence, counted
from joulemark.collector.alignments import Alignments
from joulemark.collector.clocks import clocks_of
from joulemark.collector.documents import Documents
from joulemark.collector.measure import Gathered
from joulemark.collector.nodes import nodes_of
from joulemark.collector.overhead import overhead_of
from joulemark.collector.store.base import HostState
from joulemark.config import Config
from joulemark.pricing import kept, sources
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import Run
from joulemark.standard.edition import versions
from joulemark.timebase import Clock


def evidence_of(gathered: Gathered, prices: Snapshot, told: Documents | None = None, alignments: tuple[Aligned, ...] = ()) -> Evidence:
    """Everything the card of a run is made from; `told`: what was handed in for it; `alignments`: of its meters.

    Raises what `Evidence.gathered` does.
    """
    told = told or Documents()
    by_host: dict[str, list[HostState]] = defaultdict(list)
    for state in gathered.states:
        by_host[state.agent_id].append(state)
    return Evidence.gathered(
        gathered.run,
        gathered.series,
        prices,
        limits=sources.limits(),
        clocks=clocks_of(by_host, gathered.own_states),
        losses=tuple({"agent_id": agent_id, **asdict(loss)} for agent_id, loss in gathered.losses),
        overhead={host: overhead_of(states) for host, states in by_host.items()},
        clock_steps=tuple(asdict(step) for step in gathered.clock_steps),
        nodes=nodes_of(gathered.surveys, told.nodes),
        rule_set=versions()[-1],
        workload=told.workload,
        requests=told.requests,
        meter_log=told.meter_log,
        alignments=alignments,
        chain=replace(gathered.chain, receipts=told.receipts),
    )


def alignments_of(gathered: Gathered, kept: Alignments) -> tuple[Aligned, ...]:
    """For each meter of a run the alignment that was in force when its first phase began. Raises FormatError for a damaged one."""
    return kept.in_force({one.meter.meter_id for one in gathered.series}, counted(gathered.run)[0].begin_ns)


def known_prices(config: Config, clock: Clock, run: Run) -> Snapshot:
    """The prices of the machine that the labels of `run` name, in every region, and tariffs, rates and intensities of its time.

    Before the first price of a list these are the ones that come with Joulemark. Raises what `kept.known` does.
    """
    during = (min(w.begin_ns for w in run.windows), max(w.end_ns for w in run.windows)) if run.windows else None
    return kept.known(config, clock, during=during, instance_type=run.labels.get("instance_type", ""))
