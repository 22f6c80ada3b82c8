"""Stage of the kind `shelly`: a simulated plug with a password. A golden case holds what a device answered, in two JSON files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.conformance import WRONG_SECRET
from tests.meters.living.base import Living, Options
from tests.standins.shelly_standin import Shelly

DEADLINE_S = 1.5
PASSWORD = "a1b2c3d4"


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    right, wrong = folder / "password", folder / "wrong"
    right.write_text(PASSWORD + "\n")
    wrong.write_text(WRONG_SECRET)
    device = Shelly(password=PASSWORD)
    device.start()
    options: Options = {"host": "127.0.0.1", "port": device.port, "password_file": str(right), "deadline_s": DEADLINE_S}
    try:
        yield Living(
            options,
            unplug=device.stop,
            replug=device.start,
            hang=device.hang,
            resume=device.resume,
            wrong={**options, "password_file": str(wrong)},
            set_power_w=device.set_power_w,
            deadline_s=DEADLINE_S,
        )
    finally:
        device.close()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A device that answers as it did when the case was recorded; `options.toml` adds to its table."""
    more = case / "options.toml"
    device = Shelly(identity=json.loads((case / "shelly.json").read_text()), status=json.loads((case / "status.json").read_text()))
    device.start()
    try:
        added = tomllib.loads(more.read_text()) if more.is_file() else {}
        yield {"host": "127.0.0.1", "port": device.port, "deadline_s": DEADLINE_S, **added}
    finally:
        device.close()
