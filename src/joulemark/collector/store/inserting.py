"""Batches into the tables of readings.db, each once, inside a transaction of the writer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from joulemark.collector.store.base import AlteredBatch, ClockStep, Received
from joulemark.collector.store.epochs import Epoch, Epochs
from joulemark.collector.store.relation import Relation, complete_clock, note_step, offset_of_utc, relate
from joulemark.proto.messages import ClockState, MeterCost, Overhead
from joulemark.units import NS_PER_S

STATE_PERIOD_NS: Final = 10 * NS_PER_S


def count_stream(db: sqlite3.Connection, agent_id: str) -> None:
    """One more stream of the agent."""
    db.execute(
        """INSERT INTO agent (agent_id, streams_opened) VALUES (?, 1)
           ON CONFLICT (agent_id) DO UPDATE SET streams_opened = streams_opened + 1""",
        (agent_id,),
    )


def insert_all(db: sqlite3.Connection, batches: Sequence[Received]) -> list[bool]:
    """Store batches in their order, each as `insert` does; what the epochs of them count is written once for all."""
    epochs = Epochs(db)
    found = [insert(epochs, received) for received in batches]
    epochs.write()
    return found


def insert(epochs: Epochs, received: Received) -> bool:
    """Store a batch once. False when the store has it already, or sealed it long ago. Raises AlteredBatch for another one of its key."""
    db, epoch = epochs.db, epochs.of(received)
    key = (received.agent_id, received.view.epoch_ns, received.view.batch_seq)
    if epoch is None:
        epoch = epochs.begin(received)
    elif is_stored(db, epoch, key, received.body):
        epoch.duplicate_count += 1
        return False
    epoch.acked_seq, epoch.last_rx_ns = max(epoch.acked_seq, key[2]), received.rx_ns
    epoch.batch_count += 1
    relation = relate(epochs, epoch, received)
    t0_ns, t1_ns, sample_count = extent(received, relation)
    db.execute(
        "INSERT INTO log (agent_id, epoch_ns, batch_seq, rx_ns, t0_ns, t1_ns, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*key, received.rx_ns, t0_ns, t1_ns, received.body),
    )
    if sample_count:
        epoch.sample_count, epoch.last_ns = epoch.sample_count + sample_count, max(epoch.last_ns, t1_ns)
    note_step(epochs, epoch, received, relation)
    insert_state(db, epoch, received, relation)
    insert_survey(db, received, relation)
    insert_devices(db, received)
    insert_losses(db, received, relation)
    return True


def is_stored(db: sqlite3.Connection, epoch: Epoch, key: tuple[str, int, int], body: bytes) -> bool:
    """Whether a batch came before. One above all that came is not looked for. Raises AlteredBatch where the log holds another `body`."""
    if key[2] > epoch.acked_seq:
        return False
    if key[2] <= epoch.sealed_seq:
        return True
    stored = db.execute("SELECT body FROM log WHERE agent_id = ? AND epoch_ns = ? AND batch_seq = ?", key).fetchone()
    if stored is not None and stored[0] != body:
        raise AlteredBatch(f"batch {key[2]} of epoch {key[1]} of agent {key[0]!r} is stored already, with other content")
    return stored is not None


def insert_state(db: sqlite3.Connection, epoch: Epoch, received: Received, relation: Relation) -> None:
    """Keep clock and cost of the agent every ten seconds."""
    view, clock = received.view, complete_clock(received.view)
    if abs(view.closed_ns - epoch.state_ns) < STATE_PERIOD_NS:
        return
    t_ns = clock.at_mono_ns + relation.axis_ns if clock.at_mono_ns else view.closed_ns
    epoch.state_ns = view.closed_ns
    db.execute(
        "INSERT INTO state (agent_id, epoch_ns, t_ns, clock, overhead) VALUES (?, ?, ?, ?, ?)",
        (received.agent_id, view.epoch_ns, t_ns, listed(clock), listed(view.overhead)),
    )


def listed(one: ClockState | Overhead) -> str:
    """The values of its fields, in their order, as JSON: their names would be most of it."""
    return json.dumps(values(one), default=values, separators=(",", ":"))


def values(one: ClockState | Overhead | MeterCost) -> list[Any]:
    """Of its fields. `astuple` copies every one of them, for each batch."""
    return [getattr(one, name) for name in one.__slots__]


def insert_survey(db: sqlite3.Connection, received: Received, relation: Relation) -> None:
    """Keep what the agent saw of its host."""
    view, survey = received.view, received.view.survey
    if survey.text:
        row = (received.agent_id, view.epoch_ns, survey.mono_ns + relation.axis_ns, survey.text)
        db.execute("INSERT INTO survey (agent_id, epoch_ns, t_ns, body) VALUES (?, ?, ?, ?)", row)


def insert_losses(db: sqlite3.Connection, received: Received, relation: Relation) -> None:
    """Keep what the agent lost. It dates a loss in its UTC of then, so steps of its clock since are undone; where that leaves two
    moments before the batch was closed the loss covers both.
    """
    view, clock = received.view, complete_clock(received.view)
    to_axis_ns = relation.axis_ns - clock.utc_minus_mono_ns if clock.at_mono_ns else clock.offset_ns if clock.offset_known else 0
    query = "SELECT agent_id, t_ns, unc_ns, step_ns FROM clock_step WHERE agent_id = ? ORDER BY t_ns"
    steps = [ClockStep(*row) for row in db.execute(query, (received.agent_id,))] if view.losses else []
    now_ns = view.closed_ns + to_axis_ns + NS_PER_S
    for loss in view.losses:
        moments_ns = []  # of both ends: where the clock went back between them, the first may be the later one
        for utc_ns in (loss.first_ns, loss.last_ns):
            offset_ns, half_ns = offset_of_utc(utc_ns, to_axis_ns, steps, until_ns=now_ns)
            moments_ns += [utc_ns + offset_ns - half_ns, utc_ns + offset_ns + half_ns]
        db.execute(
            "INSERT INTO loss (agent_id, epoch_ns, device_id, sample_count, first_ns, last_ns, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (received.agent_id, view.epoch_ns, loss.device_id, loss.sample_count, min(moments_ns), max(moments_ns), loss.reason),
        )


def insert_devices(db: sqlite3.Connection, received: Received) -> None:
    """Keep the descriptions of a batch that differ from the last ones."""
    for device in received.view.devices:
        key = (received.agent_id, device.device_id)
        meters = json.dumps([meter.to_json() for meter in device.meters])
        last = db.execute(
            "SELECT meters FROM device WHERE agent_id = ? AND device_id = ? ORDER BY epoch_ns DESC, batch_seq DESC LIMIT 1", key
        ).fetchone()
        if last is None or last[0] != meters:
            db.execute(
                "INSERT INTO device (agent_id, device_id, epoch_ns, batch_seq, meters) VALUES (?, ?, ?, ?, ?)",
                (*key, received.view.epoch_ns, received.view.batch_seq, meters),
            )


def extent(received: Received, relation: Relation) -> tuple[int, int, int]:
    """(first, last, number of samples) of a batch, on the collector's axis; its closing time twice when it holds none."""
    blocks, clock = received.view.blocks, received.view.clock
    if not blocks:
        closed_ns = clock.at_mono_ns + relation.axis_ns if clock.at_mono_ns else received.view.closed_ns + clock.offset_ns
        return closed_ns, closed_ns, 0
    delta_ns = np.frombuffer(b"".join(b.mono_delta_ns for b in blocks), "<i8")
    ends = np.cumsum([b.row_count for b in blocks])
    begins = np.concatenate(([0], ends[:-1]))
    base_ns = np.array([b.base_mono_ns for b in blocks], dtype=np.int64)
    first_ns, last_ns = np.minimum.reduceat(delta_ns, begins) + base_ns, np.maximum.reduceat(delta_ns, begins) + base_ns
    return int(first_ns.min()) + relation.axis_ns, int(last_ns.max()) + relation.axis_ns, int(ends[-1])
