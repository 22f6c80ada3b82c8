"""A collector of several ingest processes: each takes its agents' batches into its own file, and all is asked and answered as of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from joulemark.collector import listen
from joulemark.collector.store import configured, files
from joulemark.config import CollectorConfig, Config
from joulemark.errors import ConfigError
from joulemark.proto.messages import Ack, Welcome
from tests.collector.conftest import Agent, Collector, S
from tests.collector.test_service import children


def hosts(collector: Collector) -> list[str]:
    """The agents that the pages know."""
    return sorted(host["agent_id"] for host in httpx.get(f"{collector.rest}/v1/hosts").json())


def test_each_process_takes_its_own_and_all_answer_as_one(start_collector: Callable[..., Collector]) -> None:
    """Two processes, an agent each: both stand among the hosts on one axis, and the metrics add up. One that moved has all its readings.

    With one process less nothing is hidden: what the second had acknowledged the first acknowledges, and takes what is new.
    """
    collector, begin_ns = start_collector(ingest_processes=2), time.time_ns() - 60 * S
    assert len(set(collector.ingest)) == 2
    assert collector.grpc == collector.ingest[0]
    agents = [Agent("host-a", begin_ns), Agent("host-b", begin_ns)]
    for agent, address in zip(agents, collector.ingest, strict=True):
        agent.send(address, *(agent.batch(seq, begin_ns=begin_ns + seq * S) for seq in range(3)))
    moved = Agent("host-b", begin_ns + 5 * S)
    moved.send(collector.grpc, *(moved.batch(seq, begin_ns=begin_ns + (5 + seq) * S) for seq in range(2)))
    config = Config(collector=CollectorConfig(data_dir=collector.folder / "data"))
    welcomes = [agents[0].converse(address, [], answers=1)[0] for address in collector.ingest]
    assert [one.acks for one in welcomes] == [(Ack(begin_ns, 2),), ()], "each knows what it has itself"
    assert len({one.axis_minus_mono_ns for one in welcomes}) == 1, "one axis"
    assert hosts(collector) == ["host-a", "host-b"]
    assert httpx.get(f"{collector.rest}/readyz").status_code == 200
    told = httpx.get(f"{collector.rest}/metrics").text
    assert "joulemark_batches_total 8\n" in told
    assert "joulemark_samples_total 80\n" in told
    meters = [meter.meter_id for meter in moved.device.meters]
    assert [len(one) for one in configured.readings(config).series(meters, 0, 2**62)] == [50, 50]
    assert collector.stop() == 0
    collector.start(ingest_processes=1)
    assert hosts(collector) == ["host-a", "host-b"]
    (welcome,) = agents[1].converse(collector.grpc, [], answers=1)
    assert isinstance(welcome, Welcome)
    assert welcome.acks == (Ack(begin_ns, 2), Ack(moved.epoch_ns, 1))
    agents[1].send(collector.grpc, agents[1].batch(3, begin_ns=begin_ns + 3 * S))
    assert [len(one) for one in configured.readings(config).series(meters, 0, 2**62)] == [60, 60]


def test_a_process_that_dies_ends_the_collector(start_collector: Callable[..., Collector]) -> None:
    """The second ingest process is killed: status 5, its name, and nothing that stays."""
    collector = start_collector(ingest_processes=2)
    family = children(collector)
    assert len(family) == 3
    family[1].kill()
    assert collector.close() == 5
    assert "the ingest-1 process of the collector ended by itself" in (collector.folder / "log").read_text()
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_ports_follow_the_configured_one() -> None:
    """N ports from the configured one on; those that are not there, or that the pages have, are refused by name."""

    def of(port: int, count: int, *, rest: str = "127.0.0.1:7471") -> list[str]:
        return listen.grpc_addresses(Config(collector=CollectorConfig(f"127.0.0.1:{port}", rest, Path(), ingest_processes=count)))

    assert of(7470, 1) == ["127.0.0.1:7470"]
    assert of(7472, 3) == ["127.0.0.1:7472", "127.0.0.1:7473", "127.0.0.1:7474"]
    assert of(0, 2) == ["127.0.0.1:0"] * 2
    assert of(7470, 2, rest="127.0.0.9:7471") == ["127.0.0.1:7470", "127.0.0.1:7471"]
    for port, count, rest, text in (
        (65_535, 2, "127.0.0.1:1", "65536"),
        (7470, 2, "127.0.0.1:7471", "7471"),
        (7470, 2, "0.0.0.0:7471", "7471"),
    ):
        with pytest.raises(ConfigError, match=text):
            of(port, count, rest=rest)
    for count in (0, 65):
        with pytest.raises(ConfigError, match="ingest_processes"):
            of(7000, count)


def test_the_first_file_keeps_its_name() -> None:
    """A collector that grows goes on with the file it has."""
    assert [files.path_of(Path("d"), number) for number in (0, 1, 12)] == [Path(f"d/{n}") for n in NAMES]


NAMES = ("readings.db", "readings-1.db", "readings-12.db")
