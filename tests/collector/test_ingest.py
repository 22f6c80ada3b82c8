"""The stream of an agent at a real collector."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import grpc
import httpx
import pytest

from joulemark.collector.ingest import seal_forever, served
from joulemark.collector.store.base import ChunkStore
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import CollectorConfig, Config, LimitsConfig
from joulemark.proto.messages import Ack, Directive, Welcome
from joulemark.timebase import SystemClock
from tests.collector.conftest import Agent, Collector
from tests.collector.store.conftest import batch, count

S = 1_000_000_000


def refusal(agent: Agent, address: str, *messages: object) -> tuple[grpc.StatusCode, str]:
    """How the collector ends a stream that begins with `messages`."""
    with pytest.raises(grpc.RpcError) as caught:
        agent.converse(address, list(messages), answers=3)
    error = caught.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details() or ""


def test_what_was_acknowledged_survives_a_kill(collector: Collector) -> None:
    """Kill -9 right after the ack loses nothing: the restarted collector welcomes the agent with that ack and has the readings."""
    agent = Agent()
    begin_ns = time.time_ns()
    agent.send(collector.grpc, agent.batch(0, begin_ns=begin_ns), agent.batch(1, begin_ns=begin_ns + S))
    collector.kill()
    collector.start()
    welcome = agent.converse(collector.grpc, [], answers=1)[0]
    assert isinstance(welcome, Welcome)
    assert welcome.acks == (Ack(agent.epoch_ns, 1),)
    query = {"meter": f"{agent.device.device_id}:power", "from_ns": begin_ns - S, "to_ns": begin_ns + 3 * S}
    series = httpx.get(f"{collector.rest}/v1/readings", params=query).json()[0]
    assert len(series["t_ns"]) == 20
    assert series["value"] == [200_000] * 20


def test_a_batch_sent_again_is_acknowledged_and_counted(collector: Collector, http: httpx.Client) -> None:
    """A duplicate is acknowledged like the first one, stored once, and shows in the metrics."""
    agent = Agent()
    batch = agent.batch(0, begin_ns=time.time_ns())
    agent.send(collector.grpc, batch)
    answers = agent.converse(collector.grpc, [batch], answers=2)
    assert answers[1] == Ack(agent.epoch_ns, 0)
    metrics = http.get("/metrics").text
    assert "joulemark_samples_total 10\n" in metrics
    assert "joulemark_duplicate_batches_total 1\n" in metrics


def test_an_undescribed_device_is_kept_and_asked_about(collector: Collector, http: httpx.Client) -> None:
    """A batch without description is acknowledged, and the agent is asked to describe its devices; then it can be read."""
    agent = Agent()
    begin_ns = time.time_ns()
    answers = agent.converse(collector.grpc, [agent.batch(0, begin_ns=begin_ns, described=False)], answers=3)
    assert set(map(str, answers[1:])) == {str(Ack(agent.epoch_ns, 0)), str(Directive(describe_devices=True))}
    assert http.get("/v1/meters").json() == []
    agent.send(collector.grpc, agent.batch(1, begin_ns=begin_ns + S))
    query = {"meter": f"{agent.device.device_id}:power", "from_ns": begin_ns - S, "to_ns": begin_ns + 3 * S}
    assert len(http.get("/v1/readings", params=query).json()[0]["t_ns"]) == 20


def test_the_later_start_of_an_agent_wins(collector: Collector) -> None:
    """While a later start of the same agent_id is connected, an earlier one is refused."""
    later = Agent(epoch_ns=2 * S)
    with grpc.insecure_channel(collector.grpc) as channel:
        call = later.open(channel)
        next(call)
        code, details = refusal(Agent(epoch_ns=S), collector.grpc)
        assert (code, "agent.agent_id" in details) == (grpc.StatusCode.ALREADY_EXISTS, True)
        assert isinstance(Agent(epoch_ns=3 * S).converse(collector.grpc, [], answers=1)[0], Welcome)
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.ABORTED


def test_spans_are_sealed_while_running(start_collector: Callable[..., Collector], tmp_path: Path) -> None:
    """A running collector turns a finished span into chunks, and the readings stay the same."""
    collector = start_collector(seal_after_s=1.0)
    agent = Agent()
    begin_ns = time.time_ns()
    agent.send(collector.grpc, *(agent.batch(i, begin_ns=begin_ns + i * S) for i in range(3)))
    query = {"meter": f"{agent.device.device_id}:energy", "from_ns": begin_ns - S, "to_ns": begin_ns + 9 * S, "format": "csv"}
    before = httpx.get(f"{collector.rest}/v1/readings", params=query).text
    deadline = time.monotonic() + 20
    while "sealed" not in (collector.folder / "log").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert httpx.get(f"{collector.rest}/v1/readings", params=query).text == before
    assert before.count("\n") == 31


def test_sealing_goes_on_after_the_disk_refused_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A seal that fails is reported, and the next one does its work."""
    path, away = tmp_path / "readings.db", tmp_path / "away.db"
    store = SqliteStore(path, seal_after_ns=10 * S)
    for number in range(35):
        store.append(batch(number)).result()

    async def seal_around_a_failure() -> None:
        path.rename(away)
        sealing = asyncio.create_task(seal_forever(store, SystemClock(), 0.05))
        while "cannot be sealed" not in caplog.text:
            await asyncio.sleep(0.05)
        away.rename(path)
        while count(store, "log") == 35:
            await asyncio.sleep(0.05)
        sealing.cancel()

    asyncio.run(asyncio.wait_for(seal_around_a_failure(), 20))
    store.close()


def test_sealing_goes_on_after_what_nobody_foresaw(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in sealing is in the log with its trace, and the next time is tried all the same."""
    tried = []

    class Mistaken:
        def seal(self, now_ns: int) -> int:
            tried.append(now_ns)
            raise KeyError("a mistake of ours")

    async def seal_thrice() -> None:
        sealing = asyncio.create_task(seal_forever(cast("ChunkStore", Mistaken()), SystemClock(), 0.01))
        while len(tried) < 3:
            assert not sealing.done()
            await asyncio.sleep(0.01)
        sealing.cancel()

    asyncio.run(asyncio.wait_for(seal_thrice(), 20))
    assert "cannot be sealed, and will be tried again" in caplog.text
    assert "a mistake of ours" in caplog.text


def test_the_limits_of_the_configuration_are_kept(tmp_path: Path) -> None:
    """What [limits] says reaches the server that a collector runs: the second agent of one is refused."""
    table = CollectorConfig(grpc_listen="127.0.0.1:0", data_dir=tmp_path)
    config = Config(collector=table, limits=LimitsConfig(max_agents=1))

    def two_agents(port: int) -> tuple[grpc.StatusCode, str]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = Agent("host-a").open(channel)
            next(call)
            try:
                return refusal(Agent("host-b"), f"127.0.0.1:{port}")
            finally:
                call.cancel()

    async def serve() -> tuple[grpc.StatusCode, str]:
        async with served(config, "http://127.0.0.1:9") as port:
            return await asyncio.to_thread(two_agents, port)

    code, details = asyncio.run(serve())
    assert (code, "limits.max_agents" in details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
