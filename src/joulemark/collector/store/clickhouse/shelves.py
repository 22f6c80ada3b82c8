"""What of a backup lies away from the data folder: sealed spans on the shards of ClickHouse, fetched once and then kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from joulemark.collector.backups import Backups, Kept
from joulemark.collector.store import configured, segments
from joulemark.config import Config
from joulemark.errors import EnvironmentFailed

if TYPE_CHECKING:
    from joulemark.collector.store.clickhouse.archive import Archive


class Shelves:
    """The shards of a configuration as a backup into `backups` sees them. `spans`: how many it has of them; `left_out`: and has not."""

    def __init__(self, config: Config, backups: Backups, scratch: Path, *, without: bool = False) -> None:
        """`without`: leave them to the means of ClickHouse. Raises ConfigError as `configured.opened`."""
        self._archive: Archive | None = None if without else configured.opened(config)
        self._backups, self._scratch, self._without = backups, scratch, without
        self._before = {file.name: file for file in backups.read().files} if backups.names() else {}
        self.spans = self.left_out = 0

    def of(self, name: str, copy: Path, live: Path) -> Iterator[tuple[str, Path] | Kept]:
        """The segments of the readings `name`; those that the last backup has are not fetched again.

        Raises EnvironmentFailed where the configuration names no shard or one lacks what it took, RemoteUnreachable for one that is away.
        """
        with closing(sqlite3.connect(copy)) as db:
            found, readable = segments.away(db), segments.readable(db)
        if self._without:
            self.left_out += sum(readable.values())
            return
        if self._archive is None:
            if readable:
                raise EnvironmentFailed(
                    f"readings of {name} lie on the ClickHouse shards {', '.join(readable)}, and clickhouse.shards names none",
                    "name them in the configuration, or back them up by their own means and take --without-shards",
                )
            return
        from joulemark.collector.store.clickhouse import fetching

        for segment in segments.segments(name, found):
            self.spans += len(segment.spans)
            known = self._before.get(segment.name)
            if known is not None and self._backups.holds(known):
                yield known
                continue
            place = self._scratch / "segment.db"
            try:
                fetching.write(self._archive, copy, live, segment.spans, place)
                yield segment.name, place
            finally:
                place.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the shards."""
        if self._archive is not None:
            self._archive.shards.close()
