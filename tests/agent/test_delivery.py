"""The live stream goes to the home of this start; what is older goes to its own home and waits for that alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulemark.agent.clock import ClockTracker
from joulemark.agent.delivery import Delivery
from joulemark.agent.spool import Spool, Stored
from joulemark.config import AgentConfig, Config
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Directive, Hello
from joulemark.timebase import SystemClock


def put(spool: Spool, home: str, count: int) -> int:
    """A new start at `home` with so many empty batches; its epoch."""
    epoch_ns = spool.new_epoch(home)
    for seq in range(count):
        spool.append(Stored(epoch_ns, seq, convert.freeze(Batch(epoch_ns, seq, "boot-a", 7, ClockState(), {}))))
    return epoch_ns


def test_older_starts_go_home_beside_the_live_one(
    tmp_path: Path,
    opened: Callable[..., Spool],
    collector_at: Any,
    free_port: Callable[[], int],
    eventually: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Three starts at three homes, one of which is away: the others get exactly their own, and the live one is not held up.

    When it is back it gets its own too; then nothing but the live stream is left.
    """
    caplog.set_level(logging.WARNING)
    spool, clock = opened(tmp_path / "spool.db"), SystemClock()
    ports = [free_port() for _ in range(3)]
    old, away, home = (f"127.0.0.1:{port}" for port in ports)
    epochs = [put(spool, old, 2), put(spool, away, 3), put(spool, home, 4)]
    collectors = {home: collector_at(ports[2]), old: collector_at(ports[0])}
    directives = list[Directive]()
    delivery = Delivery(
        Config(agent=AgentConfig(agent_id="host", collectors=(old, home), clock_probe_period_s=0.1)),
        Hello("host", epochs[2], "boot-a", "test"),
        home=home,
        spool=spool,
        tracker=ClockTracker(clock, boot_id="boot-a"),
        clock=clock,
        on_directive=directives.append,
        on_welcome=lambda _: None,
    )
    delivery.start()
    try:
        assert delivery.drain(20.0), "the live home has everything that is its own"
        eventually(lambda: spool.batch_count() == 3, "what is left is of the home that is away")
        collectors[away] = collector_at(ports[1])
        eventually(lambda: not spool.batch_count(), "it is back")
    finally:
        delivery.stop()
    assert [set(collectors[one].received) for one in (old, away, home)] == [
        {(epoch, seq) for seq in range(count)} for epoch, count in zip(epochs, (2, 3, 4), strict=True)
    ]
    assert f"3 batches of earlier starts belong to the collector {away} and wait for it alone" in caplog.text
