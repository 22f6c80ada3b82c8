"""A catalogue with a run, for who decides which readings are kept."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from joulemark.collector.catalog import Catalog
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.runs import PhaseKind
from tests.collector.store.conftest import T0, S


def catalogue(path: Path, *runs: tuple[float, float | None], begun: str = "2020-01-01 00:00:00+00:00") -> Path:
    """Made at `begun`, with runs from and to so many seconds after T0; None: it goes on."""
    made = Catalog(path)
    for number, (begin_s, end_s) in enumerate(runs):
        edges = [(Edge.START, begin_s), *([] if end_s is None else [(Edge.STOP, end_s)])]
        marks = [Mark(edge, "", PhaseKind.OTHER, T0 + round(at * S), round(at * S), "boot", T0 + round(at * S)) for edge, at in edges]
        made.start(Recorded(f"r{number}", marks=(marks[0],)), marks[0].utc_ns)
        made.mark(f"r{number}", *marks[1:])
    made.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE _sqlite_migrations SET applied_at = ?", (begun,))
    return path
