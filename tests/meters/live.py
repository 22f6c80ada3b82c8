"""A living device of every kind: `LIVE[kind]` opens what stands behind it and yields the options of its `[[meter]]` table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.standins import nvml_standin
from tests.standins.ipmi_standin import Bmc
from tests.standins.nvml_standin import NvmlWave

PACKAGE_MAX_UJ = 262_143_328_850
DRAM_MAX_UJ = 65_712_999_613

Options = dict[str, Any]


def zone(root: Path, folder: str, name: str, *, energy_uj: int = 0, max_uj: int = PACKAGE_MAX_UJ, limit_w: float = 0) -> Path:
    """Write one powercap zone under `root` and return the file of its counter."""
    place = root / "class" / "powercap" / folder
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    (place / "max_energy_range_uj").write_text(f"{max_uj}\n")
    (place / "energy_uj").write_text(f"{energy_uj}\n")
    if limit_w:
        (place / "constraint_0_power_limit_uw").write_text(f"{round(limit_w * 1e6)}\n")
    return place / "energy_uj"


@contextmanager
def nvml(folder: Path) -> Iterator[Options]:
    wave = NvmlWave(gpus=2)
    with mock.patch.dict(os.environ, wave.env()):
        yield {"library": str(nvml_standin.build(folder))}


@contextmanager
def rapl(folder: Path) -> Iterator[Options]:
    zone(folder, "intel-rapl:0", "package-0", energy_uj=5)
    zone(folder, "intel-rapl:0:1", "dram", energy_uj=7, max_uj=DRAM_MAX_UJ)
    yield {"root": str(folder)}


@contextmanager
def ipmi(folder: Path) -> Iterator[Options]:
    bmc = Bmc(folder / "bmc")
    bmc.start()
    try:
        yield {"host": "127.0.0.1", "user": bmc.user, "password_file": str(bmc.password_file), "port": bmc.port}
    finally:
        bmc.stop()


@contextmanager
def packaged(folder: Path) -> Iterator[Options]:
    """Kinds that need nothing behind them."""
    assert folder.is_dir()
    yield {}


LIVE: dict[str, Callable[[Path], AbstractContextManager[Options]]] = {
    "fake": packaged,
    "ipmi": ipmi,
    "nvml": nvml,
    "rapl": rapl,
    "replay": packaged,
}
