"""E9: board and card routes beside one that does nothing, over one connection, in turn: alone, and while agents send batches."""

from __future__ import annotations

import asyncio
import http.client
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from joulemark.board.store import BoardStore
from joulemark.client import Client
from tests.bench.board.cards import cards
from tests.bench.engine.goal import Goal
from tests.bench.engine.lateness import quantile
from tests.bench.engine.load import Agent, drip, grpc_line
from tests.bench.engine.trace import Node
from tests.collector.conftest import Collector

NULL = "/healthz"
WARM_UP = 20


def asked(rest: str, paths: list[str], times: int) -> dict[str, list[float]]:
    """Milliseconds of each path until the last byte of its answer, asked in turn with the null route."""
    connection = http.client.HTTPConnection(urlsplit(rest).netloc, timeout=60)
    taken: dict[str, list[float]] = defaultdict(list)
    for turn in range(times + WARM_UP):
        for path in (NULL, *paths):
            begun = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, f"{path} answered {answer.status}"
            if turn >= WARM_UP:
                taken[path].append((time.perf_counter() - begun) * 1e3)
    connection.close()
    return taken


def ratios(taken: dict[str, list[float]]) -> dict[str, float]:
    """The p99 of each path to that of the null route."""
    base = quantile(taken[NULL], 0.99)
    return {path: quantile(found, 0.99) / base for path, found in taken.items() if path != NULL}


@contextmanager
def sending(port: int, *, agents: int, per_s: float) -> Iterator[list[Agent]]:
    """Agents that send `per_s` batches a second together, in a thread, while the block runs."""
    crowd = [Agent(Node.of(10, gpus=1, agent_id=f"busy{place}"), 10) for place in range(agents)]
    stop = threading.Event()

    async def send() -> None:
        async with AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(grpc_line(port, one.node)) for one in crowd]
            period_s = agents / per_s
            while not stop.is_set():
                begin_s = time.perf_counter()
                await asyncio.gather(
                    *(
                        drip(line, one, begin_s=begin_s + period_s * place / agents, end_s=begin_s + 1.0, period_s=period_s)
                        for place, (line, one) in enumerate(zip(lines, crowd, strict=True))
                    )
                )

    thread = threading.Thread(target=lambda: asyncio.run(send()))
    thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        thread.join()


def goals(scale: str) -> list[Goal]:
    """A board of some cards; the list, an entry, and the feed."""
    count, times, agents, per_s = (20, 10, 2, 20.0) if scale == "smoke" else (2000, 1500, 50, 1000.0)
    with tempfile.TemporaryDirectory() as name:
        collector = Collector(Path(name) / "collector").start()
        try:
            made = list(cards(count, seed=1))
            with BoardStore(collector.folder / "data/board.db") as store:
                store.publish_all(made)
            begun = time.monotonic()
            while Client(collector.rest).call("GET", "/v1/board")["total"] < count:
                assert time.monotonic() - begun < 120, "the board does not show what was published"
                time.sleep(0.05)
            entry = made[0][0].entry_id.rpartition(":")[2]
            paths = ["/v1/board", "/v1/board/feed.json", f"/v1/board/entries/{entry}"]
            idle = asked(collector.rest, paths, times)
            with sending(int(collector.grpc.rpartition(":")[2]), agents=agents, per_s=per_s) as crowd:
                begun, before = time.perf_counter(), sum(one.acked for one in crowd)
                busy = asked(collector.rest, paths, times)
                rate = (sum(one.acked for one in crowd) - before) / (time.perf_counter() - begun)
            assert all(one.sent == one.acked for one in crowd), "a batch was not acknowledged"
        finally:
            collector.stop()
    alone, beside = ratios(idle), ratios(busy)
    said = ", ".join(f"{path.split('/')[3] if path.count('/') > 2 else 'board'} {value:.2f}" for path, value in alone.items())
    told = ", ".join(f"{path.split('/')[3] if path.count('/') > 2 else 'board'} {value:.2f}" for path, value in beside.items())
    a, b, loaded = max(alone.values()), max(beside.values()), quantile(busy[NULL], 0.99) / quantile(idle[NULL], 0.99)
    return [
        Goal("E9a", "p99 of the slowest of board, feed and card to the null route, idle", 1.5, a, "x", False, "1.25", said, a),
        Goal(
            "E9b",
            f"the same under durable ingest of {rate:.0f} batches a second",
            2.5,
            b,
            "x",
            False,
            "2.1",
            f"{told}; the null route itself {loaded:.2f} times its idle p99",
            b,
        ),
    ]
