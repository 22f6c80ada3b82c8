"""Stage of the kind `modbus`: a simulated Eastron SDM630. A golden case says in `registers.toml` which map reads which registers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options
from tests.standins.modbus_standin import Line, Sdm, Unit

DEADLINE_S = 1.5
NO_CREDENTIAL = "Modbus/TCP knows no credentials: whoever reaches the port may read"


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    meter = Sdm()
    line = Line({1: meter})
    line.start()
    try:
        yield Living(
            {"host": "127.0.0.1", "port": line.port, "device": "sdm630", "deadline_s": DEADLINE_S},
            unplug=line.stop,
            replug=line.start,
            hang=line.hang,
            resume=line.resume,
            set_power_w=meter.set_power_w,
            deadline_s=DEADLINE_S,
            exempt={"a_refused_credential_is_told": NO_CREDENTIAL},
        )
    finally:
        line.close()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A meter that answers the registers of `registers.toml` and no others."""
    said = tomllib.loads((case / "registers.toml").read_text(encoding="utf-8"))
    line = Line({1: Unit({int(address, 16): run for address, run in said["registers"].items()})})
    line.start()
    try:
        yield {"host": "127.0.0.1", "port": line.port, "deadline_s": DEADLINE_S, **said["options"]}
    finally:
        line.close()
