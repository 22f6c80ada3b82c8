"""What an agent does when the collector says no: it keeps what it may deliver later, and lets nothing block the way for ever."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.service import Agent as Service
from joulemark.agent.spool import Spool
from joulemark.config import AgentConfig, Config, LimitsConfig, MeterTable, SpoolConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Directive
from joulemark.readings import DeviceInfo, Sample
from tests.agent.link import Link
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway

Eventually = Callable[..., None]
Links = Callable[..., Link]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "refuses this agent (permission_denied: no room)"),
        (grpc.StatusCode.ALREADY_EXISTS, "refuses this agent (already_exists: no room)"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "refuses this agent (resource_exhausted: no room)"),
        (grpc.StatusCode.INVALID_ARGUMENT, "refuses this agent (invalid_argument: no room)"),
        (grpc.StatusCode.DATA_LOSS, "is away (data_loss: no room)"),
        (grpc.StatusCode.INTERNAL, "is away (internal: no room)"),
    ],
)
def test_a_refused_stream_loses_nothing(
    link_of: Links,
    collector_at: Any,
    free_port: Callable[[], int],
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    code: grpc.StatusCode,
    words: str,
) -> None:
    """Refused after each welcome, the agent comes again with growing waits, says so once with the reason and the spool, and delivers
    when it is let in.
    """
    port = free_port()
    collector = collector_at(port)
    collector.refuse = code
    link = link_of(port)
    link.put(3)
    with caplog.at_level(logging.INFO, "joulemark.agent"):
        link.uplink.start()
        eventually(lambda: len(collector.hellos) >= 3, "it comes back after refusals")
        assert link.spool.batch_count() == 3
        assert link.uplink._backoff.failures >= 2
        (said,) = [r.message for r in caplog.records if r.levelno == logging.WARNING]
        assert words in said
        assert str(link.spool.path) in said
        collector.refuse = None
        eventually(lambda: link.spool.batch_count() == 0, "all is delivered")
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


def test_a_collector_that_asks_for_time_is_given_it(
    link_of: Links, collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> None:
    """retry_after_ms before the end of the stream holds the next stream back for at least that long."""
    port = free_port()
    collector = collector_at(port)
    collector.refuse = grpc.StatusCode.RESOURCE_EXHAUSTED
    collector.ask(Directive(retry_after_ms=1200))
    link = link_of(port)
    link.put(1)
    link.uplink.start()
    eventually(lambda: link.directives, "the directive arrives")
    asked_s = time.monotonic()
    eventually(lambda: len(collector.hellos) >= 2, "it comes again")
    assert time.monotonic() - asked_s > 1.1


def test_a_batch_that_is_refused_for_ever_does_not_block_the_others(
    link_of: Links, tmp_path: Path, sample_of: Callable[..., Sample], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """At a real collector: two batches beyond its limit are set aside with their bytes, counted with dates and told in the log once;
    every other batch is delivered.
    """
    with Doorway(tmp_path, limits=LimitsConfig(max_samples_per_batch=5)) as doorway:
        link = link_of(doorway.port)
        bodies = [link.put_samples(tuple(sample_of(9 * batch + i) for i in range(9 if batch in (2, 3) else 4))) for batch in range(6)]
        link.uplink.start()
        eventually(lambda: link.spool.batch_count() == 0, "nothing blocks the spool")
        assert doorway.store.acks("host") == [Ack(link.epoch_ns, 5)]
        assert doorway.store.streams()[0].batch_count == 4
        assert doorway.status.refused == {"max_samples_per_batch": 2}
        (loss,) = link.spool.losses()
        first_ns, last_ns = (sample_of(seq).t_read0_ns + sample_of(seq).utc_minus_mono_ns for seq in (18, 35))
        assert (loss.sample_count, loss.first_ns, loss.last_ns - 2000) == (18, first_ns, last_ns)
        assert loss.reason == "refused by the collector: max_samples_per_batch"
        files = [link.spool.path.with_name(f"spool.db.refused-{link.epoch_ns}-{seq}") for seq in (2, 3)]
        assert [file.read_bytes() for file in files] == [body.body for body in bodies[2:4]]
        told = [r.message for r in caplog.records if r.levelno == logging.ERROR]
        assert len(told) == 2
        assert all(word in told[0] for word in ("limits.max_samples_per_batch", "9 samples", files[0].name))
        assert told[1].startswith("2 batches in all")


def test_a_fenced_agent_waits_for_its_turn(
    link_of: Links, tmp_path: Path, sample_of: Callable[..., Sample], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """While another spool delivers under its name an agent keeps its readings and says once whom it met; then it delivers."""
    other = Agent("host", epoch_ns=1, instance_id="aa")
    with Doorway(tmp_path) as doorway, grpc.insecure_channel(doorway.address) as channel:
        call, sending = other.speak(channel)
        next(call)
        link = link_of(doorway.port)
        link.put_samples((sample_of(0),))
        link.uplink.start()
        eventually(lambda: doorway.status.refused.get("fenced", 0) >= 3, "it is refused again and again")
        sending.put(other.batch(0, begin_ns=10**18))
        assert convert.parse_response(next(call)) == Ack(1, 0)
        assert link.spool.batch_count() == 1
        (said,) = [r.message for r in caplog.records if r.name == "joulemark.agent"]
        assert all(word in said for word in ("already_exists", "spool aa", "spool unknown", "agent.agent_id", str(link.spool.path)))
        call.cancel()
        eventually(lambda: link.spool.batch_count() == 0, "it delivers")


def test_readings_of_another_host_stay_in_the_spool(
    link_of: Links, tmp_path: Path, sample_of: Callable[..., Sample], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """What a collector refuses because of a name that somebody can mend is not set aside: agent_id changed while readings waited."""
    with Doorway(tmp_path) as doorway:
        link = link_of(doorway.port)
        link.put_samples((sample_of(0, device_id="fake:old-name:0"),))
        link.uplink.start()
        eventually(lambda: doorway.status.refused.get("device", 0) >= 2, "it is refused again and again")
        assert (link.spool.batch_count(), link.spool.losses()) == (1, ())
        assert doorway.store.streams() == []
    (said,) = [r.message for r in caplog.records if r.name == "joulemark.agent" and "permission_denied" in r.message]
    assert all(word in said for word in ("'fake:old-name:0'", "agent.agent_id", "until the spool is empty"))


def test_one_round_that_was_refused_is_no_success(tmp_path: Path) -> None:
    """`agent run --once` does not report as delivered what the collector will never take."""
    with Doorway(tmp_path, limits=LimitsConfig(max_samples_per_batch=1)) as doorway:
        agent = AgentConfig(agent_id="host", collector=f"127.0.0.1:{doorway.port}")
        meters = (MeterTable("fake", {"devices": 2}),)
        config = Config(agent=agent, spool=SpoolConfig(tmp_path / "one" / "spool.db"), meters=meters)
        with pytest.raises(EnvironmentFailed, match=r"refused 2 samples"):
            Service(config).run_once()


def test_batches_become_as_small_as_the_collector_wants(
    link_of: Links, tmp_path: Path, spool: Spool, batcher_of: Callable[..., Batcher], device: DeviceInfo, sample_of: Callable[..., Sample]
) -> None:
    """The largest batch of the welcome reaches whoever makes batches, and later batches are divided to fit."""
    with Doorway(tmp_path, limits=LimitsConfig(max_batch_bytes=65_536)) as doorway:
        link = link_of(doorway.port)
        link.uplink.start()
        assert link.uplink.drain(5.0)
        while not link.welcomes:
            time.sleep(0.01)
    assert link.welcomes[0].max_batch_bytes == 65_536
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    batcher.limit(65_536)
    batcher.add(sample_of(seq) for seq in range(1000))
    assert batcher.close() > 4
    assert all(len(stored.frozen.body) < 65_536 for stored in spool.claim((-1, -1), 99))
    assert sum(convert.decode(s.frozen.body).blocks[0].row_count for s in spool.claim((-1, -1), 99)) == 1000
