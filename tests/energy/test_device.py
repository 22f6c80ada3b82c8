"""One device: which meters are alternatives, which stand side by side, and which of them leads."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.device import devices, disagreement_rel, measure_device
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.errors import UsageError
from joulemark.readings import Accuracy, Averaging, Boundary, Quantity
from tests.energy.waves import T0_NS, WALL, S, gpu, wall, window


def covering(series: Series, *things: str) -> Series:
    return replace(series, meter=replace(series.meter, covers=things))


def test_meters_that_cover_the_same_gpu_are_alternatives() -> None:
    """Two tools that watch one GPU do not double its energy."""
    first = [covering(one, "GPU-1") for one in gpu()]
    second = replace(first[0], meter=replace(first[0].meter, meter_id="dcgm:host:gpu0:energy", kind="dcgm"))
    assert list(devices([*first, second]).values()) == [(*first, second)]
    assert measure(window(2, 8), [*first, second]).energy_j == measure(window(2, 8), first).energy_j


def test_the_whole_leaves_out_its_parts_at_any_depth() -> None:
    """A meter of a rack stands for those of its nodes, and these for the ones of their GPUs; a node beside it stays."""
    one, *_ = gpu()
    rack, node, chip, beside = (covering(one, *names) for names in (("a", "b", "c"), ("a", "b"), ("a",), ("z",)))
    assert list(devices([chip, node, beside, rack]).values()) == [(beside,), (rack,)]


def test_channels_of_one_view_are_devices_of_their_own() -> None:
    """Three power channels of one analyser are three devices with three names, none of which hides another."""
    inlets = [wall([1000.0] * 20, replace(WALL, meter_id=f"ptd:host:wt333:{n}")) for n in (1, 2, 3)]
    found = devices(inlets)
    assert [len(group) for group in found.values()] == [1, 1, 1]
    assert sorted(group[0].meter.meter_id for group in found.values()) == [one.meter.meter_id for one in inlets]


def test_ambiguous_and_overlapping_meters_are_refused() -> None:
    """Counters and powers of several channels without `covers`, and meters of different extent, cannot be summed."""
    counter, power = gpu()
    second = [replace(one, meter=replace(one.meter, meter_id=one.meter.meter_id + "2")) for one in (counter, power)]
    with pytest.raises(UsageError, match="several channels"):
        devices([counter, power, *second])
    with pytest.raises(UsageError, match="b is covered"):
        devices([covering(power, "a", "b"), covering(counter, "b", "c")])


def test_a_coarse_counter_gives_way_to_power() -> None:
    """A kWh register with steps of 360 kJ does not beat a trapezoid over two minutes."""
    t_ns = T0_NS + np.arange(400, dtype=np.int64) * S
    power = 3000.0 + 500.0 * np.sin(np.arange(400) / 40.0)
    count = (np.cumsum(power) // 360_000 * 360_000).astype(np.int64)
    register = replace(WALL, meter_id="ptd:host:wt310:wh", quantity=Quantity.ENERGY_COUNTER, exponent=0)
    found = measure_device(window(130, 250), "wt310", [Series.plain(register, t_ns, count), wall(power)])
    assert found.headline is not None
    assert found.headline.method == "trapezoid"
    assert found.energy_counter_j is not None


def test_a_counter_reset_falls_back_to_power() -> None:
    """A driver reload inside the window makes the counter unusable; power carries the headline and the finding says so."""
    counter, power = gpu()
    after = counter.t_ns > T0_NS + 5 * S
    value = np.where(after, counter.value - counter.value[after][0], counter.value)
    found = measure_device(window(2, 8), "gpu0", [replace(counter, value=value), power])
    assert found.energy_j == found.energy_trapezoid_j
    assert found.energy_counter_j is None
    assert any("was reset" in text for text in found.findings)


def test_a_device_without_energy_is_null_with_its_reasons() -> None:
    """Where no meter of the device reaches over the window every figure is null, and each meter has its reason."""
    counter, power = gpu()
    found = measure_device(window(2, 60), "gpu0", [counter, power])
    shown = found.to_json()
    assert {shown[key] for key in ("meter_id", "energy_j", "energy_method", "energy_counter_j", "coverage")} == {None}
    assert [text.split(":")[3].split()[0] for text in found.findings] == ["energy", "instant"]


def test_stated_accuracy_goes_before_the_meters_own() -> None:
    """0.5 % of 5 kW over 60 s is a limit of 1500 J, 866 J as standard uncertainty, in the place of the meter's data sheet."""
    found = measure_device(window(2, 62), "wt310", [wall([5000.0] * 70)], accuracy=Accuracy(pct_reading=0.5))
    spec, cert = found.components[:2]
    assert (spec.name, spec.u_j) == ("spec", pytest.approx(1500.0 / math.sqrt(3.0)))
    assert (cert.name, cert.source) == ("cert", "certificate of 2026-01-01, lab")


def test_an_unknown_accuracy_is_not_zero() -> None:
    """A meter without stated accuracy has a null specification, named by its kind, and never one of 0 J."""
    spec = measure_device(window(2, 8), "gpu0", gpu()).components[0]
    assert (spec.name, spec.u_j, spec.source) == ("spec", None, "the accuracy of nvml is not known")


def test_the_level_at_the_edges_holds_what_the_load_rose_from() -> None:
    """A load that starts at the begin has its idle power in the level; the mean of the window is in it too."""
    found = measure_device(window(10.5, 90.5), "wt310", [wall([2400.0] * 11 + [5000.0] * 89)])
    assert found.edge_level is not None
    assert (found.edge_level.low_w, found.edge_level.high_w) == (2400.0, 5000.0)


def test_disagreement_is_counter_over_power() -> None:
    """A counter 2 % above the trapezoid disagrees by +0.02; without one of the two, or over no energy, there is no figure."""
    assert disagreement_rel(102.0, 100.0) == pytest.approx(0.02)
    assert [disagreement_rel(None, 100.0), disagreement_rel(100.0, None), disagreement_rel(1.0, 0.0)] == [None] * 3


def rack_strip(duration_s: int) -> list[Series]:
    """Power in steps of 10 W and a register of 0.1 kWh, both read each second, at 4 to 6 kW; how the power is averaged nobody knows."""
    t_s = np.arange(duration_s)
    power_w = 5000.0 + 1000.0 * np.sin(t_s / 40.0)
    strip = replace(WALL, boundary=Boundary.OUTLET, averaging_window_s=None, update_period_s=None, certificate=None)
    power = replace(strip, meter_id="snmp:pdu:SN7:outlet-3-power", exponent=1)
    register = replace(strip, meter_id="snmp:pdu:SN7:outlet-3-energy", quantity=Quantity.ENERGY_COUNTER, exponent=2, step=3600)
    count = (np.cumsum(power_w) // 360_000 * 3600).astype(np.int64)
    t_ns = T0_NS + t_s.astype(np.int64) * S
    return [Series.plain(power, t_ns, np.round(power_w / 10).astype(np.int64)), Series.plain(register, t_ns, count)]


@pytest.mark.parametrize(("length_s", "method"), [(600, "trapezoid"), (36_000, "counter")])
def test_the_counters_resolution_chooses(length_s: int, method: str) -> None:
    """A register of 0.1 kWh at 5 kW gives way to power over ten minutes and leads over ten hours; both energies are kept, and agree."""
    found = measure_device(window(200, 200 + length_s), "strip", rack_strip(length_s + 500))
    assert found.headline is not None
    assert found.headline.method == method
    assert found.energy_counter_j is not None
    assert found.energy_trapezoid_j is not None
    counter = found.headline.components[1] if method == "counter" else None
    assert counter is None or counter.u_j == pytest.approx(360_000 / math.sqrt(6), rel=1e-3)
    assert abs(found.energy_counter_j / found.energy_trapezoid_j - 1.0) < (0.12 if length_s == 600 else 0.001)


def test_power_that_sees_all_the_time_keeps_its_place() -> None:
    """The same register does not lead over a power that averages over each of its intervals, which is the less uncertain one."""
    power, register = rack_strip(36_500)
    whole = replace(power, meter=replace(power.meter, averaging=Averaging.BOXCAR, averaging_window_s=1.0))
    found = measure_device(window(200, 36_200), "strip", [whole, register])
    assert found.headline is not None
    assert found.headline.method == "trapezoid"


def test_a_power_of_coarse_steps_is_charged_for_them() -> None:
    """A steady power that moves in steps of 10 W is uncertain by 10 W over the square root of twelve for all the time."""
    info = replace(WALL, exponent=0, step=10, averaging_window_s=1.0)
    series = Series.plain(info, T0_NS + np.arange(120, dtype=np.int64) * S, np.full(120, 500))
    found = measure_device(window(10, 110), "wall", [series])
    assert found.headline is not None
    (resolution,) = (c for c in found.components if c.name == "resolution")
    assert resolution.u_j == pytest.approx(100 * 10 / math.sqrt(12))


def bmc(kind: str, watts: float, *, serial: str = "1", **changes: object) -> Series:
    """A meter of a whole server, which the host node1 reads."""
    info = replace(WALL, meter_id=f"{kind}:node1:{serial}:power", kind=kind, boundary=Boundary.SERVER_INPUT)
    return wall([watts] * 20, replace(info, **changes))  # type: ignore[arg-type]  # fields of each kind


def test_one_server_read_by_ipmi_and_redfish_counts_once() -> None:
    """Two kinds of meters of the server that their host is are alternatives although neither says what it covers; a finding says so."""
    found = measure(window(2, 8), [bmc("ipmi", 1000.0), bmc("redfish", 1000.0)])
    assert found.energy_j == pytest.approx(6000.0)
    assert "ipmi:node1:1 and redfish:node1:1 are taken to watch one server: say in covers what each measures" in found.findings


def test_several_servers_of_one_kind_add_up() -> None:
    """One agent may read the BMCs of two servers; beside another kind that may be one of them nobody knows the sum."""
    two = [bmc("ipmi", 1000.0), bmc("ipmi", 500.0, serial="2")]
    assert measure(window(2, 8), two).energy_j == pytest.approx(9000.0)
    with pytest.raises(UsageError, match="node1 reads several servers by ipmi, and by redfish perhaps the same"):
        measure(window(2, 8), [*two, bmc("redfish", 1000.0)])
    of_two_hosts = [two[0], bmc("redfish", 500.0, meter_id="redfish:node2:1:power")]
    assert measure(window(2, 8), of_two_hosts).energy_j == pytest.approx(9000.0)


def test_a_server_input_that_names_no_cord_covers_those_of_its_host() -> None:
    """Beside an outlet that is known to feed the server or one of its cords the BMC is an alternative or the whole, never added."""
    cords = ("node1/psu1", "node1/psu2", "node2/psu1")
    own = bmc("ipmi", 1000.0, cords=cords)
    strip = bmc("snmp", 1000.0, cords=cords, covers=cords[:2], meter_id="snmp:pdu:1:power")
    assert measure(window(2, 8), [own, strip]).energy_j == pytest.approx(6000.0)
    plug = bmc("shelly", 1000.0, cords=cords, covers=("MAC-switch-0",))
    assert measure(window(2, 8), [own, plug]).energy_j == pytest.approx(6000.0)
    one_cord = bmc("snmp", 500.0, cords=cords, covers=cords[:1], meter_id="snmp:pdu:1:power")
    assert measure(window(2, 8), [own, one_cord]).energy_j == pytest.approx(6000.0)


def test_only_meters_of_a_whole_server_are_taken_as_one() -> None:
    """Two outlets that two kinds read, and say nothing of what they feed, feed two things."""
    outlets = [bmc(kind, 1000.0, boundary=Boundary.OUTLET) for kind in ("snmp", "shelly")]
    assert measure(window(2, 8), outlets).energy_j == pytest.approx(12_000.0)


def test_half_a_look_is_no_reason_to_lead_before_a_fine_counter() -> None:
    """Power that sees six tenths of the time gives way to a fine counter although its readings scatter little."""
    t_ns = T0_NS + np.arange(400, dtype=np.int64) * S
    info = replace(WALL, covers=("a",), quantity=Quantity.ENERGY_COUNTER, exponent=0, meter_id="x:host:1:energy", averaging_window_s=None)
    counter = Series.plain(info, t_ns, np.arange(400) * 1000)
    power = wall([1000.0] * 400, replace(WALL, covers=("a",), averaging_window_s=0.6))
    assert measure(window(10, 390), [counter, power]).energy_method == "counter"


def cord(kind: str, watts: int, accuracy: Accuracy | None, *, every_s: int = 1) -> Series:
    """A wall meter of one cord around 100 to 700 s, read each `every_s` seconds; its last digit flickers."""
    covers, period_s = ("n/psu1",), float(every_s)
    meter = replace(WALL, meter_id=f"{kind}:n:1:p", kind=kind, exponent=-1, covers=covers, accuracy=accuracy, averaging_window_s=period_s)
    at_s = np.arange(90, 711, every_s)
    return Series.plain(meter, T0_NS + at_s * S, 10 * watts + np.arange(len(at_s)) % 2)


@pytest.mark.parametrize(
    ("plain", "better"),
    [(None, Accuracy(pct_reading=0.1, source="manual")), (Accuracy(pct_reading=1.0, source="a"), Accuracy(pct_reading=0.1, source="b"))],
)
def test_of_two_meters_of_one_cord_the_more_accurate_leads(plain: Accuracy | None, better: Accuracy) -> None:
    """An analyser of 0.1 % leads over a plug that is read more often and shows less, whether that states 1 % or nothing."""
    found = measure_device(window(100, 700), "cord", [cord("shelly", 498, plain), cord("scpi", 500, better, every_s=5)])
    assert found.headline is not None
    assert found.headline.meter.kind == "scpi"


def test_equal_limits_leave_the_choice_to_the_method() -> None:
    """Of two meters without a stated accuracy the one with fewer holes leads, though the other shows less energy."""
    holed = cord("shelly", 490, None)
    kept = np.ones(len(holed), dtype=bool)
    kept[100:160] = False
    found = measure_device(window(100, 700), "cord", [holed.rows(kept), cord("scpi", 500, None)])
    assert found.headline is not None
    assert found.headline.meter.kind == "scpi"
