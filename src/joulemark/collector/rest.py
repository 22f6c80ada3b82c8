"""The REST process: pages and API, and the reading of prices; owner of catalog.db, reader of the files of readings."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial

import uvicorn

from joulemark import timebase
from joulemark.collector import axis, listen
from joulemark.collector.api import app
from joulemark.collector.api.limits import Limits
from joulemark.collector.api.patience import patient
from joulemark.collector.api.state import State
from joulemark.collector.catalog import Catalog
from joulemark.collector.control import Control
from joulemark.collector.showing import Showing
from joulemark.collector.store import configured
from joulemark.config import Config
from joulemark.pki import seal
from joulemark.standard.trust import Trust

STOP_LIMIT_S = 5


class Server(uvicorn.Server):
    """Uvicorn that says when it answers, that waits `handshake_s` for a TLS handshake, not asyncio's minute, and that SIGTERM stops
    without ending the process: open files are closed after it. `ending` is called first, for answers that do not end by themselves.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None], *, handshake_s: float) -> None:
        super().__init__(config)
        self._ready, self._ending, self._handshake_s = ready, ending, handshake_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self.config.ssl:
            loop.create_server = partial(loop.create_server, ssl_handshake_timeout=self._handshake_s)  # type: ignore[method-assign]  # uvicorn has no setting for it
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)


async def serve(config: Config, bound: socket.socket, ready: Callable[[], None], limits: Limits | None = None) -> None:
    """Serve on the socket `bound` until SIGTERM; `ready` is called once it answers.

    Raises ConfigError when the address is beyond loopback and there is neither a token nor `tls.insecure`, or for certificates
    or feeds that cannot be used, FormatError for a list of keys that is none.
    """
    folder, limits = config.collector.data_dir, limits or Limits()
    showing = Showing(Trust.read(config.board.trust_file))
    catalog = Catalog(folder / "catalog.db")
    store = configured.readings(config)
    clock, key_file = axis.current(store, timebase.SystemClock()), config.collector.seal_key
    sign = None if key_file is None else seal.signer(seal.read_key(key_file), role="collector")
    control = Control(folder, config.collector.ingest_processes)
    state = State(config, store, catalog, control, clock, timebase.boot_id(), sign=sign, showing=showing)
    try:
        async with refreshed(state) as priced, boarded(priced, bound) as complete:
            await Server(settings(complete, limits), ready, state.live.close, handshake_s=limits.head_s).serve([bound])
    finally:
        await state.control.close()
        catalog.close()


@asynccontextmanager
async def refreshed(state: State) -> AsyncIterator[State]:
    """`state` with the feeds of prices, which are read inside the block. Where none is configured nothing is loaded and nobody asked.

    Raises ConfigError for a feed that cannot be.
    """
    if not state.config.feeds:
        yield state
        return
    from joulemark.collector import refresh

    host = timebase.SystemClock()

    def active() -> bool:
        return state.catalog.open_runs(host.utc_ns()) > 0

    async with refresh.going_on(state.config, active=active, clock=host) as going_on:
        yield replace(state, refresh=going_on)


@asynccontextmanager
async def boarded(state: State, bound: socket.socket) -> AsyncIterator[State]:
    """`state` with its board, whose bundles are judged inside the block. Where no board is followed nothing that follows is loaded.

    Raises EnvironmentFailed for one that cannot be used.
    """
    from joulemark.collector import boarding

    config, host = state.config, timebase.SystemClock()
    address = f"{config.collector.rest_listen.rpartition(':')[0]}:{bound.getsockname()[1]}"
    async with boarding.at_work(config, host, url=listen.rest_url(config, address)) as board:
        complete = replace(state, board=board)
        if not config.board.follow:
            yield complete
            return
        from joulemark.collector import following

        async with following.going_on(config, board):
            yield complete


def settings(state: State, limits: Limits) -> uvicorn.Config:
    """How uvicorn serves `state`. Raises ConfigError as `serve`."""
    application = app.create(state, limits)
    application.middleware_stack = application.build_middleware_stack()  # now, not at the first request: the door may refuse to be hung
    context = listen.rest_context(state.config)
    return uvicorn.Config(
        application,
        http=patient(state.refused, limits),
        ws="none",
        h11_max_incomplete_event_size=limits.head_bytes,
        ssl_context_factory=(lambda *_: context) if context else None,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        log_level="error",  # who sends what is no HTTP is counted, and does not fill the log
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_LIMIT_S,
    )
