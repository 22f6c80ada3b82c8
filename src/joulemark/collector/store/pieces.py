"""Reading back: sealed chunks and logged batches of a time span, as pieces of columns with the description in force."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Self

import numpy as np

from joulemark.collector.store.base import Described
from joulemark.collector.store.chunks import LOCAL, Chunks, marks
from joulemark.collector.store.columns import Columns, FirstClock
from joulemark.energy.series import RAW_TIMES, Series
from joulemark.proto import convert
from joulemark.proto.messages import BlockView, ClockState
from joulemark.readings import DeviceInfo, MeterInfo
from joulemark.units import NS_PER_S

SLACK_NS: Final = 120 * NS_PER_S
"""How far a reading's own time may lie from the read that brought it: clock offset, device stamp and averaging window together."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one device under one description and one epoch."""

    described: Described
    columns: Columns
    first_clock: FirstClock | None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every description of every device, oldest first."""

    by_device: Mapping[tuple[str, str], list[Described]]

    @classmethod
    def load(cls, db: sqlite3.Connection, device_ids: Collection[str] | None = None, *, agent_id: str | None = None) -> Self:
        """The descriptions in `db`, all or those of `device_ids`, or of one agent."""
        found: dict[tuple[str, str], list[Described]] = defaultdict(list)
        query = "SELECT id, agent_id, device_id, meters, epoch_ns, batch_seq FROM device"
        parameters: list[str] = []
        if device_ids is not None:
            query += f" WHERE device_id IN ({marks(device_ids)})"
            parameters.extend(device_ids)
        elif agent_id is not None:
            query += " WHERE agent_id = ?"
            parameters.append(agent_id)
        for row, agent_id, device_id, meters, epoch_ns, batch_seq in db.execute(query + " ORDER BY epoch_ns, batch_seq", parameters):
            found[agent_id, device_id].append(Described(row, agent_id, parsed(device_id, meters), (epoch_ns, batch_seq)))
        return cls(found)

    def newest(self) -> list[Described]:
        """The last description of each device."""
        return [history[-1] for _, history in sorted(self.by_device.items())]

    def by_row(self) -> dict[int, Described]:
        """Every description by its row."""
        return {d.row: d for history in self.by_device.values() for d in history}

    def in_force(self, agent_id: str, block: BlockView, key: tuple[int, int]) -> Described | None:
        """The description of a block that came with batch `key`, see `fitting`."""
        return self.fitting(agent_id, block.device_id, len(block.columns), key)

    def fitting(self, agent_id: str, device_id: str, meter_count: int, key: tuple[int, int]) -> Described | None:
        """The last description of the device before batch `key` that has as many meters, else the first after it."""
        fitting = [d for d in self.by_device.get((agent_id, device_id), ()) if len(d.device.meters) == meter_count]
        before = [d for d in fitting if d.since <= key]
        return before[-1] if before else fitting[0] if fitting else None


@lru_cache(maxsize=65_536)
def parsed(device_id: str, meters: str) -> DeviceInfo:
    """A device from its row: every question needs it again, and it never changes."""
    return DeviceInfo(device_id, tuple(MeterInfo.from_json(m) for m in json.loads(meters)))


def pieces(
    db: sqlite3.Connection, device_ids: Collection[str], t0_ns: int, t1_ns: int, *, chunks: Chunks = LOCAL
) -> dict[str, list[Piece]]:
    """For each device, what stands in `db` and `chunks` around [t0_ns, t1_ns], in time order. Blocks nobody described yet are left out."""
    catalogue = Catalogue.load(db, device_ids)
    found: dict[str, list[Piece]] = {device_id: [] for device_id in device_ids}
    for _, piece in sealed(db, catalogue.by_row(), device_ids, t0_ns - SLACK_NS, t1_ns + SLACK_NS, chunks=chunks):
        found[piece.described.device.device_id].append(piece)
    logged(db, catalogue, found, t0_ns - SLACK_NS, t1_ns + SLACK_NS)
    return {device_id: merged(parts) for device_id, parts in found.items()}


def sealed(
    db: sqlite3.Connection, rows: Mapping[int, Described], device_ids: Collection[str], t0_ns: int, t1_ns: int, *, chunks: Chunks = LOCAL
) -> Iterator[tuple[int, Piece]]:
    """The chunks of devices that touch [t0_ns, t1_ns], each with its first time, oldest first. `rows`: descriptions by row."""
    clocks = first_clocks(db)
    for chunk in chunks.around(db, device_ids, t0_ns, t1_ns):
        columns = Columns.unseal(chunk.layout, chunk.body)
        yield chunk.t0_ns, Piece(rows[chunk.device], columns, clocks.get((chunk.agent_id, chunk.epoch_ns)))


def logged(db: sqlite3.Connection, catalogue: Catalogue, found: dict[str, list[Piece]], t0_ns: int, t1_ns: int) -> dict[str, list[Piece]]:
    """Add to the pieces of each device of `found` what batches in the log that touch [t0_ns, t1_ns] hold of it."""
    agents = sorted({d.agent_id for history in catalogue.by_device.values() for d in history if d.device.device_id in found})
    query = f"""SELECT agent_id, epoch_ns, batch_seq, body FROM log
        WHERE agent_id IN ({marks(agents)}) AND t0_ns <= ? AND t1_ns >= ? ORDER BY epoch_ns, batch_seq"""
    blocks: dict[tuple[int, tuple[str, int]], tuple[Described, list[tuple[BlockView, ClockState]]]] = {}
    for agent_id, epoch_ns, batch_seq, body in db.execute(query, [*agents, t1_ns, t0_ns]):
        view = convert.decode(body, only=found)
        for block in view.blocks:
            described = catalogue.in_force(agent_id, block, (epoch_ns, batch_seq))
            if described is not None:
                blocks.setdefault((described.row, (agent_id, epoch_ns)), (described, []))[1].append((block, view.clock))
    clocks = first_clocks(db) if blocks else {}
    for (_, epoch), (described, parts) in blocks.items():
        found[described.device.device_id].append(Piece(described, Columns.from_blocks(parts), clocks.get(epoch)))
    return found


def merged(parts: Iterable[Piece]) -> list[Piece]:
    """Pieces of the same description and clock joined into one."""
    groups: dict[tuple[int, FirstClock | None], list[Piece]] = defaultdict(list)
    for part in parts:
        groups[part.described.row, part.first_clock].append(part)
    return [Piece(g[0].described, Columns.joined([p.columns for p in g]), g[0].first_clock) for g in groups.values()]


def series_of(meter_id: str, parts: Sequence[Piece], t0_ns: int, t1_ns: int) -> list[Series]:
    """The readings of one meter in [t0_ns, t1_ns], one Series for each scale it had."""
    by_scale: dict[tuple[str, int, int | None], list[Series]] = defaultdict(list)
    for part in parts:
        for index, meter in enumerate(part.described.device.meters):
            if meter.meter_id == meter_id:
                series = cut(part.columns.series(index, meter, part.first_clock), t0_ns, t1_ns)
                if len(series):
                    bound_ns = part.columns.clock_bound_ns(part.first_clock, t0_ns, t1_ns)
                    by_scale[meter.quantity, meter.exponent, meter.modulus].append(replace(series, clock_bound_ns=bound_ns))
    return [chained(found) for found in by_scale.values()]


def cut(series: Series, t0_ns: int, t1_ns: int) -> Series:
    """The rows of `series` in [t0_ns, t1_ns]."""
    a, b = int(np.searchsorted(series.t_ns, t0_ns, "left")), int(np.searchsorted(series.t_ns, t1_ns, "right"))
    return replace(series.rows(slice(a, b)), reasons={row - a: text for row, text in series.reasons.items() if a <= row < b})


def chained(parts: Sequence[Series]) -> Series:
    """Series of one meter as one, under its newest description; where that has a longer update period, older times are less certain."""
    if len(parts) == 1:
        return parts[0]
    t_ns = np.concatenate([p.t_ns for p in parts])
    order = np.argsort(t_ns, kind="stable")
    starts = np.cumsum([0, *(len(p) for p in parts)])
    reasons = {int(starts[k]) + row: text for k, p in enumerate(parts) for row, text in p.reasons.items()}
    raw = {name: [column for p in parts if (column := getattr(p, name)) is not None] for name in RAW_TIMES}
    return Series(
        parts[-1].meter,
        t_ns[order],
        np.concatenate([p.value for p in parts])[order],
        np.concatenate([p.quality for p in parts])[order],
        np.concatenate([p.t_unc_ns + doubt_ns(p, parts[-1].meter) for p in parts])[order],
        {new: reasons[old] for new, old in enumerate(order.tolist()) if old in reasons} if reasons else {},
        max(p.clock_bound_ns for p in parts),
        any(p.device_stamps for p in parts),
        **{name: np.concatenate(found)[order] for name, found in raw.items() if len(found) == len(parts)},
    )


def doubt_ns(part: Series, meter: MeterInfo) -> int:
    """By how much half the update period of `meter` is longer than the one that `part` was dated with; a device's own time has none."""
    known_s, then_s = (one.update_period_measured_s or one.update_period_s or 0.0 for one in (meter, part.meter))
    return 0 if part.device_stamps else max(0, round((known_s - then_s) * NS_PER_S) // 2)


def first_clocks(db: sqlite3.Connection) -> dict[tuple[str, int], FirstClock]:
    """For each epoch of each agent, what dates the rows of batches that did not know their offset."""
    found: dict[tuple[str, int], FirstClock] = {}
    query = """SELECT agent_id, epoch_ns, axis_ns, axis_bound_ns, axis_at_ns, known_offset_ns, known_bound_ns, known_at_ns FROM stream
        WHERE known_at_ns IS NOT NULL OR same_clock OR axis_ns IS NOT NULL"""
    for agent_id, epoch_ns, axis_ns, axis_bound_ns, axis_at_ns, offset_ns, bound_ns, at_ns in db.execute(query):
        of_version_1 = at_ns is not None or axis_ns is None
        found[agent_id, epoch_ns] = (
            FirstClock(offset_ns or 0, bound_ns or 0, at_ns or 0, on_mono=False)
            if of_version_1
            else FirstClock(axis_ns, axis_bound_ns, axis_at_ns)
        )
    return found
