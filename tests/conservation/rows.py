"""Batches decoded by the oracle's own hand: for each start of each device, the rows that a set of batches holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np

from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.conservation.wave import Int64

COLUMNS: Final = ("seq", "mono_ns", "utc_minus_mono_ns", "power_ns", "power_mw", "counter_ns", "counter_mj")

Start = tuple[str, int, str]
"""Agent, start of the agent, device."""


@dataclass(frozen=True)
class Rows:
    """Samples of one start of one device in the order of their numbers; both values with their own times on the monotonic clock."""

    seq: Int64
    mono_ns: Int64
    utc_minus_mono_ns: Int64
    power_ns: Int64
    power_mw: Int64
    counter_ns: Int64
    counter_mj: Int64

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True)
class Decoded:
    """One batch: the columns of each device, the losses it tells of, how many of its values are not marked ok."""

    epoch_ns: int
    blocks: tuple[tuple[str, Int64], ...]
    losses: tuple[tuple[str, str, int], ...]
    not_ok: int
    sample_count: int
    utc_minus_mono_ns: int


@cache
def decoded(body: bytes) -> Decoded:
    """The batch in `body`; the same bytes are looked at once."""
    batch = pb.Batch.FromString(body)
    blocks = tuple((block.device_id, columns(block)) for block in batch.blocks)
    losses = tuple((loss.device_id, loss.reason, loss.sample_count) for loss in batch.losses)
    not_ok = sum(len(column.quality) - column.quality.count(1) for block in batch.blocks for column in block.columns)
    return Decoded(batch.epoch_ns, blocks, losses, not_ok, sum(table.shape[1] for _, table in blocks), batch.clock.utc_minus_mono_ns)


@dataclass
class Found:
    """What a set of batches holds: rows, losses by device and reason, values that are not marked ok."""

    parts: defaultdict[Start, list[Int64]] = field(default_factory=lambda: defaultdict(list))
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_ok: int = 0

    def add(self, agent: str, body: bytes) -> int:
        """Take one batch; returns how many samples it holds."""
        batch = decoded(body)
        for device, reason, count in batch.losses:
            self.lost[device, reason] += count
        for device, table in batch.blocks:
            self.parts[agent, batch.epoch_ns, device].append(table)
        self.not_ok += batch.not_ok
        return batch.sample_count

    def rows(self) -> dict[Start, Rows]:
        """The rows of each start, by number."""
        found = {}
        for start, parts in self.parts.items():
            table = np.concatenate(parts, axis=1)
            found[start] = Rows(*table[:, np.argsort(table[0], kind="stable")])
        return found


def columns(block: pb.Block) -> Int64:
    """int64[7, n] in the order of COLUMNS."""
    mono = int64(block.mono_delta_ns) + block.base_mono_ns
    n = len(mono)
    numbers, offsets = int64(block.seq), int64(block.utc_minus_mono_ns)
    seq = numbers if len(numbers) == n else numbers[0] + np.arange(n)
    power, counter = block.columns
    times = [mono + int64(column.device_delta_ns) for column in (power, counter)]
    return np.stack([seq, mono, np.broadcast_to(offsets, n), times[0], int64(power.values), times[1], int64(counter.values)])


def int64(column: bytes) -> Int64:
    """Little-endian int64 values."""
    return np.frombuffer(column, "<i8").astype(np.int64)
