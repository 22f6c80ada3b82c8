"""Which hwmon chips measure power or energy that matters here, what each of their files means, and what is a part of what.

Sources: Linux, Documentation/hwmon/{sysfs-interface,acpi_power_meter,ina3221}.rst, Documentation/gpu/amdgpu/thermal.rst,
Documentation/ABI/testing/sysfs-driver-intel-{i915,xe}-hwmon; NVIDIA Grace performance tuning guide (power telemetry) and edk2-nvidia
(ACPI power meters of TH500); Jetson Linux developer guide (INA3221 rails).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.meters.sysfs import number, text
from joulemark.readings import Averaging, Boundary, Current, Quantity

RATED_MARGIN: Final = 1.5
"""Headroom over the highest power limit, which short peaks may pass."""

RAIL: Final = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)", re.IGNORECASE)
GRACE: Final[Mapping[str, tuple[Boundary, tuple[str, ...]]]] = {
    "module": (Boundary.MODULE, ("cpu", "sysio", "memory", "gpu")),
    "grace": (Boundary.PACKAGE, ("cpu", "sysio", "memory")),
    "cpu": (Boundary.PACKAGE, ("cpu",)),
    "sysio": (Boundary.PACKAGE, ("sysio",)),
}
"""Rail of a Grace socket -> where it sits, and what of the socket it holds: Module > Grace > CPU + SysIO."""

GRACE_REFRESH_S: Final = 0.05
"""The firmware asks the power controller at most every 50 ms."""

WHOLE_SYSTEM: Final = "LNXSYBUS:00"
"""The ACPI device that stands for the machine, in the folder `measures` of a meter of all of it."""

BOARD_INPUTS: Final = ("VDD_IN", "POM_5V_IN")
"""Rails that feed a whole Jetson module; every other rail of the board is behind them."""

HELD: Final[Mapping[str, tuple[str, ...]]] = {"VIN_SYS_5V0": ("VDDQ_VDD2_1V8AO",)}
"""Rail of a Jetson without an input rail -> rails behind it."""

AMDGPU_PERIOD_S: Final = 0.001
"""Its driver asks the firmware at most every millisecond (ROCm issue 1649)."""

PCI: Final = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
APU_LABEL: Final = "vddnb"
"""Voltage of the northbridge: only processors with a GPU inside have it, and their power includes the CPU."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One meter of a chip.

    `files`: one with microwatts or microjoules, or two with millivolts and milliamperes, whose product is microwatts. `about`: what
    the description says of this sensor. `may_be_zero`: whether 0 can be a measurement, as of a rail that is switched off.
    """

    channel: str
    files: tuple[Path, ...]
    about: Mapping[str, Any]
    may_be_zero: bool = False


@dataclass(frozen=True, slots=True)
class Chip:
    """One hwmon device: `name` as its driver calls itself, `serial` for the meter id, `about` what all its sensors share."""

    name: str
    serial: str
    sensors: tuple[Sensor, ...]
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A folder of `class/hwmon` on its way to a chip. `place`: where its attributes stand. `rails`: labels of all rails of the machine."""

    folder: Path
    name: str
    place: Path
    root: Path
    host: str
    rails: frozenset[str]

    @property
    def device(self) -> str:
        """Name of the device the chip belongs to: a PCI or I2C address, or the folder's own where it says none."""
        return (self.folder / "device").resolve().name if (self.folder / "device").is_symlink() else self.folder.name

    def owned(self, *parts: str) -> tuple[str, ...]:
        """`covers` of things that only this host has."""
        return tuple(f"{self.host}/{part}" for part in parts)

    def limit_w(self, *names: str) -> float | None:
        """The highest of the power limits `names` with headroom, None where none is set."""
        limits_uw = [found for name in names if (found := number(self.place / name))]
        return max(limits_uw) / 1e6 * RATED_MARGIN if limits_uw else None


def chips(root: Path, host: str) -> list[Chip]:
    """Every chip under `root` that is known here, with its sensors, in the order of their serials."""
    seen = list(folders(root, host))
    found = (FAMILIES[one.name](one) for one in seen if one.name in FAMILIES)
    return sorted((chip for chip in found if chip is not None and chip.sensors), key=lambda chip: chip.serial)


def folders(root: Path, host: str) -> Iterator[Seen]:
    """The folders of `class/hwmon`. Older kernels keep the name and the attributes of a power meter one level down, in `device/`."""
    found = sorted((root / "class" / "hwmon").glob("hwmon*"))
    rails = frozenset(label for folder in found for _, label in labels(folder))
    for folder in found:
        name = text(folder / "name") or text(folder / "device" / "name")
        below = name == "power_meter" and not (folder / "power1_average").exists()
        yield Seen(folder, name, folder / "device" if below else folder, root, host, rails)


def labels(folder: Path) -> Iterator[tuple[int, str]]:
    """Number and label of the channels of an INA3221 that measure a rail: the ones above 3 are sums and shunt voltages."""
    if text(folder / "name") == "ina3221":
        for i in (1, 2, 3):
            label = text(folder / f"in{i}_label") or f"rail{i}"
            if label.upper() != "NC" and text(folder / f"in{i}_enable") != "0":
                yield i, label


def part(label: str) -> str:
    """A label as a part of a meter id: no colon, no space."""
    return re.sub(r"[^\w.+-]+", "-", label).strip("-").lower()


def power_meter(seen: Seen) -> Chip | None:
    """A rail of NVIDIA Grace, or an ACPI power meter of which the firmware says that it measures the whole machine; others are unknown."""
    oem = text(seen.place / "power1_oem_info")
    rail = RAIL.fullmatch(oem)
    stated = text(seen.place / "power1_accuracy")
    window_ms = number(seen.place / "power1_average_interval") or 0
    about: dict[str, Any] = {
        "vendor": "NVIDIA" if rail else text(seen.root / "class" / "dmi" / "id" / "sys_vendor"),
        "model": oem or "ACPI power meter",
        "serial": text(seen.place / "power1_serial_number"),
        "firmware": text(seen.root / "class" / "dmi" / "id" / "bios_version"),
        "averaging": Averaging.BOXCAR if window_ms > 0 else Averaging.UNKNOWN,
        "averaging_window_s": window_ms / 1000 if window_ms > 0 else None,
        "rated_w": seen.limit_w("power1_cap_max"),
        "note": f"the firmware states an accuracy of {stated}, and not whether that is a limit of error" if stated else "",
    }
    if rail:
        kind, socket = rail[1].lower(), rail[2]
        boundary, held = GRACE[kind]
        serial = f"socket-{socket}-{kind}"
        about |= {"boundary": boundary, "covers": seen.owned(*(f"socket-{socket}/{one}" for one in held))}
        about |= {"update_period_s": GRACE_REFRESH_S}
    elif (seen.place / "measures" / WHOLE_SYSTEM).exists():
        serial = part(about["serial"]) or part(seen.device)
        about |= {"boundary": Boundary.SERVER_INPUT, "current": Current.AC}
    else:
        return None
    files = (seen.place / "power1_average",)
    return Chip(seen.name, serial, (Sensor("power", files, {"quantity": Quantity.POWER}),) if files[0].exists() else (), about)


def ina3221(seen: Seen) -> Chip:
    """The rails of an INA3221, as Jetson modules have it: a rail that feeds others covers them."""
    period_ms = number(seen.place / "update_interval") or 0
    sensors = []
    for i, label in labels(seen.folder):
        power = seen.place / f"power{i}_input"
        pair = (seen.place / f"in{i}_input", seen.place / f"curr{i}_input")
        files = (power,) if power.exists() else pair
        if all(path.exists() for path in files):
            said = {"quantity": Quantity.POWER, "model": f"INA3221 {label}", "covers": seen.owned(*held(label, seen.rails))}
            sensors.append(Sensor(part(label), files, said, may_be_zero=True))
    about: dict[str, Any] = {
        "vendor": "Texas Instruments",
        "boundary": Boundary.MODULE,
        "update_period_s": period_ms / 1000 if period_ms > 0 else None,
        "note": "voltage times current, converted one after the other; the tolerance of the shunt is not known",
    }
    return Chip(seen.name, f"ina3221-{part(seen.device)}", tuple(sensors), about)


def held(label: str, rails: frozenset[str]) -> tuple[str, ...]:
    """The rail `label` and, of the rails of this machine, those behind it."""
    behind = rails if label in BOARD_INPUTS else rails & set(HELD.get(label, ()))
    return tuple(sorted({label, *behind}))


def intel_gpu(seen: Seen) -> Chip:
    """An Intel GPU: `energy1` is the card (i915: the device), every other counter a part of it."""
    address = seen.device
    files = {int(re.sub(r"\D", "", path.name)): path for path in seen.place.glob("energy*_input")}
    names = {i: text(seen.place / f"energy{i}_label") or {1: "card", 2: "pkg"}.get(i, f"energy{i}") for i in sorted(files)}
    parts = {i: f"{address}/{name}" for i, name in names.items() if i != 1}
    sensors = tuple(
        Sensor(
            part(name),
            (files[i],),
            {"quantity": Quantity.ENERGY_COUNTER, "covers": seen.owned(*([address, *parts.values()] if i == 1 else [parts[i]]))},
            may_be_zero=True,
        )
        for i, name in names.items()
    )
    about: dict[str, Any] = {
        "vendor": "Intel",
        "model": f"{seen.name} GPU {pci_id(seen)}",
        "boundary": Boundary.GPU,
        "rated_w": seen.limit_w(*(f"power{i}_{name}" for i in (1, 2) for name in ("rated_max", "max", "cap"))),
    }
    return Chip(seen.name, part(address), sensors, about)


def amd_gpu(seen: Seen) -> Chip:
    """An AMD GPU by its kernel driver: average and instantaneous power. A processor with a GPU inside is the package that RAPL sees."""
    apu = text(seen.place / "in1_label") == APU_LABEL
    serial = text(seen.folder / "device" / "unique_id")
    views = (("power_average", Averaging.UNKNOWN), ("power_input", Averaging.INSTANT))
    sensors = tuple(
        Sensor(channel, (path,), {"quantity": Quantity.POWER, "averaging": averaging})
        for channel, averaging in views
        if (path := seen.place / channel.replace("power_", "power1_")).exists()
    )
    vbios = text(seen.folder / "device" / "vbios_version")
    about: dict[str, Any] = {
        "vendor": "AMD",
        "model": f"amdgpu GPU {pci_id(seen)}",
        "serial": serial,
        "firmware": f"VBIOS {vbios}" if vbios else "",
        "boundary": Boundary.PACKAGE if apu else Boundary.GPU,
        "update_period_s": AMDGPU_PERIOD_S,
        "covers": seen.owned("package-0" if apu else seen.device),
        "rated_w": seen.limit_w("power1_cap_max", "power1_cap"),
        "note": "a processor with a GPU inside: its power includes the CPU" if apu else "",
    }
    return Chip(seen.name, part(serial or seen.device), sensors, about)


def pci_id(seen: Seen) -> str:
    """Vendor and device number of the PCI device, as lspci -n shows them; its address where sysfs does not tell."""
    numbers = [text(seen.folder / "device" / name).removeprefix("0x") for name in ("vendor", "device")]
    return ":".join(numbers) if all(numbers) else seen.device


FAMILIES: Final[Mapping[str, Callable[[Seen], Chip | None]]] = {
    "power_meter": power_meter,
    "ina3221": ina3221,
    "i915": intel_gpu,
    "xe": intel_gpu,
    "amdgpu": amd_gpu,
}
"""Name of a chip -> what reads its folder. `i915_gtN` are parts of `i915` and stand for nothing by themselves."""
