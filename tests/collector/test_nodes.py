"""The nodes of a run from looks at them and from what was handed in."""

from __future__ import annotations

import json

from joulemark.collector.nodes import nodes_of, own_build
from joulemark.collector.store.base import Surveyed
from joulemark.node import Build, Component, Node, Nodes, Psu, Settings, Survey


def look(t_ns: int, *, cap: str = "700", strangers: tuple[str, ...] = (), host: str = "h") -> Surveyed:
    """A look at `t_ns` on the axis by an agent whose clock is elsewhere."""
    node = Node(host, serial="S1", kernel=f"k{t_ns}", settings=(Settings(999, {"power_cap_w": cap}),), surveys=(Survey(999, strangers),))
    return Surveyed(host, t_ns, json.dumps(Nodes((node,), participating=1, builds=(Build("agent", host, "1", "aa"),)).to_json()))


def test_looks_become_one_node_with_times_on_the_axis() -> None:
    """The last look's facts hold; settings are told where they changed and at both ends, surveys all."""
    nodes = nodes_of([look(10), look(20), look(30, cap="500"), look(40, cap="500"), look(50, cap="500", strangers=("x",))], None)
    (node,) = nodes.nodes
    assert (node.kernel, nodes.participating) == ("k50", 1)
    assert [(s.t_ns, s.values["power_cap_w"]) for s in node.settings] == [(10, "700"), (30, "500"), (50, "500")]
    assert [(s.t_ns, s.foreign_processes) for s in node.surveys] == [(10, ()), (20, ()), (30, ()), (40, ()), (50, ("x",))]
    assert nodes.builds == (Build("agent", "h", "1", "aa"), own_build())


def test_what_was_handed_in_goes_before_what_was_seen() -> None:
    """Fact by fact; a host that no agent looked at is added; what nobody knows stays unknown."""
    given = Nodes(
        (Node("h", serial="S2", psus=(Psu("P"),)), Node("switch")), participating=2, components=(Component("interconnect", "absent"),)
    )
    nodes = nodes_of([look(10)], given)
    assert [(n.host, n.serial, n.kernel) for n in nodes.nodes] == [("h", "S2", "k10"), ("switch", "", "")]
    assert (nodes.nodes[0].psus, nodes.participating, nodes.components) == ((Psu("P"),), 2, given.components)
    assert nodes_of([], given).nodes == given.nodes
    assert nodes_of([], None) == Nodes()


def test_agents_that_disagree_on_how_many_take_part_leave_it_open() -> None:
    """Neither is taken for right."""
    other = json.loads(look(10, host="i").body)
    other["participating"] = 2
    assert nodes_of([look(10), Surveyed("i", 10, json.dumps(other))], None).participating is None
