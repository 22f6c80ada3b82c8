"""Stage of the kind `fake`, which needs nothing behind it. A golden case is a table of its options, `meter.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options

NO_DEVICE = "the wave is computed inside the driver: there is no device to take away, to hang, or to log in to"

WITHOUT_DEVICE = (
    "a_hung_device_is_a_gap_within_the_deadline",
    "an_unplugged_device_is_a_gap_and_returns",
    "an_absent_device_is_unavailable",
    "a_refused_credential_is_told",
)


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    yield Living({}, exempt=dict.fromkeys(WITHOUT_DEVICE, NO_DEVICE))


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    yield tomllib.loads((case / "meter.toml").read_text(encoding="utf-8"))
