"""Stage of the kind `exec`: Debian's `ipmitool` against its BMC simulator over LAN. A golden case keeps what a command printed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.ipmi_standin import Bmc

DEADLINE_S = 3.0


def options(bmc: Bmc, password_file: Path) -> Options:
    """Cipher suite 3 is named because ipmitool waits a second for the simulator's list of suites."""
    lan = [
        "-I",
        "lanplus",
        "-H",
        "127.0.0.1",
        "-p",
        str(bmc.port),
        "-U",
        bmc.user,
        "-f",
        str(password_file),
        "-C",
        "3",
        "-N",
        "1",
        "-R",
        "3",
    ]
    return {
        "preset": "ipmitool-dcmi",
        "argv": ["ipmitool", *lan, "dcmi", "power", "reading"],
        "serial": bmc.guid,
        "timeout_s": DEADLINE_S,
    }


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    bmc = Bmc(folder / "bmc")
    bmc.start()
    wrong = folder / "wrong"
    wrong.write_text(WRONG_SECRET)
    try:
        yield Living(
            options(bmc, bmc.password_file),
            unplug=bmc.stop,
            replug=bmc.start,
            hang=bmc.pause,
            resume=bmc.resume,
            wrong=options(bmc, wrong),
            set_power_w=bmc.set_watts,
            deadline_s=DEADLINE_S,
        )
    finally:
        bmc.stop()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A command that prints the recorded output in the encoding that `meter.toml` names, read by the keys in it."""
    keys = tomllib.loads((case / "meter.toml").read_text(encoding="utf-8"))
    printed = folder / "output"
    printed.write_bytes((case / "output").read_text(encoding="utf-8").encode(keys.get("encoding", "utf-8")))
    yield {**keys, "argv": ["cat", str(printed)]}
