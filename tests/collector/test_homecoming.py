"""Futures of another thread come back in order, many with one wake-up, none lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from joulemark.collector.homecoming import Homecoming


def resolve(futures: Sequence[Future[int]], numbers: Sequence[int]) -> None:
    for number, future in zip(numbers, futures, strict=True):
        future.set_result(number)


def test_what_is_resolved_together_comes_with_one_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred futures that a thread resolves while the loop is busy: one call of the loop, every one in its order; then another one."""
    calls = []

    async def follow() -> list[int]:
        loop, home, seen = asyncio.get_running_loop(), Homecoming(), list[int]()
        call = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args: calls.append(args) or call(*args))
        for part in (range(100), range(100, 110)):
            futures: list[Future[int]] = [Future() for _ in part]
            for future in futures:
                home.watch(future, lambda done: seen.append(done.result()))
            thread = threading.Thread(target=resolve, args=(futures, part))
            thread.start()
            thread.join()
            assert part[0] not in seen
            await asyncio.sleep(0.001)
        return seen

    assert asyncio.run(follow()) == list(range(110))
    assert len(calls) == 2


def test_nothing_is_lost_while_the_loop_takes_out() -> None:
    """Threads resolve thousands while the loop runs: each comes exactly once."""

    async def follow() -> list[Any]:
        home, seen = Homecoming(), list[Any]()
        futures: list[Future[int]] = [Future() for _ in range(3000)]
        for future in futures:
            home.watch(future, lambda done: seen.append(done.result()))
        threads = [threading.Thread(target=resolve, args=(futures[n::3], range(n, 3000, 3))) for n in range(3)]
        for thread in threads:
            thread.start()
        while len(seen) < 3000:
            await asyncio.sleep(0)
        for thread in threads:
            thread.join()
        return seen

    assert sorted(asyncio.run(asyncio.wait_for(follow(), 20))) == list(range(3000))
