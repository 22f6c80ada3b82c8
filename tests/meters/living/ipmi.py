"""Stage of the kind `ipmi`: Debian's BMC simulator with DCMI. A golden case says in `bmc.toml` what the BMC answers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.ipmi_standin import Bmc

DEADLINE_S = 1.5


def options(bmc: Bmc) -> Options:
    return {"host": "127.0.0.1", "user": bmc.user, "password_file": str(bmc.password_file), "port": bmc.port, "deadline_s": DEADLINE_S}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    bmc = Bmc(folder / "bmc")
    bmc.set_inlet(24)
    bmc.start()
    wrong = folder / "wrong"
    wrong.write_text(WRONG_SECRET)
    try:
        yield Living(
            {**options(bmc), "witness_interval_s": 0.001},
            unplug=bmc.stop,
            replug=bmc.start,
            hang=bmc.pause,
            resume=bmc.resume,
            wrong={**options(bmc), "password_file": str(wrong)},
            set_power_w=bmc.set_watts,
            deadline_s=DEADLINE_S,
        )
    finally:
        bmc.stop()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A simulated BMC that answers as `bmc.toml` says: its watts, its GUID, and the air of its inlet where it tells that."""
    said = tomllib.loads((case / "bmc.toml").read_text(encoding="utf-8"))
    bmc = Bmc(folder / "bmc", guid=said["guid"], watts=said["watts"])
    if "inlet" in said:
        bmc.set_inlet(said["inlet"])
    bmc.start()
    try:
        yield options(bmc)
    finally:
        bmc.stop()
