"""Closure: the outside holds the inside within what the meters may be wrong, and a swapped meter is found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.closure import Closure, Side, closure, closures
from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.readings import Accuracy, Boundary
from tests.energy.waves import WALL, wall, window

NODE = frozenset({"node1"})
EXACT = Accuracy(pct_reading=1.0, source="manual")


def phase(watts: float, boundary: Boundary, accuracy: Accuracy | None = EXACT) -> PhaseEnergy:
    """`watts` for 100 s."""
    info = replace(WALL, meter_id=f"x:node1:{boundary}:power", boundary=boundary, accuracy=accuracy, certificate=None)
    return measure(window(5, 105), [wall([watts] * 120, info)])


def closed(powers: Mapping[Boundary, float]) -> list[tuple[str, str, bool | None]]:
    measured = {boundary: phase(watts, boundary) for boundary, watts in powers.items()}
    return [(c.outer, c.inner, c.holds) for c in closures(measured, dict.fromkeys(powers, NODE))]


def test_levels_of_a_server_hold_each_other() -> None:
    """1000 W at the wall hold 950 W of the server, and these 600 W of its GPUs with 200 W of its packages, which add up."""
    powers = {Boundary.WALL_ANALYZER: 1000.0, Boundary.SERVER_INPUT: 950.0, Boundary.GPU: 600.0, Boundary.PACKAGE: 200.0}
    assert closed(powers) == [("wall_analyzer", "server_input", True), ("server_input", "gpu+package", True)]


def test_a_swapped_wall_meter_is_found() -> None:
    """A wall meter on another machine, at 800 W around a server of 950 W, does not close, and the reason says what may be wrong."""
    measured = {b: phase(w, b) for b, w in {Boundary.WALL_ANALYZER: 800.0, Boundary.SERVER_INPUT: 950.0}.items()}
    (found,) = closures(measured, dict.fromkeys(measured, NODE))
    assert found.holds is False
    assert (found.outer_j, found.inner_j) == (pytest.approx(80_000), pytest.approx(95_000))
    assert found.u95_j == pytest.approx(2 * math.hypot(800.0, 950.0) / math.sqrt(3), rel=1e-3)
    assert found.reason.startswith("server_input took 95000 J, 1.5e+04 J more than wall_analyzer around it")
    assert "reads another host, or a cord has no meter" in found.reason
    assert found.to_json() == {
        "outer": "wall_analyzer",
        "inner": "server_input",
        "outer_j": found.outer_j,
        "inner_j": found.inner_j,
        "u95_j": found.u95_j,
        "holds": False,
        "reason": found.reason,
    }


def test_each_way_to_see_a_place_is_compared() -> None:
    """Analyser and outlet see the same place, and so do server input and PSU inputs: each holds each, none is left out."""
    powers = {Boundary.WALL_ANALYZER: 1000.0, Boundary.OUTLET: 1000.0, Boundary.SERVER_INPUT: 990.0, Boundary.PSU_INPUT: 990.0}
    assert [pair[:2] for pair in closed(powers)] == [
        ("wall_analyzer", "server_input"),
        ("wall_analyzer", "psu_input"),
        ("outlet", "server_input"),
        ("outlet", "psu_input"),
    ]


def test_a_level_that_is_not_known_is_stepped_over() -> None:
    """Without a server input the wall is held against the GPUs; one level alone is held against nothing."""
    assert closed({Boundary.WALL_ANALYZER: 500.0, Boundary.GPU: 600.0}) == [("wall_analyzer", "gpu", False)]
    assert closed({Boundary.GPU: 600.0}) == []
    bare = measure(window(5, 105), [wall([500.0] * 120, replace(WALL, boundary=Boundary.OUTLET))], uncovered=("node1/psu2",))
    measured = {Boundary.OUTLET: bare, Boundary.GPU: phase(600.0, Boundary.GPU)}
    assert closures(measured, dict.fromkeys(measured, NODE)) == []


def side(name: str, energy_j: float, u95_j: float = 10.0, *, hosts: frozenset[str] = NODE, missing: tuple[str, ...] = ()) -> Side:
    return Side(name, energy_j, u95_j, hosts, missing)


def test_an_excess_within_the_uncertainty_holds() -> None:
    """5 J too much with 3 J and 4 J of uncertainty holds, 5.01 J does not."""
    assert closure(side("outlet", 1000.0, 3.0), side("gpu", 1005.0, 4.0)).holds is True
    assert closure(side("outlet", 1000.0, 3.0), side("gpu", 1005.01, 4.0)).holds is False


def test_an_unknown_accuracy_excuses_five_percent() -> None:
    """Where the accuracy of a meter is not known an excess of 4 % cannot be told from its error, one of 6 % can."""
    outer = side("outlet", 1000.0, missing=("spec",))
    told = closure(outer, side("gpu", 1040.0))
    assert told.holds is None
    assert "accuracy is not known" in told.reason
    assert closure(outer, side("gpu", 1060.0)).holds is False
    assert closure(side("outlet", 1000.0), side("gpu", 1040.0, missing=("spec",))).holds is None


def test_different_hosts_are_not_compared() -> None:
    """A wall meter that sees another host proves nothing, and the reason asks for `covers`; one that sees more hosts must hold."""
    told = closure(side("outlet", 100.0, hosts=frozenset({"lab"})), side("gpu", 1000.0))
    assert told.holds is None
    assert told.reason == "outlet sees lab, gpu node1: say in covers which cords each meter measures"
    assert closure(side("outlet", 100.0, hosts=frozenset({"node1", "node2"})), side("gpu", 1000.0)).holds is False


@given(
    inner_j=st.floats(1.0, 1e6),
    loss=st.floats(0.0, 0.5),
    rel=st.tuples(st.floats(0.0005, 0.05), st.floats(0.0005, 0.05)),
    error=st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)),
)
def test_true_energies_close_whatever_the_meters_err(
    inner_j: float, loss: float, rel: tuple[float, float], error: tuple[float, float]
) -> None:
    """Meters that err by no more than their own U95, in quadrature, never break a closure that is true; four times as much does."""
    outer_j = inner_j * (1.0 + loss)
    u_outer, u_inner = rel[0] * outer_j, rel[1] * inner_j
    scale = 1.0 / max(1.0, math.hypot(*error))
    seen_outer, seen_inner = outer_j + error[0] * scale * u_outer, inner_j + error[1] * scale * u_inner
    found: Closure = closure(side("outlet", seen_outer, u_outer), side("gpu", seen_inner, u_inner))
    assert found.holds is True
    far_j = seen_outer + 4.0 * math.hypot(u_outer, u_inner)
    assert closure(side("outlet", seen_outer, u_outer), side("gpu", far_j, u_inner)).holds is False


def test_what_stands_together_is_uncertain_by_both() -> None:
    """GPUs and packages add up, and the uncertainty of their sum is that of both."""
    measured = {b: phase(w, b) for b, w in {Boundary.SERVER_INPUT: 950.0, Boundary.GPU: 600.0, Boundary.PACKAGE: 500.0}.items()}
    (found,) = closures(measured, dict.fromkeys(measured, NODE))
    assert found.u95_j == pytest.approx(2 * math.hypot(950.0, 600.0, 500.0) / math.sqrt(3), rel=1e-3)
