"""One stream to the collector, from Hello to its end: what is sent next, and what each answer means.

gRPC pulls `requests` in a thread of its own and so sets the pace; the uplink's thread hands every answer to `take`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from joulemark.agent.clock import ClockTracker
from joulemark.agent.clock_fit import BURST, Exchange, exchange
from joulemark.agent.homes import Outbox
from joulemark.agent.spool import Stored
from joulemark.proto import convert
from joulemark.proto.messages import Ack, ClockProbe, ClockReply, Directive, FrozenBatch, Hello, Welcome
from joulemark.timebase import Clock
from joulemark.units import NS_PER_MS, NS_PER_S

log = logging.getLogger("joulemark.agent")

STALL_S: Final = 30.0
"""A stream on which a probe stays unanswered for so long is dead, whatever TCP believes."""

BEFORE_ALL: Final = (-1, -1)


@dataclass(slots=True)
class Probing:
    """Where the clock probes stand: the next is due at `due_ns`, or the one sent at `sent_mono_ns` waits for its reply."""

    due_ns: int
    probe_id: int = 0
    sent_mono_ns: int | None = None
    burst: list[Exchange] = field(default_factory=list)


class Session:
    """A stream. At most `window` batches are on the way; those without an acknowledgement stay in the spool."""

    def __init__(
        self,
        hello: Hello,
        *,
        spool: Outbox,
        tracker: ClockTracker,
        clock: Clock,
        window: int,
        probe_period_s: float,
        on_stall: Callable[[], object] = lambda: None,
    ) -> None:
        self.on_stall = on_stall
        self.welcome: Welcome | None = None
        self.acknowledged = False
        self.paused_until_ns = 0
        self._hello, self._spool, self._tracker, self._clock = hello, spool, tracker, clock
        self._window, self._probe_period_ns = window, round(probe_period_s * NS_PER_S)
        self._changed = threading.Condition()
        self._closed = False
        self._began_ns = clock.mono_ns()
        self._cursor = BEFORE_ALL
        self._ready: deque[Stored] = deque()
        self._in_flight: deque[tuple[int, int]] = deque()
        self._spool_may_have_more = True
        self._probing = Probing(self._began_ns)

    @property
    def welcomed(self) -> bool:
        """Whether the collector has answered Hello."""
        return self.welcome is not None

    def close(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def appended(self) -> None:
        """The spool has a new batch."""
        with self._changed:
            self._spool_may_have_more = True
            self._changed.notify_all()

    def requests(self) -> Iterator[bytes]:
        """What the agent says, each message as it becomes due."""
        yield convert.request_bytes(self._hello)
        try:
            while (message := self._next()) is not None:
                yield convert.request_bytes(message)
        except sqlite3.Error as error:
            log.error("the spool cannot be read: %s", error)

    def take(self, raw: bytes, t4_mono_ns: int) -> Directive | None:
        """One answer, received at `t4_mono_ns`; a directive is handed back to whom it concerns. Raises FormatError."""
        message = convert.parse_response(raw)
        match message:
            case Welcome():
                self._tracker.welcome(message.boot_id, message.axis_minus_mono_ns)
                self._spool.acknowledge(message.acks)
                with self._changed:
                    self.welcome = message
                    self._changed.notify_all()
            case Ack():
                self._acknowledged(message)
            case ClockReply():
                self._replied(message, t4_mono_ns)
            case Directive():
                if message.retry_after_ms:
                    self.paused_until_ns = self._clock.mono_ns() + message.retry_after_ms * NS_PER_MS
                return message
        return None

    def _next(self) -> ClockProbe | FrozenBatch | None:
        """Wait for the next message to send; None at the end."""
        with self._changed:
            while not self._closed:
                if self._clock.mono_ns() - self._waiting_since_ns() > STALL_S * NS_PER_S:
                    self.on_stall()
                    return None
                if self.welcomed and (message := self._probe() or self._batch()) is not None:
                    return message
                self._changed.wait(self._idle_s())
        return None

    def _waiting_since_ns(self) -> int:
        """Since when an answer is due; now when none is."""
        if not self.welcomed:
            return self._began_ns
        return self._clock.mono_ns() if self._probing.sent_mono_ns is None else self._probing.sent_mono_ns

    def _idle_s(self) -> float:
        """How long nothing can become due by time alone."""
        now_ns = self._clock.mono_ns()
        moments = [self._waiting_since_ns() + round(STALL_S * NS_PER_S) + NS_PER_MS]
        if self.welcomed and self._probing.sent_mono_ns is None:
            moments.append(self._probing.due_ns)
        if self.paused_until_ns > now_ns:
            moments.append(self.paused_until_ns)
        return max(0.001, (min(moments) - now_ns) / NS_PER_S)

    def _probe(self) -> ClockProbe | None:
        """The next clock probe, when it is due and none is on the way."""
        probing = self._probing
        if probing.sent_mono_ns is not None or self._clock.mono_ns() < probing.due_ns:
            return None
        probing.probe_id += 1
        utc_ns = self._clock.utc_ns()
        probing.sent_mono_ns = self._clock.mono_ns()
        return ClockProbe(probing.probe_id, utc_ns)

    def _replied(self, reply: ClockReply, t4_mono_ns: int) -> None:
        """Take a reply into its burst; a full burst goes to the tracker."""
        with self._changed:
            probing = self._probing
            if reply.probe_id != probing.probe_id or probing.sent_mono_ns is None:
                return
            probing.burst.append(exchange(probing.sent_mono_ns, reply.t2_ns, reply.t3_ns, t4_mono_ns))
            probing.sent_mono_ns = None
            if len(probing.burst) == BURST:
                self._tracker.add_burst(probing.burst)
                probing.burst = []
                probing.due_ns = self._clock.mono_ns() + self._probe_period_ns
            self._changed.notify_all()

    def _batch(self) -> FrozenBatch | None:
        """The next batch, when the window has room and the collector did not ask for a pause."""
        room = self._window - len(self._in_flight)
        if room <= 0 or self._clock.mono_ns() < self.paused_until_ns:
            return None
        if not self._ready and self._spool_may_have_more:
            self._ready.extend(self._spool.claim(self._cursor, room))
            self._spool_may_have_more = len(self._ready) == room
        if not self._ready:
            return None
        stored = self._ready.popleft()
        self._cursor = stored.key
        self._in_flight.append(stored.key)
        return stored.frozen

    def _acknowledged(self, ack: Ack) -> None:
        """Forget what is durable at the collector, first on disk, then in the window."""
        self._spool.acknowledge((ack,))
        with self._changed:
            self.acknowledged = True
            self._in_flight = deque(key for key in self._in_flight if key[0] != ack.epoch_ns or key[1] > ack.batch_seq)
            self._changed.notify_all()
