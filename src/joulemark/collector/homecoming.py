"""Futures that another thread resolves, brought home to the event loop: all that are done by then with one wake-up."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Homecoming:
    """One for each event loop. A wake-up costs more than what most futures have to tell, and a commit resolves many of them."""

    def __init__(self) -> None:
        self._done: deque[tuple[Future[Any], Callable[[Future[Any]], None]]] = deque()
        self._is_called = False

    def watch(self, future: Future[Any], then: Callable[[Future[Any]], None]) -> None:
        """Call `then` with `future` on this loop when it is done; in the order in which they get done."""
        loop = asyncio.get_running_loop()
        if future.done():
            self._add(loop.call_soon, future, then)
        else:
            future.add_done_callback(lambda done: self._add(loop.call_soon_threadsafe, done, then))

    def _add(self, call: Callable[[Callable[[], None]], object], future: Future[Any], then: Callable[[Future[Any]], None]) -> None:
        """From any thread. What is added while the loop takes out is taken too, or calls it again."""
        self._done.append((future, then))
        if not self._is_called:
            self._is_called = True
            call(self._take_out)

    def _take_out(self) -> None:
        self._is_called = False
        while self._done:
            future, then = self._done.popleft()
            then(future)
