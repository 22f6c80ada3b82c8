from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.energy.series import Series
from joulemark.energy.uncertainty import NAMES
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy, Averaging, Boundary, Certificate, MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Tokens, Window
from joulemark.units import NS_PER_MS
from tests.energy.waves import T0_NS, SquareWave, device, meter, polls_ns

S = 1_000_000_000
WALL = MeterInfo(
    "ptd:host:wt310:1",
    "ptd",
    Quantity.POWER,
    -1,
    Boundary.WALL_ANALYZER,
    averaging_window_s=1.0,
    update_period_s=1.0,
    accuracy=Accuracy(pct_reading=0.2, pct_range=0.05, range_w=10_000.0, source="manual"),
    certificate=Certificate("1", "2026-01-01", "lab", 0.001),
)


def window(begin_s: float, end_s: float, **changes: Any) -> Window:
    return Window("decode", PhaseKind.MEASURED, T0_NS + round(begin_s * S), T0_NS + round(end_s * S), **changes)


def wall(power_w: list[float] | np.ndarray, info: MeterInfo = WALL) -> Series:
    value = np.round(np.asarray(power_w) * 10).astype(np.int64)
    return Series.plain(info, T0_NS + np.arange(len(value), dtype=np.int64) * S, value)


def gpu(index: int = 0, *, high_w: float = 650.0) -> list[Series]:
    wave = SquareWave(0.73, low_w=100.0, high_w=high_w)
    return device(wave, polls_ns(np.random.default_rng(index), 12.0, rate_hz=20.0), gpu=index)


def component(found: PhaseEnergy, name: str) -> float | None:
    assert found.budget is not None
    return found.budget.component(name).u_j


def test_example_a_through_the_whole_path(worked: dict[str, Any]) -> None:
    """Constant 5 kW for 600 s: energy, specification, certificate, timing, sampling, J per 1k tokens as in Example A."""
    tokens = Tokens(input=36_000_000, output=12_000_000, disagreement=6000)
    found = measure(window(10, 610, tokens=tokens), [wall([5000.0] * 700)], power_idle_w=2400.0, clock_bound_ns=50 * NS_PER_MS)
    phase, per_1k = worked["phase_es2"], worked["per_1k"]
    assert found.energy_j == pytest.approx(phase["E_J"], rel=1e-12)
    for name, key in (("spec", "u_spec_J"), ("cert", "u_cert_J"), ("time", "u_time_J"), ("sampling", "u_samp_J")):
        assert component(found, name) == pytest.approx(phase[key], rel=1e-6)
    assert found.joules_per_1k_output is not None
    assert found.joules_per_1k_output.value_j == pytest.approx(per_1k["J_per_1k_output"], rel=1e-6)
    assert found.joules_per_1k_total is not None
    assert found.joules_per_1k_total.value_j == pytest.approx(per_1k["J_per_1k_total"], rel=1e-6)
    assert found.joules_per_request is None


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        ({"clock_bound_ns": 200 * NS_PER_MS}, "time"),
        ({"power_idle_w": 100.0}, "time"),
        ({"accuracy": Accuracy(pct_reading=1.0)}, "spec"),
    ],
)
def test_a_worse_input_widens_its_component(worse: dict[str, Any], name: str) -> None:
    """A worse clock, a lower idle, a worse meter: the component of that name grows, and U95 with it."""
    base: dict[str, Any] = {"power_idle_w": 2400.0, "clock_bound_ns": 50 * NS_PER_MS}
    before = measure(window(10, 610), [wall([5000.0] * 700)], **base)
    after = measure(window(10, 610), [wall([5000.0] * 700)], **{**base, **worse})
    assert (component(after, name) or 0.0) > (component(before, name) or 0.0)
    assert (after.u95_j or 0.0) > (before.u95_j or 0.0)
    assert after.energy_j == before.energy_j


def test_json_is_complete_and_holds_no_nan() -> None:
    """Every field of the compute contract is there, every component of UNC-1 too, and it is strict JSON."""
    found = measure(window(2, 8, tokens=Tokens(output=1000), requests=4), [*gpu(0), *gpu(1)]).to_json()
    json.dumps(found, allow_nan=False)
    wanted = [
        "name",
        "kind",
        "begin_ns",
        "end_ns",
        "duration_s",
        "energy_j",
        "energy_method",
        "energy_counter_j",
        "energy_trapezoid_j",
        "u95_j",
        "energy_mean_j",
        "mean_power_w",
        "mean_of_samples_w",
        "sample_count",
        "coverage",
        "max_gap_s",
        "tokens",
        "requests",
        "joules_per_1k_output_tokens",
        "joules_per_1k_total_tokens",
        "joules_per_request",
        "uncertainty",
        "boundary",
        "devices",
        "findings",
    ]
    assert set(wanted) <= set(found)
    assert tuple(c["name"] for c in found["uncertainty"]["components"]) == NAMES
    assert found["joules_per_1k_total_tokens"] is None
    assert found["joules_per_request"] == pytest.approx(found["energy_j"] / 4)
    assert found["uncertainty"]["missing"] == ["spec"]
    assert any("accuracy of nvml is not known" in text for text in found["findings"])


def test_the_counter_leads_and_nothing_is_added_twice() -> None:
    """Counter and power of one GPU are alternatives: the headline is one of them, the others stand beside it."""
    found = measure(window(2, 8), gpu())
    assert found.energy_method == "counter"
    assert found.energy_j == found.energy_counter_j
    assert found.energy_trapezoid_j == pytest.approx(found.energy_j, rel=0.05)
    both = measure(window(2, 8), [*gpu(0), *gpu(1)])
    assert len(both.devices) == 2
    assert both.energy_j == pytest.approx(2 * (found.energy_j or 0.0), rel=1e-3)


def test_meters_that_cover_the_same_gpu_are_alternatives() -> None:
    """Two tools that watch one GPU do not double its energy."""
    first = [replace(s, meter=replace(s.meter, covers=("GPU-1",))) for s in gpu()]
    second = replace(first[0], meter=replace(first[0].meter, meter_id="dcgm:host:gpu0:energy", kind="dcgm"))
    found = measure(window(2, 8), [*first, second])
    assert len(found.devices) == 1
    assert found.energy_j == measure(window(2, 8), first).energy_j


def test_channels_side_by_side_are_added() -> None:
    """Three inlets of one analyser, each its own power channel, make the sum."""
    inlets = [wall([1000.0 * n] * 20, replace(WALL, meter_id=f"ptd:host:wt333:{n}")) for n in (1, 2, 3)]
    found = measure(window(2, 12), inlets)
    assert found.energy_j == pytest.approx(60_000.0)
    assert found.mean_of_samples_w == pytest.approx(6000.0)


def test_a_meter_of_the_whole_stands_for_its_parts() -> None:
    """The sum an analyser prints and its channels are never added: the sum leads, the findings name the channels."""
    channels = [wall([1000.0 * n] * 20, replace(WALL, meter_id=f"ptd:host:wt333:ch{n}", covers=(f"ch{n}",))) for n in (1, 2)]
    total = wall([3000.0] * 20, replace(WALL, meter_id="ptd:host:wt333:total", covers=("ch1", "ch2")))
    found = measure(window(2, 12), [total, *channels])
    assert found.energy_j == pytest.approx(30_000.0)
    assert sum("not added" in text for text in found.findings) == 2
    assert measure(window(2, 12), channels).energy_j == pytest.approx(30_000.0)


def test_a_coarse_counter_gives_way_to_power() -> None:
    """A kWh register with steps of 360 kJ does not beat a trapezoid over two minutes."""
    t_ns = T0_NS + np.arange(400, dtype=np.int64) * S
    power = 3000.0 + 500.0 * np.sin(np.arange(400) / 40.0)
    count = (np.cumsum(power) // 360_000 * 360_000).astype(np.int64)
    register = replace(WALL, meter_id="ptd:host:wt310:wh", quantity=Quantity.ENERGY_COUNTER, exponent=0)
    found = measure(window(130, 250), [Series.plain(register, t_ns, count), wall(power)])
    assert found.energy_method == "trapezoid"
    assert found.energy_counter_j is not None


def test_spec_of_one_model_adds_linearly() -> None:
    """Two meters of one model share their error: u_spec doubles, it does not grow by sqrt 2."""
    one = measure(window(2, 8), gpu(), accuracy=Accuracy(pct_reading=5.0))
    two = measure(window(2, 8), [*gpu(0), *gpu(1)], accuracy=Accuracy(pct_reading=5.0))
    assert component(two, "spec") == pytest.approx(2 * (component(one, "spec") or 0.0), rel=1e-3)


def test_a_device_without_coverage_leaves_no_sum() -> None:
    """Where one of two GPUs was not read until the end, the sum is null and the reason is told."""
    short = [s.rows(s.t_ns < T0_NS + 5 * S) for s in gpu(1)]
    found = measure(window(2, 8), [*gpu(0), *short])
    assert found.energy_j is None
    assert found.u95_j is None
    assert found.devices[0].energy_j is not None
    assert any("before its end" in text for text in found.findings)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_counter_reset_falls_back_to_power() -> None:
    """A driver reload inside the window makes the counter unusable; power carries the headline and the finding says so."""
    counter, power = gpu()
    after = counter.t_ns > T0_NS + 5 * S
    value = np.where(after, counter.value - counter.value[after][0], counter.value)
    found = measure(window(2, 8), [replace(counter, value=value), power])
    assert found.energy_method == "trapezoid"
    assert found.energy_counter_j is None
    assert any("was reset" in text for text in found.findings)


def test_zero_watts_is_a_gap_and_widens_the_uncertainty() -> None:
    """Failed reads that arrive as 0 W are gaps: counted, bridged, and paid for in u_gap; the energy does not sink to 0."""
    power = 5000.0 + 100.0 * np.sin(np.arange(100.0))
    whole = measure(window(10, 90), [wall(power)])
    holed = power.copy()
    holed[40:45] = 0.0
    found = measure(window(10, 90), [wall(holed)])
    assert found.energy_j == pytest.approx(whole.energy_j, rel=0.005)
    assert component(whole, "gap") == 0.0
    assert (component(found, "gap") or 0.0) > 100.0
    assert found.to_json()["coverage"] == pytest.approx(1 - 5 / 80)
    assert found.to_json()["max_gap_s"] == 6.0
    assert any("5 readings of 0 W or less" in text for text in found.findings)


def test_load_that_starts_at_the_mark_is_paid_for() -> None:
    """A step of load at the begin enters u_edge; a steady load does not."""
    steady = measure(window(10.5, 90.5), [wall([5000.0] * 100)])
    stepped = measure(window(10.5, 90.5), [wall([2400.0] * 11 + [5000.0] * 89)])
    assert component(steady, "edge") == 0.0
    assert component(stepped, "edge") == pytest.approx(2600.0 * 1.25 / math.sqrt(3))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([wall([5000.0] * 5)], "before its end"),
        ([wall([5000.0])], "before its end"),
        ([wall([0.0] * 100)], "no valid one"),
        ([wall([])], "no valid one"),
    ],
)
def test_no_energy_at_all_is_an_error(series: list[Series], message: str) -> None:
    """Readings that do not reach over the window, a single one, only zeros, or none: exit 4, saying which side lacks what."""
    with pytest.raises(InsufficientData, match=message) as caught:
        measure(window(2, 60), series)
    assert caught.value.exit_code == 4


def test_boundaries_are_never_mixed() -> None:
    """GPU and wall meters in one sum are refused, and so is nothing at all."""
    with pytest.raises(UsageError, match="gpu, wall_analyzer"):
        measure(window(2, 8), [*gpu(), wall([5000.0] * 20)])
    with pytest.raises(UsageError, match="found none"):
        measure(window(2, 8), [])


def test_ambiguous_and_overlapping_meters_are_refused() -> None:
    """Counters and powers of several channels without `covers`, and meters of different extent, cannot be summed."""
    counter, power = gpu()
    second = [replace(s, meter=replace(s.meter, meter_id=s.meter.meter_id + "2")) for s in (counter, power)]
    with pytest.raises(UsageError, match="several channels"):
        measure(window(2, 8), [counter, power, *second])
    wide = replace(power, meter=replace(power.meter, covers=("a", "b")))
    narrow = replace(counter, meter=replace(counter.meter, covers=("b", "c")))
    with pytest.raises(UsageError, match="b is covered"):
        measure(window(2, 8), [wide, narrow])


def test_readings_that_are_not_integrable_are_left_out() -> None:
    """Stale and gap rows carry no energy."""
    series = wall([5000.0] * 50)
    value, quality = series.value.copy(), series.quality.copy()
    value[20], quality[20] = 10**9, Quality.STALE
    found = measure(window(10, 40), [replace(series, value=value, quality=quality)])
    assert found.energy_j == pytest.approx(150_000.0)


def test_part_time_sensor_is_honest() -> None:
    """A sensor that looks a quarter of the time is charged for it."""
    counter, power = gpu()
    part = replace(power, meter=replace(power.meter, coverage=0.25, update_period_s=0.1, averaging=Averaging.BOXCAR))
    assert (component(measure(window(2, 8), [part]), "sampling") or 0.0) > 0.0
    quarter = replace(counter, meter=replace(counter.meter, coverage=0.25))
    assert (component(measure(window(2, 8), [quarter]), "sampling") or 0.0) > 0.0
    assert component(measure(window(2, 8), [counter]), "sampling") == 0.0


def test_a_day_at_ten_hertz_is_quick() -> None:
    """24 h at 10 Hz are vectorised: far below the time a loop over readings would need."""
    n = 24 * 3600 * 10
    t_ns = T0_NS + np.arange(n, dtype=np.int64) * 100_000_000
    value = np.random.default_rng(0).integers(100_000, 700_000, n)
    series = Series.plain(meter("instant", Quantity.POWER), t_ns, value)
    begin = time.perf_counter()
    measure(window(10, 86_000), [series])
    assert time.perf_counter() - begin < 1.0
