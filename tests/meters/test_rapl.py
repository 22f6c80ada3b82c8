from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.agent.watch import MeterWatch
from joulemark.config import MeterTable
from joulemark.errors import MeterGone, MeterUnavailable
from joulemark.meters.base import Meter
from joulemark.meters.rapl import DRIVER, Processor, modulus_uj, processor
from joulemark.readings import Boundary, Quality
from joulemark.timebase import SystemClock
from tests.standins.sysfs_tree import DRAM_MAX_UJ, PACKAGE_MAX_UJ, unprivileged, zone

CLOCK = SystemClock()


@pytest.fixture
def root() -> Iterator[Path]:
    """A sysfs of our own that any user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def meter(root: Path) -> Iterator[Meter]:
    built = DRIVER.build(MeterTable("rapl", {"root": str(root)}), host="node1")
    yield built
    built.close()


def test_zones_and_boundaries(root: Path, meter: Meter) -> None:
    """Packages, their DRAM and the platform are devices; core, uncore and the MMIO twin are not, and psys is no package."""
    zone(root, "intel-rapl:0", "package-0", limit_w=350)
    zone(root, "intel-rapl:0:0", "core")
    zone(root, "intel-rapl:0:1", "uncore")
    zone(root, "intel-rapl:0:2", "dram", max_uj=DRAM_MAX_UJ)
    zone(root, "intel-rapl:1", "package-1-die-0")
    zone(root, "intel-rapl:2", "psys")
    zone(root, "intel-rapl-mmio:0", "package-0")
    meter.open()
    found = {device.device_id: device.meters[0] for device in meter.info}
    assert list(found) == ["rapl:node1:package-0", "rapl:node1:package-0-dram", "rapl:node1:package-1-die-0", "rapl:node1:psys"]
    assert [m.boundary for m in found.values()] == [Boundary.PACKAGE] * 3 + [Boundary.MODULE]
    assert found["rapl:node1:package-0"].rated_w == pytest.approx(525.0)
    assert found["rapl:node1:psys"].rated_w is None


def test_counter_as_it_stands(root: Path, meter: Meter) -> None:
    """A read gives the file's number in microjoules, and the next read the new one from the same descriptor."""
    counter = zone(root, "intel-rapl:0", "package-0", energy_uj=123_456_789)
    meter.open()
    assert meter.read(CLOCK)[0].values == (123_456_789,)
    counter.write_text("123456999\n")
    assert meter.read(CLOCK)[0].values == (123_456_999,)
    assert meter.info[0].meters[0].si(123_456_789) == pytest.approx(123.456789)


def test_modulus_is_one_register_count_above_the_highest_value() -> None:
    """The range is the highest value plus one count of the 32-bit register: 61 uJ on Intel packages, 15 uJ on DRAM."""
    assert modulus_uj(PACKAGE_MAX_UJ) == PACKAGE_MAX_UJ + 61
    assert modulus_uj(DRAM_MAX_UJ) == DRAM_MAX_UJ + 15
    assert modulus_uj(1000) == 1001


def test_wrap_at_262_kilojoules(root: Path, meter: Meter) -> None:
    """Across the wrap of a package counter the difference modulo the declared range is the exact energy, to one register count."""
    counts = 2**32 - 300
    unit_uj = PACKAGE_MAX_UJ / (2**32 - 1)
    counter = zone(root, "intel-rapl:0", "package-0", energy_uj=int(counts * unit_uj))
    meter.open()
    [before] = meter.read(CLOCK)
    counter.write_text(f"{int((counts + 1000) % 2**32 * unit_uj)}\n")
    [after] = meter.read(CLOCK)
    modulus = meter.info[0].meters[0].modulus
    assert None not in (before.values[0], after.values[0], modulus)
    assert after.values[0] < before.values[0]
    assert (after.values[0] - before.values[0]) % modulus == pytest.approx(1000 * unit_uj, abs=2)
    assert after.qualities == (Quality.OK,)


def test_unreadable_counter_names_the_command(root: Path, meter: Meter) -> None:
    """A counter that only root may read is unavailable, with the command that opens exactly that file."""
    counter = zone(root, "intel-rapl:0", "package-0")
    counter.chmod(0)
    with unprivileged(), pytest.raises(MeterUnavailable) as caught:
        meter.open()
    assert f"sudo chmod a+r {counter}" in caught.value.next_step
    assert meter.info == ()


def test_no_zone(meter: Meter) -> None:
    """A machine without RAPL is unavailable, with what would load it."""
    with pytest.raises(MeterUnavailable, match="modprobe"):
        meter.open()


def test_one_broken_counter_is_a_gap(root: Path, meter: Meter) -> None:
    """A counter that says no number is a gap with its file; the others go on, and when none is left the stream ends."""
    package, dram = zone(root, "intel-rapl:0", "package-0", energy_uj=5), zone(root, "intel-rapl:0:1", "dram", energy_uj=6)
    meter.open()
    dram.write_text("\n")
    first, second = meter.read(CLOCK)
    assert first.values == (5,)
    assert second.values == (None,)
    assert "energy_uj" in second.reasons[0]
    package.write_text("")
    with pytest.raises(MeterGone):
        meter.read(CLOCK)


def test_broken_counter_is_unavailable(root: Path, meter: Meter) -> None:
    """open() reads every counter once: one that says no number at the start is told, with the command that shows it."""
    zone(root, "intel-rapl:0", "package-0").write_text("\n")
    with pytest.raises(MeterUnavailable, match="is no number") as caught:
        meter.open()
    assert "ls -l" in caught.value.next_step


def test_broken_range_is_unavailable(root: Path, meter: Meter) -> None:
    """A zone whose range is no number cannot be opened, and leaves no descriptor behind."""
    counter = zone(root, "intel-rapl:0", "package-0")
    (counter.parent / "max_energy_range_uj").write_text("lots\n")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MeterUnavailable):
        meter.open()
    assert len(os.listdir("/proc/self/fd")) == before


def test_processor_is_named(root: Path, meter: Meter) -> None:
    """Vendor, family and microcode come from sysfs; where the kernel does not tell them they stay empty."""
    zone(root, "intel-rapl:0", "package-0")
    cpu = root / "devices" / "system" / "cpu"
    (cpu / "cpu0" / "microcode").mkdir(parents=True)
    (cpu / "modalias").write_text("cpu:type:x86,ven0002fam0019mod0011:feature:,0000,0001\n")
    (cpu / "cpu0" / "microcode" / "version").write_text("0xa101148\n")
    meter.open()
    described = meter.info[0].meters[0]
    assert (described.vendor, described.model, described.firmware) == ("AMD", "family 25 model 17", "microcode 0xa101148")
    (cpu / "modalias").write_text("of:NcpuT(null)Carm\n")
    assert processor(root) == Processor()


def test_packages_of_two_hosts_are_two_things(root: Path, meter: Meter) -> None:
    """What a zone covers names its host: equal zones of two nodes are summed, never taken for one."""
    zone(root, "intel-rapl:0", "package-0")
    other = DRIVER.build(MeterTable("rapl", {"root": str(root)}), host="node2")
    meter.open()
    other.open()
    assert meter.info[0].meters[0].covers == ("node1/package-0",)
    assert other.info[0].meters[0].covers == ("node2/package-0",)
    other.close()


@pytest.mark.parametrize(("fell_to_uj", "expected"), [(300_000_000, Quality.WRAPPED), (200_000_000_000, Quality.RESET)])
def test_a_reset_that_looks_like_a_wrap(root: Path, meter: Meter, fell_to_uj: int, expected: Quality) -> None:
    """A fall is a wrap only where the energy that it implies is believable; else the counter was reset."""
    counter = zone(root, "intel-rapl:0", "package-0", energy_uj=262_143_000_000, limit_w=350)
    meter.open()
    watch = MeterWatch(meter.info[0].meters[0])
    for second, value_uj in enumerate((262_143_000_000, fell_to_uj)):
        counter.write_text(f"{value_uj}\n")
        value = meter.read(CLOCK)[0].values[0]
        assert value is not None
        quality, _ = watch.judge(value, second * 1_000_000_000, None)
    assert quality is expected
