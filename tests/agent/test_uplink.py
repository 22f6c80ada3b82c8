from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.agent.clock import ClockTracker
from joulemark.agent.spool import Spool
from joulemark.agent.uplink import Uplink
from joulemark.config import AgentConfig, Config, TlsConfig
from joulemark.proto.messages import Directive, Hello
from joulemark.timebase import SystemClock
from tests import certificates
from tests.agent.link import Link

Eventually = Callable[..., None]


def test_delivered_and_acknowledged_batches_leave_the_spool(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> None:
    """What waits and what comes later is delivered in order, each once, and the spool is empty when all is acknowledged."""
    port = free_port()
    collector = collector_at(port)
    link = link_of(port)
    link.put(20)
    link.uplink.start()
    eventually(lambda: link.spool.batch_count() == 0, "the first twenty are delivered")
    link.put(20)
    assert link.uplink.drain(10.0)
    assert collector.received == [(link.epoch_ns, seq) for seq in range(40)]


@pytest.fixture
def unacknowledged(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> tuple[int, Link, Any]:
    """(port, agent's end, collector): the collector took ten batches, acknowledged none, and is gone."""
    port = free_port()
    mute = collector_at(port, mute=True)
    link = link_of(port)
    link.put(10)
    link.uplink.start()
    eventually(lambda: len(mute.received) == 10, "ten batches arrive")
    mute.stop()
    return port, link, mute


def test_unacknowledged_batches_are_sent_again_byte_for_byte(
    unacknowledged: tuple[int, Link, Any], collector_at: Any, eventually: Eventually
) -> None:
    """A collector that received but never acknowledged is killed; the next one gets the same keys with the same bytes."""
    port, link, mute = unacknowledged
    link.put(5)
    honest = collector_at(port)
    eventually(lambda: link.spool.batch_count() == 0, "all fifteen are delivered to the second collector")
    assert {key: honest.bodies[key] for key in mute.bodies} == mute.bodies
    assert sorted(honest.bodies) == [(link.epoch_ns, seq) for seq in range(15)]


def test_welcome_spares_what_is_already_stored(unacknowledged: tuple[int, Link, Any], collector_at: Any, eventually: Eventually) -> None:
    """Batches that were stored though their acknowledgement was lost are deleted at the next greeting and not sent again."""
    port, link, mute = unacknowledged
    remembering = collector_at(port, bodies=dict(mute.bodies))
    link.put(3)
    eventually(lambda: link.spool.batch_count() == 0, "the spool is empty")
    assert remembering.received == [(link.epoch_ns, seq) for seq in (10, 11, 12)]


def test_epochs_are_delivered_in_order(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> None:
    """What an earlier start of the agent left is delivered before the new, under its own epoch."""
    port = free_port()
    old, new = link_of(port), link_of(port)
    old.put(5)
    new.put(5)
    collector = collector_at(port)
    new.uplink.start()
    eventually(lambda: new.spool.batch_count() == 0, "both epochs are delivered")
    assert collector.received == [(old.epoch_ns, n) for n in range(5)] + [(new.epoch_ns, n) for n in range(5)]


def test_window_limits_what_is_on_the_way(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> None:
    """Without acknowledgements no more than the window is sent."""
    port = free_port()
    mute = collector_at(port, mute=True)
    link = link_of(port, window=4)
    link.put(20)
    link.uplink.start()
    eventually(lambda: link.tracker.state(0).probe_count >= 16, "the stream is alive for two bursts")
    assert len(mute.received) == 4


def test_pause_is_kept(link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually) -> None:
    """After retry_after_ms no batch is sent for that time, while the clock is probed on."""
    port = free_port()
    collector = collector_at(port)
    link = link_of(port)
    link.uplink.start()
    collector.ask(Directive(retry_after_ms=1500))
    eventually(lambda: link.directives, "the directive arrives")
    asked_ns = SystemClock().mono_ns()
    link.put(1)
    eventually(lambda: link.spool.batch_count() == 0, "the batch is delivered after the pause")
    assert SystemClock().mono_ns() - asked_ns > 1_300_000_000


def test_exhausted_collector_is_tried_again(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """RESOURCE_EXHAUSTED loses nothing: the batch stays, is reported once, and is delivered when there is room."""
    port = free_port()
    collector = collector_at(port)
    collector.refuse = grpc.StatusCode.RESOURCE_EXHAUSTED
    link = link_of(port)
    link.put(3)
    with caplog.at_level(logging.INFO):
        link.uplink.start()
        eventually(lambda: len(collector.hellos) >= 3, "it comes back after refusals")
        assert link.spool.batch_count() == 3
        collector.refuse = None
        eventually(lambda: link.spool.batch_count() == 0, "all is delivered")
    assert "resource_exhausted: no room" in caplog.text


def test_unreachable_collector_is_reported_once(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is tried, an absent collector is one warning that names the spool; its return is one line too."""
    port = free_port()
    link = link_of(port)
    link.put(2)
    with caplog.at_level(logging.INFO):
        link.uplink.start()
        assert not link.uplink.drain(5.0)
        eventually(lambda: link.uplink._backoff.failures >= 3, "three attempts")
        collector_at(port)
        eventually(lambda: link.spool.batch_count() == 0, "delivered after all")
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
    assert str(link.spool.path) in caplog.records[0].message
    assert "is back after" in caplog.records[1].message


def test_certificate_that_is_away_for_a_moment(
    spool: Spool, tmp_path: Path, free_port: Callable[[], int], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """A certificate file that is missing while it is renewed is reported, and the one before serves meanwhile."""
    made, clock = certificates.authority(tmp_path / "ca"), SystemClock()
    tls = TlsConfig(ca_file=made.certificate_file)
    config = Config(agent=AgentConfig(agent_id="host", collector=f"127.0.0.1:{free_port()}"), tls=tls)
    hello, tracker = Hello("host", 1, "boot-a", "test"), ClockTracker(clock, boot_id="boot-a")
    uplink = Uplink(config, hello, spool=spool, tracker=tracker, clock=clock, on_directive=print)
    uplink.start()
    made.certificate_file.unlink()
    try:
        eventually(lambda: uplink._backoff.failures >= 3, "it goes on trying")
    finally:
        uplink.stop()
    assert caplog.text.count("the ones before stay in use: tls.ca_file: cannot read") == 1


def test_proxy_is_not_asked_for_loopback(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy of the environment would carry plaintext off this machine: the stream goes straight to the collector."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    port = free_port()
    collector_at(port)
    link = link_of(port)
    link.put(1)
    link.uplink.start()
    assert link.uplink.drain(10.0)


def test_probes_find_the_offset(
    link_of: Callable[..., Link], collector_at: Any, free_port: Callable[[], int], eventually: Eventually
) -> None:
    """Against a collector on the same clock the measured offset is zero within a bound below 50 ms."""
    port = free_port()
    collector_at(port)
    link = link_of(port)
    link.uplink.start()
    eventually(lambda: link.tracker.state(0).offset_known, "a burst is answered")
    clock = SystemClock()
    state = link.tracker.state(clock.utc_ns() - clock.mono_ns())
    assert abs(state.offset_ns) <= state.bound_ns + 100_000
    assert 0 < state.bound_ns < 50_000_000
