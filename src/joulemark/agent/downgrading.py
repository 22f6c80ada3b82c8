"""A spool goes back to the schema of the version before, so that an agent of that version delivers what waits in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from joulemark.agent.spool_file import SpoolFile
from joulemark.agent.spool_homes import waiting
from joulemark.agent.spool_schema import SCHEMA_VERSION, step_back
from joulemark.config import Config
from joulemark.errors import UsageError
from joulemark.timebase import SystemClock


@dataclass(frozen=True, slots=True)
class Downgraded:
    """The schema that the spool has now, how many batches wait in it, and for which collector; empty where none waits."""

    schema_version: int
    batches: int
    collector: str


def downgraded(config: Config) -> Downgraded:
    """Bring the spool to the schema before this version's, in one transaction. An agent of this version brings it back at its start.

    Raises UsageError where there is no spool, or where batches wait for several collectors: the version before would send all of them to
    one; EnvironmentFailed while the agent runs.
    """
    if not config.spool.path.exists():
        raise UsageError(
            f"there is no spool {config.spool.path}",
            "name the configuration of the agent with --config, and for a service its folder: STATE_DIRECTORY=/var/lib/joulemark-agent",
        )
    file = SpoolFile(config.spool.path, max_bytes=config.spool.max_bytes, clock=SystemClock())
    with closing(file):
        file.open()
        homes = file.durably(waiting)
        if len(homes) > 1:
            counts = ", ".join(f"{count} for {home}" for home, (count, _) in homes.items())
            raise UsageError(
                f"batches wait for several collectors ({counts}), and the version before would send all of them to one",
                "let this version deliver them first: systemctl start joulemark-agent, until joulemark doctor says that 0 batches wait",
            )
        batches = file.durably(taken_back)
        file.empty_log()
        return Downgraded(SCHEMA_VERSION - 1, batches, next(iter(homes), ""))


def taken_back(db: sqlite3.Connection) -> int:
    """Step back; how many batches there are."""
    step_back(db)
    return int(db.execute("SELECT COUNT(*) FROM batch").fetchone()[0])
