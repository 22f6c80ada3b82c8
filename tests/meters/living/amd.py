"""Stage of the kind `amd`: the compiled stand-in of AMD's library. A golden case says in `gpus.toml` what its GPUs answer."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.meters.living.base import Living, Options
from tests.standins import amd_standin
from tests.standins.amd_standin import PREFIX, AmdWave
from tests.standins.switches import Switches

WITHOUT = {
    "a_hung_device_is_a_gap_within_the_deadline": "the library is called inside the process, and no thread can abandon a call into "
    "the driver; the meter has a thread of its own for it",
    "a_refused_credential_is_told": "the library asks for no credential: see test_no_permission_names_the_groups",
}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    switches = Switches(folder / "switches")
    wave = AmdWave(gpus=2, settings={"SWITCHES": str(switches.folder)})
    with mock.patch.dict(os.environ, wave.env()):
        yield Living(
            {"library": str(amd_standin.library())},
            unplug=switches.lose,
            replug=switches.find,
            hang=switches.hang,
            resume=switches.resume,
            set_power_w=switches.set_power_w,
            exempt=WITHOUT,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    said = tomllib.loads((case / "gpus.toml").read_text(encoding="utf-8"))
    settings = {PREFIX + name: str(value) for name, value in said.items()}
    with mock.patch.dict(os.environ, settings):
        yield {"library": str(amd_standin.library())}
