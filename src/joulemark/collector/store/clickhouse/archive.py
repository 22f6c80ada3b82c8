"""Chunks that lie on shards, read back as if they stood in readings.db, beside those that do. A chunk that a shard lacks is an error."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from joulemark.collector.store.chunks import LOCAL, Chunk, Place, Row, deleted
from joulemark.collector.store.clickhouse import spans
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.collector.store.clickhouse.spans import KEPT, Wanted
from joulemark.errors import EnvironmentFailed

T = TypeVar("T")
AT_ONCE: Final = 1000
"""So many spans are asked for in one query: a text of ClickHouse has at most 256 KiB."""

CHUNKS: Final = """SELECT agent_id, epoch_ns, last_seq, begin_ns, revision, description, device_id, t0_ns, t1_ns, layout, body
  FROM chunk FINAL WHERE device_id IN %(devices)s AND begin_ns IN %(begins)s AND agent_id IN %(agents)s"""
SUMS: Final = """SELECT agent_id, epoch_ns, last_seq, begin_ns, revision, description,
  t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns, last_stamp_ns
  FROM chunk_sum FINAL WHERE meter_id = %(meter)s AND begin_ns BETWEEN %(first)s AND %(last)s AND agent_id IN %(agents)s"""


class Archive:
    """The chunks of `shards` and those of readings.db together, for whom it makes no difference."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards

    def around(self, db: sqlite3.Connection, device_ids: Collection[str], t0_ns: int, t1_ns: int) -> Sequence[Chunk]:
        known = spans.described(db, device_ids)
        touching = spans.touching(db, {agent_id for agent_id, _, _ in known.values()}, t0_ns, t1_ns)
        wanted = [(span, place) for span in touching for place, (description, _) in enumerate(span.chunks) if description in known]
        found = [chunk for chunk in self.fetched(db, wanted) if chunk.t0_ns <= t1_ns and chunk.t1_ns >= t0_ns]
        return by_begin([*LOCAL.around(db, device_ids, t0_ns, t1_ns), *found])

    def numbered(self, db: sqlite3.Connection, numbers: Collection[int]) -> Sequence[Chunk]:
        places = [spans.place_of(number) for number in numbers if number < 0]
        known = spans.of_rows(db, {row for row, _ in places})
        found = self.fetched(db, [(known[row], place) for row, place in places])
        return by_begin([*LOCAL.numbered(db, [number for number in numbers if number >= 0]), *found])

    def newer(self, db: sqlite3.Connection, last: Place, begin_ns: int) -> tuple[Sequence[Chunk], Place]:
        local, (last_chunk, _) = LOCAL.newer(db, last, begin_ns)
        wanted = [(span, place) for span in spans.after(db, last[1], begin_ns) for place in range(len(span.chunks))]
        return [*local, *self.fetched(db, wanted)], (last_chunk, spans.last_row(db))

    def sums(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        known = spans.described(db, [meter_id.rsplit(":", 1)[0]])
        places = {row: place for row, (_, _, meters) in known.items() if (place := place_in(meters, meter_id)) is not None}
        wanted = {
            (*span.key, description): (span, place)
            for span in spans.touching(db, {agent_id for agent_id, _, _ in known.values()}, t0_ns, t1_ns)
            for place, (description, mask) in enumerate(span.chunks)
            if description in places and mask >> places[description] & 1
        }
        found: list[Row] = []
        for shard, keys in grouped(wanted, lambda key: wanted[key][0].shard).items():
            begins, agents = [key[3] for key in keys], tuple({key[0] for key in keys})
            asked = {"meter": meter_id, "first": min(begins), "last": max(begins), "agents": agents}
            rows = {tuple(row[:6]): row[6:] for row in self.shards.named(shard).rows(SUMS, asked)}
            check(shard, [key for key in keys if key not in rows], "sums")
            for key in keys:
                (span, place), (begin_ns, end_ns, *rest) = wanted[key], rows[key]
                found.append(Row(span.number(place), begin_ns + span.moved_ns, end_ns + span.moved_ns, *rest))
        touched = [row for row in found if row.t0_ns <= t1_ns and row.t1_ns >= t0_ns]
        return sorted([*LOCAL.sums(db, meter_id, t0_ns, t1_ns), *touched], key=lambda row: row[1])

    def begun(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        return [row for row in self.sums(db, meter_id, t0_ns, t1_ns) if row[1] >= t0_ns]

    def hours(self, db: sqlite3.Connection, meter_id: str, first: int, last: int) -> Sequence[Row]:
        del db, meter_id, first, last  # a row of readings.db may lack what an archive holds of its hour
        return ()

    def stored_bytes(self, db: sqlite3.Connection, agent_id: str) -> int:
        return LOCAL.stored_bytes(db, agent_id) + spans.stored_bytes(db, agent_id)

    def fetched(self, db: sqlite3.Connection, wanted: Sequence[Wanted]) -> Iterator[Chunk]:
        """The chunks wanted. Raises InsufficientData where they were deleted on purpose, EnvironmentFailed where they are missing."""
        for span, _ in wanted:
            if span.raw != KEPT:
                raise deleted(span.agent_id, span.t0_ns, span.t1_ns)
        query = "SELECT device_id FROM device WHERE id = ?"
        for shard, of_shard in grouped(wanted, lambda one: one[0].shard).items():
            for some in batched(of_shard, AT_ONCE):
                descriptions = {span.chunks[place][0] for span, place in some}
                devices = [db.execute(query, (row,)).fetchone()[0] for row in descriptions]
                yield from self._asked(shard, some, devices)

    def _asked(self, shard: str, wanted: Sequence[Wanted], device_ids: Collection[str]) -> Iterator[Chunk]:
        """The same of one shard."""
        missing = {(*span.key, span.chunks[place][0]): (span, place) for span, place in wanted}
        asked = {
            "devices": tuple(sorted(set(device_ids))),
            "begins": tuple(sorted({span.begin_ns for span, _ in wanted})),
            "agents": tuple(sorted({span.agent_id for span, _ in wanted})),
        }
        for row in self.shards.named(shard).rows(CHUNKS, asked, body="bytes"):
            one = missing.pop(tuple(row[:6]), None)
            if one is not None:
                (span, place), (device_id, t0_ns, t1_ns, layout, body) = one, row[6:]
                times = t0_ns + span.moved_ns, t1_ns + span.moved_ns
                yield Chunk(span.number(place), span.agent_id, span.epoch_ns, row[5], device_id, *times, layout, body)
        check(shard, list(missing), "chunks")


def check(shard: str, missing: Sequence[tuple[Any, ...]], what: str) -> None:
    """Raise EnvironmentFailed when a shard lacks some of what it once took."""
    if missing:
        hosts = ", ".join(sorted({key[0] for key in missing})[:3])
        raise EnvironmentFailed(
            f"the ClickHouse shard {shard} lacks {len(missing)} {what} of {hosts} that it once took: nothing is answered with a hole",
            "restore its database from a backup, or look whether clickhouse.shards names the right one",
        )


def place_in(meters_json: str, meter_id: str) -> int | None:
    """Which of the meters of a description has this id."""
    ids = [meter["meter_id"] for meter in json.loads(meters_json)]
    return ids.index(meter_id) if meter_id in ids else None


def by_begin(chunks: Iterable[Chunk]) -> list[Chunk]:
    """In the order in which readings.db gives them."""
    return sorted(chunks, key=lambda chunk: (chunk.t0_ns, chunk.number))


def grouped(items: Iterable[T], key: Any) -> Mapping[str, list[T]]:
    """Items by what `key` says of each."""
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
