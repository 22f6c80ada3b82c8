"""The way of everything in the spool: the live stream to the home of this start, and one more to each home of older starts.

A home that is away keeps what is its own waiting, and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from joulemark.agent.clock import ClockTracker
from joulemark.agent.homes import Share
from joulemark.agent.spool import Spool
from joulemark.agent.uplink import Uplink
from joulemark.config import Config
from joulemark.proto.messages import Directive, Hello, Welcome
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.agent")


class Delivery:
    """Streams to all homes of a spool. Only the live one is obeyed, and only its collector's clock is compared with."""

    def __init__(
        self,
        config: Config,
        hello: Hello,
        *,
        home: str,
        spool: Spool,
        tracker: ClockTracker,
        clock: Clock,
        on_directive: Callable[[Directive], None],
        on_welcome: Callable[[Welcome], None],
    ) -> None:
        """`home`: of the epoch that `hello` tells, which the spool has made."""
        self._live = Uplink(
            at(config, home),
            hello,
            spool=Share(spool, home),
            tracker=tracker,
            clock=clock,
            on_directive=on_directive,
            on_welcome=on_welcome,
        )
        self._older = {
            other: Uplink(
                at(config, other),
                hello,
                spool=Share(spool, other),
                tracker=ClockTracker(clock, boot_id=hello.boot_id),
                clock=clock,
                on_directive=lambda _: None,
                until_empty=True,
            )
            for other in spool.homes.addresses()
            if other != home and spool.batch_count(home=other)
        }
        self._spool = spool

    def start(self) -> None:
        """Begin. Raises ConfigError for an address or certificates that cannot work."""
        self._live.start()
        for home, uplink in self._older.items():
            count = self._spool.batch_count(home=home)
            log.warning("%d batches of earlier starts belong to the collector %s and wait for it alone", count, home)
            uplink.start()

    def appended(self) -> None:
        """The spool has a new batch."""
        self._live.appended()

    def drain(self, timeout_s: float) -> bool:
        """Wait until the live home has everything that is its own; False when that takes longer, or it is known to be away."""
        return self._live.drain(timeout_s)

    def stop(self) -> None:
        """End all streams in order, or break them off."""
        for uplink in (*self._older.values(), self._live):
            uplink.stop()


def at(config: Config, home: str) -> Config:
    """The configuration of an agent that knows one collector."""
    return replace(config, agent=replace(config.agent, collector=home, collectors=()))
