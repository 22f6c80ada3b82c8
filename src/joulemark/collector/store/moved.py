"""Devices whose readings lie in several files, because their agent has moved from one ingest process to another: read as from one file."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

from joulemark.collector.store import schema
from joulemark.collector.store.base import ENCLOSING_NS, Described, Integral
from joulemark.collector.store.chunks import Chunk, Chunks, LocalChunks, Row
from joulemark.collector.store.integral import Ledger, Store
from joulemark.collector.store.pieces import SLACK_NS, Catalogue, Piece, logged, merged, sealed, series_of
from joulemark.energy.series import Series
from joulemark.errors import UsageError
from joulemark.readings import MeterInfo, Quantity


class File(Protocol):
    """A readings.db and where its sealed chunks lie."""

    @property
    def path(self) -> Path: ...

    @property
    def chunks(self) -> Chunks: ...


def series(files: Sequence[File], meter_ids: Sequence[str], t0_ns: int, t1_ns: int) -> list[Series]:
    """As `ReadingStore.series`, of `files` together."""
    found, _ = together(files, {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}, t0_ns, t1_ns)
    return [one for meter_id in meter_ids for one in series_of(meter_id, found[meter_id.rsplit(":", 1)[0]], t0_ns, t1_ns)]


def integrals(files: Sequence[File], meter_ids: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Integral | None]]:
    """As `ReadingStore.integrals`. Everything around the spans is read: no sum of a chunk knows of the chunks in another file."""
    edges_ns = sorted(edge_ns for span in spans for edge_ns in span)
    device_ids = {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}
    found, catalogue = together(files, device_ids, edges_ns[0] - ENCLOSING_NS, edges_ns[-1] + ENCLOSING_NS)
    known = {meter.meter_id: meter for d in catalogue.newest() for meter in d.device.meters}
    with closing(schema.reader(files[0].path)) as db:
        store = Store(db, catalogue, found, frozenset(), Nowhere())
        return [[ledger.integral(*span) for span in spans] for ledger in (Ledger(store, power(known, one), edges_ns) for one in meter_ids)]


def power(known: Mapping[str, MeterInfo], meter_id: str) -> MeterInfo:
    """The meter of that name. Raises UsageError for one that shows no power, or that nobody described."""
    meter = known.get(meter_id)
    if meter is None or meter.quantity is not Quantity.POWER:
        raise UsageError(f"{meter_id} shows no power", "name a meter of power")
    return meter


class Nowhere(LocalChunks):
    """No chunk at all: their readings are at hand, as if they stood in the log."""

    def numbered(self, db: sqlite3.Connection, numbers: Collection[int]) -> Sequence[Chunk]:
        return ()

    def sums(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        return ()

    def begun(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        return ()

    def hours(self, db: sqlite3.Connection, meter_id: str, first: int, last: int) -> Sequence[Row]:
        return ()


def together(files: Sequence[File], device_ids: Collection[str], t0_ns: int, t1_ns: int) -> tuple[dict[str, list[Piece]], Catalogue]:
    """What all files hold of devices around [t0_ns, t1_ns], in the order in which one file would tell it, and their descriptions."""
    t0_ns, t1_ns = t0_ns - SLACK_NS, t1_ns + SLACK_NS
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(schema.reader(file.path))) for file in files]
        catalogue, rows = one_catalogue([Catalogue.load(db, device_ids) for db in opened])
        chunks = [
            one
            for file, db, known in zip(files, opened, rows, strict=True)
            for one in sealed(db, known, device_ids, t0_ns, t1_ns, chunks=file.chunks)
        ]
        batches = [piece for db in opened for piece in batched(db, catalogue, device_ids, t0_ns, t1_ns)]
    pieces: dict[str, list[Piece]] = {device_id: [] for device_id in device_ids}
    for _, piece in sorted([*chunks, *((first_ns(piece), piece) for piece in batches)], key=lambda one: one[0]):
        pieces[piece.described.device.device_id].append(piece)
    return {device_id: merged(parts) for device_id, parts in pieces.items()}, catalogue


def batched(db: sqlite3.Connection, catalogue: Catalogue, device_ids: Collection[str], t0_ns: int, t1_ns: int) -> list[Piece]:
    """What the log of one file holds of devices."""
    found = logged(db, catalogue, {device_id: [] for device_id in device_ids}, t0_ns, t1_ns)
    return [piece for parts in found.values() for piece in parts]


def first_ns(piece: Piece) -> int:
    """The time of its first row on the axis."""
    return int((piece.columns.utc_ns() + piece.columns.clock(piece.first_clock)[0])[0])


def one_catalogue(catalogues: Sequence[Catalogue]) -> tuple[Catalogue, list[dict[int, Described]]]:
    """The descriptions of all files as one file would hold them, and for each file by its own rows.

    One that repeats what was said before, as an agent does that begins anew elsewhere, is no new one.
    """
    by_device: dict[tuple[str, str], list[Described]] = defaultdict(list)
    rows: list[dict[int, Described]] = [{} for _ in catalogues]
    told = [(d, place) for place, one in enumerate(catalogues) for history in one.by_device.values() for d in history]
    for number, (d, place) in enumerate(sorted(told, key=lambda one: one[0].since)):
        history = by_device[d.agent_id, d.device.device_id]
        if not history or history[-1].device != d.device:
            history.append(Described(number, d.agent_id, d.device, d.since))
        rows[place][d.row] = history[-1]
    return Catalogue(by_device), rows
