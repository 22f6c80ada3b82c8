"""The REST process: pages and API; owner of catalog.db, reader of readings.db."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from joulemark import timebase
from joulemark.collector.api import app
from joulemark.collector.api.state import State
from joulemark.collector.catalog import Catalog
from joulemark.collector.control import Control
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.config import Config

STOP_LIMIT_S = 5


class Server(uvicorn.Server):
    """Uvicorn that says when it answers, and that SIGTERM stops without ending the process: open files are closed after it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)


async def serve(config: Config, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on the socket `bound` until SIGTERM; `ready` is called once it answers."""
    folder = config.collector.data_dir
    catalog = Catalog(folder / "catalog.db")
    state = State(config, SqliteReadings(folder / "readings.db"), catalog, Control(folder), timebase.SystemClock(), timebase.boot_id())
    settings = uvicorn.Config(
        app.create(state), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=STOP_LIMIT_S, server_header=False
    )
    try:
        await Server(settings, ready).serve([bound])
    finally:
        await state.control.close()
        catalog.close()
