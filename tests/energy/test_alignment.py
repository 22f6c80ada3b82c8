from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.alignment import Applied
from joulemark.energy.counters import refreshes
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.readings import Accuracy, Averaging, Boundary, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Window

NS = 1_000_000_000
ALIGNED = Applied("a1", 1.05, 20.0, 0.002, 3.0, -0.005, 0.004, 6.0, 45.0, held_out_rel=0.001, reference="r1")
POWER = MeterInfo(
    meter_id="redfish:h:s:power",
    kind="redfish",
    quantity=Quantity.POWER,
    exponent=-3,
    boundary=Boundary.SERVER_INPUT,
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    accuracy=Accuracy(pct_reading=5.0),
)
WINDOW = Window("m", PhaseKind.MEASURED, 100 * NS, 400 * NS)


def steps(meter: MeterInfo = POWER, *, lag_s: float = 0.0) -> Series:
    """A ramp from 1000 W, 1 W a second, shown late by `lag_s`."""
    at_s = np.arange(0, 600)
    return Series.plain(meter, at_s * NS, np.round((1000.0 + at_s - lag_s) * 1000).astype(np.int64))


def test_energy_is_gain_times_raw_and_offset_times_duration() -> None:
    """E = g S + o D, to rounding, and the plain mean moves with it."""
    raw = measure(WINDOW, [steps()])
    found = measure(WINDOW, [steps()], alignments={POWER.meter_id: ALIGNED})
    assert raw.energy_j is not None
    assert found.energy_j == pytest.approx(1.05 * raw.energy_j + 20.0 * 300.0, rel=1e-12)
    assert found.mean_of_samples_w == pytest.approx(1.05 * (raw.mean_of_samples_w or 0.0) + 20.0, rel=1e-12)


def test_a_late_sensor_is_read_earlier() -> None:
    """A lag of 3 s is undone: the ramp gives the energy of the ramp."""
    applied = replace(ALIGNED, gain=1.0, offset_w=0.0, lag_ns=3 * NS)
    found = measure(WINDOW, [steps(lag_s=3.0)], alignments={POWER.meter_id: applied})
    assert found.energy_j == pytest.approx(300.0 * 1250.0, rel=1e-9)


def test_a_counter_is_aligned_the_same_way() -> None:
    """E = g (C(b) - C(a)) + o D for a counter of energy."""
    meter = replace(POWER, meter_id="redfish:h:s:energy", quantity=Quantity.ENERGY_COUNTER, accuracy=None)
    counts = Series.plain(meter, np.arange(0, 600) * NS, np.arange(0, 600) * 1_000_000)
    found = measure(WINDOW, [counts], alignments={meter.meter_id: ALIGNED})
    assert found.energy_method == "counter"
    assert found.energy_j == pytest.approx(1.05 * 300_000.0 + 20.0 * 300.0, rel=1e-9)
    assert ALIGNED.counter(refreshes(counts)).step_j == pytest.approx(1.05 * refreshes(counts).step_j)


def test_the_budget_holds_fit_reference_residual_and_drift_in_place_of_the_specification() -> None:
    """Each line by the formula of section 5, at the raw energy S and the aligned energy E."""
    raw = measure(WINDOW, [steps()])
    found = measure(WINDOW, [steps()], alignments={POWER.meter_id: ALIGNED})
    assert raw.energy_j is not None
    assert found.energy_j is not None
    assert found.budget is not None
    s, e, d = raw.energy_j, found.energy_j, 300.0
    u_cal = math.sqrt((s * 0.002) ** 2 + (d * 3.0) ** 2 + 2 * s * d * -0.005)
    wanted = {
        "spec": 0.0,
        "cert": 0.0,
        "gain_offset": math.hypot(u_cal, 0.004 * e),
        "drift": 0.01 * e * 0.5 / math.sqrt(3),
        "residual": max(6.0 * d, 0.001 * e) / math.sqrt(3),
    }
    for name, u_j in wanted.items():
        assert found.budget.component(name).u_j == pytest.approx(u_j, rel=1e-9), name
    assert "alignment a1" in found.budget.component("spec").source


def test_two_sensors_of_one_reference_share_its_error() -> None:
    """What the reference is off by adds up over the sensors held against it; their fits add in quadrature."""
    meters = [replace(POWER, meter_id=f"redfish:h:s{n}:power", covers=(f"h/{n}",), cords=("h/1", "h/2")) for n in (1, 2)]
    applied = {one.meter_id: replace(ALIGNED, alignment_id=one.meter_id) for one in meters}
    both = measure(WINDOW, [steps(one) for one in meters], alignments=applied)
    single = measure(WINDOW, [steps()], alignments={POWER.meter_id: ALIGNED})
    assert both.budget is not None
    assert single.energy_j is not None
    fit_j = next(c.u_j or 0.0 for c in ALIGNED.limits(single.energy_j, 300.0) if c.name == "gain_offset")
    assert both.budget.component("gain_offset").u_j == pytest.approx(math.hypot(math.sqrt(2) * fit_j, 2 * 0.004 * single.energy_j))


def test_what_remains_of_the_lag_widens_the_timing() -> None:
    """The residual of the lag stands in delta of the time line."""
    late = replace(ALIGNED, lag_residual_s=0.5)
    plain, found = (measure(WINDOW, [steps()], alignments={POWER.meter_id: one}, power_idle_w=500.0) for one in (ALIGNED, late))
    assert plain.budget is not None
    assert found.budget is not None
    assert (found.budget.component("time").u_j or 0.0) > (plain.budget.component("time").u_j or 0.0)


def test_upper_bounds_count_in_full_and_bring_no_uncertainty() -> None:
    """A switch of at most 250 W adds 250 W times the duration; nothing else of the budget moves."""
    plain, found = measure(WINDOW, [steps()]), measure(WINDOW, [steps()], upper_bounds_w={"switch": 250.0})
    assert plain.energy_j is not None
    assert found.energy_j == pytest.approx(plain.energy_j + 250.0 * 300.0)
    assert found.metered_j == plain.energy_j
    assert found.u95_j == plain.u95_j
    assert found.budget is not None
    assert found.budget.component("estimate").u_j == 0.0
    assert "upper bound counted in full: switch 250 W" in found.budget.component("estimate").source
