"""A sysfs of our own: folders, attributes and links as the kernel lays them out, for drivers that take its root from the configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

PACKAGE_MAX_UJ = 262_143_328_850
DRAM_MAX_UJ = 65_712_999_613

Attributes = Mapping[str, str | int]


def plant(root: Path, tree: Path) -> None:
    """Lay out under `root` what the TOML file `tree` records: `[attributes]` path = text, `[links]` path = target."""
    said = tomllib.loads(tree.read_text(encoding="utf-8"))
    for name, text in said.get("attributes", {}).items():
        write(root / name, text)
    for name, target in said.get("links", {}).items():
        link(root / name, target)


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
