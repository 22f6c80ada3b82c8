"""Processor energy as Linux reports it under powercap (Intel RAPL, AMD Zen): one energy counter per package, DRAM and platform.

Zones inside a package (core, uncore) are part of it and are not reported; `intel-rapl-mmio` shows the same package a second time
and is passed over. Since Linux 5.10 only root may read the counters, so a refusal names the command that mends it.

Source: Linux, Documentation/power/powercap/powercap.rst; Intel SDM volume 3B, section 15.10 (32-bit energy status, about 1 ms
refresh).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from joulemark.errors import MeterFault, MeterGone, MeterUnavailable
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.sysfs import opened, refuse_unreadable, reread, text
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

EXPONENT: Final = -6
UPDATE_PERIOD_S: Final = 0.001
REGISTER_MAX: Final = 0xFFFFFFFF
"""Highest count of the energy status register: 32 bits."""
RATED_MARGIN: Final = 1.5
"""Headroom over the highest power limit, which short peaks may pass."""

ZONE: Final = re.compile(r"intel-rapl(:\d+){1,2}")
MODALIAS: Final = re.compile(r"cpu:type:x86,ven([0-9A-F]{4})fam([0-9A-F]{4})mod([0-9A-F]{4}):.*")
VENDORS: Final = {0: "Intel", 2: "AMD", 9: "Hygon"}
"""Numbers of X86_VENDOR_* that have RAPL."""

PLATFORM_NOTE: Final = "platform (psys): what it includes is the board maker's choice, the package among it"


@dataclass(frozen=True, slots=True)
class RaplConfig:
    """`[[meter]] kind = "rapl"`: the processors of this host."""

    root: Path = Path("/sys")
    """Where sysfs is mounted."""


@dataclass(frozen=True, slots=True)
class Zone:
    """An open counter: `name` is its folder."""

    name: str
    descriptor: int
    info: DeviceInfo


@dataclass(frozen=True, slots=True)
class Processor:
    """What the kernel says of the processors; all alike in one machine. Empty where it does not say."""

    vendor: str = ""
    model: str = ""
    microcode: str = ""


def modulus_uj(max_energy_range_uj: int) -> int:
    """Range of a counter in microjoules: one register count above the highest value that it can show.

    The kernel gives the value of the highest count; the count after it is 0, so the range is larger by one count, which is
    that value divided by 2^32 - 1 (about 61 uJ on Intel, 15 uJ on AMD).
    """
    return max_energy_range_uj + max(1, round(max_energy_range_uj / REGISTER_MAX))


def reported(name: str) -> bool:
    """Whether a zone of that name stands for itself: core and uncore are inside their package."""
    return name.startswith("package") or name in {"dram", "psys"}


class RaplMeter:
    """The energy counters of the processors of this host; one device per zone."""

    kind: ClassVar[str] = "rapl"
    isolation: ClassVar[Isolation] = Isolation.SHARED

    def __init__(self, options: RaplConfig, *, host: str) -> None:
        self._root = options.root
        self._folder = options.root / "class" / "powercap"
        self._host = host
        self._zones: tuple[Zone, ...] = ()

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return tuple(zone.info for zone in self._zones)

    def open(self) -> None:
        if self._zones:
            return
        folders = zone_folders(self._folder)
        if not folders:
            raise MeterUnavailable(
                f"no RAPL zone under {self._folder}", "load it with sudo modprobe intel_rapl_msr; virtual machines and containers have none"
            )
        refuse_unreadable([folder / "energy_uj" for folder in folders])
        zones: list[Zone] = []
        try:
            for folder in folders:
                info = describe(folder, self._host, processor(self._root))
                zones.append(Zone(folder.name, opened(folder / "energy_uj"), info))
                reread(zones[-1].descriptor)
        except (OSError, ValueError) as error:
            for zone in zones:
                os.close(zone.descriptor)
            raise MeterUnavailable(f"cannot read {self._folder}: {error}", f"compare with ls -l {self._folder}/*/energy_uj") from error
        self._zones = tuple(zones)

    def read(self, clock: Clock) -> list[Sample]:
        if not self._zones:
            raise MeterFault("rapl is read before open()", "open it first")
        offset_ns = utc_minus_mono_ns(clock)
        samples = [read_zone(zone, clock, offset_ns) for zone in self._zones]
        if all(sample.values[0] is None for sample in samples):
            raise MeterGone(f"no RAPL zone answers ({samples[0].reasons[0]})", "see whether the intel_rapl module was unloaded")
        return samples

    def close(self) -> None:
        for zone in self._zones:
            os.close(zone.descriptor)
        self._zones = ()


def zone_folders(powercap: Path) -> list[Path]:
    """Folders of the zones that are reported, packages first."""
    found = [path for path in powercap.glob("intel-rapl*:*") if ZONE.fullmatch(path.name)]
    return sorted((path for path in found if reported(text(path / "name"))), key=lambda path: path.name)


def processor(root: Path) -> Processor:
    """The processors of the machine whose sysfs is at `root`."""
    cpu = root / "devices" / "system" / "cpu"
    found = MODALIAS.fullmatch(text(cpu / "modalias"))
    if found is None:
        return Processor()
    vendor, family, model = (int(part, 16) for part in found.groups())
    return Processor(VENDORS.get(vendor, ""), f"family {family} model {model}", text(cpu / "cpu0" / "microcode" / "version"))


def describe(folder: Path, host: str, cpu: Processor) -> DeviceInfo:
    """The zone in `folder` as a device with one counter. Raises ValueError when its range is not a number."""
    name = text(folder / "name")
    package = text(folder.parent / folder.name.rsplit(":", 1)[0] / "name")
    serial = f"{package}-{name}" if name == "dram" and package else name
    device_id = f"rapl:{host}:{serial}"
    limits_w = [int(text(path) or 0) / 1e6 for path in folder.glob("constraint_*_power_limit_uw")]
    meter = MeterInfo(
        meter_id=f"{device_id}:energy",
        kind="rapl",
        quantity=Quantity.ENERGY_COUNTER,
        exponent=EXPONENT,
        boundary=Boundary.MODULE if name == "psys" else Boundary.PACKAGE,
        vendor=cpu.vendor,
        model=cpu.model,
        firmware=f"microcode {cpu.microcode}" if cpu.microcode else "",
        interface="sysfs powercap",
        modulus=modulus_uj(int(text(folder / "max_energy_range_uj"))),
        update_period_s=UPDATE_PERIOD_S,
        covers=(f"{host}/{serial}",),
        rated_w=max(limits_w) * RATED_MARGIN if any(limits_w) else None,
        note=PLATFORM_NOTE if name == "psys" else "",
    )
    return DeviceInfo(device_id, (meter,))


def read_zone(zone: Zone, clock: Clock, offset_ns: int) -> Sample:
    """The counter of one zone as it stands; a failed read is a gap."""
    t_read0_ns = clock.mono_ns()
    try:
        value = reread(zone.descriptor)
    except (OSError, ValueError) as error:
        return Sample.gap(zone.info, t_read0_ns, clock.mono_ns(), offset_ns, f"{zone.name}/energy_uj: {error}")
    return Sample(zone.info.device_id, t_read0_ns, clock.mono_ns(), offset_ns, (value,), (None,), (Quality.OK,), ("",))


DRIVER: Final = Driver("rapl", RaplConfig, lambda config, host: RaplMeter(config, host=host), local=True, burst=True)
