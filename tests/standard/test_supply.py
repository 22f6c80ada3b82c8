"""Voltage, current and power factor of a channel have to give its power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.series import Series
from joulemark.readings import Current, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard.supply import Supply, nominal_of, supplies
from tests.kit.change import labelled
from tests.kit.sensors import CORDS, WALL, beside
from tests.kit.spoil import case_of, good, good_case

WINDOW = Window("measured", PhaseKind.MEASURED, 10**9, 11 * 10**9)
LIMITS = {"voltage_rel": 0.05, "product_rel": 0.02, "power_factor": 0.9}


def series(meter: MeterInfo, *values: float) -> Series:
    """One reading each second of SI values, from 0 s on."""
    t_ns = np.arange(len(values), dtype=np.int64) * 10**9
    return Series.plain(meter, t_ns, np.round(np.array(values) / 10.0**meter.exponent).astype(np.int64))


def supply(volts: float = 230.0, amps: float = 4.0, factor: float = 0.95, *, power_w: float | None = None) -> Supply:
    """A channel at constant load; its power is the product where none is given."""
    shown = volts * amps * factor if power_w is None else power_w
    witnesses = (
        series(beside(WALL, quantity, -4), *[value] * 12)
        for quantity, value in ((Quantity.VOLTAGE, volts), (Quantity.CURRENT, amps), (Quantity.POWER_FACTOR, factor))
    )
    return Supply(series(WALL, *[shown] * 12), *witnesses, "ch1")


def test_a_channel_that_fits_has_no_faults() -> None:
    """Where the product is the power nothing is wrong and nothing absent."""
    assert list(supply().faults([WINDOW], LIMITS)) == list(supply().absences([WINDOW])) == []


@pytest.mark.parametrize(("power_w", "wrong"), [(874.0 * 1.019, False), (874.0 * 1.03, True), (874.0 * 0.97, True)])
def test_a_product_that_is_not_the_power(power_w: float, wrong: bool) -> None:
    """More than 2 % apart is a fault, either way."""
    assert any("product" in fault for fault in supply(power_w=power_w).faults([WINDOW], LIMITS)) is wrong


def test_the_product_is_taken_at_the_same_times() -> None:
    """A load that swings is no fault: each product is held against the power of its own moment."""
    swing = [1.0, 9.0] * 6
    power = series(WALL, *[230.0 * amps * 0.95 for amps in swing])
    current = series(beside(WALL, Quantity.CURRENT, -4), *swing)
    swinging = replace(supply(), power=power, current=replace(current.rows(np.arange(12) % 3 == 0)))
    assert swinging.product_rel(WINDOW) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("volts", "nominal_v", "wrong"), [(243.0, None, False), (257.0, None, True), (243.0, 230.0, True), (241.0, 230.0, False)]
)
def test_the_voltage_is_near_a_nominal_one(volts: float, nominal_v: float | None, wrong: bool) -> None:
    """Within 5 % of the stated nominal voltage, or of some that there is."""
    assert any("voltage" in fault for fault in supply(volts).faults([WINDOW], LIMITS, nominal_v=nominal_v)) is wrong


def test_direct_current_has_no_power_factor() -> None:
    """On the DC side the product of voltage and current is the power, and no nominal voltage of the mains applies."""
    direct = replace(supply(12.2, 40.0, 1.0), power_factor=None, direct=True)
    assert list(direct.faults([WINDOW], LIMITS)) == list(direct.absences([WINDOW])) == []


def test_what_was_not_read_in_a_phase_is_absent() -> None:
    """A witness that ended before the phase shows nothing of it."""
    one = supply()
    assert one.voltage is not None
    late = replace(one, voltage=one.voltage.rows(slice(0, 1)), current=None)
    assert list(late.absences([WINDOW])) == ["voltage", "current"]
    assert late.product_rel(WINDOW) is None


def test_a_sum_is_taken_apart() -> None:
    """A meter of two cords is looked at by the channels of its device for each; a cord without one is known by name."""
    case = good_case("ES2")
    whole = replace(case.headline[0].meter, meter_id=f"{WALL.device_id}:sum", covers=(*CORDS, "node-1/C"))
    first, second, third = supplies(case, whole)
    assert first.power is not None
    assert second.voltage is not None
    assert first.power.meter.covers == CORDS[:1]
    assert second.voltage.meter.covers == CORDS[1:]
    assert third == Supply(None, None, None, None, "node-1/C")


def test_a_single_channel_has_its_own_witnesses() -> None:
    """Each channel takes the voltage, current and power factor that cover the same cord, and the side that it is on."""
    case = good_case("ES2")
    for one in case.headline:
        (channel,) = supplies(case, one.meter)
        assert channel.power is one
        assert all(found is not None and found.meter.covers == one.meter.covers for found in channel.witnesses().values())
        (direct,) = supplies(case, replace(one.meter, current=Current.DC))
        assert direct.direct


@pytest.mark.parametrize(("label", "volts"), [("208", 208.0), ("", None), ("-230", None), ("nan", None), ("high", None)])
def test_the_stated_nominal_voltage(label: str, volts: float | None) -> None:
    """A number above 0 is one, anything else states nothing."""
    assert nominal_of(case_of(labelled(nominal_voltage_v=label)(good("ES1")))) == volts
