"""E2: the front end beside a raw asyncio TCP server that does the same to each batch; memory of a stream; and a storm of reconnects."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc

from joulemark.collector import service
from tests.bench.engine import server
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.load import Agent, drip, flood, grpc_line, tcp_line
from tests.bench.engine.trace import Node

ROWS = 10
"""Reads of a GPU in a batch: one second."""
TRIES = 20


def node(place: int) -> Node:
    """One of many agents, eight GPUs each."""
    return Node.of(ROWS, agent_id=f"storm{place}", seed=place % 4)


async def cost(kind: str, *, agents: int, seconds: float) -> tuple[float, float]:
    """(processor time of a batch in µs, memory of a stream in bytes) of a server with `agents` streams, each at one batch a second."""
    with tempfile.TemporaryDirectory() as folder, server.running(kind, Path(folder)) as process:
        line_of = tcp_line if kind == "tcp" else grpc_line
        crowd = [Agent(node(place), ROWS) for place in range(agents)]
        first, empty, lines = max(1, agents // 10), 0, []
        async with AsyncExitStack() as stack:
            for place, one in enumerate(crowd):
                lines.append(await stack.enter_async_context(line_of(process.port, one.node)))
                await flood(lines[-1], one, 2)
                if place + 1 == first:
                    empty = process.rss_bytes  # what the first ones made it load and allocate once is not theirs
            before, cpu_s, begin_s = sum(one.acked for one in crowd), process.cpu_s, time.perf_counter()
            await asyncio.gather(
                *(
                    drip(line, one, begin_s=begin_s + place / agents, end_s=begin_s + seconds, period_s=1.0)
                    for place, (line, one) in enumerate(zip(lines, crowd, strict=True))
                )
            )
            done = sum(one.acked for one in crowd) - before
            cpu_s, held = process.cpu_s - cpu_s, process.rss_bytes - empty
    assert all(one.sent == one.acked for one in crowd), "a batch was not acknowledged"
    return cpu_s / done * 1e6, held / max(1, agents - first)


async def reconnecting(port: int, place: int) -> int:
    """An agent that comes at once with all others, and comes again, later each time, until its batch is acknowledged; its tries."""
    for tried in range(1, TRIES + 1):
        try:
            async with asyncio.timeout(60.0), grpc_line(port, agent_node := node(place)) as line:
                one = Agent(agent_node, ROWS)
                await flood(line, one, 1)
                return tried
        except (grpc.RpcError, asyncio.InvalidStateError, TimeoutError, TypeError):
            await asyncio.sleep(0.1 * tried * (1 + place % 7) / 7)
    return 0


async def crowd(port: int, first: int, count: int) -> int:
    """How many of `count` agents got through."""
    tries = await asyncio.gather(*(reconnecting(port, place) for place in range(first, first + count)))
    return sum(tried > 0 for tried in tries)


def storm(processes: int, each: int) -> tuple[int, float]:
    """(agents whose batch was taken, seconds until the last one) when all of several processes come at one moment."""
    with tempfile.TemporaryDirectory() as folder, server.running("durable", Path(folder)) as process:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tests.bench.engine.front", str(process.port)]
        started = [
            subprocess.Popen([*command, str(place * each), str(each)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for place in range(processes)
        ]
        through = sum(int(one.communicate(timeout=600)[0]) for one in started)
        return through, time.perf_counter() - begun


def goals(scale: str) -> list[Goal]:
    """In turn, the median of each."""
    turns, agents, seconds, processes, each = (1, 4, 0.5, 2, 2) if scale == "smoke" else (3, 1000, 4.0, 5, 400)
    ours, theirs, memory = [], [], []
    for _ in range(turns):
        us, held = asyncio.run(cost("front", agents=agents, seconds=seconds))
        ours.append(us)
        memory.append(held)
        theirs.append(asyncio.run(cost("tcp", agents=agents, seconds=seconds))[0])
    through, took_s = storm(processes, each)
    a, b = middle(ours), max(middle(theirs), 1e-9)
    many = processes * each
    return [
        Goal(
            "E2a",
            "processor time of a batch in the front end, to raw asyncio TCP",
            2.2,
            a / b,
            "x",
            False,
            "2.06",
            f"{a:.0f} and {b:.0f} µs",
            a / b,
        ),
        Goal("E2b", f"memory of an agent's stream, at {agents} agents", 60.0, middle(memory) / 1e3, "kB", False, "52"),
        Goal(
            "E2c",
            f"of {many} agents of {processes} processes that come at one moment, taken",
            many,
            through,
            "agents",
            True,
            "",
            f"within {took_s:.1f} s",
        ),
    ]


if __name__ == "__main__":
    service.open_files()
    print(asyncio.run(crowd(*map(int, sys.argv[1:]))))
