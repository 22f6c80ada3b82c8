"""The nodes of a run: what agents saw of their hosts around it, and what was handed in for it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace

from joulemark import __version__, build, document
from joulemark.collector.store.base import Surveyed
from joulemark.node import Build, Node, Nodes, Settings


def nodes_of(surveys: Sequence[Surveyed], given: Nodes | None) -> Nodes:
    """One node for each host, as last seen, with its settings and surveys in order; what was `given` goes before what was seen.

    Raises FormatError for a survey that the store should never have taken.
    """
    seen = [dated(one) for one in surveys]
    given = given or Nodes()
    hosts = list(dict.fromkeys(node.host for nodes in (*seen, given) for node in nodes.nodes))
    if not hosts:
        return given
    every = [*seen, given]
    counts = {one.participating for one in every if one.participating is not None}
    return Nodes(
        tuple(joined([node for nodes in every for node in nodes.nodes if node.host == host]) for host in hosts),
        participating=given.participating if given.participating is not None else counts.pop() if len(counts) == 1 else None,
        extrapolated=given.extrapolated,
        chosen_at_random=given.chosen_at_random,
        components=next((one.components for one in reversed(every) if one.components is not None), None),
        builds=tuple(dict.fromkeys((*(b for one in every for b in one.builds), own_build()))),
        overheads=tuple(dict.fromkeys(cost for one in every for cost in one.overheads)),
    )


def dated(one: Surveyed) -> Nodes:
    """The nodes of a survey, its times on the axis."""
    nodes = Nodes.from_json(document.json_object(one.body, where="a stored survey"))
    moved = (
        replace(
            node,
            settings=tuple(replace(settings, t_ns=one.t_ns) for settings in node.settings),
            surveys=tuple(replace(survey, t_ns=one.t_ns) for survey in node.surveys),
        )
        for node in nodes.nodes
    )
    return replace(nodes, nodes=tuple(moved))


def joined(looks: Sequence[Node]) -> Node:
    """One node out of several looks at it, the last one's facts before those of earlier ones."""
    node = looks[0]
    for look in looks[1:]:
        node = node.completed(look)
    settings = sorted((one for look in looks for one in look.settings), key=lambda one: one.t_ns)
    surveys = sorted((one for look in looks for one in look.surveys), key=lambda one: one.t_ns)
    return replace(node, settings=tuple(telling(settings)), surveys=tuple(surveys))


def telling(settings: Sequence[Settings]) -> Iterable[Settings]:
    """The first, the last, and those that differ from the one before them."""
    for place, one in enumerate(settings):
        if place in (0, len(settings) - 1) or one.values != settings[place - 1].values:
            yield one


def own_build() -> Build:
    """The collector's."""
    return Build("collector", socket.gethostname(), __version__, build.source_sha256())
