"""An ingest process: a gRPC server for agents and clients, a local control socket, and the sealer; owner of one file of readings."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from joulemark.collector import axis, control, listen, marks, own_clock
from joulemark.collector.connection import Connection
from joulemark.collector.door import Door
from joulemark.collector.identity import Validity
from joulemark.collector.refusal import Refused, over
from joulemark.collector.store import configured, files
from joulemark.collector.store.base import ChunkStore
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.collector.unusable import started_on
from joulemark.config import Config, LimitsConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import MAX_BATCH_BYTES, REFUSED_BATCH, Directive, IngestStatus
from joulemark.timebase import Clock, SystemClock, iso_utc

log = logging.getLogger("joulemark.collector.ingest")
SERVICE: Final = "joulemark.proto.v1.TelemetryService"
OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_BATCH_BYTES + 65_536),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.max_metadata_size", 16_384),
)
STOP_GRACE_S: Final = 1.0
SAY_LIMIT_S: Final = 0.5
STREAMS_PER_AGENT: Final = 4
"""So many streams may be open for each agent that may be connected: reconnects, and streams that have not said Hello."""


def options(limits: LimitsConfig) -> tuple[tuple[str, int], ...]:
    """Options of the agents' server: a connection has to become one, and to be used, in the time of the limits."""
    return (
        *OPTIONS,
        ("grpc.server_handshake_timeout_ms", round(limits.hello_timeout_s * 1000)),
        ("grpc.max_connection_idle_ms", round(limits.idle_timeout_s * 1000)),
    )


class Ingest:
    """Takes the streams of all agents; one live stream for each agent_id, and a second host of the same name is kept out."""

    def __init__(self, store: ChunkStore, clock: Clock, *, limits: LimitsConfig | None = None, validity: Validity | None = None) -> None:
        self._store, self._clock = store, clock
        self.door = Door(limits, validity)
        self._live: dict[str, tuple[Connection, asyncio.Task[Any]]] = {}
        self._open_count = 0
        self._saying: set[asyncio.Task[None]] = set()

    @property
    def status(self) -> IngestStatus:
        """Agents connected now, bytes on their way to the disk, refusals by reason."""
        return IngestStatus(len(self._live), self.door.waiting.total_bytes, dict(self.door.refused))

    async def broadcast(self, directive: Directive, agents: Sequence[str] = ()) -> int:
        """Send a directive to every connected agent, or to those of `agents`; how many there were. An empty one is only counted.

        An agent that does not listen is not waited for.
        """
        connections = [connection for name, (connection, _) in self._live.items() if not agents or name in agents]
        if connections and directive != Directive():
            saying = {asyncio.create_task(connection.write(directive)) for connection in connections}
            self._saying |= saying
            for task in saying:
                task.add_done_callback(self._said)
            await asyncio.wait(saying, timeout=SAY_LIMIT_S)
        return len(connections)

    def _said(self, task: asyncio.Task[None]) -> None:
        self._saying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("a directive did not reach an agent: %s", error)

    async def stream(self, call: Any, context: Any) -> None:
        """One call of TelemetryService.Stream, served through `context`."""
        del call
        connection = Connection(context, self._store, self._clock, self.door)
        task = asyncio.current_task()
        assert task is not None
        self._open_count += 1
        try:
            self._check_open()
            await connection.greet()
            self._register(connection, task)
            try:
                await connection.serve()
            finally:
                self._unregister(connection)
        except Refused as refused:
            await self._refuse(context, connection, refused)
        except asyncio.CancelledError:
            if connection.replaced:
                await context.abort(grpc.StatusCode.ABORTED, "a later stream of the same agent took the place of this one")
            raise
        except Exception:  # whatever fails on one stream: it is counted, logged and told to its agent, and the others go on
            if context.done():
                return
            self.door.refused["internal"] += 1
            log.exception("the stream of %s failed", connection.peer.address)
            await context.abort(grpc.StatusCode.INTERNAL, "the collector failed on this stream: read its log")
        finally:
            self._open_count -= 1

    def _check_open(self) -> None:
        """Raise Refused when there are far more streams than agents: most of them have not said who they are."""
        if self._open_count > STREAMS_PER_AGENT * self.door.limits.max_agents:
            raise over("max_agents", f"{self._open_count} streams are open", "look for who opens them")

    async def _refuse(self, context: Any, connection: Connection, refused: Refused) -> None:
        """Count a refusal, report it, and end the stream with it."""
        self.door.refused[refused.reason] += 1
        log.warning("stream of %s refused: %s", connection.peer.address, refused.details)
        if refused.retry_after_ms and not context.done():
            saying = asyncio.create_task(connection.write(Directive(retry_after_ms=refused.retry_after_ms)))
            await asyncio.wait({saying}, timeout=SAY_LIMIT_S)
            saying.cancel()
        named = ((REFUSED_BATCH, f"{refused.sha256.hex()} {refused.reason}"),) if refused.sha256 else ()
        await context.abort(refused.code, refused.details, named)

    def _register(self, connection: Connection, task: asyncio.Task[Any]) -> None:
        """Make `connection` the live one of its agent. Raises Refused when another host, or a later start, has the name."""
        hello = connection.hello
        if (live := self._live.get(hello.agent_id)) is not None:
            fence(live[0], connection)
            live[0].replaced = True
            live[1].cancel()
        elif len(self._live) >= self.door.limits.max_agents:
            raise over("max_agents", f"{len(self._live)} agents are connected, as many as may be", "use another collector")
        self._live[hello.agent_id] = (connection, task)
        log.info("agent %s connected from %s, version %s", hello.agent_id, connection.peer.address, hello.software_version)

    def _unregister(self, connection: Connection) -> None:
        agent_id = connection.hello.agent_id
        if agent_id in self._live and self._live[agent_id][0] is connection:
            del self._live[agent_id]
            log.info("agent %s disconnected", agent_id)


def fence(live: Connection, newcomer: Connection) -> None:
    """Raise Refused unless `newcomer` is the agent of the stream `live` come again: the same spool, started no earlier."""
    first, second = live.hello, newcomer.hello
    if first.instance_id == second.instance_id and first.epoch_ns <= second.epoch_ns:
        return
    raise Refused(
        grpc.StatusCode.ALREADY_EXISTS,
        "fenced",
        f"two agents say agent_id {first.agent_id!r}: {described(live)} is connected, {described(newcomer)} is kept out: "
        "give each host its own agent.agent_id, or stop one of them",
    )


def described(connection: Connection) -> str:
    """An agent as the other one's operator can find it."""
    hello = connection.hello
    return f"the one at {connection.peer.address} (spool {hello.instance_id or 'unknown'}, started {iso_utc(hello.epoch_ns)})"


async def seal_forever(store: ChunkStore, clock: Clock, period_s: float) -> None:
    """Seal finished spans every `period_s` seconds; what a full disk refuses stays in the log for the next time."""
    while True:
        await asyncio.sleep(period_s)
        try:
            if count := await asyncio.to_thread(store.seal, clock.utc_ns()):
                log.info("sealed %d chunks", count)
        except sqlite3.Error as error:
            log.error("readings cannot be sealed: %s; free space in collector.data_dir", error)
        except Exception:  # a mistake of ours too: else the log would only grow, and nobody would know
            log.exception("readings cannot be sealed, and will be tried again")


def validity(config: Config, clock: Clock) -> Validity | None:
    """What looks after the certificates of agents, None where they show none. Raises ConfigError for a bad `tls.revoked_file`."""
    if config.tls.ca_file is None and config.tls.revoked_file is None:
        return None
    from joulemark.pki.validity import Validity as ByClockAndList  # reads certificates: the extra joulemark[tls]

    return ByClockAndList.of(config.tls, clock)


@asynccontextmanager
async def served(config: Config, rest_url: str, number: int = 0) -> AsyncIterator[int]:
    """The running ingest server `number`; yields its gRPC port. Raises EnvironmentFailed for a file or port that is taken, or a full disk.

    The first one anchors the axis, and the others, which begin after it, go by that. Marks that arrive over gRPC go to the REST process
    at `rest_url`, which owns the catalogue of runs.
    """
    folder, host = config.collector.data_dir, SystemClock()
    valid = validity(config, host)
    with ExitStack() as held:
        with started_on(files.path_of(folder, number)):
            store = opened(config, number, held)
            if number:
                clock = axis.current(SqliteReadings(files.path_of(folder, 0)), host)
            else:
                clock = axis.anchored(store, host, folder / "catalog.db")
        ingest = Ingest(store, clock, limits=config.limits, validity=valid)
        server, local = grpc.aio.server(options=options(config.limits)), grpc.aio.server()
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(ingest.stream)
        runs = marks.handlers(rest_url, listen.rest_trust(config), ingest.door)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler}), runs))
        local.add_generic_rpc_handlers((control.handlers(ingest.broadcast, lambda: ingest.status),))
        sealing = asyncio.create_task(seal_forever(store, clock, min(30.0, config.collector.seal_after_s / 4)))
        watching = asyncio.gather(*(() if number else (axis.watch(store, host), own_clock.keep(store, clock, host))))
        try:
            port = listen.bind_grpc(server, config, number)
            local.add_insecure_port(f"unix:{control.socket_path(folder, number)}")
            await server.start()
            await local.start()
            yield port
        finally:
            sealing.cancel()
            watching.cancel()
            await asyncio.gather(server.stop(STOP_GRACE_S), local.stop(STOP_GRACE_S), sealing, watching, return_exceptions=True)


def opened(config: Config, number: int, held: ExitStack) -> SqliteStore:
    """The store of ingest process `number`, which `held` locks and closes; the first also looks after files of processes that are no more.

    Raises EnvironmentFailed as `locked`, and for files or shards of a newer version.
    """
    folder, older = config.collector.data_dir, list[SqliteStore]()
    held.enter_context(locked(folder, number))
    for other in files.numbers(folder) if number == 0 else ():
        if other >= config.collector.ingest_processes:
            held.enter_context(locked(folder, other))
            older.append(held.enter_context(configured.store(config, other)))
    return held.enter_context(configured.store(config, number, older))


@contextmanager
def locked(folder: Path, number: int = 0) -> Iterator[None]:
    """Hold the file of one ingest process in a data folder; that of the first is the folder's own.

    Raises EnvironmentFailed when another collector has it, or it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (folder / (f"collector-{number}.lock" if number else "collector.lock")).open("w")
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
