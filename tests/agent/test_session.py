"""What a stream says next, pulled by hand as gRPC does, on a clock that moves only when told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from joulemark.agent.clock import ClockTracker
from joulemark.agent.clock_fit import BURST
from joulemark.agent.session import STALL_S, Session
from joulemark.agent.spool import Spool, Stored
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Batch, ClockProbe, ClockReply, ClockState, Directive, FrozenBatch, Hello, Welcome
from joulemark.units import NS_PER_MS, NS_PER_S


class Stream:
    """A session and what it said."""

    def __init__(self, spool: Spool, clock: Any, window: int = 2) -> None:
        self.spool, self.clock, self.epoch_ns = spool, clock, spool.new_epoch()
        self.tracker = ClockTracker(clock, boot_id="boot-a")
        self.stalled = False
        hello = Hello("host", self.epoch_ns, "boot-a", "test")
        options: dict[str, Any] = {"spool": spool, "tracker": self.tracker, "clock": clock, "window": window, "probe_period_s": 10.0}
        self.session = Session(hello, **options, on_stall=self.stall)
        self.requests = self.session.requests()

    def stall(self) -> None:
        self.stalled = True

    def says(self) -> Any:
        """The next message, None at the end."""
        raw = next(self.requests, None)
        return None if raw is None else convert.parse_request(raw)

    def hears(self, message: Any) -> Directive | None:
        return self.session.take(convert.response_bytes(message), self.clock.mono_ns())

    def burst(self) -> None:
        """Answer the clock probes that come first, two milliseconds each."""
        for _ in range(BURST):
            probe = self.says()
            assert isinstance(probe, ClockProbe)
            self.clock.advance(2 * NS_PER_MS)
            self.hears(ClockReply(probe.probe_id, probe.t1_ns, probe.t1_ns + NS_PER_MS, probe.t1_ns + NS_PER_MS))

    def put(self, count: int) -> None:
        for seq in range(count):
            self.spool.append(Stored(self.epoch_ns, seq, convert.freeze(Batch(self.epoch_ns, seq, "boot-a", 7, ClockState(), {}))))
        self.session.appended()


@pytest.fixture
def stream(spool: Spool, manual_clock: Any) -> Iterator[Stream]:
    one = Stream(spool, manual_clock)
    yield one
    one.session.close()


def test_hello_comes_first_then_probes_then_batches_within_the_window(stream: Stream) -> None:
    """After Hello and Welcome a burst of probes is measured, then no more batches go out than the window holds."""
    stream.put(3)
    assert isinstance(stream.says(), Hello)
    stream.hears(Welcome("test", "another boot"))
    stream.burst()
    assert stream.tracker.state(stream.clock.utc_ns() - stream.clock.mono_ns()).offset_known
    sent = [convert.decode(stream.says().body).batch_seq for _ in range(2)]
    assert sent == [0, 1]
    stream.hears(Ack(stream.epoch_ns, 0))
    third = stream.says()
    assert isinstance(third, FrozenBatch)
    assert convert.decode(third.body).batch_seq == 2
    assert stream.spool.batch_count() == 2


def test_a_probe_without_an_answer_ends_the_stream(stream: Stream) -> None:
    """A collector that stays silent for longer than the stall limit is given up, whatever TCP believes."""
    stream.says()
    stream.hears(Welcome("test", "another boot"))
    assert isinstance(stream.says(), ClockProbe)
    stream.clock.advance(round(STALL_S * NS_PER_S) + NS_PER_MS)
    assert stream.says() is None
    assert stream.stalled


def test_a_pause_is_a_directive_and_is_handed_on(stream: Stream) -> None:
    """retry_after_ms holds batches back until then; the directive reaches whoever obeys the rest of it."""
    stream.says()
    stream.hears(Welcome("test", "another boot"))
    stream.burst()
    directive = Directive(retry_after_ms=5000, read_now=True)
    assert stream.hears(directive) == directive
    assert stream.session.paused_until_ns == stream.clock.mono_ns() + 5000 * NS_PER_MS


def test_a_closed_session_says_nothing_more(stream: Stream) -> None:
    """Closing ends the requests although batches wait: they stay in the spool."""
    stream.put(1)
    stream.says()
    stream.session.close()
    assert stream.says() is None
    assert stream.spool.batch_count() == 1
