"""What an agent may ask of the collector: pace, bytes on their way to the disk, meters, stored bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import grpc

from joulemark.collector.refusal import Refused, over
from joulemark.config import LimitsConfig
from joulemark.proto.messages import BatchView, FrozenBatch
from joulemark.units import NS_PER_S

LONGEST_HELLO: Final = 4096


@dataclass(slots=True)
class Bucket:
    """Tokens that flow in at `per_s`, at most `burst_s` worth of them. What is taken beyond them is a debt, and waited for."""

    per_s: float
    burst_s: float
    at_ns: int
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.per_s * self.burst_s

    def take(self, amount: float, now_ns: int) -> float:
        """Take `amount`; how many seconds until it is paid, 0 while there are tokens."""
        self.tokens = min(self.per_s * self.burst_s, self.tokens + (now_ns - self.at_ns) / NS_PER_S * self.per_s) - amount
        self.at_ns = now_ns
        return max(0.0, -self.tokens / self.per_s)


class Waiting:
    """Bytes of batches that were received and are not durable, by agent and in all.

    Who waits has been asked to speak before: so one batch of each stream may stand above the bounds.
    """

    def __init__(self, limits: LimitsConfig) -> None:
        self._limits = limits
        self._freed = asyncio.Event()
        self.by_agent: Counter[str] = Counter()
        self.total_bytes = 0

    def is_full(self, agent_id: str) -> bool:
        """Whether a batch of the agent has to wait."""
        return self.total_bytes >= self._limits.pending_bytes or self.by_agent[agent_id] >= self._limits.pending_bytes_per_agent

    async def change(self) -> None:
        """Wait until something was released."""
        await self._freed.wait()

    async def room(self, agent_id: str) -> None:
        """Wait until a batch of the agent may be read."""
        while self.is_full(agent_id):
            await self.change()

    def add(self, agent_id: str, size: int) -> None:
        """A batch of `size` bytes was received."""
        self.by_agent[agent_id] += size
        self.total_bytes += size

    def release(self, agent_id: str, size: int) -> None:
        """It is durable, or failed."""
        self.add(agent_id, -size)
        if not self.by_agent[agent_id]:
            del self.by_agent[agent_id]
        self._freed.set()  # wakes whoever waits now
        self._freed.clear()


class Account:
    """What one agent has used. It outlives a stream, so that a reconnect gains nothing."""

    __slots__ = ("_batches", "_bytes", "_counted", "_limits", "received_bytes")

    def __init__(self, limits: LimitsConfig, now_ns: int) -> None:
        self._limits = limits
        self._batches = Bucket(limits.batches_per_s, limits.burst_s, now_ns)
        self._bytes = Bucket(limits.bytes_per_s, limits.burst_s, now_ns)
        self.received_bytes = 0
        self._counted: tuple[int, int] = (0, 0)

    def counted(self, stored_bytes: int, *, received_bytes: int) -> None:
        """The store held so much of the agent when so much of what was received had reached it."""
        self._counted = (stored_bytes, received_bytes)

    @property
    def stored_bytes(self) -> int:
        """What the store held when it was last asked, and what was received since: no less than it holds now."""
        stored, received = self._counted
        return stored + self.received_bytes - received

    def pace(self, size: int, now_ns: int) -> tuple[str, float]:
        """(limit, seconds): which limit of pace a batch of `size` bytes exceeds and for how long the agent has to pause; 0 for none."""
        waits = {"batches_per_s": self._batches.take(1, now_ns), "bytes_per_s": self._bytes.take(size, now_ns)}
        return max(waits.items(), key=lambda item: item[1])

    def check_stored(self) -> None:
        """Raise Refused when the agent has used its share of the disk."""
        if self.stored_bytes > self._limits.stored_bytes_per_agent:
            raise over(
                "stored_bytes_per_agent",
                f"{self.stored_bytes} bytes are stored of this agent, the limit is {self._limits.stored_bytes_per_agent}",
                "remove old readings",
            )

    def is_fresh(self, now_ns: int) -> bool:
        """Whether it says no more than a new one would."""
        return now_ns - max(self._batches.at_ns, self._bytes.at_ns) > 2 * self._limits.burst_s * NS_PER_S


def check_hello_size(raw: bytes) -> None:
    """Raise Refused for a first message that no agent sends."""
    if len(raw) > LONGEST_HELLO:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT, "hello", f"Hello of {len(raw)} bytes is above {LONGEST_HELLO}: shorten agent.agent_id"
        )


def check_size(frozen: FrozenBatch, limits: LimitsConfig) -> None:
    """Raise Refused for a batch of too many bytes."""
    if len(frozen.body) > limits.max_batch_bytes:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            "max_batch_bytes",
            f"batch of {len(frozen.body)} bytes is above the limit of {limits.max_batch_bytes}: "
            "lower agent.batch_period_ms, or raise limits.max_batch_bytes at the collector",
            sha256=frozen.sha256,
        )


def check_samples(view: BatchView, frozen: FrozenBatch, limits: LimitsConfig) -> None:
    """Raise Refused for a batch of too many samples."""
    if (count := sum(block.row_count for block in view.blocks)) > limits.max_samples_per_batch:
        raise Refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            "max_samples_per_batch",
            f"batch of {count} samples is above the limit of {limits.max_samples_per_batch}: "
            "lower agent.batch_period_ms, or raise limits.max_samples_per_batch at the collector",
            sha256=frozen.sha256,
        )


def check_meters(count: int, limits: LimitsConfig) -> None:
    """Raise Refused for an agent with too many meters."""
    if count > limits.meters_per_agent:
        raise over(
            "meters_per_agent",
            f"the agent has {count} meters, the limit is {limits.meters_per_agent}",
            "remove [[meter]] tables of the agent",
        )
