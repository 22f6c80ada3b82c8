"""An ingest server in this process, on a loop and a port of its own, for agents that may be hostile."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from joulemark.collector.identity import Validity
from joulemark.collector.ingest import SERVICE, Ingest, options
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import LimitsConfig
from joulemark.proto.messages import REFUSED_BATCH, FrozenBatch, IngestStatus
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.timebase import SystemClock
from tests.collector.conftest import Agent

S = 1_000_000_000


class Doorway:
    """A running server; leaving its block stops it and closes the store."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: LimitsConfig | None = None,
        validity: Validity | None = None,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self.store = SqliteStore(folder / "readings.db")
        self.limits = limits or LimitsConfig()
        self._credentials = credentials
        self._ingest = Ingest(self.store, SystemClock(), limits=self.limits, validity=validity)
        self._port: Future[int] = Future()

    def __enter__(self) -> Doorway:
        self._loop, self._stopped = asyncio.new_event_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()
        self._port.result(10)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(20)
        self.store.close()
        self._loop.close()

    @property
    def port(self) -> int:
        return self._port.result()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}" if self._credentials else f"127.0.0.1:{self.port}"

    @property
    def status(self) -> IngestStatus:
        """What the ingest process would tell the metrics."""

        async def ask() -> IngestStatus:
            return self._ingest.status

        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result(10)

    def waiting_bytes(self, agent_id: str) -> int:
        """Bytes of one agent that are received and not durable."""
        return self._ingest.door.waiting.by_agent[agent_id]

    async def _serve(self) -> None:
        server = grpc.aio.server(options=options(self.limits))
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._ingest.stream)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler}),))
        address = "localhost:0" if self._credentials else "127.0.0.1:0"
        port = server.add_secure_port(address, self._credentials) if self._credentials else server.add_insecure_port(address)
        await server.start()
        self._port.set_result(port)
        await self._stopped.wait()
        await server.stop(0.5)
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=2)


def bulky(agent: Agent, batch_seq: int, size: int) -> FrozenBatch:
    """A good batch of about `size` bytes, mostly a field that this version does not know."""
    batch = pb.Batch.FromString(agent.batch(batch_seq, begin_ns=agent.epoch_ns + batch_seq * S).body)
    batch.MergeFromString(b"\xfa\x3f" + varint(size) + bytes(size))
    body = batch.SerializeToString()
    return FrozenBatch(body, hashlib.sha256(body).digest())


def varint(number: int) -> bytes:
    """Base-128, as protobuf writes lengths."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def refusal_of(call: Any) -> tuple[grpc.StatusCode, str, str]:
    """(status, words, SHA-256 of the batch it names) of a stream that is refused, after whatever it answers before."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call:
            pass
    error: Any = caught.value
    named = {entry.key: entry.value for entry in error.trailing_metadata() or ()}
    return error.code(), error.details() or "", named.get(REFUSED_BATCH, "").partition(" ")[0]


def refused(doorway: Doorway, agent: Agent, *messages: Any) -> tuple[grpc.StatusCode, str, str]:
    """How the doorway refuses `agent` when it sends `messages` after its Hello."""
    with grpc.insecure_channel(doorway.address, (("grpc.max_send_message_length", 2**24),)) as channel:
        return refusal_of(agent.open(channel, *messages))
