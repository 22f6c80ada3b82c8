"""Agents that send what was made before, over gRPC or raw TCP, and wait for the acknowledgement of every batch."""

from __future__ import annotations

import asyncio
import hashlib
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from joulemark.proto import convert
from joulemark.proto.messages import STREAM_METHOD, Ack, FrozenBatch, Hello
from tests.bench.engine.trace import PERIOD_NS, Node

WINDOW = 16
"""Batches of a stream on their way."""


@dataclass
class Agent:
    """Batches of one node, each `rows` reads later than the one before, with a sequence number of its own."""

    node: Node
    rows: int
    sent: int = 0
    acked: int = 0
    latencies_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._batch = self.node.message(0, self.rows, seq=0, described=True)
        self._begins = [block.base_mono_ns for block in self._batch.blocks]
        self._sent_s: dict[int, float] = {}
        self._ready: deque[bytes] = deque()

    @property
    def values(self) -> int:
        """Of one batch."""
        return sum(len(block.columns) for block in self._batch.blocks) * self.rows

    def prepare(self, count: int) -> None:
        """Make the next `count` requests now: what an agent computes is not what is measured here."""
        self._ready.extend(self._made(self.sent + place) for place in range(count))

    def next(self) -> bytes:
        """The next request."""
        raw = self._ready.popleft() if self._ready else self._made(self.sent)
        self._sent_s[self.sent] = time.perf_counter()
        self.sent += 1
        return raw

    def _made(self, seq: int) -> bytes:
        batch = self._batch
        batch.batch_seq = seq
        moved_ns = seq * self.rows * PERIOD_NS
        for block, begin_ns in zip(batch.blocks, self._begins, strict=True):
            block.base_mono_ns = begin_ns + moved_ns
            block.seq = struct.pack("<q", seq * self.rows)
        body = batch.SerializeToString()
        if seq == 0:
            batch.ClearField("devices")
        return convert.request_bytes(FrozenBatch(body, hashlib.sha256(body).digest()))

    def answered(self, seq: int) -> None:
        """Every batch up to `seq` was acknowledged."""
        now_s = time.perf_counter()
        for known in [one for one in self._sent_s if one <= seq]:
            self.latencies_s.append(now_s - self._sent_s.pop(known))
            self.acked += 1


@dataclass
class Line:
    """An open connection: what is written to it, and the acknowledged sequence numbers that come back."""

    write: Callable[[bytes], Awaitable[Any]]
    read: Callable[[], Awaitable[int]]


@asynccontextmanager
async def grpc_line(port: int, node: Node) -> AsyncIterator[Line]:
    """A stream that said Hello and was welcomed, on a connection of its own."""
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
    call: Any = channel.stream_stream(STREAM_METHOD)()
    await call.write(convert.request_bytes(Hello(node.agent_id, node.epoch_ns, node.boot_id, "bench")))
    await call.read()

    async def read() -> int:
        while not isinstance(message := convert.parse_response(await call.read()), Ack):
            pass
        return message.batch_seq

    try:
        yield Line(call.write, read)
    finally:
        call.cancel()
        await channel.close()


@asynccontextmanager
async def tcp_line(port: int, node: Node) -> AsyncIterator[Line]:
    """A raw connection."""
    del node
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def write(raw: bytes) -> None:
        writer.write(struct.pack("<I", len(raw)) + raw)
        await writer.drain()

    async def read() -> int:
        (seq,) = struct.unpack("<q", await reader.readexactly(8))
        return int(seq)

    try:
        yield Line(write, read)
    finally:
        writer.close()


async def flood(line: Line, agent: Agent, count: int) -> None:
    """Send `count` batches as fast as a window of them is acknowledged."""
    end = agent.acked + count
    while agent.acked < end:
        while agent.sent < end and agent.sent - agent.acked < WINDOW:
            await line.write(agent.next())
        agent.answered(await line.read())


async def drip(line: Line, agent: Agent, *, begin_s: float, end_s: float, period_s: float) -> None:
    """Send one batch every period, each after the one before was acknowledged."""
    due_s = begin_s
    while due_s < end_s:
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        await line.write(agent.next())
        agent.answered(await line.read())
        due_s += period_s
