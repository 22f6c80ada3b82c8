"""What a meter's specification brings: an old certificate, a conformity with guard band, an ambient outside the band."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.certificate import Certificate
from joulemark.energy.series import Series
from joulemark.energy.specification import components, in_force
from joulemark.energy.uncertainty import Component
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns
from joulemark.readings import Accuracy, Boundary, MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Window

BEGIN_NS = moment_ns("2026-11-02T09:00:00Z", "test")
WINDOW = Window("load", PhaseKind.MEASURED, BEGIN_NS, BEGIN_NS + 600 * 10**9)
STATED = Accuracy(0.2, 0.05, 10_000.0, source="sheet")
METER = MeterInfo("scpi:bench:1:ch1", "scpi", Quantity.POWER, -2, Boundary.WALL_ANALYZER, model="WT", accuracy=STATED)
CERTIFICATE = Certificate("1", "2026-03-02", "Lab", 0.0010)
WARM = replace(STATED, temperature_coefficient_per_k=2e-4, ambient_low_c=18.0, ambient_high_c=28.0)


def thermometer(*celsius: float, covers: str = "scpi:bench:1", at_s: float = 30.0, quantity: Quantity = Quantity.TEMPERATURE) -> Series:
    """Temperatures each minute from `at_s` after the begin of the phase."""
    meter = replace(METER, meter_id=f"t:bench:9:{covers}", quantity=quantity, exponent=-1, covers=(covers,), accuracy=None)
    t_ns = BEGIN_NS + np.round((at_s + 60.0 * np.arange(len(celsius))) * 1e9).astype(np.int64)
    values = np.round(np.array(celsius) * 10).astype(np.int64)
    return Series.plain(meter, t_ns, values, np.full(len(celsius), Quality.OK, dtype=np.uint8))


def line(name: str, meter: MeterInfo, **more: Any) -> Component:
    """One component for 3 MJ in ten minutes."""
    return next(one for one in components(meter, 3e6, WINDOW, **more) if one.name == name)


def test_specification_and_certificate_of_example_a() -> None:
    """A meter of 0.2 % + 0.05 % of 10 kW with U = 0.10 % has the two components of the worked example."""
    meter = replace(METER, certificate=CERTIFICATE)
    assert line("spec", meter).u_j == pytest.approx(5196.152422706632, rel=1e-12)
    assert line("cert", meter).u_j == pytest.approx(1500.0, rel=1e-12)
    assert line("temperature", meter) == Component("temperature", 0.0, "no temperature coefficient is stated for the meter")


@pytest.mark.parametrize(("date", "factor"), [("2025-11-02", 1.0), ("2025-11-01", 1.5), ("2024-01-01", 1.5), ("last year", 1.5)])
def test_an_old_certificate_widens_the_error_of_reading(date: str, factor: float) -> None:
    """On its 365th day the accuracy still stands, on the 366th its error of reading counts 1.5 times, its error of range does not."""
    aged = in_force(Accuracy(0.2, 0.05, 10_000.0), replace(CERTIFICATE, date=date), at_ns=BEGIN_NS)
    assert (aged.pct_reading, aged.pct_range) == (pytest.approx(0.2 * factor), 0.05)
    spec = line("spec", replace(METER, certificate=replace(CERTIFICATE, date=date)))
    assert spec.u_j == pytest.approx((0.002 * factor * 3e6 + 0.0005 * 10_000.0 * 600.0) / math.sqrt(3.0))
    assert ("error of reading x 1.5" in spec.source) is (factor == 1.5)


@pytest.mark.parametrize(("guard", "u_j"), [(None, 1500.0), (0.0009, 1500.0), (0.0010, 0.0), (0.002, 0.0)])
def test_conformity_with_guard_band_holds_the_certificate(guard: float | None, u_j: float) -> None:
    """U of the certificate vanishes only where its guard band is as wide as U; no statement and a narrower band change nothing."""
    found = line("cert", replace(METER, certificate=replace(CERTIFICATE, guard_band_rel=guard)))
    assert found.u_j == pytest.approx(u_j)
    assert ("guard band" in found.source) is (u_j == 0.0)


@pytest.mark.parametrize(("celsius", "outside_k"), [((23.0,), 0.0), ((28.0, 18.0), 0.0), ((28.5, 23.0), 0.5), ((15.0, 27.0), 3.0)])
def test_an_ambient_outside_the_band_counts(celsius: tuple[float, ...], outside_k: float) -> None:
    """U = TC x kelvins outside x E / sqrt 3 by the worst reading, 0 with the reason inside, at the edges too."""
    found = line("temperature", replace(METER, accuracy=WARM), climate=[thermometer(*celsius)])
    assert found.u_j == pytest.approx(2e-4 * outside_k * 3e6 / math.sqrt(3.0))
    assert ("inside the stated" in found.source) is (outside_k == 0.0)


@pytest.mark.parametrize(
    ("accuracy", "climate"),
    [
        (WARM, []),
        (WARM, [thermometer(40.0, covers="node-1")]),
        (WARM, [thermometer(40.0, at_s=700.0)]),
        (WARM, [thermometer(40.0, quantity=Quantity.VOLTAGE)]),
        (replace(WARM, ambient_high_c=None), [thermometer(23.0)]),
    ],
    ids=["none", "of the node", "too late", "no thermometer", "no band"],
)
def test_an_unknown_ambient_is_unknown(accuracy: Accuracy, climate: list[Series]) -> None:
    """With a coefficient but no temperature of the meter, or no band, the component is null: neither 0 nor that of another place."""
    assert line("temperature", replace(METER, accuracy=accuracy), climate=climate).u_j is None


def test_accuracy_given_by_hand_goes_first() -> None:
    """What the user states replaces the meter's own; a meter that nobody knows anything of has no specification, not a small one."""
    assert line("spec", METER, accuracy=Accuracy(1.0)).u_j == pytest.approx(0.01 * 3e6 / math.sqrt(3.0))
    assert line("spec", replace(METER, accuracy=None)).u_j is None


@pytest.mark.parametrize(
    "change",
    [
        {"temperature_coefficient_per_k": -1e-4},
        {"temperature_coefficient_per_k": 1e12},
        {"ambient_low_c": -300.0},
        {"ambient_high_c": 1000.0},
        {"ambient_low_c": 30.0},
    ],
)
def test_what_no_maker_states_is_not_believed(change: dict[str, float]) -> None:
    """A negative coefficient, an impossible ambient and a band upside down are refused when a description is read; the whole one is not."""
    meter = replace(METER, accuracy=WARM, certificate=replace(CERTIFICATE, guard_band_rel=0.001))
    assert MeterInfo.from_json(meter.to_json()) == meter
    with pytest.raises(FormatError, match="accuracy"):
        MeterInfo.from_json(replace(meter, accuracy=replace(WARM, **change)).to_json())
