"""Every limit of the ingest door: what it does to an agent that exceeds it, in words and in the metrics."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.collector.limits import Account, Bucket, Waiting
from joulemark.config import LimitsConfig
from joulemark.proto import convert
from joulemark.proto.messages import STREAM_METHOD, Ack, ClockProbe, ClockReply, Directive, FrozenBatch, Welcome
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quantity
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway, bulky, refusal_of, refused
from tests.waiting import eventually

S = 1_000_000_000
EXHAUSTED, INVALID, TIMED_OUT = (
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)


def many_meters(agent: Agent, count: int) -> FrozenBatch:
    """A batch that describes one device with `count` meters."""
    name = agent.device.device_id
    meters = tuple(MeterInfo(f"{name}:p{i}", "fake", Quantity.POWER, -3, Boundary.GPU) for i in range(count))
    return agent.description(0, DeviceInfo(name, meters))


def bare_devices(agent: Agent, count: int) -> FrozenBatch:
    """A batch with samples of `count` devices that nobody described."""
    one = convert.decode(agent.batch(0, begin_ns=S).body)
    batch = pb.Batch(epoch_ns=one.epoch_ns)
    block = pb.Batch.FromString(agent.batch(0, begin_ns=S).body).blocks[0]
    for number in range(count):
        batch.blocks.add().CopyFrom(block)
        batch.blocks[-1].device_id = f"fake:{agent.agent_id}:{number}"
    body = batch.SerializeToString()
    return FrozenBatch(body, hashlib.sha256(body).digest())


@pytest.mark.parametrize(
    ("limits", "make", "code", "named"),
    [
        ({"max_batch_bytes": 65_536}, lambda agent: bulky(agent, 0, 65_536), INVALID, True),
        ({"max_samples_per_batch": 9}, lambda agent: agent.batch(0, begin_ns=S), INVALID, True),
        ({"meters_per_agent": 4}, lambda agent: many_meters(agent, 5), EXHAUSTED, False),
        ({"meters_per_agent": 4}, lambda agent: bare_devices(agent, 5), EXHAUSTED, False),
    ],
    ids=["max_batch_bytes", "max_samples_per_batch", "meters_per_agent", "meters_per_agent undescribed"],
)
def test_a_batch_beyond_a_limit_is_refused(tmp_path: Path, limits: Any, make: Any, code: grpc.StatusCode, named: bool) -> None:
    """The words name what, the limit and the key to raise; the metric has the key's name; nothing is stored. A batch that can never
    fit is named by its hash; one that fits when somebody acts is not.
    """
    (key,) = limits
    agent = Agent()
    batch = make(agent)
    with Doorway(tmp_path, limits=LimitsConfig(**limits)) as doorway:
        found, details, sha256 = refused(doorway, agent, batch)
        assert (found, sha256) == (code, batch.sha256.hex() if named else "")
        assert all(word in details for word in (str(limits[key]), f"limits.{key}")), details
        assert doorway.status.refused == {key: 1}
        assert doorway.store.streams() == []


def test_a_welcome_says_the_largest_batch(tmp_path: Path) -> None:
    """The agent is told the limit before it sends."""
    with Doorway(tmp_path, limits=LimitsConfig(max_batch_bytes=70_000)) as doorway:
        (welcome,) = Agent().converse(doorway.address, [], answers=1)
        assert (type(welcome), welcome.max_batch_bytes) == (Welcome, 70_000)


def test_no_more_agents_than_allowed(tmp_path: Path) -> None:
    """One agent too many is asked to come later and told why; a place that becomes free is given away; a reconnect needs none."""
    agents = [Agent(f"host-{i}", epoch_ns=S) for i in range(3)]
    with Doorway(tmp_path, limits=LimitsConfig(max_agents=2)) as doorway, grpc.insecure_channel(doorway.address) as channel:
        calls = [agent.open(channel) for agent in agents[:2]]
        for call in calls:
            next(call)
        again = agents[1].open(channel)
        assert isinstance(convert.parse_response(next(again)), Welcome)
        late = agents[2].open(channel)
        assert convert.parse_response(next(late)) == Directive(retry_after_ms=30_000)
        code, details, _ = refusal_of(late)
        assert (code, "limits.max_agents" in details) == (EXHAUSTED, True)
        assert doorway.status.refused == {"max_agents": 1}
        calls[0].cancel()
        eventually(lambda: doorway.status.agent_count == 1, "one has left")
        assert isinstance(agents[2].converse(doorway.address, [], answers=1)[0], Welcome)
        again.cancel()


def test_streams_without_a_hello_are_counted_too(tmp_path: Path) -> None:
    """Four silent streams for each agent that may be connected are borne until their time is over; the next one is refused at once."""
    limits = LimitsConfig(max_agents=1, hello_timeout_s=2.0)
    with Doorway(tmp_path, limits=limits) as doorway, grpc.insecure_channel(doorway.address) as channel:
        silent = [channel.stream_stream(STREAM_METHOD)(iter(lambda: time.sleep(4) or b"", b"")) for _ in range(5)]
        codes = [refusal_of(call)[0] for call in silent]
        assert sorted(codes, key=str) == [TIMED_OUT] * 4 + [EXHAUSTED]
        assert doorway.status.refused == {"hello_timeout_s": 4, "max_agents": 1}
        assert isinstance(Agent().converse(doorway.address, [], answers=1)[0], Welcome)


def test_who_says_nothing_is_closed(tmp_path: Path) -> None:
    """A stream without Hello, and one that falls silent after it, end in their time with words that name the key."""
    limits = LimitsConfig(hello_timeout_s=0.3, idle_timeout_s=0.5)
    with Doorway(tmp_path, limits=limits) as doorway, grpc.insecure_channel(doorway.address) as channel:
        begin_s = time.monotonic()
        silent = channel.stream_stream(STREAM_METHOD)(iter(lambda: time.sleep(5) or b"", b""))
        assert (refusal_of(silent)[0], time.monotonic() - begin_s < 4) == (TIMED_OUT, True)
        code, details, _ = refusal_of(Agent().open(channel))
        assert (code, "0.5 s" in details, "clock_probe_period_s" in details) == (TIMED_OUT, True, True)
        assert doorway.status.refused == {"hello_timeout_s": 1, "idle_timeout_s": 1}
        assert doorway.status.agent_count == 0


@pytest.mark.parametrize(
    ("limit", "limits", "size"),
    [
        ("batches_per_s", {"batches_per_s": 20.0, "burst_s": 0.1}, 100),
        ("bytes_per_s", {"bytes_per_s": 1_000_000.0, "burst_s": 0.1}, 60_000),
    ],
)
def test_who_sends_too_fast_is_made_to_wait(tmp_path: Path, limit: str, limits: Any, size: int) -> None:
    """Beyond its pace an agent is asked to pause and not read from; every batch is acknowledged in the end, none before its time."""
    agent, count = Agent(), 22
    batches = [bulky(agent, seq, size) for seq in range(count)]
    with Doorway(tmp_path, limits=LimitsConfig(**limits)) as doorway, grpc.insecure_channel(doorway.address) as channel:
        begin_s = time.monotonic()
        answers = []
        call = agent.open(channel, *batches)
        while not answers or answers[-1] != Ack(agent.epoch_ns, count - 1):
            answers.append(convert.parse_response(next(call)))
        took_s = time.monotonic() - begin_s
        call.cancel()
        pauses = [answer for answer in answers if isinstance(answer, Directive)]
        assert took_s > 0.8
        assert pauses
        assert all(0 < pause.retry_after_ms < 1000 for pause in pauses)
        assert doorway.status.refused == {limit: len(pauses)}
        assert doorway.store.streams()[0].batch_count == count


def test_clock_probes_have_the_pace_of_batches(tmp_path: Path) -> None:
    """An agent that asks for the time without end is answered no faster than it may send batches: the collector has others to serve."""
    limits = LimitsConfig(batches_per_s=20.0, burst_s=0.1)
    with Doorway(tmp_path, limits=limits) as doorway, grpc.insecure_channel(doorway.address) as channel:
        begin_s = time.monotonic()
        answers = [convert.parse_response(raw) for raw in Agent().open(channel, *(ClockProbe(i, 1) for i in range(22)), None)]
        assert time.monotonic() - begin_s > 0.8
        assert sum(isinstance(answer, ClockReply) for answer in answers) == 22
        assert doorway.status.refused["batches_per_s"] > 10


def test_the_share_of_the_disk_is_bounded(tmp_path: Path) -> None:
    """Beyond its stored bytes an agent is refused and asked to wait, also after a reconnect; another agent is not concerned."""
    agent, other = Agent(), Agent("host-b")
    batches = [bulky(agent, seq, 40_000) for seq in range(3)]
    with Doorway(tmp_path, limits=LimitsConfig(stored_bytes_per_agent=65_536)) as doorway:
        code, details, named = refused(doorway, agent, *batches)
        assert (code, named, "limits.stored_bytes_per_agent" in details) == (EXHAUSTED, "", True)
        eventually(lambda: doorway.store.acks("host-a") == [Ack(agent.epoch_ns, 1)], "what was taken before is stored")
        with grpc.insecure_channel(doorway.address) as channel:
            call, sending = agent.speak(channel)
            next(call)
            sending.put(batches[2])
            assert convert.parse_response(next(call)) == Directive(retry_after_ms=30_000)
            assert refusal_of(call)[0] is EXHAUSTED
        other.send(doorway.address, bulky(other, 0, 40_000))
        assert doorway.status.refused == {"stored_bytes_per_agent": 2}
        assert {stream.agent_id: stream.batch_count for stream in doorway.store.streams()} == {"host-a": 2, "host-b": 1}


def test_a_bucket_gives_its_burst_and_then_its_pace() -> None:
    """Ten per second with a burst of two seconds: twenty at once, then one each tenth of a second, and never more than the burst saved."""
    bucket = Bucket(per_s=10.0, burst_s=2.0, at_ns=0)
    assert [bucket.take(1, 0) for _ in range(20)] == [0.0] * 20
    assert bucket.take(1, 0) == pytest.approx(0.1)
    assert bucket.take(1, S // 10) == pytest.approx(0.1)
    assert bucket.take(20, 1000 * S) == 0.0
    assert bucket.take(5, 1000 * S) == pytest.approx(0.5)


def test_an_account_is_kept_while_it_says_something() -> None:
    """A reconnect gains nothing: the account is forgotten only when its buckets must be full again."""
    account = Account(LimitsConfig(burst_s=1.0), 0)
    assert account.pace(10**6, 0)[1] == 0.0
    assert not account.is_fresh(2 * S)
    assert account.is_fresh(3 * S)
    assert account.pace(10**9, 3 * S)[0] == "bytes_per_s"


def test_room_is_given_when_bytes_become_durable() -> None:
    """A full agent waits for its own bytes, everybody for the total, and nobody else; what is released is forgotten."""
    waiting = Waiting(LimitsConfig(pending_bytes_per_agent=65_536, pending_bytes=100_000))

    async def admitted(agent_id: str) -> bool:
        try:
            await asyncio.wait_for(waiting.room(agent_id), 0.05)
        except TimeoutError:
            return False
        return True

    async def follow() -> list[bool]:
        waiting.add("a", 70_000)
        found = [await admitted("a"), await admitted("b")]
        waiting.add("b", 40_000)
        found += [await admitted("c")]
        asyncio.get_running_loop().call_later(0.01, waiting.release, "a", 70_000)
        return [*found, await admitted("c"), await admitted("a")]

    assert asyncio.run(follow()) == [False, True, False, True, True]
    waiting.release("b", 40_000)
    assert (waiting.total_bytes, waiting.by_agent) == (0, {})
