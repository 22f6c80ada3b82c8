"""How an agent's monotonic time lies on the collector's axis, and what follows in the store when that becomes known.

An epoch has one relation for the rows whose batches do not know theirs: its first answered probe; before that, what an earlier
start of the same boot knew, or the collector's own axis under the same kernel, or provisionally the agent's UTC. A better one
moves everything of the epoch that was placed by the one before. Monotonic times of different boots never meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from joulemark.collector.store.base import ClockStep, Received
from joulemark.collector.store.epochs import Epoch, Epochs
from joulemark.proto.messages import BatchView, ClockState
from joulemark.timebase import STEP_NS

MOVED: Final = (
    "UPDATE log SET t0_ns = t0_ns + :by, t1_ns = t1_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    "UPDATE chunk SET t0_ns = t0_ns + :by, t1_ns = t1_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    """UPDATE chunk_sum SET t0_ns = t0_ns + :by, t1_ns = t1_ns + :by
       WHERE chunk IN (SELECT id FROM chunk WHERE agent_id = :agent AND epoch_ns = :epoch)""",
    """UPDATE archived SET t0_ns = t0_ns + :by, t1_ns = t1_ns + :by, moved_ns = moved_ns + :by
       WHERE agent_id = :agent AND epoch_ns = :epoch""",
    """DELETE FROM hour_sum WHERE meter_id IN (SELECT s.meter_id FROM chunk_sum s JOIN chunk c ON c.id = s.chunk
       WHERE c.agent_id = :agent AND c.epoch_ns = :epoch)""",
    "UPDATE loss SET first_ns = first_ns + :by, last_ns = last_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    "UPDATE state SET t_ns = t_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    "UPDATE survey SET t_ns = t_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    "UPDATE clock_step SET t_ns = t_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch",
    "UPDATE stream SET last_ns = last_ns + :by WHERE agent_id = :agent AND epoch_ns = :epoch AND last_ns > 0",
)


@dataclass(frozen=True, slots=True)
class Relation:
    """Add `axis_ns` to a monotonic time for the collector's axis. True within `bound_ns` at `at_ns` (monotonic); None: provisional."""

    axis_ns: int
    bound_ns: int | None
    at_ns: int


def complete_clock(view: BatchView) -> ClockState:
    """The clock state of a batch with its monotonic time: an agent of version 1 told only its UTC, which its rows relate to it."""
    clock = view.clock
    if clock.at_mono_ns or not view.blocks:
        return clock
    shift_ns = int(np.frombuffer(view.blocks[0].utc_minus_mono_ns, "<i8")[0])
    return replace(clock, at_mono_ns=view.closed_ns - shift_ns, utc_minus_mono_ns=shift_ns)


def relate(epochs: Epochs, epoch: Epoch, received: Received) -> Relation:
    """The relation that places a new batch, after the epoch's own, and those that hang on it, were brought up to date.

    A batch that knows its offset is placed by that, whatever its epoch says.
    """
    clock = complete_clock(received.view)
    stored = Relation(epoch.axis_ns or 0, epoch.axis_bound_ns, epoch.axis_at_ns or 0)
    if not clock.at_mono_ns:
        return stored
    own = Relation(clock.axis_minus_mono_ns, clock.bound_ns if clock.offset_known else None, clock.at_mono_ns)
    key = (received.agent_id, received.view.epoch_ns)
    if epoch.axis_ns is None:
        stored = own if clock.offset_known else inherited(epochs, received) or own
        placed_by_ns = clock.utc_minus_mono_ns if epoch.known_at_ns is None else stored.axis_ns  # version 1 had placed the rows already
        place(epochs, key, replace(own, axis_ns=placed_by_ns), stored)
    elif clock.offset_known and not epoch.probed:
        place(epochs, key, stored, own)
        stored = own
    if clock.offset_known:
        remember(epochs, epoch, received, own)
        return own
    return stored


def inherited(epochs: Epochs, received: Received) -> Relation | None:
    """What is known before this epoch's first probe: the last word of another start under the same boot, else the collector's own axis.

    A collector without an axis of its own goes by its UTC, which under the same kernel is the agent's.
    """
    epochs.write()
    row = epochs.db.execute(
        """SELECT last_axis_ns, last_bound_ns, last_mono_ns FROM stream WHERE agent_id = ? AND boot_id = ? AND boot_id != ''
             AND last_axis_ns IS NOT NULL ORDER BY epoch_ns DESC LIMIT 1""",
        (received.agent_id, received.view.boot_id),
    ).fetchone()
    if row is not None:
        return Relation(*row)
    if not received.same_clock:
        return None
    return Relation(received.axis_minus_mono_ns or complete_clock(received.view).utc_minus_mono_ns, 0, 0)


def place(epochs: Epochs, key: tuple[str, int], before: Relation, after: Relation) -> None:
    """Let `after` hold for an epoch whose rows were placed by `before`."""
    epochs.write()
    epochs.db.execute(
        "UPDATE stream SET axis_ns = ?, axis_bound_ns = ?, axis_at_ns = ? WHERE agent_id = ? AND epoch_ns = ?",
        (after.axis_ns, after.bound_ns, after.at_ns, *key),
    )
    if after.axis_ns != before.axis_ns:
        for statement in MOVED:
            epochs.db.execute(statement, {"by": after.axis_ns - before.axis_ns, "agent": key[0], "epoch": key[1]})
    epochs.read()


def remember(epochs: Epochs, epoch: Epoch, received: Received, own: Relation) -> None:
    """Keep what a batch knows: for epochs of the same boot that never learned it, and as the last word for those to come."""
    epoch.probed, epoch.same_clock = True, bool(epoch.same_clock and own.bound_ns == 0)
    epoch.last_axis_ns, epoch.last_bound_ns = own.axis_ns, own.bound_ns
    if epoch.all_placed and epoch.boot_id == received.view.boot_id:
        return
    epochs.write()
    orphans = epochs.db.execute(
        """SELECT epoch_ns, axis_ns, axis_at_ns FROM stream WHERE agent_id = ? AND boot_id = ? AND boot_id != ''
             AND axis_bound_ns IS NULL AND axis_ns IS NOT NULL""",
        (received.agent_id, received.view.boot_id),
    ).fetchall()
    for epoch_ns, axis_ns, at_ns in orphans:
        place(epochs, (received.agent_id, epoch_ns), Relation(axis_ns, None, at_ns), own)


def note_step(epochs: Epochs, epoch: Epoch, received: Received, relation: Relation) -> None:
    """Keep it as an event when the agent's UTC was stepped since the last batch of the same boot: between the two closings."""
    clock = complete_clock(received.view)
    if not clock.at_mono_ns:
        return
    last_mono_ns, last_shift_ns = last_told(epochs, epoch, received)
    is_first = epoch.last_utc_minus_mono_ns is None
    epoch.last_mono_ns, epoch.last_utc_minus_mono_ns = clock.at_mono_ns, clock.utc_minus_mono_ns
    if is_first:
        epochs.write()
        epochs.read()  # an older start that is open is the newest no more
    if last_mono_ns is None or last_shift_ns is None:
        return
    if abs(step_ns := clock.utc_minus_mono_ns - last_shift_ns) > STEP_NS:
        half_ns = (clock.at_mono_ns - last_mono_ns) // 2
        epochs.db.execute(
            "INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES (?, ?, ?, ?, ?)",
            (received.agent_id, received.view.epoch_ns, last_mono_ns + half_ns + relation.axis_ns, abs(half_ns), step_ns),
        )


def last_told(epochs: Epochs, epoch: Epoch, received: Received) -> tuple[int | None, int | None]:
    """(monotonic time, UTC minus it) of the last batch of the newest start under the boot of a batch; two None where there is none."""
    boot_id = received.view.boot_id
    if epoch.last_utc_minus_mono_ns is not None and epoch.newest and epoch.boot_id == boot_id:
        return epoch.last_mono_ns, epoch.last_utc_minus_mono_ns
    epochs.write()
    row = epochs.db.execute(
        """SELECT last_mono_ns, last_utc_minus_mono_ns FROM stream WHERE agent_id = ? AND boot_id = ? AND (boot_id != '' OR epoch_ns = ?)
             AND last_utc_minus_mono_ns IS NOT NULL ORDER BY epoch_ns DESC LIMIT 1""",
        (received.agent_id, boot_id, received.view.epoch_ns),
    ).fetchone()
    return row or (None, None)


def offset_of_utc(utc_ns: int, newest_offset_ns: int, steps: Sequence[ClockStep], *, until_ns: int | None = None) -> tuple[int, int]:
    """(offset, half-width) to the UTC of a clock that was stepped: `newest_offset_ns` is right after the last of `steps`.

    What is dated lies not behind `until_ns` on the axis, where that is known. A UTC that the clock showed twice, or around a step, may be
    either; one that it skipped lies at the step, give or take it.
    """
    fitting: list[int] = []
    offset_ns, end_ns = newest_offset_ns, until_ns
    for step in (*reversed(steps), None):
        at_ns = utc_ns + offset_ns
        if (step is None or at_ns >= step.t_ns - step.unc_ns) and (end_ns is None or at_ns <= end_ns):
            fitting.append(offset_ns)
        if step is not None:
            offset_ns, end_ns = offset_ns + step.step_ns, step.t_ns + step.unc_ns
    if not fitting:
        return newest_offset_ns, max((abs(step.step_ns) for step in steps), default=0)
    half_ns = (max(fitting) - min(fitting) + 1) // 2
    return min(fitting) + half_ns, half_ns
