"""What is sealed in readings.db is read back through the interface that every archive keeps."""

from __future__ import annotations

from contextlib import closing

from joulemark.collector.store import schema
from joulemark.collector.store.chunks import LOCAL
from joulemark.collector.store.sqlite import SqliteStore
from tests.collector.store.conftest import METERS, T0, S, batch, count


def test_chunks_of_a_device_come_by_their_begin_and_by_their_number(store: SqliteStore) -> None:
    """What touches a span is shown once, in order of time, and the same under its number; a device of another name has none."""
    for number in range(40):
        store.append(batch(number)).result()
    store.seal(T0 + 100 * S, everything=True)
    with closing(schema.reader(store.path)) as db:
        found = LOCAL.around(db, ["fake:h:0"], T0 - S, T0 + 100 * S)
        assert [chunk.t0_ns for chunk in found] == sorted(chunk.t0_ns for chunk in found)
        assert len(found) == count(store, "chunk") > 2
        assert LOCAL.numbered(db, [found[2].number, found[0].number]) == [found[0], found[2]]
        assert LOCAL.around(db, ["fake:h:1"], T0 - S, T0 + 100 * S) == []
        assert LOCAL.around(db, ["fake:h:0"], T0 - S, found[0].t1_ns) == found[:1]


def test_what_was_seen_is_not_shown_as_newer(store: SqliteStore) -> None:
    """A reader that says how far it read gets the chunks sealed since, and the bytes of an agent are those of all its chunks."""
    for number in range(20):
        store.append(batch(number)).result()
    store.seal(T0, everything=True)
    with closing(schema.reader(store.path)) as db:
        first, place = LOCAL.newer(db, (0, 0), T0)
        assert LOCAL.newer(db, place, T0) == ([], place)
        assert LOCAL.stored_bytes(db, "h") == sum(len(chunk.layout) + len(chunk.body) for chunk in first) > 0
        rows = LOCAL.sums(db, METERS[0], T0, T0 + 100 * S)
        assert [row[0] for row in rows] == [chunk.number for chunk in first]
        assert LOCAL.begun(db, METERS[0], rows[0][1] + 1, rows[1][1]) == rows[1:2]
        assert LOCAL.sums(db, METERS[0], rows[0][1] + 1, rows[1][1]) == rows[:2]
