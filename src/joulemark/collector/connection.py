"""One agent's stream at the collector: hello, batches, clock probes up; acknowledgements, clock replies and directives down."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from concurrent.futures import Future
from typing import Any, Final, Protocol

import grpc

from joulemark import __version__, timebase
from joulemark.collector.store.base import ChunkStore, Received
from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import (
    MAX_BATCH_BYTES,
    PROTOCOL_VERSION,
    Ack,
    BatchView,
    ClockProbe,
    ClockReply,
    Directive,
    FrozenBatch,
    Hello,
    Welcome,
)
from joulemark.readings import Quality
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.collector.ingest")
PENDING_LIMIT: Final = 256
QUALITIES: Final = bytes(Quality)


class Call(Protocol):
    """What a stream needs of grpc.aio's servicer context."""

    async def read(self) -> Any: ...

    async def write(self, message: bytes) -> None: ...

    async def abort(self, code: grpc.StatusCode, details: str) -> None: ...


class Refused(Exception):
    """The stream must end, with this status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Connection:
    """A stream from Hello to its end. `hello` is known once `greet` has returned; `replaced`: a later one took its place."""

    hello: Hello
    replaced = False

    def __init__(self, call: Call, store: ChunkStore, clock: Clock) -> None:
        self._call = call
        self._store = store
        self._clock = clock
        self._boot_id = timebase.boot_id()
        self._write_lock = asyncio.Lock()
        self._pending: asyncio.Queue[tuple[Ack, asyncio.Future[bool]]] = asyncio.Queue(PENDING_LIMIT)
        self._last: Future[bool] | None = None
        self._meter_counts: dict[str, int] = {}
        self._asked: set[tuple[str, int]] = set()

    async def greet(self) -> None:
        """Read Hello. Raises Refused when something else comes, or another version."""
        message = self._parse(await self._call.read())
        if not isinstance(message, Hello):
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"the stream began with {type(message).__name__}, not Hello")
        if message.protocol_version != PROTOCOL_VERSION:
            raise Refused(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"agent speaks protocol {message.protocol_version}, collector {PROTOCOL_VERSION}: install the same version of both",
            )
        if not message.agent_id:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "agent_id is empty: set agent.agent_id")
        self.hello = message

    async def serve(self) -> None:
        """Welcome the agent, then take what it sends until it ends the stream. Raises Refused."""
        agent_id = self.hello.agent_id
        self._store.opened(agent_id)
        acks, devices = await asyncio.gather(
            asyncio.to_thread(self._store.acks, agent_id), asyncio.to_thread(self._store.devices, (agent_id,))
        )
        self._meter_counts = {d.device.device_id: len(d.device.meters) for d in devices}
        await self.write(Welcome(__version__, self._boot_id, tuple(acks)))
        acknowledging = asyncio.create_task(self._acknowledge())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({acknowledging, receiving}, return_when=asyncio.FIRST_COMPLETED)
            if acknowledging.done():
                acknowledging.result()
            receiving.result()
        finally:
            acknowledging.cancel()
            receiving.cancel()
            await asyncio.gather(acknowledging, receiving, return_exceptions=True)

    async def write(self, message: Welcome | Ack | ClockReply | Directive) -> None:
        """Send one message; they never interleave."""
        async with self._write_lock:
            await self._call.write(convert.response_bytes(message))

    async def _receive(self) -> None:
        while (raw := await self._call.read()) is not grpc.aio.EOF:
            t_ns = self._clock.utc_ns()
            message = self._parse(raw)
            if isinstance(message, ClockProbe):
                await self._reply(message, t_ns)
            elif isinstance(message, FrozenBatch):
                await self._take(message, t_ns)
            else:
                raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "a second Hello on the same stream")
        await self._pending.join()

    async def _reply(self, probe: ClockProbe, t2_ns: int) -> None:
        async with self._write_lock:
            reply = ClockReply(probe.probe_id, probe.t1_ns, t2_ns, self._clock.utc_ns())
            await self._call.write(convert.response_bytes(reply))

    async def _take(self, frozen: FrozenBatch, rx_ns: int) -> None:
        view = self._checked(frozen)
        self._meter_counts.update({d.device_id: len(d.meters) for d in view.devices})
        received = Received(self.hello.agent_id, view, frozen.body, rx_ns, same_clock=bool(self._boot_id) and view.boot_id == self._boot_id)
        self._last = self._store.append(received, after=self._last)
        await self._pending.put((Ack(view.epoch_ns, view.batch_seq), asyncio.wrap_future(self._last)))
        await self._ask_for_descriptions(view)

    async def _ask_for_descriptions(self, view: BatchView) -> None:
        """Once for each device and width that the descriptions at hand do not explain."""
        unexplained = {(b.device_id, len(b.columns)) for b in view.blocks if self._meter_counts.get(b.device_id) != len(b.columns)}
        if unexplained - self._asked:
            self._asked |= unexplained
            log.warning("agent %s sent devices without a fitting description: %s", self.hello.agent_id, sorted(unexplained))
            await self.write(Directive(describe_devices=True))

    async def _acknowledge(self) -> None:
        """Acknowledge each batch after its commit, in the order they came; those that wait together share one message."""
        while True:
            group = [await self._pending.get()]
            while not self._pending.empty():
                group.append(self._pending.get_nowait())
            highest: dict[int, int] = {}
            for ack, durable in group:
                await self._settled(durable)
                highest[ack.epoch_ns] = ack.batch_seq
            for epoch_ns, batch_seq in highest.items():
                await self.write(Ack(epoch_ns, batch_seq))
            for _ in group:
                self._pending.task_done()

    async def _settled(self, durable: asyncio.Future[bool]) -> None:
        try:
            await durable
        except sqlite3.Error as error:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"the collector cannot store: {error}; free space in collector.data_dir"
            ) from error
        except (OverflowError, ValueError) as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"a batch cannot be stored: {error}") from error

    def _checked(self, frozen: FrozenBatch) -> BatchView:
        """The decoded batch. Raises Refused when it is too large, damaged or not decodable."""
        if len(frozen.body) > MAX_BATCH_BYTES:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"batch of {len(frozen.body)} bytes is above the limit of {MAX_BATCH_BYTES}")
        if hashlib.sha256(frozen.body).digest() != frozen.sha256:
            raise Refused(grpc.StatusCode.DATA_LOSS, f"batch of {len(frozen.body)} bytes does not match its SHA-256: send it again")
        try:
            view = convert.decode(frozen.body)
        except FormatError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        if any(bytes(c.quality).translate(None, QUALITIES) for b in view.blocks for c in b.columns):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "a reading has a quality this version does not know")
        return view

    def _parse(self, raw: Any) -> Hello | FrozenBatch | ClockProbe:
        if raw is grpc.aio.EOF:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "the stream ended before Hello")
        try:
            return convert.parse_request(raw)
        except FormatError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
