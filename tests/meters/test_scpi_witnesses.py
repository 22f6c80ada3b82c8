"""Voltage, current and power factor beside the power of an element: in one answer with it, and worth no more than it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from joulemark.energy.series import Series
from joulemark.readings import Averaging, Quality, Quantity
from joulemark.standard.supply import supply
from tests.meters.scpi_benches import PERIOD_S, Opened, benches, infos, one, read_w, updated
from tests.standins.scpi_standin import Analyser

WITNESSES = (Quantity.VOLTAGE, Quantity.CURRENT, Quantity.POWER_FACTOR)


@pytest.fixture
def opened() -> Iterator[Opened]:
    with benches() as build:
        yield build


@pytest.mark.parametrize("model", ["WT310E", "WT333E", "WT5000", "760203", "GPM-8310", "PW3335", "PW3337"])
def test_each_element_tells_what_its_power_is_the_product_of(opened: Opened, model: str) -> None:
    """In each family's own words every element shows voltage, current and power factor, whose product is its power, in one question."""
    analyser = Analyser(model, period_s=PERIOD_S)
    meter, _ = opened(analyser=analyser, witnesses=True, elements=analyser.elements)
    asked = len(analyser.asked)
    shown = read_w(meter)
    assert len(analyser.asked) == asked + 1
    assert analyser.errors == []
    for element in analyser.elements:
        volts, amps, factor = (shown[f"{quantity}-{element}"] for quantity in WITNESSES)
        assert (volts, factor) == (230.0, 0.95)
        assert (amps or 0.0) * 230.0 * 0.95 == pytest.approx(512.0, rel=1e-4)


def test_what_a_witness_says_of_itself(opened: Opened) -> None:
    """A witness has the unit of its quantity, the cord, range, interval and window of its power, and none of the power's accuracy."""
    meter, _ = opened("WT333E", witnesses=True, sigma=True, integrate=True, covers=("a", "b", "c"))
    found = infos(meter)
    power = found["power-2"]
    assert power.accuracy is not None
    for quantity, unit in zip(WITNESSES, ("volt", "ampere", "ratio"), strict=True):
        info = found[f"{quantity}-2"]
        assert (info.quantity, info.quantity.unit, info.exponent, info.accuracy) == (quantity, unit, -6, None)
        assert (info.covers, info.range, info.update_period_s) == (("b",), power.range, PERIOD_S)
        assert (info.averaging, info.averaging_window_s) == (Averaging.BOXCAR, PERIOD_S)
        assert not info.quantity.measures_energy
        assert f"{quantity}-sigma" not in found
    assert list(found)[:8] == [f"{word}-{of}" for word in ("power", "energy") for of in (1, 2, 3, "sigma")]


def test_they_are_found_beside_their_power(opened: Opened) -> None:
    """The rules of the meter (MET-4, MET-7) find all three witnesses of an element by the cord that it covers."""
    meter, _ = opened("WT333E", witnesses=True, covers=("a", "b", "c"))
    (device,) = meter.info
    none = np.zeros(0, dtype=np.int64)
    channel = supply([Series.plain(info, none, none) for info in device.meters], "2", infos(meter)["power-2"])
    found = [one.meter.channel for one in (channel.power, *channel.witnesses().values()) if one is not None]
    assert found == ["power-2", *(f"{quantity}-2" for quantity in WITNESSES)]


def test_what_spoils_the_power_spoils_them(opened: Opened) -> None:
    """On hold, beyond its range or without data no witness of an element shows a number; those of the others go on."""
    meter, standin = opened("WT332E", witnesses=True)
    for mark, quality in (("INF", Quality.OVER_RANGE), ("NAN", Quality.GAP)):
        standin.analyser.marks[3] = mark
        sample = one(meter)
        assert sample.qualities == (Quality.OK, quality, *[Quality.OK] * 3, *[quality] * 3)
        assert sample.values[5:] == (None,) * 3
    standin.analyser.marks.clear()
    standin.analyser.peak_over = 0b110000
    assert one(meter).qualities[5:] == (Quality.OVER_RANGE,) * 3
    standin.analyser.hold = True
    assert set(one(meter).qualities) == {Quality.GAP}


def test_an_element_without_load_has_no_power_factor(opened: Opened) -> None:
    """At 0 W voltage and current go on, and the power factor, which is none, is a gap and no number."""
    meter, standin = opened(witnesses=True)
    standin.analyser.set_power_w(0.0)
    updated(standin)
    sample = one(meter)
    assert sample.values == (0, 230_000_000, 0, None)
    assert sample.qualities == (*[Quality.OK] * 3, Quality.GAP)


@pytest.mark.parametrize(("model", "witnesses"), [("WT310E", False), ("LMG671", True), ("LMG450", True)])
def test_where_there_are_none(opened: Opened, model: str, witnesses: bool) -> None:
    """Switched off, or of an analyser whose names of them are not known, the power stands alone."""
    meter, _ = opened(model, witnesses=witnesses, elements=(1,))
    assert list(infos(meter)) == ["power-1"]
