"""The ingest process: a gRPC server for agents and clients, a local control socket, and the sealer; owner of readings.db."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from joulemark.collector import control, listen, marks
from joulemark.collector.connection import Connection, Refused
from joulemark.collector.store.base import ChunkStore
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import Config
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import MAX_BATCH_BYTES, Directive
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.ingest")
SERVICE: Final = "joulemark.proto.v1.TelemetryService"
OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_BATCH_BYTES + 65_536),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
STOP_GRACE_S: Final = 1.0


class Ingest:
    """Takes the streams of all agents; one live stream for each agent_id, the latest start wins."""

    def __init__(self, store: ChunkStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._live: dict[str, tuple[Connection, asyncio.Task[Any]]] = {}

    @property
    def agent_count(self) -> int:
        """Agents connected now."""
        return len(self._live)

    async def broadcast(self, directive: Directive) -> int:
        """Send a directive to every connected agent; how many there were. An empty one is only counted."""
        connections = [connection for connection, _ in self._live.values()]
        if directive != Directive():
            await asyncio.gather(*(c.write(directive) for c in connections), return_exceptions=True)
        return len(connections)

    async def stream(self, call: Any, context: Any) -> None:
        """One call of TelemetryService.Stream, served through `context`."""
        del call
        connection = Connection(context, self._store, self._clock)
        task = asyncio.current_task()
        assert task is not None
        try:
            await connection.greet()
            self._register(connection, task)
            try:
                await connection.serve()
            finally:
                self._unregister(connection)
        except Refused as refused:
            log.warning("stream refused: %s", refused.details)
            await context.abort(refused.code, refused.details)
        except asyncio.CancelledError:
            if connection.replaced:
                await context.abort(grpc.StatusCode.ABORTED, "a later start of the same agent_id connected")
            raise

    def _register(self, connection: Connection, task: asyncio.Task[Any]) -> None:
        """Make `connection` the live one of its agent. Raises Refused when a later start is connected."""
        hello = connection.hello
        if (live := self._live.get(hello.agent_id)) is not None:
            if live[0].hello.epoch_ns > hello.epoch_ns:
                raise Refused(
                    grpc.StatusCode.ALREADY_EXISTS,
                    f"an agent {hello.agent_id!r} that started later is connected: give each host its own agent.agent_id",
                )
            live[0].replaced = True
            live[1].cancel()
        self._live[hello.agent_id] = (connection, task)
        log.info("agent %s connected, version %s", hello.agent_id, hello.software_version)

    def _unregister(self, connection: Connection) -> None:
        agent_id = connection.hello.agent_id
        if agent_id in self._live and self._live[agent_id][0] is connection:
            del self._live[agent_id]
            log.info("agent %s disconnected", agent_id)


async def seal_forever(store: ChunkStore, clock: Clock, period_s: float) -> None:
    """Seal finished spans every `period_s` seconds; what a full disk refuses stays in the log for the next time."""
    while True:
        await asyncio.sleep(period_s)
        try:
            if count := await asyncio.to_thread(store.seal, clock.utc_ns()):
                log.info("sealed %d chunks", count)
        except sqlite3.Error as error:
            log.error("readings cannot be sealed: %s; free space in collector.data_dir", error)


@asynccontextmanager
async def served(config: Config, rest_url: str) -> AsyncIterator[int]:
    """The running ingest server; yields its gRPC port. Raises EnvironmentFailed when the folder or the port is taken.

    Marks that arrive over gRPC go to the REST process at `rest_url`, which owns the catalogue of runs.
    """
    folder, clock = config.collector.data_dir, SystemClock()
    with locked(folder):
        store = SqliteStore(folder / "readings.db", seal_after_ns=round(config.collector.seal_after_s * NS_PER_S))
        ingest = Ingest(store, clock)
        server, local = grpc.aio.server(options=OPTIONS), grpc.aio.server()
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(ingest.stream)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler}), marks.handlers(rest_url)))
        local.add_generic_rpc_handlers((control.handlers(ingest.broadcast),))
        sealing = asyncio.create_task(seal_forever(store, clock, min(30.0, config.collector.seal_after_s / 4)))
        try:
            port = listen.bind_grpc(server, config)
            local.add_insecure_port(f"unix:{control.socket_path(folder)}")
            await server.start()
            await local.start()
            yield port
        finally:
            sealing.cancel()
            await asyncio.gather(server.stop(STOP_GRACE_S), local.stop(STOP_GRACE_S), sealing, return_exceptions=True)
            store.close()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a data folder for one collector. Raises EnvironmentFailed when another one has it, or it cannot be made or written."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (folder / "collector.lock").open("w")
    except OSError as error:
        raise EnvironmentFailed(
            f"collector.data_dir {folder} cannot be used: {error.strerror}", "point collector.data_dir at a folder you may write"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EnvironmentFailed(f"another collector uses {folder}", "stop it, or give this one its own collector.data_dir") from error
        yield
