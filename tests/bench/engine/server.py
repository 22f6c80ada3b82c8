"""Servers that take batches, each in a process of its own: `python -m tests.bench.engine.server KIND FOLDER` prints its port.

`durable`: the collector's ingest process; `unsealed`: one that seals nothing. `front`: the same without a store, everything else as it is.
`tcp`: a raw asyncio server that does to a batch what the front end does, and nothing else: the rival of E2. `bare`: the prototype of the
engine, which parses a batch, inserts its bytes in a group commit and acknowledges it, and neither hashes nor checks nor books anything:
the floor of E1.
"""

from __future__ import annotations

import asyncio
import hashlib
import queue
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import psutil

from joulemark.collector import ingest, service, soundness
from joulemark.collector.identity import check_devices
from joulemark.collector.store.base import Described, Received
from joulemark.config import CollectorConfig, Config, LimitsConfig
from joulemark.proto import convert
from joulemark.proto.messages import Ack, FrozenBatch, Hello, Welcome
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.timebase import SystemClock

UNLIMITED = LimitsConfig(
    max_agents=100_000,
    batches_per_s=1e9,
    bytes_per_s=1e12,
    pending_bytes_per_agent=2**30,
    pending_bytes=2**32,
    stored_bytes_per_agent=2**50,
)
"""What is measured is the server, not the pace that it asks of an agent."""
PORT: Final = "port "


class Forgetful:
    """A store that keeps nothing and says so at once: what is left is the front end."""

    def opened(self, agent_id: str) -> Future[None]:
        """Counted by nobody."""
        return resolved(None)

    def acks(self, agent_id: str) -> list[Ack]:
        """None are known."""
        return []

    def devices(self, agents: Sequence[str] | None = None) -> list[Described]:
        """None are known."""
        return []

    def append(self, received: Received, *, after: Future[bool] | None = None) -> Future[bool]:
        """Done."""
        return resolved(True)

    def stored_bytes(self, agent_id: str) -> int:
        """Nothing."""
        return 0


def resolved(value: Any) -> Future[Any]:
    """A future that is done."""
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@asynccontextmanager
async def durable(folder: Path, seal_after_s: float = 86_400.0) -> AsyncIterator[int]:
    """The ingest process of a collector; yields its port."""
    config = Config(collector=CollectorConfig("127.0.0.1:0", "127.0.0.1:0", folder, seal_after_s=seal_after_s), limits=UNLIMITED)
    async with ingest.served(config, "http://127.0.0.1:9") as port:
        yield port


@asynccontextmanager
async def front(folder: Path) -> AsyncIterator[int]:
    """The same streams without a store."""
    del folder
    forgetful: Any = Forgetful()
    served = ingest.Ingest(forgetful, SystemClock(), limits=UNLIMITED)
    async with listening(served.stream) as port:
        yield port


@asynccontextmanager
async def listening(stream: Callable[..., Any]) -> AsyncIterator[int]:
    """`stream` behind gRPC as the collector sets it up; yields its port."""
    server = grpc.aio.server(options=ingest.options(UNLIMITED))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ingest.SERVICE, {"Stream": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0.0)


def checked(raw: bytes) -> int:
    """What the front end does to a batch: take it apart, hash it, look at every number; its sequence number."""
    message = convert.parse_request(raw)
    assert isinstance(message, FrozenBatch)
    assert hashlib.sha256(message.body).digest() == message.sha256, "a batch does not match its hash"
    view = convert.decode(message.body)
    soundness.check(view)
    check_devices(view.blocks[0].device_id.split(":")[1], view)
    return view.batch_seq


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the rival: length and request in, sequence number out."""
    try:
        while True:
            (size,) = struct.unpack("<I", await reader.readexactly(4))
            writer.write(struct.pack("<q", checked(await reader.readexactly(size))))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tcp(folder: Path) -> AsyncIterator[int]:
    """The rival."""
    del folder
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Bare:
    """The prototype: one thread inserts what waits in one transaction, and one wake-up of the loop tells all who wait."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "readings.db", isolation_level=None, check_same_thread=False)
        for pragma in ("page_size = 8192", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, agent_id TEXT, batch_seq INTEGER, body BLOB)")
        self._db.execute("CREATE UNIQUE INDEX log_key ON log (agent_id, batch_seq)")
        self._queue: queue.SimpleQueue[tuple[tuple[str, int, bytes], asyncio.Future[None]]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self) -> None:
        while True:
            group = [self._queue.get()]
            while len(group) < 1000 and not self._queue.empty():
                group.append(self._queue.get())
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO log (agent_id, batch_seq, body) VALUES (?, ?, ?)", [row for row, _ in group])
            self._db.execute("COMMIT")
            self._loop.call_soon_threadsafe(told, [done for _, done in group])

    async def stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One agent: every batch that is parsed is acknowledged when it is durable."""
        del context
        hello = convert.parse_request(await anext(requests))
        assert isinstance(hello, Hello)
        yield convert.response_bytes(Welcome("bare", ""))
        waiting: asyncio.Queue[tuple[int, asyncio.Future[None]]] = asyncio.Queue()

        async def read() -> None:
            async for raw in requests:
                message = convert.parse_request(raw)
                assert isinstance(message, FrozenBatch)
                batch, done = pb.Batch.FromString(message.body), self._loop.create_future()
                self._queue.put(((hello.agent_id, batch.batch_seq, message.body), done))
                waiting.put_nowait((batch.batch_seq, done))

        reading = asyncio.create_task(read())
        try:
            while True:
                seq, done = await waiting.get()
                await done
                yield convert.response_bytes(Ack(hello.epoch_ns, seq))
        finally:
            reading.cancel()


def told(futures: list[asyncio.Future[None]]) -> None:
    """Resolve what still waits."""
    for future in futures:
        if not future.done():
            future.set_result(None)


@asynccontextmanager
async def bare(folder: Path) -> AsyncIterator[int]:
    """The floor."""
    async with listening(Bare(folder).stream) as port:
        yield port


async def serve(kind: str, folder: Path) -> None:
    """Run a server until this process is killed."""
    service.open_files()
    async with SERVERS[kind](folder) as port:
        print(f"{PORT}{port}", flush=True)
        await asyncio.Event().wait()


SERVERS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[int]]]] = {
    "durable": durable,
    "unsealed": partial(durable, seal_after_s=1e7),
    "front": front,
    "tcp": tcp,
    "bare": bare,
}


@dataclass(frozen=True, slots=True)
class Process:
    """A server that runs: its address, and what it has cost so far."""

    port: int
    measured: psutil.Process

    @property
    def cpu_s(self) -> float:
        """Processor time since its start, user and system."""
        times = self.measured.cpu_times()
        return float(times.user + times.system)

    @property
    def rss_bytes(self) -> int:
        """Memory that it holds now."""
        return int(self.measured.memory_info().rss)


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Process]:
    """A server of a kind, killed at the end."""
    command = [sys.executable, "-m", "tests.bench.engine.server", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(PORT), f"{kind} did not start"
            yield Process(int(line.removeprefix(PORT)), psutil.Process(process.pid))
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
