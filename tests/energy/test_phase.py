from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.energy.series import Series
from joulemark.energy.uncertainty import NAMES
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Accuracy, Quantity
from joulemark.runs import Tokens
from joulemark.units import NS_PER_MS
from tests.energy.waves import T0_NS, WALL, S, gpu, meter, wall, window


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


def test_few_readings_of_a_part_time_sensor_widen_the_interval() -> None:
    """The scatter of four readings has three degrees of freedom, so k is that of Student's t for the budget and not 2."""
    found = measure(window(0.1, 2.9), [wall([100.0, 300.0, 120.0, 280.0], replace(WALL, averaging_window_s=None, accuracy=None))])
    assert found.budget is not None
    u_c, u_samp = found.budget.u_c_j, component(found, "sampling")
    assert u_samp
    assert found.budget.component("sampling").dof == 3
    assert found.budget.nu_eff == pytest.approx(3 * (u_c / u_samp) ** 4, abs=1)
    assert (found.u95_j or 0.0) > 2.0 * u_c


def test_every_half_width_of_time_enters_the_timing() -> None:
    """Doubt about the marks, about the readings' own times and about their clock each add to delta, by the same amount."""
    series = wall([2400.0] * 300 + [5000.0] * 400)
    late = replace(series, clock_bound_ns=50 * NS_PER_MS)
    blurred = replace(series, t_unc_ns=series.t_unc_ns + 50 * NS_PER_MS)
    found = [
        component(measure(phase, [one], power_idle_w=2400.0), "time")
        for phase, one in ((window(310, 610, unc_ns=50 * NS_PER_MS), series), (window(310, 610), late), (window(310, 610), blurred))
    ]
    assert found == pytest.approx([0.05 * 2600.0 / 3**0.5] * 3)


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


def test_a_day_at_ten_hertz_is_exact() -> None:
    """864,000 readings integrate to what integers say, to 1e-12: no error grows with the length of a run."""
    n = 24 * 3600 * 10
    t_ns = T0_NS + np.arange(n, dtype=np.int64) * 100_000_000
    value = np.random.default_rng(0).integers(100_000, 700_000, n)
    inside = value[100:860_001].tolist()
    exact_j = (2 * sum(inside) - inside[0] - inside[-1]) * 100_000_000 / 2 / 1e12
    found = measure(window(10, 86_000), [Series.plain(meter("instant", Quantity.POWER), t_ns, value)])
    assert found.energy_j == pytest.approx(exact_j, rel=1e-12)


def test_a_meter_that_fails_every_other_read_is_not_covered() -> None:
    """The nominal interval is that of the reads: with every second one failed, half the time is missing."""
    power = np.where(np.arange(101) % 2, 0.0, 5000.0)
    found = measure(window(10, 90), [wall(power)]).to_json()
    assert found["coverage"] == pytest.approx(0.5)
    assert found["max_gap_s"] == 2.0
