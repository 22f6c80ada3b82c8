"""The chain of a run: its marks in the order in which they were heard of, each hashed as it came.

A mark is hashed with the client's own time, since where that lies on the collector's axis is known only later. The moved times stand
together in one event `placed` at the end, so that the chain of any earlier moment is the beginning of the final one, and a receipt
given then holds for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from joulemark.chain import MARK, PLACED, RUN, Chain, moved_name
from joulemark.collector.recorded import Axis, Edge, Mark, Recorded, placement
from joulemark.runs import PhaseKind

WHOLE = "measured"
"""Name of the only phase of a run that marks none."""


@dataclass(frozen=True, slots=True)
class Said:
    """One edge of a phase as a client said it: `mark.utc_ns` is that edge."""

    phase: str
    kind: PhaseKind
    edge: Edge
    mark: Mark


def heard(recorded: Recorded) -> Chain:
    """The chain without the times that placement gives; empty before the run was started. More marks only make it longer."""
    start = recorded.first(Edge.START)
    if start is None:
        return Chain()
    labels = {f"label.{key}": value for key, value in sorted(recorded.labels.items())}
    facts: dict[str, str | int | None] = {"run_id": recorded.run_id, "benchmark": recorded.benchmark, **labels}
    chain = Chain().appended(RUN, facts, t_ns=start.received_ns)
    for one in said(recorded):
        data: dict[str, str | int | None] = {
            "phase": one.phase,
            "kind": str(one.kind),
            "edge": str(one.edge),
            "utc_ns": one.mark.utc_ns,
        }
        chain = chain.appended(MARK, data, t_ns=max(one.mark.received_ns, chain.events[-1].t_ns))
    return chain


def chain_of(recorded: Recorded, axis: Axis) -> Chain:
    """The chain with an event `placed`, with the times of marks on the collector's axis, where any time was moved."""
    chain = heard(recorded)
    marks = zip(chain.of_kind(MARK), said(recorded), strict=True) if chain.events else ()
    placed = ((event, placement(one.mark, axis)[0]) for event, one in marks)
    moved = {moved_name(event.seq): t_ns for event, t_ns in placed if t_ns != event.data["utc_ns"]}
    return chain.appended(PLACED, moved, t_ns=chain.events[-1].t_ns) if moved else chain


def said(recorded: Recorded) -> Iterator[Said]:
    """Every edge of a phase in the order of hearing. A stop ends the phases that are open then, and without any phase the whole run."""
    opened: dict[str, PhaseKind] = {}
    any_phase = False
    for mark in sorted(recorded.marks, key=lambda m: m.received_ns):
        if mark.edge is Edge.BEGIN:
            opened[mark.name] = mark.kind
            yield Said(mark.name, mark.kind, Edge.BEGIN, mark)
        elif mark.edge is Edge.END:
            yield Said(mark.name, opened.pop(mark.name, mark.kind), Edge.END, mark)
        elif mark.edge is Edge.WINDOW and mark.end_ns is not None:
            yield Said(mark.name, mark.kind, Edge.BEGIN, mark)
            yield Said(mark.name, mark.kind, Edge.END, replace(mark, utc_ns=mark.end_ns))
        elif mark.edge is Edge.STOP:
            if not any_phase and (start := recorded.first(Edge.START)) is not None:
                yield Said(WHOLE, PhaseKind.MEASURED, Edge.BEGIN, replace(start, received_ns=mark.received_ns))
                opened = {WHOLE: PhaseKind.MEASURED}
            for name, kind in opened.items():
                yield Said(name, kind, Edge.END, mark)
            opened = {}
        any_phase = any_phase or mark.edge in (Edge.BEGIN, Edge.WINDOW)
