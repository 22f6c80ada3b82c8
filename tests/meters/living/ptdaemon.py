"""Stage of the kind `ptdaemon`: the protocol double, with two channels. A golden case says in `daemon.toml` what the daemon answers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.meters.living.base import Living, Options
from tests.standins.ptdaemon_standin import PtDaemon

DEADLINE_S = 1.0
SAMPLE_MS = 100


def options(daemon: PtDaemon) -> Options:
    return {"host": "127.0.0.1", "port": daemon.port, "sample_ms": SAMPLE_MS, "deadline_s": DEADLINE_S}


@contextmanager
def live(folder: Path) -> Iterator[Living]:
    daemon = PtDaemon(watts=(200.0, 100.0), channels=True)
    daemon.start()
    try:
        yield Living(
            options(daemon),
            unplug=daemon.stop,
            replug=daemon.start,
            hang=daemon.hang,
            resume=daemon.resume,
            set_power_w=daemon.set_power_w,
            deadline_s=DEADLINE_S,
            exempt={"a_refused_credential_is_told": "PTDaemon asks for no credential"},
        )
    finally:
        daemon.stop()


@contextmanager
def recorded(case: Path, folder: Path) -> Iterator[Options]:
    """A daemon that tells the identity, the ranges and the uncertainty of `daemon.toml`, and its rows once."""
    said = tomllib.loads((case / "daemon.toml").read_text(encoding="utf-8"))
    daemon = PtDaemon(identity=said["identify"], reads=tuple(said["reads"]))
    daemon.said["RR"] = lambda: [said["ranges"]]
    daemon.uncertainty = said["uncertainty"]
    daemon.rows = said["rows"]
    daemon.start()
    try:
        yield {"host": "127.0.0.1", "port": daemon.port, **said["options"]}
    finally:
        daemon.stop()
