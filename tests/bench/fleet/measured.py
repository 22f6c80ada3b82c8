"""What a batch costs the real ingest code: front end over gRPC, log and seal, each as processor time of its process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from joulemark.collector.store import schema
from joulemark.collector.store.chunks import LOCAL
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import FrozenBatch
from tests.bench.engine import server
from tests.bench.engine.load import Agent, Line, grpc_line
from tests.bench.engine.trace import Node
from tests.bench.fleet.known import HZ


@dataclass(frozen=True, slots=True)
class Costs:
    """At one batch period: processor time of a batch and memory of a stream at the front, of a value in log and seal, bytes of a value."""

    period_s: int
    batch_values: int
    front_us: float
    stream_bytes: float
    log_ns: float
    seal_ns: float
    wire_bytes: float
    sealed_bytes: float


async def in_turn(line: Line, agent: Agent, until_s: float) -> None:
    """Send one batch after another, each when the one before is acknowledged: as a fleet does, whose agents are never two at once."""
    while time.perf_counter() < until_s:
        await line.write(agent.next())
        agent.answered(await line.read())


async def front(rows: int, *, streams: int, seconds: float) -> tuple[float, float]:
    """(processor time of a batch in µs, memory of a stream in bytes) of the front end under `streams` agents; nothing is stored."""
    with tempfile.TemporaryDirectory() as folder, server.running("front", Path(folder)) as process:
        agents = [Agent(Node.of(rows, agent_id=f"host{place}", seed=place % 4), rows) for place in range(streams)]
        first, empty = max(1, streams // 10), 0
        async with AsyncExitStack() as stack:
            lines = []
            for place, agent in enumerate(agents):
                lines.append(await stack.enter_async_context(grpc_line(process.port, agent.node)))
                await in_turn(lines[-1], agent, time.perf_counter() + 0.001)
                if place + 1 == first:
                    empty = process.rss_bytes  # what the first ones made it load once is not theirs
            held = (process.rss_bytes - empty) / max(1, streams - first)
            before, cpu_s = sum(agent.acked for agent in agents), process.cpu_s
            end_s = time.perf_counter() + seconds
            await asyncio.gather(*(in_turn(line, agent, end_s) for line, agent in zip(lines, agents, strict=True)))
            taken = sum(agent.acked for agent in agents) - before
            cpu_s = process.cpu_s - cpu_s
    assert all(agent.sent == agent.acked for agent in agents), "a batch was not acknowledged"
    return cpu_s / taken * 1e6, held


def stored(rows: int, count: int) -> tuple[float, float, float]:
    """(processor time of a value in the log, in the seal, sealed bytes of a value) of one host's `count` reads in batches of `rows`."""
    node = Node.of(count)
    batches = node.received(rows)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "readings.db")
        begun = time.process_time()
        for done in [store.append(one) for one in batches]:
            done.result()
        logged = time.process_time()
        store.seal(2**62, everything=True)
        sealed = time.process_time()
        with closing(schema.reader(store.path)) as db:
            size = LOCAL.stored_bytes(db, "bench")
        store.close()
    return (logged - begun) / node.values * 1e9, (sealed - logged) / node.values * 1e9, size / node.values


def costs(period_s: int, *, streams: int, seconds: float, reads: int) -> Costs:
    """Everything at one batch period."""
    rows = period_s * HZ
    _, frozen = Node.of(2 * rows).frozen(rows)  # the first of a start brings the descriptions
    values = Node.of(rows).values
    front_us, stream_bytes = asyncio.run(front(rows, streams=streams, seconds=seconds))
    log_ns, seal_ns, sealed_bytes = stored(rows, reads)
    wire = len(convert.request_bytes(FrozenBatch(frozen.body, frozen.sha256))) / values
    return Costs(period_s, values, front_us, stream_bytes, log_ns, seal_ns, wire, sealed_bytes)
