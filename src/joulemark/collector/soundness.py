"""Whether the numbers of a received batch are ones that time, counting and the store's arithmetic allow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import numpy as np

from joulemark.energy.series import Int64
from joulemark.errors import FormatError
from joulemark.proto.messages import NO_DEVICE_TIME, BatchView, BlockView
from joulemark.readings import Quality

END_NS: Final = 2**62
"""The year 2116: sums of two times below it still fit 64 bits."""
QUALITIES: Final = bytes(Quality)
NOTHING: Final = np.zeros(0, np.int64)


def check(view: BatchView) -> None:
    """Raise FormatError where a time lies before 1970 or after 2116, a count is negative, or a quality does not exist."""
    clock, cost = view.clock, view.overhead
    single = {
        "epoch_ns": view.epoch_ns,
        "batch_seq": view.batch_seq,
        "closed_ns": view.closed_ns,
        "clock.bound_ns": clock.bound_ns,
        "overhead": min(cost.cpu_ns, cost.rss_bytes, cost.late_tick_count),
        "clock.offset_ns": abs(clock.offset_ns),
        "clock.utc_minus_mono_ns": abs(clock.utc_minus_mono_ns),
        "clock.at_mono_ns": abs(clock.at_mono_ns),
    }
    for name, number in single.items():
        require(name, number)
    for loss in view.losses:
        require("losses.sample_count", loss.sample_count, loss.sample_count)
        require("losses", loss.first_ns, loss.last_ns)
    offset_ns = clock.offset_ns if clock.offset_known else 0
    if not plainly_sound(view.blocks, offset_ns):
        for block in view.blocks:
            check_block(block, offset_ns)


def plainly_sound(blocks: Sequence[BlockView], offset_ns: int) -> bool:
    """Whether the extremes of all blocks together are so far inside that `check_block` finds nothing in any of them.

    One look at a batch in place of a dozen at each of its devices: this is what nearly all batches pass.
    """
    if not blocks:
        return True
    delta, relation, bracket, seq = ends_of(
        b"".join([b.mono_delta_ns for b in blocks]),
        b"".join([b.utc_minus_mono_ns for b in blocks]),
        b"".join([b.bracket_ns for b in blocks]),
        b"".join([b.seq for b in blocks]),
    )
    bases = [b.base_mono_ns for b in blocks]
    base = min(bases), max(bases)
    utc = base[0] + delta[0] + relation[0], base[1] + delta[1] + relation[1]
    columns = [column for b in blocks for column in b.columns]
    away = [c.device_delta_ns for c in columns if c.device_delta_ns]
    told = int64(b"".join(away)) if away else NOTHING
    told = told[told != NO_DEVICE_TIME]
    stamp = ends(told) if len(told) else (0, 0)
    low = min(delta[0] + base[0], relation[0], bracket[0], seq[0], utc[0], utc[0] + offset_ns, utc[0] + stamp[0])
    high = max(delta[1] + base[1], relation[1], bracket[1], seq[1] + max([b.row_count for b in blocks]), utc[1], utc[1] + offset_ns)
    far = max(high, utc[1] + stamp[1], abs(stamp[0]), abs(stamp[1]))
    return low >= 0 and far < END_NS and not b"".join([c.quality for c in columns if c.quality]).translate(None, QUALITIES)


def check_block(block: BlockView, offset_ns: int) -> None:
    """The same for the rows of one device; `offset_ns` moves its times to the collector's axis."""
    where = f"block of {block.device_id!r}: "
    delta, relation = int64(block.mono_delta_ns), int64(block.utc_minus_mono_ns)
    require(f"{where}mono_ns", *(abs(block.base_mono_ns + end) for end in ends(delta)))
    require(f"{where}utc_minus_mono_ns", *(abs(end) for end in ends(relation)))
    utc = delta + block.base_mono_ns + relation
    require(f"{where}utc_ns", *ends(utc))
    require(f"{where}time on the collector's axis", *(end + offset_ns for end in ends(utc)))
    require(f"{where}bracket_ns", *ends(int64(block.bracket_ns)))
    first, last = ends(int64(block.seq))
    require(f"{where}seq", first, last + block.row_count)
    for column in block.columns:
        if column.device_delta_ns:
            away = int64(column.device_delta_ns)
            told = away != NO_DEVICE_TIME
            if told.any():
                require(f"{where}device time away from the read", *(abs(end) for end in ends(away[told])))
                require(f"{where}device time", *ends((utc + away)[told]))
        if column.quality.translate(None, QUALITIES):
            raise FormatError(f"{where}a reading has a quality this version does not know", "use a collector of the agent's version")


def require(name: str, *numbers: int) -> None:
    """Raise FormatError unless every one of `numbers` is at least 0 and below END_NS."""
    for number in numbers:
        if not 0 <= number < END_NS:
            raise FormatError(f"{name} = {number} is not between 0 and 2^62", "see whether the agent's clock is set, then start it anew")


def ends(column: Int64) -> tuple[int, int]:
    """Lowest and highest entry."""
    return int(np.minimum.reduce(column)), int(np.maximum.reduce(column))


def ends_of(*columns: bytes) -> list[tuple[int, int]]:
    """The same of each of several columns, none of them empty, in two looks at all of them together."""
    together = int64(b"".join(columns))
    starts = [0, *accumulate([len(column) // 8 for column in columns[:-1]])]
    return list(zip(np.minimum.reduceat(together, starts).tolist(), np.maximum.reduceat(together, starts).tolist(), strict=True))


def int64(memory: bytes) -> Int64:
    """Little-endian int64 memory as an array, without a copy."""
    return np.frombuffer(memory, dtype="<i8")
