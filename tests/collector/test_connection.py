"""One agent's stream against a real store: what is refused, what is asked, what is acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from joulemark import timebase
from joulemark.collector import connection
from joulemark.collector.ingest import OPTIONS, SERVICE, Ingest
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import MAX_BATCH_BYTES, STREAM_METHOD, Ack, ClockProbe, ClockReply, Directive, FrozenBatch, Hello, Welcome
from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.collector.conftest import Agent
from tests.conftest import ManualClock

S = 1_000_000_000


class Peer:
    """An ingest server in this process, and the answers that it gives to messages on one stream."""

    def __init__(self, store: SqliteStore, clock: ManualClock) -> None:
        self.store = store
        self._ingest = Ingest(store, clock)

    def answers(self, *messages: Any) -> list[Any]:
        """Everything the stream answers until it is ended from this side. Raises AioRpcError when it is refused."""

        async def talk() -> list[Any]:
            server = grpc.aio.server(options=OPTIONS)
            handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._ingest.stream)
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler}),))
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            limits = (("grpc.max_send_message_length", 2 * MAX_BATCH_BYTES), ("grpc.use_local_subchannel_pool", 1))
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", limits) as channel:
                    call = channel.stream_stream(STREAM_METHOD)(iter([convert.request_bytes(m) for m in messages]))
                    return [convert.parse_response(raw) async for raw in call]
            finally:
                await server.stop(None)

        return asyncio.run(asyncio.wait_for(talk(), 20))

    def refusal(self, *messages: Any) -> tuple[grpc.StatusCode, str]:
        """Status and words of a stream that is refused."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            self.answers(*messages)
        return caught.value.code(), caught.value.details() or ""


@pytest.fixture
def peer(tmp_path: Path, manual_clock: ManualClock) -> Iterator[Peer]:
    store = SqliteStore(tmp_path / "readings.db")
    yield Peer(store, manual_clock)
    store.close()


def frozen(body: bytes) -> FrozenBatch:
    return FrozenBatch(body, hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    ("first", "code", "words"),
    [
        (ClockProbe(1, 1), grpc.StatusCode.FAILED_PRECONDITION, "not Hello"),
        (Hello("a", 1, "", "test", protocol_version=2), grpc.StatusCode.FAILED_PRECONDITION, "protocol 2"),
        (Hello("", 1, "", "test"), grpc.StatusCode.INVALID_ARGUMENT, "agent.agent_id"),
    ],
)
def test_a_stream_begins_with_a_hello_of_this_version(peer: Peer, first: Any, code: grpc.StatusCode, words: str) -> None:
    """Anything else first, another protocol version, or an agent without a name ends the stream and says what to change."""
    found, details = peer.refusal(first)
    assert (found, words in details) == (code, True), details
    assert peer.store.streams_opened() == {}


def test_what_cannot_be_trusted_is_refused_and_not_stored(peer: Peer, manual_clock: ManualClock) -> None:
    """A second Hello, an oversized batch, a wrong hash and a quality of the future each end the stream; nothing of them is kept."""
    agent = Agent()
    good = agent.batch(0, begin_ns=manual_clock.utc_ns())
    future = pb.Batch.FromString(good.body)
    future.blocks[0].columns[0].quality = bytes([200] * 10)
    for message, code, words in (
        (agent.hello(), grpc.StatusCode.FAILED_PRECONDITION, "second Hello"),
        (frozen(b"x" * (MAX_BATCH_BYTES + 1)), grpc.StatusCode.INVALID_ARGUMENT, "above the limit"),
        (replace(good, body=good.body + b"x"), grpc.StatusCode.DATA_LOSS, "SHA-256"),
        (frozen(b"\xff\xff"), grpc.StatusCode.INVALID_ARGUMENT, ""),
        (frozen(future.SerializeToString()), grpc.StatusCode.INVALID_ARGUMENT, "quality"),
    ):
        found, details = peer.refusal(agent.hello(), message)
        assert (found, words in details) == (code, True), details
    assert peer.store.streams() == []


def test_the_last_ack_covers_everything_sent(peer: Peer, manual_clock: ManualClock) -> None:
    """Batches sent at once may share acks; they only grow, end at the last batch, and the next Welcome repeats that one."""
    agent = Agent()
    batches = [agent.batch(i, begin_ns=manual_clock.utc_ns() + i * S) for i in range(20)]
    welcome, *acks = peer.answers(agent.hello(), *batches)
    assert isinstance(welcome, Welcome)
    assert welcome.acks == ()
    numbers = [ack.batch_seq for ack in acks]
    assert numbers == sorted(set(numbers))
    assert acks[-1] == Ack(agent.epoch_ns, 19)
    (again,) = peer.answers(agent.hello())
    assert again.acks == (Ack(agent.epoch_ns, 19),)
    (stream,) = peer.store.streams()
    assert (stream.batch_count, stream.sample_count) == (20, 200)


def test_a_device_is_asked_about_once(peer: Peer, manual_clock: ManualClock) -> None:
    """Three batches of a device nobody described bring one request; once it is described, a new stream brings none."""
    agent = Agent()
    bare = [agent.batch(i, begin_ns=manual_clock.utc_ns() + i * S, described=False) for i in range(3)]
    answers = peer.answers(agent.hello(), *bare)
    assert answers.count(Directive(describe_devices=True)) == 1
    peer.answers(agent.hello(), agent.batch(3, begin_ns=manual_clock.utc_ns()))
    answers = peer.answers(agent.hello(), agent.batch(4, begin_ns=manual_clock.utc_ns(), described=False))
    assert [type(answer) for answer in answers] == [Welcome, Ack]


def test_a_clock_probe_is_answered_by_the_collectors_clock(peer: Peer, manual_clock: ManualClock) -> None:
    """t1 comes back as sent, whatever it says; t2 and t3 are the collector's UTC."""
    now_ns = manual_clock.utc_ns()
    _, reply = peer.answers(Agent().hello(), ClockProbe(7, -5))
    assert reply == ClockReply(7, -5, now_ns, now_ns)


def test_the_welcome_is_bounded(peer: Peer, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an agent that started very often Welcome tells the newest starts only; a batch of an older one is a duplicate all the same."""
    monkeypatch.setattr(connection, "WELCOME_ACKS", 2)
    agents = [Agent(epoch_ns=epoch_ns) for epoch_ns in (1, 2, 3)]
    batches = [agent.batch(0, begin_ns=manual_clock.utc_ns()) for agent in agents]
    for agent, own in zip(agents, batches, strict=True):
        peer.answers(agent.hello(), own)
    welcome, ack = peer.answers(agents[-1].hello(), batches[0])
    assert (welcome.acks, ack) == ((Ack(2, 0), Ack(3, 0)), Ack(1, 0))
    assert sum(stream.duplicate_count for stream in peer.store.streams()) == 1


def test_only_the_same_kernel_has_the_same_clock(peer: Peer, manual_clock: ManualClock) -> None:
    """A batch with this host's boot id is marked as of the same clock, one of another boot is not."""
    here, away = Agent("here", boot_id=timebase.boot_id()), Agent("away", boot_id="another")
    for agent in (here, away):
        peer.answers(agent.hello(), agent.batch(0, begin_ns=manual_clock.utc_ns()))
    assert {s.agent_id: bool(s.same_clock) for s in peer.store.streams()} == {"here": True, "away": False}
