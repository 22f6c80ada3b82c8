"""Stage of the kind `replay`: a trace file. A golden case is such a file, `trace.csv`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joulemark.meters.replay import DEMO_TRACE
from tests.meters.living.base import Living, Options


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    trace = Path(shutil.copy(DEMO_TRACE, folder / "trace.csv"))
    exempt = {
        "a_hung_device_is_a_gap_within_the_deadline": "the trace is in memory once it is open: nothing is left that could hang",
        "an_unplugged_device_is_a_gap_and_returns": "the trace is in memory once it is open: its file may go without harm",
        "a_refused_credential_is_told": "a file is opened with the rights of the user, there is no account to refuse",
    }
    yield Living({"file": str(trace)}, unplug=trace.unlink, exempt=exempt)


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    yield {"file": str(case / "trace.csv"), "serial": "recorded"}
