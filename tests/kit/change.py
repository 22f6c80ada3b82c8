"""Changes of good evidence, one place each, which spoils are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.node import Node, Nodes, Psu
from joulemark.readings import Boundary, Quantity

Change = Callable[[Evidence], Evidence]


def run_level(evidence: Evidence) -> str:
    """Which of the two laboratories made it."""
    return "ES2" if any(one.meter.boundary is Boundary.WALL_ANALYZER for one in evidence.series) else "ES1"


def is_headline(one: Series) -> bool:
    """Whether the stream is one of those that the headline of the good bundles is made of."""
    return one.meter.boundary in (Boundary.SERVER_INPUT, Boundary.WALL_ANALYZER) and one.meter.quantity is Quantity.POWER


def each_series(change: Callable[[Series], Series | None], *, where: Callable[[Series], bool] = is_headline) -> Change:
    """Every stream that `where` chooses, changed; left out where the change gives None."""

    def changed(evidence: Evidence) -> Evidence:
        kept = (change(one) if where(one) else one for one in evidence.series)
        return replace(evidence, series=tuple(one for one in kept if one is not None))

    return changed


def without(where: Callable[[Series], bool]) -> Change:
    """The evidence without some streams."""
    return each_series(lambda one: None, where=where)


def meters(*, where: Callable[[Series], bool] = is_headline, **fields: Any) -> Change:
    """Fields of the descriptions of some meters."""
    return each_series(lambda one: replace(one, meter=replace(one.meter, **fields)), where=where)


def unaligned(evidence: Evidence) -> Evidence:
    """The evidence without its alignments."""
    return replace(evidence, alignments=())


def chained(*changes: Change) -> Change:
    """One change after the other."""

    def changed(evidence: Evidence) -> Evidence:
        for change in changes:
            evidence = change(evidence)
        return evidence

    return changed


def nodes(change: Callable[[Nodes], Nodes]) -> Change:
    """The description of the nodes."""
    return lambda evidence: replace(evidence, nodes=change(evidence.nodes))


def of_nodes(**fields: Any) -> Change:
    """Fields of the description of the nodes."""
    return nodes(lambda found: replace(found, **fields))


def node(change: Callable[[Node], Node]) -> Change:
    """The one node of the kit."""
    return nodes(lambda found: replace(found, nodes=tuple(change(one) for one in found.nodes)))


def of_node(**fields: Any) -> Change:
    """Fields of the one node of the kit."""
    return node(lambda one: replace(one, **fields))


def psu(number: int = 0, **fields: Any) -> Change:
    """Fields of one power supply."""

    def changed(one: Node) -> Node:
        supplies: list[Psu] = list(one.psus or ())
        supplies[number] = replace(supplies[number], **fields)
        return replace(one, psus=tuple(supplies))

    return node(changed)


def scaled(factor: float) -> Callable[[Series], Series]:
    """A stream that shows so many times what it showed."""
    return lambda one: replace(one, value=np.round(one.value * factor).astype(np.int64))


def in_measured(evidence: Evidence, one: Series) -> Any:
    """Rows of a stream inside the measured phases, bool[n]."""
    rows = np.zeros(len(one), dtype=bool)
    for window in evidence.run.measured:
        rows |= (one.t_ns >= window.begin_ns) & (one.t_ns <= window.end_ns)
    return rows


def where_measured(change: Callable[[Series, Any], Series], *, where: Callable[[Series], bool] = is_headline) -> Change:
    """Some streams, changed with the rows inside the measured phases at hand."""
    return lambda evidence: each_series(lambda one: change(one, in_measured(evidence, one)), where=where)(evidence)


def is_quantity(quantity: Quantity, *, covers: Iterable[str] = ()) -> Callable[[Series], bool]:
    """Choose witnesses of one quantity, of those the ones that cover one of some things."""
    wanted = frozenset(covers)
    return lambda one: one.meter.quantity is quantity and (not wanted or bool(wanted & frozenset(one.meter.covers)))


def labelled(**labels: str) -> Change:
    """More labels of the run."""
    return lambda evidence: replace(evidence, run=replace(evidence.run, labels={**evidence.run.labels, **labels}))
