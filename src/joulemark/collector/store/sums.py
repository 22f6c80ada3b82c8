"""Rows of exact sums: one for each chunk of a power, and one for each hour of such rows, so that a day is some thirty of them.

The row of an hour is what its chunks' rows come to, and stands only while they are the same: whoever adds or moves a chunk takes it
away first (`refresh`, `relation.MOVED`). A chunk belongs to the hour in which it begins.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise, repeat
from operator import gt, is_not
from typing import Final

from joulemark.collector.store.chunks import LOCAL, NO_CHUNK, SUM_COLUMNS, Chunks, Row
from joulemark.units import NS_PER_S

HOUR_NS: Final = 3600 * NS_PER_S
INT64_MAX: Final = 2**63 - 1


def with_hours(chunks: Chunks, db: sqlite3.Connection, meter_id: str, begin_ns: int, end_ns: int, edges_ns: Sequence[int]) -> Sequence[Row]:
    """Rows of a meter that touch a span, with hours inside it that hold none of `edges_ns` (sorted) in the place of their chunks."""
    whole = [
        row
        for row in chunks.hours(db, meter_id, begin_ns // HOUR_NS, end_ns // HOUR_NS)
        if begin_ns < row[1] and row[2] < end_ns and bisect_left(edges_ns, row[1]) == bisect_right(edges_ns, row[2])
    ]
    if not whole:
        return chunks.sums(db, meter_id, begin_ns, end_ns)
    hours = [row[1] // HOUR_NS for row in whole]
    found = list(chunks.sums(db, meter_id, begin_ns, hours[0] * HOUR_NS - 1))
    if hours[-1] - hours[0] == len(hours) - 1:
        found += whole
    else:
        for row, hour, after in zip(whole, hours, [*hours[1:], hours[-1] + 1], strict=True):
            found.append(row)
            if after > hour + 1:
                found += chunks.begun(db, meter_id, (hour + 1) * HOUR_NS, after * HOUR_NS - 1)
    found += chunks.begun(db, meter_id, (hours[-1] + 1) * HOUR_NS, end_ns)
    return found


def refresh(db: sqlite3.Connection, meter_id: str, t0_ns: int) -> None:
    """A chunk of a power came that begins at `t0_ns`: its hour is summed anew if it is over, and so is the one before."""
    hour = t0_ns // HOUR_NS
    db.execute("DELETE FROM hour_sum WHERE meter_id = ? AND hour = ?", (meter_id, hour))
    one = "SELECT {} FROM chunk_sum WHERE meter_id = ? AND t0_ns {} ?"
    (before_ns,) = db.execute(one.format("MAX(t0_ns)", "<"), (meter_id, hour * HOUR_NS)).fetchone()
    (after_ns,) = db.execute(one.format("MIN(t0_ns)", ">="), (meter_id, (hour + 1) * HOUR_NS)).fetchone()
    over = [*([before_ns // HOUR_NS] if before_ns is not None else []), *([hour] if after_ns is not None else [])]
    for each in over:
        known = db.execute("SELECT 1 FROM hour_sum WHERE meter_id = ? AND hour = ?", (meter_id, each)).fetchone()
        begin_ns, end_ns = each * HOUR_NS, (each + 1) * HOUR_NS - 1
        rows = [] if known else [Row._make(row) for row in LOCAL.begun(db, meter_id, begin_ns, end_ns)]
        if len(rows) > 1 and alone(rows):
            values = (meter_id, each, *joined(rows)[1:])
            db.execute(f"INSERT INTO hour_sum (meter_id, hour, {SUM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def joined(rows: Sequence[Row]) -> Row:
    """What rows that stand alone come to, with the straight lines between them."""
    links = [((b.t0_ns - a.t1_ns), b.first + a.last) for a, b in pairwise(rows)]
    double = sum(int(row.double) for row in rows) + sum(gap_ns * pair for gap_ns, pair in links)
    longest_ns = max(*(row.longest_ns or 0 for row in rows), *(gap_ns for gap_ns, _ in links))
    first, last = rows[0], rows[-1]
    ends = first.t0_ns, last.t1_ns, sum(row.readings for row in rows), first.first, last.last
    return Row(NO_CHUNK, *ends, stored(double), longest_ns, first.first_stamp_ns, last.last_stamp_ns)


def stored(double: int) -> int | str:
    """A whole number as a column holds it: beyond int64 as decimal text. Adding up is Python's business, never SQL's."""
    return str(double) if abs(double) > INT64_MAX else double


def runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows in groups: neighbours that overlap, or between which a device's stamp repeats, belong together."""
    groups: list[list[Row]] = []
    until_ns = 0
    for row in rows:
        repeats = bool(groups) and row.first_stamp_ns is not None and row.first_stamp_ns == groups[-1][-1].last_stamp_ns
        if groups and (row.t0_ns <= until_ns or repeats):
            groups[-1].append(row)
        else:
            groups.append([row])
        until_ns = max(until_ns, row.t1_ns)
    return groups


def alone(rows: Sequence[Row]) -> bool:
    """Whether each row stands for its readings and shares nothing with its neighbours: what `runs` would leave as they are."""
    if not rows:
        return True
    _, begins, ends, _, _, _, _, longest, first_stamps, last_stamps = zip(*rows, strict=True)
    repeats = any(map(is_not, first_stamps, repeat(None))) and any(
        first == last for first, last in zip(first_stamps[1:], last_stamps, strict=False) if first is not None
    )
    return None not in longest and not repeats and all(map(gt, begins[1:], ends))
