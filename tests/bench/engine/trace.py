"""What eight GPUs of a serving node show at 10 Hz, as an agent sends it: four quantities, read brackets and clock relation as they are.

Power follows a load of five minutes (idle, prefill bursts over steady decode) with noise; times are those of a polling thread with its
lateness; the relation of both clocks is what an agent tells of this machine's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from joulemark import timebase
from joulemark.collector.store.base import Received
from joulemark.energy.series import Int64
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, FrozenBatch
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quantity

S = 1_000_000_000
T0_NS = 1_790_000_000 * S
"""UTC of the first read."""
BOOT_NS = 5000 * S
"""Monotonic time of the first read."""
PERIOD_NS = S // 10
KINDS = ((Quantity.POWER, -3), (Quantity.ENERGY_COUNTER, -3), (Quantity.TEMPERATURE, 0), (Quantity.UTILIZATION, -2))
DRIFT_PPB = 2_500
OFFSET_NS = 1_500_000


def device(agent_id: str, number: int) -> DeviceInfo:
    """GPU `number` of an agent."""
    name = f"fake:{agent_id}:{number}"
    meters = (MeterInfo(f"{name}:{q}", "fake", q, exponent, Boundary.GPU, update_period_s=0.1, simulated=True) for q, exponent in KINDS)
    return DeviceInfo(name, tuple(meters))


@dataclass(frozen=True, slots=True)
class Rows:
    """What one GPU showed: int64[n] each, `values` by quantity in the order of KINDS."""

    mono_ns: Int64
    bracket_ns: Int64
    relation_ns: Int64
    values: tuple[Int64, ...]


def rows(count: int, *, seed: int) -> Rows:
    """`count` reads of a GPU, the same for a seed but for the noise of this machine's clocks."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(count) / 10.0
    busy = (t_s % 300.0 > 30.0) & (t_s % 300.0 < 270.0)
    watts = np.where(busy, 420.0 + 25.0 * np.sin(t_s * 2.0 * np.pi / 17.0), 75.0)
    watts += np.where(busy & (rng.random(count) < 0.08), rng.uniform(80.0, 270.0, count), 0.0)
    decay = np.exp(-np.arange(8) / 2.5)
    watts = np.convolve(watts, decay / decay.sum())[:count] + rng.normal(0.0, np.where(busy, 3.0, 0.5))
    power = np.maximum(1, np.rint(watts * 1000.0)).astype(np.int64)
    late_s = np.abs(rng.normal(0.0, 60e-6, count)) + (rng.random(count) < 0.01) * rng.exponential(1e-3, count)
    return Rows(
        BOOT_NS + np.arange(count) * PERIOD_NS + (late_s * S).astype(np.int64),
        np.rint(30_000 + rng.gamma(2.0, 2_000.0, count)).astype(np.int64),
        T0_NS - BOOT_NS + np.resize(clock_noise(), count),
        (
            power,
            10**9 + np.cumsum(power) // 10,
            np.rint(35.0 + power / 700_000.0 * 40.0).astype(np.int64),
            np.where(busy, np.clip(rng.normal(94.0, 3.0, count), 0.0, 100.0), 0.0).astype(np.int64),
        ),
    )


@cache
def clock_noise() -> Int64:
    """What an agent tells of the relation of this machine's clocks in 500 readings one after another, ns around 0."""
    clock = timebase.HeldClock(timebase.SystemClock())
    seen = np.array([timebase.utc_minus_mono_ns(clock) for _ in range(500)], dtype=np.int64)
    return seen - np.int64(np.median(seen))


@dataclass(frozen=True, slots=True)
class Node:
    """An agent and what its GPUs showed."""

    agent_id: str
    gpus: tuple[Rows, ...]
    epoch_ns: int = T0_NS - S
    boot_id: str = "00000000-0000-0000-0000-0000000000be"

    @classmethod
    def of(cls, count: int, *, gpus: int = 8, seed: int = 1, agent_id: str = "bench") -> Node:
        """`gpus` of them, `count` reads each."""
        return cls(agent_id, tuple(rows(count, seed=seed + place) for place in range(gpus)))

    @property
    def devices(self) -> tuple[DeviceInfo, ...]:
        """As their agent describes them."""
        return tuple(device(self.agent_id, place) for place in range(len(self.gpus)))

    def axis_ns(self, place: int) -> Int64:
        """When GPU `place` was read on the collector's axis; what a batch says of its clock is rounded to a nanosecond."""
        mono_ns = self.gpus[place].mono_ns
        return mono_ns + (T0_NS - BOOT_NS + OFFSET_NS) + (mono_ns - BOOT_NS) * DRIFT_PPB // S

    @property
    def values(self) -> int:
        """How many numbers were read."""
        return sum(len(one.mono_ns) for one in self.gpus) * len(KINDS)

    def message(self, first: int, end: int, *, seq: int, described: bool = False) -> pb.Batch:
        """The batch of the rows from `first` to before `end`."""
        closed_ns = int(self.gpus[0].mono_ns[end - 1]) + 200_000
        clock = ClockState(
            offset_ns=OFFSET_NS + (closed_ns - BOOT_NS) * DRIFT_PPB // S,
            bound_ns=400_000 + seq % 97,
            drift_ppb=DRIFT_PPB,
            offset_known=True,
            probe_count=24,
            at_mono_ns=closed_ns,
            utc_minus_mono_ns=T0_NS - BOOT_NS,
        )
        bare = Batch(self.epoch_ns, seq, self.boot_id, closed_ns + T0_NS - BOOT_NS, clock, {}, devices=self.devices if described else ())
        out = pb.Batch.FromString(convert.freeze(bare).body)
        for one, known in zip(self.gpus, self.devices, strict=True):
            base_ns = int(one.mono_ns[first])
            block = out.blocks.add(device_id=known.device_id, base_mono_ns=base_ns, encoding=pb.ENCODING_RAW_LE)
            block.mono_delta_ns = (one.mono_ns[first:end] - base_ns).tobytes()
            block.bracket_ns, relation_ns = one.bracket_ns[first:end].tobytes(), one.relation_ns[first:end]
            block.utc_minus_mono_ns = (relation_ns[:1] if (relation_ns == relation_ns[0]).all() else relation_ns).tobytes()
            block.seq = np.int64(first).tobytes()
            for column in one.values:
                block.columns.add(values=column[first:end].tobytes())
        return out

    def frozen(self, rows_each: int) -> Iterator[FrozenBatch]:
        """Everything as batches of so many rows a GPU."""
        for seq, first in enumerate(range(0, len(self.gpus[0].mono_ns), rows_each)):
            end = min(first + rows_each, len(self.gpus[0].mono_ns))
            body = self.message(first, end, seq=seq, described=seq == 0).SerializeToString()
            yield FrozenBatch(body, hashlib.sha256(body).digest())

    def received(self, rows_each: int) -> list[Received]:
        """The same as the store takes it."""
        bodies = [one.body for one in self.frozen(rows_each)]
        return [Received(self.agent_id, view := convert.decode(body), body, view.closed_ns) for body in bodies]
