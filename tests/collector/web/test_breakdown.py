"""Where the energy went: parts, what is left of the whole, and nothing where something is not known."""

from __future__ import annotations

import math
from typing import Any

import pytest

from joulemark.cards.figures import Place
from joulemark.collector.web.breakdown import breakdown, less, ratio, total
from tests.collector.web.formula import value


def card(
    boundary: str, energy_j: float | None, *, others: dict[str, float | None], bound_j: float = 0.0, phases: int = 1
) -> dict[str, Any]:
    """A card of equal phases with a boundary and others beside it; U95 is a hundredth of each energy."""

    def figures(name: str, found: float | None) -> dict[str, Any]:
        return {"boundary": name, "energy_j": found, "energy_method": "counter", "u95_j": None if found is None else found / 100.0}

    devices = [{"device_id": f"d{n}", "energy_j": energy_j and energy_j / 2, "energy_method": "trapezoid"} for n in range(2)]
    one = {
        "name": "p",
        **figures(boundary, energy_j),
        "energy_upper_bound_j": bound_j,
        "other_boundaries": [figures(name, found) for name, found in others.items()],
        "devices": devices,
    }
    return {"headline": {"phases": ["p"], "boundary": boundary}, "phases": [one] * phases, "meters": []}


def test_what_is_left_of_the_whole() -> None:
    """GPUs and CPUs are parts of the wall; the rest is told, with the uncertainty of all three."""
    document = card("wall_analyzer", 100.0, others={"server_input": 97.0, "gpu": 60.0, "package": 10.0})
    found = breakdown(Place(document))
    assert [(one.name, one.energy.value) for one in found.components] == [("GPUs", 60.0), ("CPU packages", 10.0), ("residual", 30.0)]
    left = found.components[-1]
    assert left.u95.value == pytest.approx(math.hypot(1.0, 0.6, 0.1))
    assert value(document, left.energy.pointer) == 30.0
    assert value(document, left.u95.pointer) == pytest.approx(left.u95.value)
    assert value(document, left.share.pointer) == pytest.approx(0.3)
    assert [one.name for one in found.views] == ["server, by its BMC"]
    assert found.whole is not None
    assert sum(part.value for part in found.parts) == pytest.approx(100.0)
    assert "30.0 % was seen by no meter inside" in found.conclusion


def test_of_several_phases_the_sum() -> None:
    """Energies add up, uncertainties too: one meter is wrong in one direction."""
    document = card("wall_analyzer", 100.0, others={"gpu": 60.0}, phases=3)
    whole = breakdown(Place(document)).whole
    assert whole is not None
    assert (whole.energy.value, whole.u95.value) == (300.0, pytest.approx(3.0))
    assert value(document, whole.energy.pointer) == 300.0


@pytest.mark.parametrize("others", [{}, {"package": 10.0}])
def test_a_bound_is_not_what_gpus_took(others: dict[str, float | None]) -> None:
    """Where nothing stands around the GPUs, what specification adds to them is a line of its own, and shares are of what meters saw."""
    document = card("gpu", 80.0, others=others, bound_j=20.0)
    for device in document["phases"][0]["devices"]:
        device["energy_j"] = 30.0
    found = breakdown(Place(document))
    names = {one.name: one for one in found.components}
    assert names["parts that no meter sees"].energy.value == 20.0
    seen = [one for name, one in names.items() if name != "parts that no meter sees"]
    assert [one.energy.value for one in seen] == ([60.0, 10.0] if others else [30.0, 30.0])
    assert all(one.energy.value == value(document, one.energy.pointer) for one in seen)
    assert [one.share.value for one in seen] == ([None, None] if others else [0.5, 0.5])


def test_a_bound_of_what_no_meter_sees_is_a_part() -> None:
    """What was added by specification is not taken for energy that meters left over."""
    found = breakdown(Place(card("wall_analyzer", 110.0, others={"gpu": 60.0}, bound_j=10.0)))
    assert [(one.name, one.energy.value) for one in found.components][1:] == [("parts that no meter sees", 10.0), ("residual", 40.0)]


@pytest.mark.parametrize(("boundary", "others", "names"), [("gpu", {}, ["d0", "d1"]), ("package", {"gpu": 5.0}, ["GPUs", "CPU packages"])])
def test_without_a_meter_around_them_nothing_is_left(boundary: str, others: dict[str, float | None], names: list[str]) -> None:
    """Parts stand side by side, devices where there is one boundary, and the page says that the rest is not known."""
    found = breakdown(Place(card(boundary, 10.0, others=others)))
    assert [one.name for one in found.components] == names
    assert found.whole is None
    assert "not known" in found.conclusion


def test_a_part_that_is_not_known() -> None:
    """Neither is what is left, and no bar is drawn."""
    found = breakdown(Place(card("wall_analyzer", 100.0, others={"gpu": None})))
    assert found.components[-1].energy.value is None
    assert found.parts == []
    assert "not known" in found.conclusion


def test_parts_that_took_more_than_the_whole() -> None:
    """What is left is below zero, is shown so, and no bar hides it."""
    found = breakdown(Place(card("wall_analyzer", 100.0, others={"gpu": 101.0})))
    assert found.components[-1].energy.value == -1.0
    assert found.parts == []
    assert "more than the whole" in found.conclusion


def test_no_meter_inside() -> None:
    """The wall alone says nothing of where it went."""
    found = breakdown(Place(card("wall_analyzer", 100.0, others={})))
    assert found.components == ()
    assert "not known" in found.conclusion


def test_nothing_stands_for_what_is_not_known() -> None:
    """A sum, a difference and a share without one of their parts are nothing."""
    one, none = Place(1.0, "/a"), Place(None, "/b")
    assert total([one, none]).value is None
    assert total([]).value is None
    assert total([Place(1.0, f"/{at}") for at in range(60)]) == Place(60.0, "/0 + ... + /59")
    assert less(one, [none]).value is None
    assert ratio(one, Place(0.0, "/z")).value is None
    assert ratio(none, one).value is None
