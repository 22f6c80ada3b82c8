"""Stage of the kind `rapl`: a sysfs of our own with one package and its DRAM. A golden case is a tree, `sysfs.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options
from tests.standins.sysfs_tree import DRAM_MAX_UJ, PACKAGE_MAX_UJ, Load, plant, zone

WATTS = 250.0
PACKAGE_SHARE, DRAM_SHARE = 0.9, 0.1

WITHOUT = {
    "a_hung_device_is_a_gap_within_the_deadline": "a read of powercap is a read of a register, which no deadline of a process can end",
    "a_refused_credential_is_told": "files have permissions and no credentials: see test_unreadable_counter_names_the_command",
}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    package = zone(folder, "intel-rapl:0", "package-0", energy_uj=PACKAGE_MAX_UJ - 400_000_000, limit_w=350)
    dram = zone(folder, "intel-rapl:0:1", "dram", energy_uj=7, max_uj=DRAM_MAX_UJ)
    counters = {package: PACKAGE_SHARE, dram: DRAM_SHARE}
    load = Load(folder / "class" / "powercap", WATTS, powers={}, energies=counters, energies_max_uj=PACKAGE_MAX_UJ)
    try:
        yield Living(
            {"root": str(folder)}, unplug=load.unplug, replug=load.replug, set_power_w=load.set_power_w, deadline_s=1.0, exempt=WITHOUT
        )
    finally:
        load.stop()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    plant(folder, case / "sysfs.toml")
    yield {"root": str(folder)}
