"""E1: batches over gRPC into SQLite (FULL) and acknowledged, in one process; its write rate beside plain fdatasync of the same folder."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tests.bench.engine import server
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.load import Agent, flood, grpc_line
from tests.bench.engine.trace import Node

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took in: counts of batches, values and bytes of all of them, and what it cost."""

    sent: int
    acked: int
    stored: int
    duplicates: int
    values: int
    body_bytes: int
    cpu_s: float
    wall_s: float

    @property
    def conserved(self) -> bool:
        """Whether everything that was sent is acknowledged and stored, once."""
        return self.sent == self.acked == self.stored and self.duplicates == 0


async def taken(folder: Path, *, streams: int, rows: int, count: int, gpus: int = 8, kind: str = "durable") -> Taken:
    """`count` batches of each of `streams` agents, after one each that warms everything up, into a server of `kind`."""
    with server.running(kind, folder) as process:
        agents = [Agent(Node.of(rows, gpus=gpus, agent_id=f"bench{place}"), rows) for place in range(streams)]
        async with AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(grpc_line(process.port, agent.node)) for agent in agents]
            await asyncio.gather(*(flood(line, agent, 1) for line, agent in zip(lines, agents, strict=True)))
            for agent in agents:
                agent.prepare(count)
            cpu_s, begun = process.cpu_s, time.perf_counter()
            await asyncio.gather(*(flood(line, agent, count) for line, agent in zip(lines, agents, strict=True)))
            wall_s, cpu_s = time.perf_counter() - begun, process.cpu_s - cpu_s
        with closing(sqlite3.connect(folder / "readings.db")) as db:
            (stored,) = db.execute("SELECT COUNT(DISTINCT agent_id || ' ' || batch_seq) FROM log").fetchone()
            (size,) = db.execute("SELECT SUM(LENGTH(body)) FROM log WHERE batch_seq > 0").fetchone()
            (duplicates,) = db.execute("SELECT SUM(duplicate_count) FROM stream").fetchone() if kind == "durable" else (0,)
    sent, acked = sum(one.sent for one in agents), sum(one.acked for one in agents)
    return Taken(sent, acked, stored, duplicates, agents[0].values * count * streams, size, cpu_s, wall_s)


def fdatasync_mb_s(folder: Path, blocks: int) -> float:
    """How fast 1 MiB blocks become durable in `folder`, MB/s."""
    block = os.urandom(BLOCK)
    with (folder / "blocks").open("wb", buffering=0) as file:
        begun = time.perf_counter()
        for _ in range(blocks):
            file.write(block)
            os.fdatasync(file.fileno())
        taken_s = time.perf_counter() - begun
    (folder / "blocks").unlink()
    return blocks * BLOCK / taken_s / 1e6


def goals(scale: str) -> list[Goal]:
    """At 3,200 values a batch by processor time; at 32,000 by the disk."""
    turns, streams, small, large, blocks = (1, 2, 5, 2, 4) if scale == "smoke" else (3, 8, 60, 12, 128)
    rates, walls, shares, told, floors = [], [], [], [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as name:
            bare = asyncio.run(taken(Path(name), streams=streams, rows=100, count=small, kind="bare"))
        with tempfile.TemporaryDirectory() as name:
            one = asyncio.run(taken(Path(name), streams=streams, rows=100, count=small))
        with tempfile.TemporaryDirectory() as name:
            disk = fdatasync_mb_s(Path(name), blocks)
            two = asyncio.run(taken(Path(name), streams=streams, rows=1000, count=large))
        assert one.conserved, f"{one} does not hold what was sent"
        assert two.conserved, f"{two} does not hold what was sent"
        assert bare.conserved, f"{bare} does not hold what was sent"
        floors.append(bare.values / max(bare.cpu_s, 1e-9) / 1e6)
        rates.append(one.values / max(one.cpu_s, 1e-9) / 1e6)
        walls.append(one.values / one.wall_s / 1e6)
        shares.append(two.body_bytes / two.wall_s / 1e6 / disk)
        told.append(disk)
    floor = middle(floors)
    beside = f"{floor:.2f} M/s where a batch is only parsed and inserted; {middle(walls):.2f} M/s by the wall clock, both on the same cores"
    ratio = middle(rates) / floor
    return [
        Goal(
            "E1a", "durable values per second of one process's CPU, 3,200 a batch", 10.0, middle(rates), "M/s", True, "11.1", beside, ratio
        ),
        Goal(
            "E1b",
            "bytes made durable at 32,000 values a batch, to fdatasync of 1 MiB",
            0.4,
            middle(shares),
            "x",
            True,
            "0.53",
            f"{middle(told):.0f} MB/s",
            middle(shares),
        ),
    ]
