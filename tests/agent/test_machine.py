"""What the kernel tells of a machine, from files as it writes them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from joulemark.agent import machine


def put(root: Path, files: dict[str, str]) -> None:
    """Files below `root`, with their folders."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")


def module(size: int, kind: int, speed_mts: int, extended_mib: int = 0) -> bytes:
    """SMBIOS table 17 (DSP0134) of one slot."""
    raw = bytearray(0x28)
    struct.pack_into("<H", raw, 0x0C, size)
    raw[0x12] = kind
    struct.pack_into("<H", raw, 0x15, speed_mts)
    struct.pack_into("<I", raw, 0x1C, extended_mib)
    return bytes(raw)


def test_settings_and_serial_come_from_sysfs(tmp_path: Path) -> None:
    """Caps in watts by package, the governor of all processors, the idle states that are off, ports with a link."""
    put(
        tmp_path,
        {
            "class/dmi/id/product_serial": "S1",
            "devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
            "devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave",
            "devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3800000",
            "devices/system/cpu/cpuidle/current_driver": "intel_idle",
            "devices/system/cpu/cpu0/cpuidle/state2/disable": "1",
            "devices/system/cpu/cpu0/cpuidle/state2/name": "C6",
            "devices/system/cpu/cpu0/cpuidle/state1/disable": "0",
            "devices/system/cpu/cpu0/cpuidle/state1/name": "C1",
            "class/powercap/intel-rapl:0/name": "package-0",
            "class/powercap/intel-rapl:0/constraint_0_power_limit_uw": "225500000",
            "class/powercap/intel-rapl:0:0/constraint_0_power_limit_uw": "1",
            "class/net/eth0/speed": "400000",
            "class/net/eth0/device/vendor": "x",
            "class/net/eth1/speed": "-1",
            "class/net/eth1/device/vendor": "x",
            "class/net/lo/speed": "10",
        },
    )
    found = machine.seen(tmp_path)
    assert (found.node.serial, found.node.nics) == ("S1", "1 x 400 Gb/s")
    assert found.settings == {
        "governor": "performance, powersave",
        "clocks": "3800000 kHz",
        "c_states": "intel_idle, without C6",
        "power_cap_w.package-0": "225.5",
    }


def test_what_cannot_be_read_is_not_there() -> None:
    """A machine that tells nothing has no settings, rather than empty ones; its kernel is known."""
    found = machine.seen(Path("/nowhere"))
    assert (found.settings, found.node.serial, found.node.dimms, found.node.nics) == ({}, "", "", "")
    assert found.node.kernel


def test_equal_modules_are_counted(tmp_path: Path) -> None:
    """Sizes beyond 32 GB stand in the extended field, small ones in kibibytes; an empty slot is none; a torn table is not guessed at."""
    slots = [module(0x7FFF, 0x22, 5600, 98304), module(0x7FFF, 0x22, 5600, 98304), module(0, 0x22, 0), module(16384, 0x1A, 3200)]
    for number, raw in enumerate(slots):
        (tmp_path / f"17-{number}").mkdir()
        (tmp_path / f"17-{number}/raw").write_bytes(raw)
    assert machine.dimms(tmp_path / ("x" * 300) / "entries") == "", "a folder that may not be looked into, as containers have one"
    assert machine.dimms(tmp_path) == "1 x 16 GB DDR4-3200, 2 x 96 GB DDR5-5600"
    (tmp_path / "17-0/raw").write_bytes(b"\x11")
    assert machine.dimms(tmp_path) == ""


@pytest.mark.parametrize(("size", "said"), [(0x8000 | 2048, "0.00195312 GB memory-0"), (0xFFFF, "")])
def test_odd_sizes_of_modules(size: int, said: str) -> None:
    """Units of a kibibyte where the highest bit is set; all ones is an unknown size."""
    assert machine.dimm(module(size, 0, 0)) == said
