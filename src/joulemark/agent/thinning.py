"""Makes a spooled batch smaller when the disk is full, and says exactly what that cost. Pure."""

from __future__ import annotations

import array
import enum
import sys
from collections.abc import Sequence
from typing import Final

from joulemark.proto import convert
from joulemark.proto.messages import NO_DEVICE_TIME, Batch, BlockView, FrozenBatch, Loss
from joulemark.readings import Quality, Sample


class Level(enum.IntEnum):
    """How much of a batch is left. The numbers are the spool's."""

    WHOLE = 0
    COUNTERS_THINNED = 1
    PINNED_ONLY = 2


REASONS: Final = {
    Level.COUNTERS_THINNED: "spool full: thinned to the last reading of each batch, totals of counters stay exact",
    Level.PINNED_ONLY: "spool full: dropped but for readings at phase marks",
}
"""What a loss means for the meters of its device. All of them answer in one read, so each lost as many readings as the loss has
samples: under the first reason only the power between the kept readings, under the second energy too."""


def thinned(body: bytes, level: Level, counter_devices: frozenset[str]) -> tuple[FrozenBatch | None, list[Loss]]:
    """The batch in `body` reduced to `level`, frozen anew under the same key, and what was lost; None when nothing is left.

    COUNTERS_THINNED keeps of every device in `counter_devices` the pinned samples and the last one: the total of a cumulative
    counter stays exact. PINNED_ONLY keeps the pinned samples of every device. Descriptions always stay. The losses that a batch
    carried stay with its samples; without any they are handed back with the new ones, for a later batch to carry: batches of losses
    alone would fill the spool, and fresh readings be refused. Only for batches that were never sent: the collector refuses two
    bodies under one key. The number of a batch that vanished is not used again, so its stream has a hole there.
    """
    view = convert.decode(body)
    kept: dict[str, tuple[Sample, ...]] = {}
    losses: list[Loss] = []
    for block in view.blocks:
        rows = samples_of(block)
        keep, drop = divided(rows, level, block.device_id in counter_devices)
        if keep:
            kept[block.device_id] = keep
        if drop:
            losses.append(loss_of(drop, REASONS[level]))
    if not (kept or view.devices):
        return None, [*losses, *view.losses]
    batch = Batch(
        epoch_ns=view.epoch_ns,
        batch_seq=view.batch_seq,
        boot_id=view.boot_id,
        closed_ns=view.closed_ns,
        clock=view.clock,
        samples=kept,
        devices=view.devices,
        losses=view.losses,
        overhead=view.overhead,
    )
    return convert.freeze(batch), losses


def divided(rows: tuple[Sample, ...], level: Level, is_counter: bool) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """`rows` as (kept, dropped) at `level`."""
    if level is Level.WHOLE or (level is Level.COUNTERS_THINNED and not is_counter):
        return rows, ()
    last = len(rows) - 1 if level is Level.COUNTERS_THINNED else -1
    keep = tuple(row for i, row in enumerate(rows) if row.pinned or i == last)
    drop = tuple(row for i, row in enumerate(rows) if not (row.pinned or i == last))
    return keep, drop


def loss_of(rows: Sequence[Sample], reason: str) -> Loss:
    """The loss of `rows`, samples of one device in their order."""
    first, last = rows[0], rows[-1]
    return Loss(rows[0].device_id, len(rows), first.t_read0_ns + first.utc_minus_mono_ns, last.t_read1_ns + last.utc_minus_mono_ns, reason)


def samples_of(block: BlockView) -> tuple[Sample, ...]:
    """The rows of `block` as samples: freezing them again gives the same columns."""
    n = block.row_count
    mono = [block.base_mono_ns + delta for delta in integers(block.mono_delta_ns)]
    bracket = integers(block.bracket_ns)
    offsets = integers(block.utc_minus_mono_ns)
    numbers = integers(block.seq)
    offsets = offsets if len(offsets) == n else offsets * n
    numbers = numbers if len(numbers) == n else [numbers[0] + i for i in range(n)]
    values = [integers(column.values) for column in block.columns]
    deltas = [integers(column.device_delta_ns) for column in block.columns]
    samples = []
    for i in range(n):
        qualities = tuple(Quality(column.quality[i]) if column.quality else Quality.OK for column in block.columns)
        read0_ns = mono[i] - bracket[i] // 2
        samples.append(
            Sample(
                device_id=block.device_id,
                t_read0_ns=read0_ns,
                t_read1_ns=read0_ns + bracket[i],
                utc_minus_mono_ns=offsets[i],
                values=tuple(None if q is Quality.GAP else column[i] for column, q in zip(values, qualities, strict=True)),
                t_device_ns=tuple(None if not d or d[i] == NO_DEVICE_TIME else mono[i] + offsets[i] + d[i] for d in deltas),
                qualities=qualities,
                reasons=tuple(column.reasons.get(i, "") for column in block.columns),
                seq=numbers[i],
                pinned=i in block.pinned_rows,
            )
        )
    return tuple(samples)


def integers(column: bytes) -> list[int]:
    """Little-endian int64 as Python integers."""
    numbers = array.array("q", column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
