"""Stage of the kind `hwmon`: a sysfs of our own with a Grace Hopper module and an Intel GPU. A golden case is a tree, `sysfs.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options
from tests.standins.sysfs_tree import Load, chip, plant

WATTS = 600.0
RAILS = {"Module": 1.0, "Grace": 0.4, "CPU": 0.25, "SysIO": 0.05}
"""Rail of the Grace socket -> its share of the module's power."""

CARD_SHARE = 0.5

WITHOUT = {
    "a_hung_device_is_a_gap_within_the_deadline": "a read of sysfs is a call into the kernel, which no deadline of a process can end; "
    "the meter has a thread of its own for it",
    "a_refused_credential_is_told": "files have permissions and no credentials: see test_unreadable_file_is_unavailable",
}


def rail(root: Path, index: int, name: str, *, socket: int = 0, watts: float = 0.0, below: bool = True) -> Path:
    """One power meter of a Grace socket, and its file."""
    attributes = {
        "power1_average": round(watts * 1e6),
        "power1_oem_info": f"{name} Power Socket {socket}",
        "power1_average_interval": 50,
        "power1_accuracy": "100.0%",
    }
    return chip(root, index, "power_meter", attributes, device=f"ACPI000D:{index:02x}", below=below) / "power1_average"


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    powers = {rail(folder, i, name): share for i, (name, share) in enumerate(RAILS.items())}
    counter = {"energy1_input": 8_123_456_789, "energy1_label": "card", "power1_max": 600_000_000}
    card = chip(folder, 4, "xe", counter, device="0000:03:00.0")
    load = Load(folder / "class" / "hwmon", WATTS, powers=powers, energies={card / "energy1_input": CARD_SHARE})
    load.set_power_w(WATTS)
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
