"""E3: processor time of a value from a received batch to its sealed chunk, beside one row a value through sqlite-utils."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import sqlite_utils

from joulemark.collector.store.sqlite import SqliteStore
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.trace import KINDS, Node

ROWS_EACH = 50
"""Reads of a GPU in a batch: five seconds."""
BATCH_SIZE = 1000
"""Rows that the rival writes at once, its fastest."""


def ours_ns(node: Node) -> float:
    """Processor time a value, from batches in memory to sealed chunks; asserts that all of them are there."""
    batches = node.received(ROWS_EACH)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "readings.db")
        begun = time.process_time()
        for done in [store.append(one) for one in batches]:
            done.result()
        store.seal(2**62, everything=True)
        taken_s = time.process_time() - begun
        with closing(sqlite3.connect(store.path)) as db:
            layouts = [json.loads(layout) for (layout,) in db.execute("SELECT layout FROM chunk")]
        store.close()
    sealed = sum(one["rows"] * one["meters"] for one in layouts)
    assert sealed == node.values, f"{sealed} of {node.values} values were sealed"
    return taken_s / node.values * 1e9


def rival_ns(node: Node) -> float:
    """Processor time a value for rows of (series, time, value) in the order of arrival, durable as ours are."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "rows.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        db = sqlite_utils.Database(connection)
        begun = time.process_time()
        table = db.table("reading", pk=("series", "t_ns"))
        table.insert_all(
            (
                {"series": place * len(KINDS) + kind, "t_ns": t_ns, "value": value}
                for first in range(0, len(node.gpus[0].mono_ns), ROWS_EACH)
                for place, one in enumerate(node.gpus)
                for kind in range(len(KINDS))
                for t_ns, value in zip(
                    one.mono_ns[first : first + ROWS_EACH].tolist(), one.values[kind][first : first + ROWS_EACH].tolist(), strict=True
                )
            ),
            batch_size=BATCH_SIZE,
        )
        taken_s = time.process_time() - begun
        assert table.count == node.values
    return taken_s / node.values * 1e9


def goals(scale: str) -> list[Goal]:
    """Both in turn, the median of each."""
    turns, count, rows = (1, 300, 100) if scale == "smoke" else (3, 6000, 500)
    large, small = Node.of(count), Node.of(rows)
    seen = [(ours_ns(large), rival_ns(small)) for _ in range(turns)]
    ours, theirs = middle([a for a, _ in seen]), middle([b for _, b in seen])
    said = f"ours {ours:.0f} ns, sqlite-utils {theirs:.0f} ns a value"
    return [
        Goal(
            "E3",
            "processor time of log and seal, 5 s batches, to sqlite-utils",
            1 / 40,
            ours / theirs,
            "x",
            False,
            "1/37",
            said,
            ours / theirs,
        )
    ]
