"""Stage of the kind `nvml`: the compiled stand-in driver. A golden case says in `gpus.toml` what its GPUs are."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from tests.meters.living.base import Living, Options
from tests.standins import nvml_standin
from tests.standins.nvml_standin import PREFIX, NvmlWave
from tests.standins.switches import Switches

WITHOUT = {
    "a_hung_device_is_a_gap_within_the_deadline": "the library is called inside the process, and no thread can abandon a call into "
    "the driver; the meter has a thread of its own for it",
    "a_refused_credential_is_told": "the driver asks for no credential",
}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    switches = Switches(folder / "switches")
    wave = NvmlWave(gpus=2, settings={"SWITCHES": str(switches.folder)})
    with mock.patch.dict(os.environ, wave.env()):
        yield Living(
            {"library": str(nvml_standin.library())},
            unplug=switches.lose,
            replug=switches.find,
            hang=switches.hang,
            resume=switches.resume,
            set_power_w=switches.set_power_w,
            exempt=WITHOUT,
        )


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A stand-in with the settings of `gpus.toml`. Its counters begin when it is loaded, and its stamps are those of the query."""
    said = tomllib.loads((case / "gpus.toml").read_text(encoding="utf-8"))
    settings = {PREFIX + name: str(value) for name, value in said.items()}
    with mock.patch.dict(os.environ, settings):
        yield {"library": str(nvml_standin.library())}
