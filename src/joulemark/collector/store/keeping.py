"""Which raw readings are kept: those of the last days, and for ever those of runs with a margin. Wherever chunks lie, this decides.

The runs stand in catalog.db, which the REST process writes; who owns a file of readings only reads it. What cannot be known is kept.
"""

from __future__ import annotations

import logging
import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from joulemark.collector.store.base import ENCLOSING_NS
from joulemark.collector.store.chunks import Chunks, Row
from joulemark.collector.store.sums import runs as groups
from joulemark.config import CollectorConfig
from joulemark.timebase import datetime_ns
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.keeping")

EVERY_NS: Final = 3600 * NS_PER_S
"""How often old readings are looked for."""

RUNS: Final = """SELECT MIN(r.created_ns, COALESCE(MIN(m.utc_ns), r.created_ns)), MAX(r.created_ns, COALESCE(r.stopped_ns, :now),
    COALESCE(MAX(m.utc_ns), 0), COALESCE(MAX(m.end_ns), 0)) FROM run r LEFT JOIN mark m ON m.run_id = r.run_id GROUP BY r.run_id"""
BEGUN: Final = "SELECT MIN(applied_at) FROM _sqlite_migrations WHERE migration_set = 'joulemark.catalog'"

Span = tuple[int, int]
"""Begin and end, in ns on the axis."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept at one moment: everything that ends at or after `since_ns`, and all that touches one of `spans` (sorted, apart)."""

    since_ns: int
    spans: Sequence[Span]

    @classmethod
    def of(cls, since_ns: int, spans: Iterable[Span]) -> Self:
        """With spans that may overlap."""
        joined: list[Span] = []
        for begin_ns, end_ns in sorted(spans):
            if joined and begin_ns <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end_ns, joined[-1][1]))
            else:
                joined.append((begin_ns, end_ns))
        return cls(since_ns, joined)

    def holds(self, t0_ns: int, t1_ns: int) -> bool:
        """Whether readings of [t0_ns, t1_ns] are kept."""
        place = bisect_right(self.spans, t1_ns, key=lambda span: span[0])
        return t1_ns >= self.since_ns or (place > 0 and self.spans[place - 1][1] >= t0_ns)


@dataclass(frozen=True, slots=True)
class Keeping:
    """All readings of the last `keep_ns`, and those of the runs in `catalog` from `margin_ns` before to as long after them: more than
    what is read around a run (`base.ENCLOSING_NS`, `pieces.SLACK_NS`).
    """

    keep_ns: int
    margin_ns: int
    catalog: Path

    @classmethod
    def of(cls, config: CollectorConfig) -> Self | None:
        """As configured; None where everything is kept."""
        keep_ns, margin_ns = round(config.keep_raw_days * 86_400 * NS_PER_S), round(config.keep_margin_s * NS_PER_S)
        return cls(keep_ns, margin_ns, config.data_dir / "catalog.db") if keep_ns else None

    def at(self, now_ns: int) -> Kept | None:
        """What is kept then; None where that cannot be known: then nothing is deleted.

        A run that goes on is kept up to now. A catalogue says nothing of the time before it was made: another one may have been lost.
        """
        try:
            with closing(sqlite3.connect(f"file:{quote(str(self.catalog))}?mode=ro", uri=True)) as db:
                found = db.execute(RUNS, {"now": now_ns}).fetchall()
                begun_ns = datetime_ns(datetime.fromisoformat(db.execute(BEGUN).fetchone()[0]), UTC, where=self.catalog.name)
            spans = [(begin_ns - self.margin_ns, end_ns + self.margin_ns) for begin_ns, end_ns in found]
        except (sqlite3.Error, TypeError, ValueError) as error:
            log.warning("no old readings are deleted, since the runs cannot be read from %s: %s", self.catalog, error)
            return None
        return Kept.of(now_ns - self.keep_ns, [*spans, (-(2**63), begun_ns)])


def needed(chunks: Chunks, db: sqlite3.Connection, meter_ids: Iterable[str], t0_ns: int, t1_ns: int) -> Collection[int]:
    """Numbers of the chunks around [t0_ns, t1_ns] for which no sum stands, so that every energy over them reads them (see `integral`)."""
    found: set[int] = set()
    for meter_id in meter_ids:
        rows = chunks.sums(db, meter_id, t0_ns - ENCLOSING_NS, t1_ns + ENCLOSING_NS)
        for group in groups([Row._make(row) for row in rows]):
            if len(group) > 1 or group[0].longest_ns is None:
                found.update(row.chunk for row in group)
    return found
