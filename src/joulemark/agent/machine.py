"""What the kernel tells of this machine: firmware tables (SMBIOS, DMTF DSP0134), processors' power settings (sysfs), network ports."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark.node import Node

DDR: Final = {0x18: "DDR3", 0x1A: "DDR4", 0x22: "DDR5"}
"""Memory types of SMBIOS table 17, byte 12h."""
SIZE_EXTENDED: Final = 0x7FFF
SIZE_UNKNOWN: Final = (0, 0xFFFF)
MIB_PER_GB: Final = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """The host without its GPUs; `settings` by the names of `node.ASKED_SETTINGS`."""

    node: Node
    settings: Mapping[str, str]


def seen(sysfs: Path = Path("/sys")) -> Machine:
    """What can be read by this user; the rest is empty."""
    dmi = sysfs / "class/dmi/id"
    node = Node(
        "", serial=text(dmi / "product_serial"), kernel=os.uname().release, dimms=dimms(sysfs / "firmware/dmi/entries"), nics=nics(sysfs)
    )
    cpus = sysfs / "devices/system/cpu"
    found = {
        "governor": united(cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")),
        "clocks": united(cpus.glob("cpu[0-9]*/cpufreq/scaling_max_freq"), unit=" kHz"),
        "c_states": c_states(cpus),
        **power_caps(sysfs / "class/powercap"),
    }
    return Machine(node, {key: value for key, value in found.items() if value})


def text(path: Path) -> str:
    """The one line of a kernel's file, empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def united(paths: Iterable[Path], *, unit: str = "") -> str:
    """What all of `paths` say, each value once, in order."""
    return ", ".join(sorted({f"{value}{unit}" for path in paths if (value := text(path))}))


def c_states(cpus: Path) -> str:
    """The driver of the idle states, and those that are disabled on any processor."""
    driver = text(cpus / "cpuidle/current_driver")
    off = sorted({text(path.parent / "name") for path in cpus.glob("cpu[0-9]*/cpuidle/state*/disable") if text(path) == "1"})
    return driver if not off or not driver else f"{driver}, without {', '.join(off)}"


def power_caps(folder: Path) -> dict[str, str]:
    """Limits of the processor packages, W."""
    caps = {}
    for zone in sorted(folder.glob("intel-rapl:*")):
        limit_uw = text(zone / "constraint_0_power_limit_uw")
        if zone.name.count(":") == 1 and limit_uw.isdigit():
            caps[f"power_cap_w.{text(zone / 'name') or zone.name}"] = f"{int(limit_uw) / 1e6:g}"
    return caps


def dimms(entries: Path) -> str:
    """The memory modules, equal ones together, as `24 x 96 GB DDR5-5600`; empty where the tables are not readable."""
    found: Counter[str] = Counter()
    try:
        for entry in sorted(entries.glob("17-*")):
            if name := dimm((entry / "raw").read_bytes()):
                found[name] += 1
    except (OSError, struct.error):
        return ""
    return ", ".join(f"{count} x {name}" for name, count in sorted(found.items()))


def dimm(raw: bytes) -> str:
    """Size, type and speed in one table 17 (DSP0134 section 7.18); empty for an empty slot. Raises struct.error for a short one."""
    size_mib = struct.unpack_from("<H", raw, 0x0C)[0]
    if size_mib in SIZE_UNKNOWN:
        return ""
    if size_mib == SIZE_EXTENDED:
        size_mib = struct.unpack_from("<I", raw, 0x1C)[0]
    elif size_mib & 0x8000:
        size_mib = (size_mib & 0x7FFF) // 1024
    kind, speed_mts = raw[0x12], struct.unpack_from("<H", raw, 0x15)[0]
    return f"{size_mib / MIB_PER_GB:g} GB {DDR.get(kind, 'memory')}-{speed_mts}"


def nics(sysfs: Path) -> str:
    """The network ports that are hardware, by speed, as `2 x 400 Gb/s`; ports without a link have no speed and are left out."""
    speeds = [text(port / "speed") for port in (sysfs / "class/net").glob("*") if (port / "device").exists()]
    found = Counter(int(speed) for speed in speeds if speed.isdigit())
    return ", ".join(f"{count} x {speed / 1000:g} Gb/s" for speed, count in sorted(found.items()))
