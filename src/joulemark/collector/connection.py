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
from joulemark.collector import identity, limits, soundness
from joulemark.collector.door import Door
from joulemark.collector.refusal import Refused
from joulemark.collector.store.base import AlteredBatch, ChunkStore, Received
from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import Ack, BatchView, ClockProbe, ClockReply, Directive, FrozenBatch, Hello, Welcome
from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.ingest")
PENDING_LIMIT: Final = 256
ASK_LIMIT: Final = 1000
GUARD_S: Final = 5.0
COUNT_STORED_S: Final = 600.0
WELCOME_ACKS: Final = 10_000
"""Newest starts of an agent of which Welcome tells: with 300 000 of them, one each in a month of crashes, it would be too long to
be read. What the agent sends again of an older one is known as a duplicate.
"""


class Call(Protocol):
    """What a stream needs of grpc.aio's servicer context."""

    async def read(self) -> Any: ...

    async def write(self, message: bytes) -> None: ...

    def peer(self) -> str: ...

    def auth_context(self) -> Any: ...


class Connection:
    """A stream from Hello to its end. `hello` is known once `greet` has returned; `replaced`: a later one took its place."""

    hello: Hello
    replaced = False

    def __init__(self, call: Call, store: ChunkStore, clock: Clock, door: Door) -> None:
        self.peer = identity.Peer.on(call)
        self._call, self._store, self._clock, self._door = call, store, clock, door
        self._boot_id = timebase.boot_id()
        self._axis_ns = timebase.utc_minus_mono_ns(clock)
        self._write_lock = asyncio.Lock()
        self._pending: asyncio.Queue[tuple[Ack, bytes, asyncio.Future[bool]]] = asyncio.Queue(PENDING_LIMIT)
        self._last: Future[bool] | None = None
        self._meter_counts: dict[str, int] = {}
        self._undescribed: set[str] = set()
        self._asked: set[tuple[str, int]] = set()
        self._since_ns: dict[str, int] = {}
        """Since when (monotonic) the agent has been asked to speak or to listen, and has not yet."""

    async def greet(self) -> None:
        """Read Hello. Raises Refused when nothing or something else comes, or who says it may not be this agent."""
        try:
            with self._door.knocking(self.peer):
                raw = await asyncio.wait_for(self._call.read(), self._door.limits.hello_timeout_s)
        except TimeoutError as error:
            raise Refused(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "hello_timeout_s",
                f"no Hello within {self._door.limits.hello_timeout_s} s: look for a proxy or an overloaded host in between",
            ) from error
        if raw is grpc.aio.EOF:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "hello", "the stream ended before Hello")
        limits.check_hello_size(raw)
        message = self._parse(raw)
        if not isinstance(message, Hello):
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "hello", f"the stream began with {type(message).__name__}, not Hello")
        identity.check_hello(message, self.peer, self._door.validity)
        self.hello = message
        self._account = self._door.account(message.agent_id, self._clock.mono_ns())

    async def serve(self) -> None:
        """Welcome the agent, then take what it sends until it ends the stream. Raises Refused."""
        agent_id = self.hello.agent_id
        self._store.opened(agent_id)
        acks, devices = await asyncio.gather(
            asyncio.to_thread(self._store.acks, agent_id), asyncio.to_thread(self._store.devices, (agent_id,))
        )
        self._meter_counts = {d.device.device_id: len(d.device.meters) for d in devices}
        known = tuple(acks[-WELCOME_ACKS:])
        welcome = Welcome(__version__, self._boot_id, known, self._door.limits.max_batch_bytes, axis_minus_mono_ns=self._axis_ns)
        await self.write(welcome)
        tasks = [asyncio.create_task(work) for work in (self._acknowledge(), self._guard(), self._receive())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def write(self, message: Welcome | Ack | ClockReply | Directive) -> None:
        """Send one message; they never interleave."""
        async with self._write_lock:
            await self._say(message)

    async def _say(self, message: Welcome | Ack | ClockReply | Directive) -> None:
        self._since_ns["listen"] = self._clock.mono_ns()
        await self._call.write(convert.response_bytes(message))
        del self._since_ns["listen"]

    async def _receive(self) -> None:
        while True:
            await self._door.waiting.room(self.hello.agent_id)
            self._since_ns["speak"] = self._clock.mono_ns()
            raw = await self._call.read()
            t_ns = self._clock.utc_ns()
            del self._since_ns["speak"]
            if raw is grpc.aio.EOF:
                break
            message = self._parse(raw)
            if isinstance(message, ClockProbe):
                await self._reply(message, t_ns)
                await self._pace(0)
            elif isinstance(message, FrozenBatch):
                await self._take(message, t_ns)
            else:
                raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "hello", "a second Hello on the same stream")
        await self._pending.join()

    async def _reply(self, probe: ClockProbe, t2_ns: int) -> None:
        async with self._write_lock:
            await self._say(ClockReply(probe.probe_id, probe.t1_ns, t2_ns, self._clock.utc_ns()))

    async def _take(self, frozen: FrozenBatch, rx_ns: int) -> None:
        view, agent_id, size = self._checked(frozen), self.hello.agent_id, len(frozen.body)
        self._count_meters(view)
        self._account.check_stored()
        self._account.received_bytes += size
        same_clock = bool(self._boot_id) and view.boot_id == self._boot_id
        received = Received(agent_id, view, frozen.body, rx_ns, same_clock, self._axis_ns)
        loop, waiting = asyncio.get_running_loop(), self._door.waiting
        waiting.add(agent_id, size)
        self._last = self._store.append(received, after=self._last)
        # Not when the stream ends: until then the batch is in memory.
        self._last.add_done_callback(lambda _: loop.call_soon_threadsafe(waiting.release, agent_id, size))
        durable = asyncio.wrap_future(self._last)
        durable.add_done_callback(looked_at)
        await self._pending.put((Ack(view.epoch_ns, view.batch_seq), frozen.sha256, durable))
        await self._ask_for_descriptions(view)
        await self._pace(size)

    async def _pace(self, size: int) -> None:
        """Let an agent wait that sends faster than it may: it is asked to, and not read from until then."""
        limit, wait_s = self._account.pace(size, self._clock.mono_ns())
        if wait_s > 0:
            self._door.refused[limit] += 1
            await self.write(Directive(retry_after_ms=max(1, round(wait_s * 1000))))
            await asyncio.sleep(wait_s)

    def _count_meters(self, view: BatchView) -> None:
        self._meter_counts.update({d.device_id: len(d.meters) for d in view.devices})
        self._undescribed = (self._undescribed | {b.device_id for b in view.blocks}) - set(self._meter_counts)
        limits.check_meters(sum(self._meter_counts.values()) + len(self._undescribed), self._door.limits)

    async def _ask_for_descriptions(self, view: BatchView) -> None:
        """Once for each device and width that the descriptions at hand do not explain."""
        unexplained = {(b.device_id, len(b.columns)) for b in view.blocks if self._meter_counts.get(b.device_id) != len(b.columns)}
        if unexplained - self._asked and len(self._asked) < ASK_LIMIT:
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
            for ack, sha256, durable in group:
                await self._settled(durable, sha256)
                highest[ack.epoch_ns] = ack.batch_seq
            for epoch_ns, batch_seq in highest.items():
                await self.write(Ack(epoch_ns, batch_seq))
            for _ in group:
                self._pending.task_done()

    async def _guard(self) -> None:
        """Look now and then whether the agent still speaks, listens and is welcome, and how much of it is stored."""
        idle_ns = round(self._door.limits.idle_timeout_s * NS_PER_S)
        counted_ns: int | None = None
        while True:
            now_ns = self._clock.mono_ns()
            identity.check_certificate(self.hello.agent_id, self.peer, self._door.validity)
            for what, since_ns in self._since_ns.items():
                if now_ns - since_ns > idle_ns:
                    raise Refused(
                        grpc.StatusCode.DEADLINE_EXCEEDED,
                        "idle_timeout_s",
                        f"the agent did not {what} for {self._door.limits.idle_timeout_s} s: set agent.clock_probe_period_s below that",
                    )
            if counted_ns is None or now_ns - counted_ns > COUNT_STORED_S * NS_PER_S:
                await self._count_stored()
                counted_ns = now_ns
            await asyncio.sleep(min(GUARD_S, self._door.limits.idle_timeout_s / 4))

    async def _count_stored(self) -> None:
        agent_id = self.hello.agent_id
        durable_bytes = self._account.received_bytes - self._door.waiting.by_agent[agent_id]
        self._account.counted(await asyncio.to_thread(self._store.stored_bytes, agent_id), received_bytes=durable_bytes)

    async def _settled(self, durable: asyncio.Future[bool], sha256: bytes) -> None:
        try:
            await durable
        except sqlite3.Error as error:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "disk", f"the collector cannot store: {error}; free space in collector.data_dir"
            ) from error
        except AlteredBatch as error:
            log.error("%s: two agents send as one, or a spool is damaged; nothing was overwritten", error)
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "altered_batch", str(error), sha256=sha256) from error
        except (OverflowError, ValueError) as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "batch", f"a batch cannot be stored: {error}", sha256=sha256) from error

    def _checked(self, frozen: FrozenBatch) -> BatchView:
        """The decoded batch. Raises Refused when it is too large, damaged, not decodable or of another agent."""
        limits.check_size(frozen, self._door.limits)
        if hashlib.sha256(frozen.body).digest() != frozen.sha256:
            raise Refused(grpc.StatusCode.DATA_LOSS, "hash", f"batch of {len(frozen.body)} bytes does not match its SHA-256: send it again")
        try:
            view = convert.decode(frozen.body)
            soundness.check(view)
        except FormatError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "batch", str(error), sha256=frozen.sha256) from error
        limits.check_samples(view, frozen, self._door.limits)
        identity.check_devices(self.hello.agent_id, view)
        return view

    def _parse(self, raw: bytes) -> Hello | FrozenBatch | ClockProbe:
        try:
            return convert.parse_request(raw)
        except FormatError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "message", str(error)) from error


def looked_at(durable: asyncio.Future[bool]) -> None:
    """Look at how a batch ended: behind one that failed nobody else does."""
    if not durable.cancelled():
        durable.exception()
