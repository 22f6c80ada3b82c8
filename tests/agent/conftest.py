"""A collector in memory that speaks the real protocol over real gRPC, and the parts of an agent."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.spool import Spool, Stored
from joulemark.config import SpoolConfig
from joulemark.proto import convert
from joulemark.proto.messages import Ack, BatchView, ClockProbe, ClockReply, ClockState, Directive, FrozenBatch, Hello, Overhead, Welcome
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import SystemClock
from tests import waiting
from tests.agent.agent_process import AgentProcess
from tests.agent.link import Link

BOOT = "11111111-2222-3333-4444-555555555555"


class MemoryCollector:
    """Keeps the bodies it is sent, by key; acknowledges unless `mute`; `ask` sends directives to whoever is connected."""

    def __init__(self, port: int, bodies: dict[tuple[int, int], bytes] | None = None, *, mute: bool = False) -> None:
        self.bodies: dict[tuple[int, int], bytes] = {} if bodies is None else bodies
        self.mute = mute
        self.received: list[tuple[int, int]] = []
        self.hellos: list[Hello] = []
        self.altered: list[tuple[int, int]] = []
        self.refuse: grpc.StatusCode | None = None
        self._directives: list[Directive] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        handler = grpc.stream_stream_rpc_method_handler(self._stream)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("joulemark.proto.v1.TelemetryService", {"Stream": handler}),)
        )
        assert self._server.add_insecure_port(f"127.0.0.1:{port}") == port
        self._server.start()

    def ask(self, directive: Directive) -> None:
        """Sent with the next answer."""
        self._directives.append(directive)

    def stop(self) -> None:
        self._server.stop(0).wait()

    def views(self) -> list[BatchView]:
        """Every batch, decoded, in the order of their keys."""
        return [convert.decode(self.bodies[key]) for key in sorted(self.bodies)]

    def _highest(self) -> tuple[Ack, ...]:
        return tuple(Ack(epoch, max(s for e, s in self.bodies if e == epoch)) for epoch in {e for e, _ in self.bodies})

    def _stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        hello = convert.parse_request(next(requests))
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        yield convert.response_bytes(Welcome("test", "another boot", self._highest()))
        for raw in requests:
            while self._directives:
                yield convert.response_bytes(self._directives.pop(0))
            match convert.parse_request(raw):
                case ClockProbe(probe_id, t1_ns):
                    now_ns = time.time_ns()
                    yield convert.response_bytes(ClockReply(probe_id, t1_ns, now_ns, now_ns))
                case FrozenBatch(body, sha256):
                    assert hashlib.sha256(body).digest() == sha256
                    if self.refuse is not None:
                        context.abort(self.refuse, "no room")
                    view = convert.decode(body)
                    key = view.epoch_ns, view.batch_seq
                    self.received.append(key)
                    if self.bodies.setdefault(key, body) != body:
                        self.altered.append(key)
                    if not self.mute:
                        yield convert.response_bytes(Ack(*key))


@pytest.fixture
def collector_at() -> Iterator[Callable[..., MemoryCollector]]:
    """Starts collectors; stops those that are left."""
    started: list[MemoryCollector] = []

    def start(port: int, **options: Any) -> MemoryCollector:
        started.append(MemoryCollector(port, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, and fails when it does not."""
    return waiting.eventually


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An open spool of the smallest size."""
    one = Spool(SpoolConfig(tmp_path / "spool.db", 1024 * 1024), SystemClock())
    one.open()
    yield one
    one.close()


@pytest.fixture
def device() -> DeviceInfo:
    """A GPU with a power and an energy counter."""
    common: dict[str, Any] = {"kind": "fake", "exponent": -3, "boundary": Boundary.GPU}
    return DeviceInfo(
        "fake:host:0",
        (
            MeterInfo("fake:host:0:power", quantity=Quantity.POWER, **common),
            MeterInfo("fake:host:0:energy", quantity=Quantity.ENERGY_COUNTER, **common),
        ),
    )


@pytest.fixture
def sample_of() -> Callable[..., Sample]:
    """A sample of the fixture device, read at `seq` tenths of a second after `offset_ns` began."""

    def build(seq: int, *, offset_ns: int = 1_790_000_000_000_000_000, pinned: bool = False, device_id: str = "fake:host:0") -> Sample:
        t_ns = 1_000_000_000 + seq * 100_000_000
        ok = (Quality.OK, Quality.OK)
        return Sample(device_id, t_ns, t_ns + 2000, offset_ns, (300_000, seq * 30_000), (None, t_ns + offset_ns), ok, ("", ""), seq, pinned)

    return build


@pytest.fixture
def batcher_of() -> Callable[..., Batcher]:
    """A batcher on a spool, in a new epoch of it."""

    def build(spool: Spool, **options: Any) -> Batcher:
        return Batcher(
            spool,
            SystemClock(),
            epoch_ns=spool.new_epoch(),
            boot_id=BOOT,
            clock_state=lambda _: ClockState(),
            overhead=Overhead,
            **options,
        )

    return build


@pytest.fixture
def thread_names() -> Callable[[], set[str]]:
    return lambda: {thread.name for thread in threading.enumerate()}


@pytest.fixture
def opened() -> Iterator[Callable[..., Spool]]:
    """Opens spools, of the smallest size unless told otherwise; closes those that are left."""
    spools: list[Spool] = []

    def build(path: Path, max_bytes: int = 1024 * 1024) -> Spool:
        one = Spool(SpoolConfig(path, max_bytes), SystemClock())
        spools.append(one)
        one.open()
        return one

    yield build
    for one in spools:
        one.close()


@pytest.fixture
def fill() -> Callable[..., list[tuple[int, int]]]:
    """Appends batches of random bytes; their keys. `first` continues the newest epoch, else a new one begins."""
    epochs: dict[Path, int] = {}

    def build(spool: Spool, count: int, *, first: int = 0, body_bytes: int = 1000, samples: int = 1) -> list[tuple[int, int]]:
        if not first:
            epochs[spool.path] = spool.new_epoch()
        keys = [(epochs[spool.path], seq) for seq in range(first, first + count)]
        for epoch_ns, seq in keys:
            body = os.urandom(body_bytes)
            t_ns = epoch_ns + seq
            spool.append(Stored(epoch_ns, seq, FrozenBatch(body, hashlib.sha256(body).digest()), samples, t_ns, t_ns))
        return keys

    return build


@pytest.fixture
def agent_at(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Starts agents; kills those that are left."""
    started: list[AgentProcess] = []

    def start(port: int, *args: Any, **options: Any) -> AgentProcess:
        started.append(AgentProcess(tmp_path, port, *args, **options))
        return started[-1]

    yield start
    for agent in started:
        if agent.process.poll() is None:
            agent.process.kill()
            agent.process.communicate()


@pytest.fixture
def link_of(spool: Spool) -> Iterator[Callable[..., Link]]:
    """Makes uplinks on the spool; stops them at the end."""
    links: list[Link] = []

    def build(port: int, **options: Any) -> Link:
        links.append(Link(spool, port, **options))
        return links[-1]

    yield build
    for link in links:
        link.uplink.stop()
