"""Agents that push faster than the disk: what waits is bounded, and nothing is lost or stored twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.collector import connection
from joulemark.config import LimitsConfig
from joulemark.proto import convert
from joulemark.proto.messages import Ack, ClockProbe, ClockReply
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway, bulky
from tests.waiting import eventually

MIB = 1024 * 1024
LIMITS = LimitsConfig(pending_bytes_per_agent=6 * MIB, pending_bytes=10 * MIB)
SIZE = 3 * MIB
LARGEST = SIZE + MIB // 4


@contextmanager
def halted_disk(doorway: Doorway) -> Iterator[threading.Event]:
    """A disk that finishes no write until the event is set."""
    back = threading.Event()
    doorway.store._writer.submit(lambda _: back.wait(60))
    try:
        yield back
    finally:
        back.set()


def heard(call: Any, last: Ack) -> list[Any]:
    """The answers of a stream up to the acknowledgement `last`."""
    answers: list[Any] = []
    while not answers or answers[-1] != last:
        answers.append(convert.parse_response(next(call)))
    return answers


@pytest.mark.slow
def test_what_waits_for_the_disk_is_bounded(tmp_path: Path) -> None:
    """Two agents push 24 MiB each, one over two streams, at a disk that stands still: each holds at most its bound and one batch for
    each stream, both together the common bound and one for each; when the disk is back every batch is stored once.
    """
    agents = [Agent("host-a"), Agent("host-b")]
    batches = {agent.agent_id: [bulky(agent, seq, SIZE) for seq in range(8)] for agent in agents}
    with Doorway(tmp_path, limits=LIMITS) as doorway, grpc.insecure_channel(doorway.address) as channel, halted_disk(doorway) as back:
        torn = agents[0].open(channel, *batches["host-a"])
        eventually(lambda: doorway.waiting_bytes("host-a") > LIMITS.pending_bytes_per_agent, "the first agent is at its bound")
        torn.cancel()
        calls = [agent.open(channel, *batches[agent.agent_id]) for agent in agents]
        eventually(lambda: doorway.status.pending_bytes >= LIMITS.pending_bytes, "the common bound is reached")
        most = []
        for _ in range(40):
            most.append([doorway.status.pending_bytes, *(doorway.waiting_bytes(agent.agent_id) for agent in agents)])
            threading.Event().wait(0.025)
        total, *each = (max(column) for column in zip(*most, strict=True))
        assert total <= LIMITS.pending_bytes + 2 * LARGEST
        assert max(each) <= LIMITS.pending_bytes_per_agent + LARGEST
        assert doorway.store.streams() == []
        back.set()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda agent, call: heard(call, Ack(agent.epoch_ns, 7)), agents, calls))
        eventually(lambda: doorway.status.pending_bytes == 0, "nothing waits any more")
        streams = {stream.agent_id: stream for stream in doorway.store.streams()}
        assert [streams[agent.agent_id].batch_count for agent in agents] == [8, 8]
        assert streams["host-b"].duplicate_count == 0
        for call in calls:
            call.cancel()


def test_a_small_agent_is_not_held_up_by_a_large_one(tmp_path: Path) -> None:
    """While one agent is at its own bound, the batches and clock probes of another are taken."""
    large, small = Agent("host-a"), Agent("host-b")
    with Doorway(tmp_path, limits=LIMITS) as doorway, grpc.insecure_channel(doorway.address) as channel, halted_disk(doorway) as back:
        pushing = large.open(channel, *(bulky(large, seq, SIZE) for seq in range(4)))
        eventually(lambda: doorway.waiting_bytes("host-a") > LIMITS.pending_bytes_per_agent, "the large agent is at its bound")
        call, sending = small.speak(channel)
        next(call)
        sending.put(small.batch(0, begin_ns=small.epoch_ns))
        sending.put(ClockProbe(1, 5))
        answer = convert.parse_response(next(call))
        assert isinstance(answer, ClockReply)
        assert doorway.waiting_bytes("host-b") > 0
        back.set()
        assert heard(call, Ack(small.epoch_ns, 0))
        heard(pushing, Ack(large.epoch_ns, 3))
        for one in (call, pushing):
            one.cancel()


def test_batches_on_their_way_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are, only so many of a stream are read before one is durable; then all are taken."""
    monkeypatch.setattr(connection, "ON_WAY_LIMIT", 2)
    agent = Agent()
    batches = [agent.batch(seq, begin_ns=agent.epoch_ns) for seq in range(5)]
    most = sum(len(batch.body) for batch in batches[:2])
    with Doorway(tmp_path) as doorway, grpc.insecure_channel(doorway.address) as channel, halted_disk(doorway) as back:
        call = agent.open(channel, *batches)
        eventually(lambda: doorway.waiting_bytes("host-a") == most, "two batches are read")
        threading.Event().wait(0.1)
        assert doorway.waiting_bytes("host-a") == most
        back.set()
        heard(call, Ack(agent.epoch_ns, 4))
        call.cancel()
