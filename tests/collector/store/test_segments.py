"""Names of segments, and what becomes of a readings.db that is given them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from joulemark.collector.store import schema, segments
from joulemark.collector.store.clickhouse.spans import Archived
from joulemark.collector.store.sqlite import SqliteStore
from tests.collector import golden
from tests.collector.store.conftest import S, batch

SPAN = Archived(255, "a", 1, 9, 5, "ch/joulemark", 1, 5, 60, 0, "[[1,1]]", "kept")


def test_a_name_says_its_content() -> None:
    """Stretches by row; what moves the times changes no name, what changes the content does."""
    spans = [SPAN, replace(SPAN, row=256), replace(SPAN, row=257)]
    first, second = segments.segments("readings-1.db", spans)
    assert (first.spans, second.spans) == ((SPAN,), tuple(spans[1:]))
    assert first.name.startswith("shards/readings-1.db/00000000-")
    assert second.name.startswith("shards/readings-1.db/00000001-")
    assert segments.folder_of("readings-1.db") != segments.folder_of("readings.db")
    same, *others = (
        segments.segments("readings-1.db", [replace(SPAN, **change)])[0].name
        for change in ({"moved_ns": 4, "t0_ns": 9, "t1_ns": 64}, {"raw": "due"}, {"revision": 2}, {"shard": "other/joulemark"})
    )
    assert same == first.name
    assert len({first.name, *others}) == 4


def test_an_older_file_has_nothing_on_shards(tmp_path: Path) -> None:
    """Versions from before there were any are read as they are, and later ones lack a column."""
    for version in (1, 4):
        with closing(sqlite3.connect(golden.FOLDER / f"readings-v{version}.db")) as db:
            assert segments.away(db) == []
            assert segments.readable(db) == {}
    with closing(sqlite3.connect(tmp_path / "five.db")) as db:
        db.executescript(" ".join(schema.STEPS[:5]) + "PRAGMA user_version = 5")
        db.execute(
            """INSERT INTO archived (agent_id, epoch_ns, last_seq, begin_ns, shard, revision, t0_ns, t1_ns, chunks, byte_count)
               VALUES ('a', 1, 9, 5, 'here', 1, 5, 60, '[[1,1]]', 10)"""
        )
        (span,) = segments.away(db)
        assert (span.moved_ns, segments.readable(db)) == (0, {"here": 1})


def taken_out(path: Path, segment: Path) -> None:
    """Move every chunk of a readings.db into a segment, as if each had been a span on a shard."""
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(segment)) as out:
        out.executescript(segments.TABLES)
        for row, *rest in db.execute("SELECT id, device, device_id, t0_ns, t1_ns, layout, body FROM chunk").fetchall():
            out.execute("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (row, row, *rest))
            db.execute(
                """INSERT INTO archived (id, agent_id, epoch_ns, last_seq, begin_ns, shard, revision, t0_ns, t1_ns, chunks, byte_count)
                   SELECT id, agent_id, epoch_ns, id, t0_ns, 'here', 1, t0_ns, t1_ns, '[]', 1 FROM chunk WHERE id = ?""",
                (row,),
            )
        for row in db.execute(f"SELECT id, chunk, meter_id, {segments.SUM_COLUMNS} FROM chunk_sum").fetchall():
            out.execute(f"INSERT INTO chunk_sum VALUES ({', '.join('?' * len(row))})", row)
        db.executescript("DELETE FROM chunk; DELETE FROM chunk_sum; DELETE FROM hour_sum; INSERT INTO shard (name) VALUES ('here');")
        out.commit()


def test_hours_are_summed_anew(tmp_path: Path) -> None:
    """After the chunks of three hours are put back their rows of hours are those of before, and every energy is."""
    path, segment = tmp_path / "readings.db", tmp_path / "segment.db"
    store = SqliteStore(path, seal_after_ns=600 * S)
    for number in range(0, 1200, 12):  # ten seconds of each two minutes
        store.append(batch(number, size=100)).result()
    store.seal(golden.T0 + 10**6 * S, everything=True)
    store.close()
    hours = "SELECT * FROM hour_sum ORDER BY meter_id, hour"
    with closing(sqlite3.connect(path)) as db:
        before = [row[1:] for row in db.execute(hours)]
    assert len(before) >= 2
    taken_out(path, segment)
    with closing(sqlite3.connect(path)) as db:
        assert sum(segments.readable(db).values()) > 0
    assert segments.put_back(path, [segment]) > 0
    with closing(sqlite3.connect(path)) as db:
        assert [row[1:] for row in db.execute(hours)] == before
        assert db.execute("SELECT COUNT(*) FROM shard").fetchone()[0] == 0


def test_a_part_leaves_the_rest_where_it_is(tmp_path: Path) -> None:
    """With one segment of two missing its spans go on pointing to the shard, and the shard stays known."""
    path, segment = tmp_path / "readings.db", tmp_path / "segment.db"
    golden.write_readings(path)
    store = SqliteStore(path, seal_after_ns=25 * S)
    store.seal(golden.T0 + 10**6 * S, everything=True)
    store.close()
    taken_out(path, segment)
    shutil.copy(path, tmp_path / "other.db")
    with closing(sqlite3.connect(segment)) as out:
        (gone,) = out.execute("SELECT MAX(id) FROM chunk").fetchone()
        out.execute("DELETE FROM chunk WHERE id = ?", (gone,))
        out.commit()
    count = segments.put_back(path, [segment])
    with closing(sqlite3.connect(path)) as db:
        assert segments.readable(db) == {"here": 1}
        assert db.execute("SELECT COUNT(*) FROM chunk").fetchone()[0] == count
        assert db.execute("SELECT COUNT(*) FROM shard").fetchone()[0] == 1
    assert segments.put_back(tmp_path / "other.db", []) == 0
