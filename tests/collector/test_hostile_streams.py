"""Whoever reaches the port: noise, silence, and streams that no agent opens. Nothing of it is stored, and a good agent delivers on."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from joulemark.collector import door
from joulemark.config import LimitsConfig
from joulemark.proto import convert
from joulemark.proto.messages import MAX_BATCH_BYTES, REFUSED_BATCH, STREAM_METHOD, Ack, FrozenBatch, Hello, Welcome
from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.collector.conftest import Agent, Collector
from tests.collector.doorway import Doorway, refusal_of, refused
from tests.waiting import eventually

S = 1_000_000_000
NOISE = {
    "garbage": bytes(range(256)) * 64,
    "zeros": bytes(65_536),
    "HTTP/1": b"GET /v1/runs HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS client": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "HTTP/2 that breaks off": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
}


@pytest.fixture
def doorway(tmp_path: Path) -> Iterator[Doorway]:
    with Doorway(tmp_path, limits=LimitsConfig(hello_timeout_s=1.0)) as opened:
        yield opened


def delivers(doorway: Doorway, agent: Agent, begin: int, count: int = 3) -> None:
    """A good agent's batches are acknowledged."""
    agent.send(doorway.address, *(agent.batch(seq, begin_ns=agent.epoch_ns + seq * S) for seq in range(begin, begin + count)))


@pytest.mark.parametrize("name", NOISE)
def test_noise_on_the_port_harms_nobody(doorway: Doorway, name: str) -> None:
    """Bytes that are no gRPC end their own connection in the time of the handshake; before, meanwhile and after a good agent
    delivers.
    """
    agent = Agent()
    delivers(doorway, agent, 0)
    with socket.create_connection(("127.0.0.1", doorway.port), timeout=10) as peer:
        peer.sendall(NOISE[name])
        delivers(doorway, agent, 3)
        while peer_says(peer):
            pass
    delivers(doorway, agent, 6)
    assert doorway.store.streams()[0].batch_count == 9


def test_one_peer_holds_few_messages_that_are_not_whole(doorway: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the streams that one peer opens and leaves without a Hello only so many are read from; the others are refused at once, and
    when their time is over a good agent of the same host delivers.
    """
    monkeypatch.setattr(door, "KNOCKING", 4)
    with grpc.insecure_channel(doorway.address) as channel:
        silent = [channel.stream_stream(STREAM_METHOD)(iter(lambda: time.sleep(3) or b"", b"")) for _ in range(10)]
        codes = [refusal_of(call)[0] for call in silent]
    assert codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 6
    assert doorway.status.refused == {"knocking": 6, "hello_timeout_s": 4}
    delivers(doorway, Agent(), 0)


def peer_says(peer: socket.socket) -> bytes:
    """Some bytes, none once the other end has closed."""
    try:
        return peer.recv(65_536)
    except ConnectionResetError:
        return b""


def test_two_hundred_silent_connections_are_closed(doorway: Doorway) -> None:
    """Connections that say nothing, half a preface, or a preface and nothing more, are closed in the time of the handshake, and
    streams without a Hello in the time of a Hello; a good agent delivers all the while.
    """
    agent = Agent()
    beginnings = (b"", b"PRI * HT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    begin_s = time.monotonic()
    peers = [socket.create_connection(("127.0.0.1", doorway.port), timeout=10) for _ in range(200)]
    with grpc.insecure_channel(doorway.address) as channel:
        silent = [channel.stream_stream(STREAM_METHOD)(iter(lambda: time.sleep(3) or b"", b"")) for _ in range(20)]
        for number, peer in enumerate(peers):
            peer.sendall(beginnings[number % 3])
        for round_ in range(10):
            delivers(doorway, agent, 3 * round_)
        for peer in peers:
            with peer:
                while peer_says(peer):
                    pass
        assert all(refusal_of(call)[0] is grpc.StatusCode.DEADLINE_EXCEEDED for call in silent)
    assert time.monotonic() - begin_s < 15
    assert doorway.status.refused == {"hello_timeout_s": 20}
    assert doorway.store.streams()[0].batch_count == 30


def raw_refusal(doorway: Doorway, *messages: bytes) -> tuple[grpc.StatusCode, str, str]:
    """How a stream of raw messages is refused."""
    with grpc.insecure_channel(doorway.address, (("grpc.max_send_message_length", 2**26),)) as channel:
        return refusal_of(channel.stream_stream(STREAM_METHOD)(iter(messages)))


def test_a_message_beyond_any_batch_is_not_read(doorway: Doorway) -> None:
    """GRPC itself refuses what is larger than the largest batch and its envelope, as the first message and as a later one."""
    agent = Agent()
    hello, large = convert.request_bytes(agent.hello()), bytes(MAX_BATCH_BYTES + 1_000_000)
    for messages in ((large,), (hello, large)):
        code, details, _ = raw_refusal(doorway, *messages)
        assert (code, "larger than max" in details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True), details
    delivers(doorway, agent, 0)


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        ([b"\xff\xff\xff"], grpc.StatusCode.INVALID_ARGUMENT, "not a StreamRequest"),
        ([b""], grpc.StatusCode.INVALID_ARGUMENT, "no message this version knows"),
        ([convert.request_bytes(Agent().batch(0, begin_ns=S))], grpc.StatusCode.FAILED_PRECONDITION, "began with FrozenBatch"),
        ([convert.request_bytes(Hello("a" * 2**20, 1, "", ""))], grpc.StatusCode.INVALID_ARGUMENT, "Hello of 1048"),
        ([convert.request_bytes(Hello("a\x00b", 1, "", ""))], grpc.StatusCode.INVALID_ARGUMENT, "cannot be printed"),
        ([convert.request_bytes(Hello("../../etc/passwd", 1, "", ""))], grpc.StatusCode.INVALID_ARGUMENT, "agent.agent_id"),
        ([convert.request_bytes(Hello("h", 1, "", ""))] * 2, grpc.StatusCode.FAILED_PRECONDITION, "second Hello"),
        ([convert.request_bytes(Hello("h", 1, "", "")), b"\x08"], grpc.StatusCode.INVALID_ARGUMENT, "not a StreamRequest"),
    ],
    ids=["garbage", "empty", "batch first", "endless name", "control character", "path", "second Hello", "garbage later"],
)
def test_what_no_agent_says_is_refused(doorway: Doorway, messages: list[bytes], code: grpc.StatusCode, words: str) -> None:
    """The status and the words tell what was wrong; no batch is stored."""
    found, details, _ = raw_refusal(doorway, *messages)
    assert (found, words in details) == (code, True), details
    assert doorway.store.streams() == []
    assert sum(doorway.status.refused.values()) == 1


@pytest.mark.parametrize("agent_id", ["'); DROP TABLE log; --", "{{7*7}}<script>alert(1)</script>".replace("/", ""), "..", "ü%s%n", "a b"])
def test_a_strange_name_is_a_name(doorway: Doorway, agent_id: str) -> None:
    """Names that mean something to a database, a page or a shell are stored as they are, and found again."""
    agent = Agent(agent_id)
    delivers(doorway, agent, 0)
    (stream,) = doorway.store.streams()
    (described,) = doorway.store.devices([agent_id])
    assert (stream.agent_id, described.device) == (agent_id, agent.device)
    (series,) = doorway.store.series([f"{agent.device.device_id}:power"], 0, 2**62)
    assert len(series) == 30


def test_a_batch_that_cannot_be_read_is_named(doorway: Doorway) -> None:
    """Every batch that will never be taken is named by its hash, so that the agent can set it aside; a damaged one on the way is not."""
    agent = Agent()
    good = agent.batch(0, begin_ns=S)
    future = pb.Batch.FromString(good.body)
    future.blocks[0].columns[0].quality = bytes([200] * 10)
    for body in (b"\xff\xff", future.SerializeToString()):
        sha256 = hashlib.sha256(body).digest()
        code, _, named = refused(doorway, agent, FrozenBatch(body, sha256))
        assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, sha256.hex())
    code, _, named = refused(doorway, agent, FrozenBatch(good.body + b"x", good.sha256))
    assert (code, named) == (grpc.StatusCode.DATA_LOSS, "")
    assert doorway.status.refused == {"batch": 2, "hash": 1}


def test_a_failure_of_the_collector_itself_is_told_and_survived(
    doorway: Doorway, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody thought of ends one stream with INTERNAL and a counted line in the log; the next stream is served."""
    agent = Agent()

    def broken(agent_id: str) -> Any:
        raise KeyError(agent_id)

    with monkeypatch.context() as patched:
        patched.setattr(doorway.store, "acks", broken)
        code, details, _ = refused(doorway, agent)
    assert (code, "read its log" in details) == (grpc.StatusCode.INTERNAL, True)
    assert "failed" in caplog.text
    assert doorway.status.refused == {"internal": 1}
    delivers(doorway, agent, 0)


def test_refusals_reach_the_metrics(collector: Collector, http: httpx.Client) -> None:
    """A running collector publishes refusals by reason, fenced streams, and the bytes that wait for its disk."""
    first, second = Agent(instance_id="aa"), Agent(instance_id="bb")
    with grpc.insecure_channel(collector.grpc) as channel:
        call = first.open(channel, first.batch(0, begin_ns=first.epoch_ns))
        assert [type(convert.parse_response(next(call))), convert.parse_response(next(call))] == [Welcome, Ack(first.epoch_ns, 0)]
        assert refusal_of(second.open(channel))[0] is grpc.StatusCode.ALREADY_EXISTS
        eventually(lambda: "joulemark_ingest_pending_bytes 0\n" in http.get("/metrics").text, "nothing waits")
        text = http.get("/metrics").text
        call.cancel()
    assert 'joulemark_ingest_refused_total{reason="fenced"} 1\n' in text
    assert "joulemark_streams_fenced_total 1\n" in text
    assert "joulemark_agents_connected 1\n" in text
    assert REFUSED_BATCH.isascii()
