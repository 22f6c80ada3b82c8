"""A sysfs of our own: folders, attributes and links as the kernel lays them out, for drivers that take its root from the configuration."""

from __future__ import annotations

import codecs
import os
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PACKAGE_MAX_UJ = 262_143_328_850
DRAM_MAX_UJ = 65_712_999_613

NOBODY = 65534

Attributes = Mapping[str, str | int]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user who may read no more than everybody, where the tests run as root.

    Python looks for a codec when it is first asked for, and remembers for ever that it found none: it must not look with these eyes.
    """
    codecs.lookup("ascii")
    previous = os.geteuid()
    if previous == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(previous)


def plant(root: Path, tree: Path) -> None:
    """Lay out under `root` what the TOML file `tree` records: `[attributes]` path = text, `[links]` path = target."""
    said = tomllib.loads(tree.read_text(encoding="utf-8"))
    for name, target in said.get("links", {}).items():
        link(root / name, target)
    for name, text in said.get("attributes", {}).items():
        write(root / name, text)


def write(path: Path, value: str | int) -> Path:
    """One attribute, ended by a newline as the kernel does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
    return path


def link(path: Path, target: str) -> None:
    """A link to `target`, a folder relative to that of the link, which is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / target).mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def chip(root: Path, index: int, name: str, attributes: Attributes, *, device: str = "", below: bool = False) -> Path:
    """A hwmon chip and the folder of its attributes.

    `device`: what it belongs to, as `0000:03:00.0` or `1-0040`. `below`: the attributes stand in `device/`, as drivers of the first
    hwmon interface have them, the name too.
    """
    folder = root / "class" / "hwmon" / f"hwmon{index}"
    folder.mkdir(parents=True)
    link(folder / "device", f"../../../devices/{device or f'{name}.{index}'}")
    place = folder / "device" if below else folder
    write(place / "name", name)
    for attribute, value in attributes.items():
        write(place / attribute, value)
    return place


def zone(root: Path, folder: str, name: str, *, energy_uj: int = 0, max_uj: int = PACKAGE_MAX_UJ, limit_w: float = 0) -> Path:
    """A powercap zone, and the file of its counter."""
    place = root / "class" / "powercap" / folder
    place.mkdir(parents=True)
    write(place / "name", name)
    write(place / "max_energy_range_uj", max_uj)
    if limit_w:
        write(place / "constraint_0_power_limit_uw", round(limit_w * 1e6))
    return write(place / "energy_uj", energy_uj)


class Load:
    """A power that attributes follow: those in `powers` show it in microwatts, those in `energies` its integral in microjoules.

    Each has its share of the power. An energy begins at what its file says, and wraps above `energies_max_uj` where it is given.
    """

    def __init__(
        self, subsystem: Path, watts: float, *, powers: Mapping[Path, float], energies: Mapping[Path, float], energies_max_uj: int = 2**63
    ) -> None:
        self._subsystem = subsystem
        self._away = subsystem.with_name(f"{subsystem.name}.away")
        self._watts = watts
        self._powers, self._energies, self._modulus = powers, energies, energies_max_uj + 1
        self._begin_uj = {path: int(path.read_text()) for path in energies}
        self._files = {path: os.open(path, os.O_RDWR) for path in (*powers, *energies)}
        self._joules, self._since_s = 0.0, time.monotonic()
        self._present = True
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set_power_w(self, watts: float) -> None:
        with self._lock:
            self._advance()
            self._watts = watts
            self._show()

    def unplug(self) -> None:
        """The driver is unloaded: open attributes give nothing any more, and the folder is gone."""
        with self._lock:
            self._present = False
            for descriptor in self._files.values():
                os.ftruncate(descriptor, 0)
            self._subsystem.rename(self._away)

    def replug(self) -> None:
        with self._lock:
            self._away.rename(self._subsystem)
            self._present = True
            self._show()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        for descriptor in self._files.values():
            os.close(descriptor)

    def _run(self) -> None:
        while not self._stopped.wait(0.005):
            with self._lock:
                self._advance()
                if self._present:
                    self._show()

    def _advance(self) -> None:
        now_s = time.monotonic()
        self._joules += self._watts * (now_s - self._since_s)
        self._since_s = now_s

    def _show(self) -> None:
        for path, share in self._powers.items():
            os.pwrite(self._files[path], f"{round(self._watts * share * 1e6):<22d}\n".encode(), 0)
        for path, share in self._energies.items():
            value_uj = (self._begin_uj[path] + round(self._joules * share * 1e6)) % self._modulus
            os.pwrite(self._files[path], f"{value_uj:<22d}\n".encode(), 0)
