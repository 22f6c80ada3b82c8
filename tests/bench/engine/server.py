"""Servers that take batches, each in a process of its own: `python -m tests.bench.engine.server KIND FOLDER` prints its port.

`durable`: the collector's ingest process. `front`: the same without a store, everything else as it is. `tcp`: a raw asyncio server that
does to a batch what the front end does, and nothing else: the rival.
"""

from __future__ import annotations

import asyncio
import hashlib
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import psutil

from joulemark.collector import ingest, soundness
from joulemark.collector.identity import check_devices
from joulemark.collector.store.base import Described, Received
from joulemark.config import CollectorConfig, Config, LimitsConfig
from joulemark.proto import convert
from joulemark.proto.messages import Ack, FrozenBatch
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
async def durable(folder: Path) -> AsyncIterator[int]:
    """The ingest process of a collector; yields its port."""
    config = Config(collector=CollectorConfig("127.0.0.1:0", "127.0.0.1:0", folder, seal_after_s=86_400.0), limits=UNLIMITED)
    async with ingest.served(config, "http://127.0.0.1:9") as port:
        yield port


@asynccontextmanager
async def front(folder: Path) -> AsyncIterator[int]:
    """The same streams without a store."""
    del folder
    forgetful: Any = Forgetful()
    served = ingest.Ingest(forgetful, SystemClock(), limits=UNLIMITED)
    server = grpc.aio.server(options=ingest.options(UNLIMITED))
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(served.stream)
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


async def serve(kind: str, folder: Path) -> None:
    """Run a server until this process is killed."""
    async with SERVERS[kind](folder) as port:
        print(f"{PORT}{port}", flush=True)
        await asyncio.Event().wait()


SERVERS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[int]]]] = {"durable": durable, "front": front, "tcp": tcp}


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
