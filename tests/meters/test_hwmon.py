from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from joulemark.agent.watch import MeterWatch
from joulemark.config import MeterTable
from joulemark.energy.device import devices
from joulemark.energy.series import Series
from joulemark.errors import MeterGone, MeterUnavailable
from joulemark.meters import hwmon
from joulemark.meters.base import Meter
from joulemark.meters.hwmon import DRIVER, UNKNOWN_UW
from joulemark.readings import Quality, TimestampSource
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock
from tests.meters.living.hwmon import rail
from tests.meters.test_hwmon_chips import ORIN_NX, jetson
from tests.standins.sysfs_tree import chip, unprivileged, write

CLOCK = SystemClock()


@pytest.fixture
def root() -> Iterator[Path]:
    """A sysfs of our own that any user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def meter(root: Path) -> Iterator[Meter]:
    built = DRIVER.build(MeterTable("hwmon", {"root": str(root)}), host="node1")
    yield built
    built.close()


def values(meter: Meter) -> dict[str, int | None]:
    """Meter id without kind and host -> value, of one read."""
    return {
        info.meter_id.split(":", 2)[2]: value
        for device, sample in zip(meter.info, meter.read(CLOCK), strict=True)
        for info, value in zip(device.meters, sample.values, strict=True)
    }


def test_power_of_a_rail_is_volts_times_amperes(root: Path, meter: Meter) -> None:
    """19 V and 1.25 A are 23.75 W, to the microwatt; a rail that is off is 0 W and says so; current may flow back."""
    place = jetson(root, 0, ORIN_NX, "1-0040")
    for name, value in {"in1_input": 19_000, "curr1_input": 1_250, "curr2_input": 0, "in3_input": 5_008, "curr3_input": -16}.items():
        write(place / name, value)
    meter.open()
    assert values(meter) == {
        "ina3221-1-0040:vdd_in": 23_750_000,
        "ina3221-1-0040:vdd_cpu_gpu_cv": 0,
        "ina3221-1-0040:vdd_soc": -80_128,
    }
    described = meter.info[0].meters[0]
    assert described.si(23_750_000) == pytest.approx(23.75)
    assert described.update_period_s == 0.036


def test_voltage_and_current_share_one_bracket(root: Path, meter: Meter) -> None:
    """All files of a chip are read between the two edges of its sample, which lie on the clock that is handed in."""
    jetson(root, 0, ORIN_NX, "1-0040")
    clock = ManualClock()
    meter.open()
    [sample] = meter.read(clock)
    assert sample.t_read0_ns == sample.t_read1_ns == clock.mono
    assert sample.utc_minus_mono_ns == clock.utc - clock.mono
    assert sample.t_device_ns == (None,) * 3
    assert {info.timestamp_source for info in meter.info[0].meters} == {TimestampSource.READ_BRACKET}


def test_counter_of_a_gpu_as_it_stands(root: Path, meter: Meter) -> None:
    """A read gives the microjoules of the file, beyond 32 bits too, and the next read the new ones from the same descriptor."""
    file = chip(root, 0, "xe", {"energy1_input": 8_123_456_789, "energy1_label": "card"}, device="0000:03:00.0") / "energy1_input"
    meter.open()
    assert values(meter) == {"0000-03-00.0:card": 8_123_456_789}
    file.write_text("9000000000000\n")
    assert values(meter) == {"0000-03-00.0:card": 9_000_000_000_000}
    assert meter.info[0].meters[0].modulus is None


def test_counter_that_falls_was_reset(root: Path, meter: Meter) -> None:
    """The kernel keeps 64 bits of microjoules, which never wrap: after a driver reload the fall is a reset, never energy."""
    file = chip(root, 0, "xe", {"energy1_input": 8_123_456_789, "power1_max": 190_000_000}, device="0000:03:00.0") / "energy1_input"
    meter.open()
    watch = MeterWatch(meter.info[0].meters[0])
    judged = []
    for second, counter_uj in enumerate((8_123_456_789, 8_223_456_789, 1_000)):
        file.write_text(f"{counter_uj}\n")
        [value] = meter.read(CLOCK)[0].values
        assert value is not None
        judged.append(watch.judge(value, second * 1_000_000_000, None)[0])
    assert judged == [Quality.OK, Quality.OK, Quality.RESET]


@pytest.mark.parametrize("mark", [0, UNKNOWN_UW])
def test_marks_of_acpi_are_no_power(root: Path, meter: Meter, mark: int) -> None:
    """0 W of a machine that runs, and the firmware's mark for an unknown power, are sentinels; the other rail goes on."""
    rail(root, 0, "CPU", watts=80)
    file = rail(root, 1, "Grace", watts=120)
    meter.open()
    file.write_text(f"{mark}\n")
    samples = {sample.device_id: sample for sample in meter.read(CLOCK)}
    assert samples["hwmon:node1:socket-0-grace"].values == (None,)
    assert samples["hwmon:node1:socket-0-grace"].qualities == (Quality.SENTINEL,)
    assert samples["hwmon:node1:socket-0-cpu"].values == (80_000_000,)


@pytest.mark.parametrize("garbage", ["", "on", "1_0", "12.5", "-"])
def test_garbage_is_a_gap(root: Path, meter: Meter, garbage: str) -> None:
    """A file that says no number is a gap that names it; the other chips go on, and when none is left the stream ends."""
    power, other = rail(root, 0, "CPU", watts=80), rail(root, 1, "SysIO", watts=9)
    meter.open()
    power.write_text(f"{garbage}\n")
    cpu, sysio = meter.read(CLOCK)
    assert (cpu.values, cpu.qualities) == ((None,), (Quality.GAP,))
    assert "power1_average" in cpu.reasons[0]
    assert sysio.values == (9_000_000,)
    other.write_text("")
    with pytest.raises(MeterGone) as caught:
        meter.read(CLOCK)
    assert caught.value.next_step


def test_half_of_a_rail_is_no_power(root: Path, meter: Meter) -> None:
    """Where the current cannot be read there is no power, and the reason names that file; the other rails of the chip have theirs."""
    place = jetson(root, 0, ORIN_NX, "1-0040")
    meter.open()
    (place / "curr2_input").write_text("\n")
    [sample] = meter.read(CLOCK)
    assert sample.values == (5_000_000, None, 15_000_000)
    assert sample.reasons[1].startswith("curr2_input")


def test_error_of_the_kernel_is_a_gap_with_its_words(root: Path, meter: Meter) -> None:
    """A device that fails with EIO, as one does that left, is a gap in the kernel's words."""
    rail(root, 0, "CPU", watts=80)
    broken = rail(root, 1, "Grace", watts=120)
    broken.unlink()
    broken.symlink_to("/proc/self/mem")
    meter.open()
    grace = next(sample for sample in meter.read(CLOCK) if "grace" in sample.device_id)
    assert grace.qualities == (Quality.GAP,)
    assert grace.reasons == ("power1_average: Input/output error",)


def test_negative_counter_is_no_energy(root: Path, meter: Meter) -> None:
    """A counter below 0 is a sentinel, as one would be that ran over 63 bits."""
    file = chip(root, 0, "xe", {"energy1_input": 7}, device="0000:03:00.0") / "energy1_input"
    meter.open()
    file.write_text("-9223372036854775808\n")
    [sample] = meter.read(CLOCK)
    assert (sample.values, sample.qualities) == ((None,), (Quality.SENTINEL,))


def test_sensor_that_the_hardware_lacks_is_left_out(root: Path, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is there and answers that there is no such sensor is no channel: the note of the others names it, with its error."""
    place = chip(root, 0, "amdgpu", {"power1_average": 213_000_000, "power1_input": 0}, device="0000:c1:00.0")
    (place / "power1_input").unlink()
    (place / "power1_input").symlink_to("/proc/self/mem")
    monkeypatch.setattr(hwmon, "LACKS", {errno.EIO})  # no file of ours answers EOPNOTSUPP
    meter.open()
    assert values(meter) == {"0000-c1-00.0:power_average": 213_000_000}
    assert "no power_input (Input/output error)" in meter.info[0].meters[0].note
    assert meter.info[0].meters[0].rated_w is None


def test_closing_gives_every_descriptor_back(root: Path, meter: Meter) -> None:
    """open() and close() leave as many descriptors as there were."""
    jetson(root, 0, ORIN_NX, "1-0040")
    before = len(os.listdir("/proc/self/fd"))
    meter.open()
    assert len(os.listdir("/proc/self/fd")) == before + 6
    meter.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_at_the_start_is_unavailable(root: Path, meter: Meter) -> None:
    """open() takes a reading: sensors that all say nothing are unavailable, and no descriptor stays open."""
    rail(root, 0, "Grace", watts=0)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MeterUnavailable, match="power1_average = 0") as caught:
        meter.open()
    assert caught.value.next_step
    assert len(os.listdir("/proc/self/fd")) == before
    assert meter.info == ()


def test_unreadable_file_is_unavailable(root: Path, meter: Meter) -> None:
    """A counter that only root may read is unavailable, with the command that opens exactly that file."""
    file = chip(root, 0, "xe", {"energy1_input": 7}, device="0000:03:00.0") / "energy1_input"
    file.chmod(0)
    with unprivileged(), pytest.raises(MeterUnavailable) as caught:
        meter.open()
    assert f"sudo chmod a+r {file}" in caught.value.next_step


def test_chosen_chips(root: Path) -> None:
    """`chips` picks by driver name or by serial; one that is not there is told, with those that are."""
    jetson(root, 0, ORIN_NX, "1-0040")
    rail(root, 1, "Module", watts=500)
    rail(root, 2, "Grace", watts=120)

    def serials(*names: str) -> list[str]:
        built = DRIVER.build(MeterTable("hwmon", {"root": str(root), "chips": list(names)}), host="node1")
        built.open()
        found = [device.device_id.split(":")[2] for device in built.info]
        built.close()
        return found

    assert serials() == ["ina3221-1-0040", "socket-0-grace", "socket-0-module"]
    assert serials("power_meter") == ["socket-0-grace", "socket-0-module"]
    assert serials("socket-0-module") == ["socket-0-module"]
    with pytest.raises(MeterUnavailable, match="no hwmon chip 'xe'") as caught:
        serials("xe")
    assert "socket-0-grace" in caught.value.next_step


def test_no_chip(root: Path, meter: Meter) -> None:
    """A machine whose hwmon has no power sensor, or that has no hwmon, is unavailable and not discovered."""
    chip(root, 0, "coretemp", {"temp1_input": 40_000})
    with pytest.raises(MeterUnavailable, match="measures power or energy") as caught:
        meter.open()
    assert caught.value.next_step


def test_looking_for_chips_is_light(capfd: pytest.CaptureFixture[str]) -> None:
    """Discovery on this machine takes next to no time and prints nothing, whatever is found."""
    begin_s = time.monotonic()
    assert DRIVER.discover() in ([], [{}])
    assert time.monotonic() - begin_s < 2.0
    assert capfd.readouterr() == ("", "")


def test_nothing_is_summed_twice(root: Path, meter: Meter) -> None:
    """Of the rails of a Grace Hopper and of a Jetson the energy takes the ones that hold the others, and leaves those out."""
    for index, name in enumerate(("Module", "Grace", "CPU", "SysIO")):
        rail(root, index, name, watts=100)
    jetson(root, 7, ORIN_NX, "1-0040")
    meter.open()
    none, no_quality = np.zeros(0, np.int64), np.zeros(0, np.uint8)
    series = [Series(info, none, none, no_quality, none) for device in meter.info for info in device.meters]
    used = {}
    for boundary in {one.meter.boundary for one in series}:
        found = devices([one for one in series if one.meter.boundary is boundary])
        used[boundary.value] = sorted(one.meter.meter_id for group in found.values() for one in group)
    assert used == {
        "module": ["hwmon:node1:ina3221-1-0040:vdd_in", "hwmon:node1:socket-0-module:power"],
        "package": ["hwmon:node1:socket-0-grace:power"],
    }
