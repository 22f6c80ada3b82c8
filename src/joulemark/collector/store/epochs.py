"""What `stream` says of starts of agents, in memory while one transaction takes many batches: read once, written back once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from joulemark.collector.store.base import Received

COLUMNS: Final = (
    "same_clock",
    "acked_seq",
    "sealed_seq",
    "batch_count",
    "sample_count",
    "duplicate_count",
    "last_rx_ns",
    "last_ns",
    "known_at_ns",
    "state_ns",
    "axis_ns",
    "axis_bound_ns",
    "axis_at_ns",
    "probed",
    "last_axis_ns",
    "last_bound_ns",
    "last_mono_ns",
    "last_utc_minus_mono_ns",
)
OTHERS: Final = "FROM stream o WHERE o.agent_id = s.agent_id AND o.boot_id = s.boot_id AND o.boot_id != ''"
READ: Final = f"""
    SELECT id, boot_id,
      NOT EXISTS (SELECT 1 {OTHERS} AND o.axis_bound_ns IS NULL AND o.axis_ns IS NOT NULL),
      NOT EXISTS (SELECT 1 {OTHERS} AND o.epoch_ns > s.epoch_ns AND o.last_utc_minus_mono_ns IS NOT NULL),
      {", ".join(COLUMNS)} FROM stream s WHERE agent_id = ? AND epoch_ns = ?"""
WRITE: Final = f"UPDATE stream SET {', '.join(f'{column} = ?' for column in COLUMNS)} WHERE id = ?"
values_of: Final = attrgetter(*COLUMNS)
BEGIN: Final = """
    INSERT INTO stream (agent_id, epoch_ns, boot_id, same_clock, acked_seq, batch_count, sample_count, first_rx_ns, last_rx_ns, last_ns)
    VALUES (?, ?, ?, ?, ?, 0, 0, ?, ?, 0)"""


@dataclass(slots=True)
class Epoch:
    """One row of `stream`. `all_placed`: no start of its boot waits for a relation; `newest`: none after it told its clock."""

    row: int
    boot_id: str
    all_placed: bool
    newest: bool
    same_clock: bool
    acked_seq: int
    sealed_seq: int
    batch_count: int
    sample_count: int
    duplicate_count: int
    last_rx_ns: int
    last_ns: int
    known_at_ns: int | None
    state_ns: int
    axis_ns: int | None
    axis_bound_ns: int | None
    axis_at_ns: int | None
    probed: bool
    last_axis_ns: int | None
    last_bound_ns: int | None
    last_mono_ns: int | None
    last_utc_minus_mono_ns: int | None


class Epochs:
    """The epochs of one transaction on `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._open: dict[tuple[str, int], Epoch] = {}

    def of(self, received: Received) -> Epoch | None:
        """The epoch of a batch, None when this is its first."""
        key = (received.agent_id, received.view.epoch_ns)
        if (found := self._open.get(key)) is None and (row := self.db.execute(READ, key).fetchone()) is not None:
            found = self._open[key] = Epoch(*row)
        return found

    def begin(self, received: Received) -> Epoch:
        """The epoch of a first batch, which is not counted yet."""
        view, rx_ns = received.view, received.rx_ns
        row = (received.agent_id, view.epoch_ns, view.boot_id, received.same_clock, view.batch_seq, rx_ns, rx_ns)
        self.db.execute(BEGIN, row)
        begun = self.of(received)
        assert begun is not None
        return begun

    def write(self) -> None:
        """Bring `stream` up to date: at the end, and before a statement looks at it."""
        self.db.executemany(WRITE, [(*values_of(epoch), epoch.row) for epoch in self._open.values()])

    def read(self) -> None:
        """Take what a statement changed in `stream` since it was written."""
        for key, epoch in self._open.items():
            fresh = Epoch(*self.db.execute(READ, key).fetchone())
            for name in Epoch.__slots__:
                setattr(epoch, name, getattr(fresh, name))
