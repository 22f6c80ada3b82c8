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
from joulemark.collector.limits import Account
from joulemark.collector.refusal import Refused
from joulemark.collector.store.base import AlteredBatch, ChunkStore, Described, Received
from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import Ack, BatchView, ClockProbe, ClockReply, Directive, FrozenBatch, Hello, Welcome
from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.ingest")
ON_WAY_LIMIT: Final = 256
"""Batches of a stream that are not durable; further ones are not read."""
ASK_LIMIT: Final = 1000
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
    """A stream from Hello to its end. `hello` is known once `greet` has returned; `replaced`: a later one took its place.

    One task reads. Acknowledgements are told by a second one, which lives as long as there are any.
    """

    __slots__ = (
        "_account",
        "_asked",
        "_axis_ns",
        "_boot_id",
        "_call",
        "_clock",
        "_counted_ns",
        "_door",
        "_durable",
        "_ended",
        "_last",
        "_meter_counts",
        "_on_way",
        "_quiet",
        "_since_ns",
        "_store",
        "_task",
        "_telling",
        "_undescribed",
        "_write_lock",
        "hello",
        "peer",
        "replaced",
    )
    hello: Hello
    _account: Account

    def __init__(self, call: Call, store: ChunkStore, clock: Clock, door: Door) -> None:
        self.peer, self.replaced = identity.Peer.on(call), False
        self._call, self._store, self._clock, self._door = call, store, clock, door
        self._boot_id = timebase.boot_id()
        self._axis_ns = timebase.utc_minus_mono_ns(clock)
        self._write_lock = asyncio.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._ended: BaseException | None = None
        self._counted_ns = clock.mono_ns()
        self._last: Future[bool] | None = None
        self._on_way = 0
        self._durable: dict[int, int] = {}
        """Highest batch of each epoch that is durable and not acknowledged."""
        self._telling: asyncio.Task[None] | None = None
        self._quiet: asyncio.Future[None] | None = None
        """Waited for at the end, until nothing is on its way."""
        self._meter_counts: dict[str, int] = {}
        self._undescribed: set[str] = set()
        self._asked: set[tuple[str, int]] = set()
        self._since_ns: dict[str, int] = {}
        """Since when (monotonic) the agent has been asked to speak or to listen, and has not yet."""

    async def greet(self) -> None:
        """Read Hello. Raises Refused when nothing or something else comes, or who says it may not be this agent."""
        try:
            with self._door.knocking(self.peer):
                async with asyncio.timeout(self._door.limits.hello_timeout_s):
                    raw = await self._call.read()
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
        durable_bytes = self._durable_bytes()
        acks, devices, stored_bytes = await asyncio.to_thread(self._known)
        self._account.counted(stored_bytes, received_bytes=durable_bytes)
        self._meter_counts = {d.device.device_id: len(d.device.meters) for d in devices}
        known = tuple(acks[-WELCOME_ACKS:])
        welcome = Welcome(__version__, self._boot_id, known, self._door.limits.max_batch_bytes, axis_minus_mono_ns=self._axis_ns)
        await self.write(welcome)
        self._task = asyncio.current_task()
        try:
            with self._door.guard.watching(self):
                while await self._hear():
                    pass
                while self._on_way or self._telling is not None:
                    self._quiet = asyncio.get_running_loop().create_future()
                    await self._quiet
        except asyncio.CancelledError:
            if self._ended is None or self._task is None:
                raise
            self._task.uncancel()
            raise self._ended from None
        finally:
            self._task = None
            if self._telling is not None:
                self._telling.cancel()
                await asyncio.wait({self._telling})

    def end(self, error: BaseException) -> None:
        """End the stream with `error`, if it still goes on; from outside of its own task."""
        if self._task is not None and self._ended is None:
            self._ended = error
            self._task.cancel()

    def _known(self) -> tuple[list[Ack], list[Described], int]:
        """What the store has of the agent, and how many bytes that takes."""
        agent_id = self.hello.agent_id
        return self._store.acks(agent_id), self._store.devices((agent_id,)), self._store.stored_bytes(agent_id)

    async def write(self, message: Welcome | Ack | ClockReply | Directive) -> None:
        """Send one message; they never interleave."""
        async with self._write_lock:
            await self._say(message)

    async def _say(self, message: Welcome | Ack | ClockReply | Directive) -> None:
        self._since_ns["listen"] = self._clock.mono_ns()
        await self._call.write(convert.response_bytes(message))
        del self._since_ns["listen"]

    async def _hear(self) -> bool:
        """Take one message; False at the end of the stream. Nothing of a message is held while the next one is waited for."""
        while self._on_way >= ON_WAY_LIMIT:
            await self._door.waiting.change()
        await self._door.waiting.room(self.hello.agent_id)
        self._since_ns["speak"] = self._clock.mono_ns()
        raw = await self._call.read()
        t_ns = self._clock.utc_ns()
        del self._since_ns["speak"]
        if raw is grpc.aio.EOF:
            return False
        message, size = self._parse(raw), 0
        if isinstance(message, ClockProbe):
            await self._reply(message, t_ns)
        elif isinstance(message, FrozenBatch):
            view, size = self._take(message, t_ns), len(message.body)
            await self._ask_for_descriptions(view)
        else:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, "hello", "a second Hello on the same stream")
        limit, wait_s = self._account.pace(size, self._clock.mono_ns())
        if wait_s > 0:
            await self._pace(limit, wait_s)
        return True

    async def _reply(self, probe: ClockProbe, t2_ns: int) -> None:
        async with self._write_lock:
            await self._say(ClockReply(probe.probe_id, probe.t1_ns, t2_ns, self._clock.utc_ns()))

    def _take(self, frozen: FrozenBatch, rx_ns: int) -> BatchView:
        view, agent_id, size = self._checked(frozen), self.hello.agent_id, len(frozen.body)
        self._count_meters(view)
        self._account.check_stored()
        self._account.received_bytes += size
        same_clock = bool(self._boot_id) and view.boot_id == self._boot_id
        self._door.waiting.add(agent_id, size)
        self._on_way += 1
        received = Received(agent_id, view, frozen.body, rx_ns, same_clock, self._axis_ns)
        self._last = self._store.append(received, after=self._last)
        ack, sha256 = Ack(view.epoch_ns, view.batch_seq), frozen.sha256
        self._door.homecoming.watch(self._last, lambda durable: self._settled(durable, ack, sha256, size))
        return view

    def _settled(self, durable: Future[bool], ack: Ack, sha256: bytes, size: int) -> None:
        """A batch is durable, or failed; those of a stream come here in their order, and also when it has ended: until then they are in
        memory.
        """
        self._on_way -= 1
        if (error := durable.exception()) is not None:
            self.end(refusal(error, sha256))
        elif self._task is not None and self._ended is None:
            self._durable[ack.epoch_ns] = ack.batch_seq
            self._tell()
        if not self._on_way:
            self._last = None
            self._look_again()
        self._door.waiting.release(self.hello.agent_id, size)

    def _tell(self) -> None:
        """Have acknowledged what is durable, unless that is being done."""
        if self._durable and self._telling is None and self._task is not None:
            self._telling = asyncio.create_task(self._acknowledge())
            self._telling.add_done_callback(self._told)

    async def _acknowledge(self) -> None:
        """What becomes durable meanwhile shares one message for each epoch."""
        while self._durable:
            told, self._durable = self._durable, {}
            for epoch_ns, batch_seq in told.items():
                await self.write(Ack(epoch_ns, batch_seq))

    def _told(self, telling: asyncio.Task[None]) -> None:
        self._telling = None
        if not telling.cancelled() and (error := telling.exception()) is not None:
            self.end(error)
        self._tell()
        self._look_again()

    def _look_again(self) -> None:
        """Whether something is on its way, where that is waited for."""
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)

    async def _pace(self, limit: str, wait_s: float) -> None:
        """Let an agent wait that sends faster than it may: it is asked to, and not read from until then."""
        self._door.refused[limit] += 1
        await self.write(Directive(retry_after_ms=max(1, round(wait_s * 1000))))
        await asyncio.sleep(wait_s)

    def _count_meters(self, view: BatchView) -> None:
        counts = self._meter_counts
        if view.devices:
            counts.update({d.device_id: len(d.meters) for d in view.devices})
            self._undescribed.difference_update(counts)
        self._undescribed.update([b.device_id for b in view.blocks if b.device_id not in counts])
        limits.check_meters(sum(counts.values()) + len(self._undescribed), self._door.limits)

    async def _ask_for_descriptions(self, view: BatchView) -> None:
        """Once for each device and width that the descriptions at hand do not explain."""
        unexplained = {(b.device_id, len(b.columns)) for b in view.blocks if self._meter_counts.get(b.device_id) != len(b.columns)}
        if unexplained - self._asked and len(self._asked) < ASK_LIMIT:
            self._asked |= unexplained
            log.warning("agent %s sent devices without a fitting description: %s", self.hello.agent_id, sorted(unexplained))
            await self.write(Directive(describe_devices=True))

    def look(self) -> None:
        """Raise Refused when the agent does not speak, listen, or is not welcome any more."""
        identity.check_certificate(self.hello.agent_id, self.peer, self._door.validity)
        idle_s, now_ns = self._door.limits.idle_timeout_s, self._clock.mono_ns()
        for what, since_ns in self._since_ns.items():
            if now_ns - since_ns > idle_s * NS_PER_S:
                raise Refused(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    "idle_timeout_s",
                    f"the agent did not {what} for {idle_s} s: set agent.clock_probe_period_s below that",
                )

    async def look_at_stored(self) -> None:
        """Count anew, now and then, how much of the agent is stored."""
        if (now_ns := self._clock.mono_ns()) - self._counted_ns > COUNT_STORED_S * NS_PER_S:
            self._counted_ns, durable_bytes = now_ns, self._durable_bytes()
            self._account.counted(await asyncio.to_thread(self._store.stored_bytes, self.hello.agent_id), received_bytes=durable_bytes)

    def _durable_bytes(self) -> int:
        return self._account.received_bytes - self._door.waiting.by_agent[self.hello.agent_id]

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


def refusal(error: BaseException, sha256: bytes) -> BaseException:
    """Why a stream ends whose batch was not stored."""
    if isinstance(error, sqlite3.Error):
        words = f"the collector cannot store: {error}; free space in collector.data_dir"
        return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "disk", words)
    if isinstance(error, AlteredBatch):
        log.error("%s: two agents send as one, or a spool is damaged; nothing was overwritten", error)
        return Refused(grpc.StatusCode.INVALID_ARGUMENT, "altered_batch", str(error), sha256=sha256)
    if isinstance(error, (OverflowError, ValueError)):
        return Refused(grpc.StatusCode.INVALID_ARGUMENT, "batch", f"a batch cannot be stored: {error}", sha256=sha256)
    return error
