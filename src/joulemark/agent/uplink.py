"""Keeps a stream to the collector: connects, delivers, and tries again for ever when it breaks."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final

import grpc

from joulemark.agent.clock import ClockTracker
from joulemark.agent.dial import channel, explained
from joulemark.agent.homes import Outbox
from joulemark.agent.schedule import Backoff
from joulemark.agent.session import Session
from joulemark.config import Config
from joulemark.errors import FormatError
from joulemark.proto.messages import REFUSED_BATCH, STREAM_METHOD, Directive, Hello, Welcome
from joulemark.timebase import Clock
from joulemark.tls import Watch
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.agent")

RETRY_S: Final = (0.5, 30.0)
"""First and longest wait between attempts; each is drawn from zero to the wait."""

GOODBYE_S: Final = 2.0
LONGEST_LABEL: Final = 64

REFUSALS: Final = (
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
"""Statuses of a collector that is there and says why not."""


class Uplink:
    """The thread that delivers the spool. A batch leaves the spool only when the collector has said that it is durable."""

    def __init__(
        self,
        config: Config,
        hello: Hello,
        *,
        spool: Outbox,
        tracker: ClockTracker,
        clock: Clock,
        on_directive: Callable[[Directive], None],
        on_welcome: Callable[[Welcome], None] = lambda _: None,
        until_empty: bool = False,
    ) -> None:
        """To `config.agent.collector`; `until_empty`: nothing will be added to `spool`, and the last acknowledgement ends it."""
        self._config, self._hello = config, hello
        self._spool, self._tracker, self._clock = spool, tracker, clock
        self._on_directive, self._on_welcome, self._until_empty = on_directive, on_welcome, until_empty
        self._stopping = threading.Event()
        self._progress = threading.Event()
        self._session: Session | None = None
        self._call: grpc.Call | None = None
        self._backoff = Backoff(*RETRY_S)
        self._down_since_ns: int | None = None
        self._down_code: grpc.StatusCode | None = None
        self._is_up = False
        self._refused_count = 0
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def start(self) -> None:
        """Begin. Raises ConfigError for an address or certificates that cannot work."""
        self._files = Watch(self._config.tls)
        self._channel().close()
        self._thread.start()

    def appended(self) -> None:
        """The spool has a new batch."""
        if (session := self._session) is not None:
            session.appended()

    def drain(self, timeout_s: float) -> bool:
        """Wait until the spool is empty; False when that takes longer, or the collector is known to be away."""
        give_up_ns = self._clock.mono_ns() + round(timeout_s * NS_PER_S)
        while self._spool.batch_count():
            left_s = (give_up_ns - self._clock.mono_ns()) / NS_PER_S
            if left_s <= 0 or self._down_since_ns is not None:
                return False
            self._progress.wait(left_s)
            self._progress.clear()
        return True

    def stop(self) -> None:
        """End the stream in order, or break it off when the collector does not end it in time."""
        self._stopping.set()
        if (session := self._session) is not None:
            session.close()
        if self._thread.is_alive():
            self._thread.join(GOODBYE_S)
        if self._thread.is_alive() and (call := self._call) is not None:
            call.cancel()
            self._thread.join(GOODBYE_S)

    def _run(self) -> None:
        while not self._stopping.is_set() and not self._is_done():
            paused_until_ns = self._connect()
            self._progress.set()
            pause_s = max(0.0, (paused_until_ns - self._clock.mono_ns()) / NS_PER_S)
            self._stopping.wait(pause_s + self._backoff.jittered_s())

    def _is_done(self) -> bool:
        return self._until_empty and not self._spool.batch_count()

    def _channel(self) -> grpc.Channel:
        return channel(self._config.agent.collector, self._config.tls, self._files.pem)

    def _connect(self) -> int:
        """One stream from its start to its end; returns until when the collector wants no other (monotonic ns).

        A renewed certificate ends it in order too: the next stream shows the new one.
        """
        agent = self._config.agent
        session = Session(
            self._hello,
            spool=self._spool,
            tracker=self._tracker,
            clock=self._clock,
            window=agent.window_batches,
            probe_period_s=agent.clock_probe_period_s,
        )
        self._files.renewed()
        self._is_up = False
        with self._channel() as to_collector:
            # Dated on arrival, in gRPC's thread: later the answer may wait for somebody.
            stream: grpc.StreamStreamMultiCallable[bytes, tuple[bytes, int]]
            stream = to_collector.stream_stream(STREAM_METHOD, response_deserializer=lambda raw: (raw, self._clock.mono_ns()))
            call = stream(session.requests())
            session.on_stall = call.cancel
            self._session, self._call = session, call
            if self._stopping.is_set():
                session.close()
            try:
                renewed = False
                for raw, t4_mono_ns in call:
                    self._take(session, raw, t4_mono_ns)
                    if self._files.renewed() is not None:
                        renewed = True
                        session.close()
                    if self._is_done():
                        session.close()
                if not renewed and not self._is_done():
                    self._went_down(None, "it ended the stream")
            except grpc.RpcError as error:
                if not self._set_aside(call):
                    self._went_down(call.code(), explained(call.details() or str(error)))
            except (FormatError, sqlite3.Error) as error:
                self._went_down(None, str(error))
            finally:
                self._session = self._call = None
                session.close()
                call.cancel()
        return session.paused_until_ns

    def _take(self, session: Session, raw: bytes, t4_mono_ns: int) -> None:
        was_welcomed = session.welcomed
        directive = session.take(raw, t4_mono_ns)
        if directive is not None:
            self._on_directive(directive)
        if session.welcome is not None and not was_welcomed:
            self._on_welcome(session.welcome)
        # A welcome alone is no success: what is refused again and again would be sent again at once.
        if not self._is_up and session.welcomed and (session.acknowledged or not self._spool.batch_count()):
            self._came_up()
        self._progress.set()

    def _set_aside(self, call: Any) -> bool:
        """Take a batch that the collector names and will never take out of the spool; whether it did that."""
        named = {entry.key: entry.value for entry in call.trailing_metadata() or ()}.get(REFUSED_BATCH)
        if call.code() is not grpc.StatusCode.INVALID_ARGUMENT or named is None:
            return False
        sha256, _, label = str(named).partition(" ")
        try:
            refused = self._spool.refuse(bytes.fromhex(sha256), label[:LONGEST_LABEL])
        except (ValueError, sqlite3.Error) as error:
            log.error("the batch that the collector refuses cannot be taken out of the spool: %s", error)
            return False
        if refused is None:
            return False
        self._refused_count += 1
        self._backoff.reset()
        log.log(
            logging.ERROR if self._refused_count == 1 else logging.DEBUG,
            "the collector will never take batch %d of epoch %d (%s): its %d samples are counted as lost, its bytes are %s",
            refused.key[1],
            refused.key[0],
            call.details(),
            refused.sample_count,
            f"kept in {refused.file}" if refused.file else "not kept",
        )
        return True

    def _came_up(self) -> None:
        self._is_up = True
        self._backoff.reset()
        if self._refused_count:
            log.error("%d batches in all were refused by the collector and are counted as lost", self._refused_count)
            self._refused_count = 0
        if self._down_since_ns is None:
            log.info("connected to the collector %s", self._config.agent.collector)
            return
        away_s = (self._clock.mono_ns() - self._down_since_ns) / NS_PER_S
        log.info(
            "the collector %s is back after %.1f s; %d batches to deliver", self._config.agent.collector, away_s, self._spool.batch_count()
        )
        self._down_since_ns = self._down_code = None

    def _went_down(self, code: grpc.StatusCode | None, why: str) -> None:
        """Report the loss of the collector once for each kind of loss, until it is back."""
        if self._stopping.is_set():
            return
        if self._down_since_ns is None or code is not self._down_code:
            log.warning(
                "the collector %s %s (%s: %s); readings stay in %s, trying again until it takes them",
                self._config.agent.collector,
                "refuses this agent" if code in REFUSALS else "is away",
                code.name.lower() if code else "closed",
                why,
                self._spool.path,
            )
        if self._down_since_ns is None:
            self._down_since_ns = self._clock.mono_ns()
        self._down_code = code
