"""What readings.db knows of spans on shards."""

from __future__ import annotations

from contextlib import closing

from joulemark.collector.store import schema
from joulemark.collector.store.clickhouse import spans
from joulemark.collector.store.sqlite import SqliteStore
from tests.collector.store.conftest import T0, S, batch


def test_a_number_names_span_and_place() -> None:
    """Numbers of archived chunks lie below those of readings.db, and say where to look."""
    span = spans.Archived(7, "h", T0, 3, T0, "here/a", 1, T0, T0 + S, 0, "[[1,3],[2,1]]", spans.KEPT)
    assert [spans.place_of(span.number(place)) for place in (0, 1)] == [(7, 0), (7, 1)]
    assert span.number(1) < 0
    assert span.chunks == [(1, 3), (2, 1)]


def test_spans_are_found_by_host_and_time(archived: SqliteStore) -> None:
    """A span is what was sealed at once; it knows its extent, its chunks with the meters summed in them, and their bytes."""
    for number in range(30):
        archived.append(batch(number)).result()
    archived.seal(T0 + 100 * S, everything=True)
    with closing(schema.reader(archived.path)) as db:
        found = list(spans.touching(db, ["h"], T0, T0 + 100 * S))
        assert [one.chunks for one in found] == [[(1, 0b01)]] * 3
        assert list(spans.touching(db, ["h"], T0 - S, found[0].t1_ns)) == found[:1]
        assert list(spans.touching(db, ["other"], T0, T0 + 100 * S)) == []
        assert list(spans.after(db, found[1].row, T0)) == found[2:]
        assert spans.of_rows(db, [found[1].row]) == {found[1].row: found[1]}
        assert spans.last_row(db) == found[2].row
        assert spans.stored_bytes(db, "h") > 1000
        assert set(spans.described(db, ["fake:h:0"])) == {1}
