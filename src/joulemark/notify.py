"""What a service manager is told: ready, alive, stopping, by datagrams to the socket that it names. Nothing where there is none.

Source: systemd, sd_notify(3) and sd_watchdog_enabled(3): NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from typing import Final

from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark")

FEEDS_PER_WATCHDOG: Final = 4
"""How often within its patience the watchdog is fed: one that is lost, or late by a busy host, does no harm."""


class Supervisor:
    """The service manager that started this process, as `environ` describes it. Every method may be called from any thread."""

    def __init__(self, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._address = environ.get("NOTIFY_SOCKET", "")
        patience_us = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watching = bool(self._address) and ours and patience_us.isdecimal() and int(patience_us) > 0
        self.feed_s: float | None = int(patience_us) / 1e6 / FEEDS_PER_WATCHDOG if watching else None
        """Seconds between two signs of life; None where nobody waits for them."""
        self._next_ns = 0
        self._deaf = False

    def ready(self, status: str) -> None:
        """The service does its work; `status` is one line for people."""
        self._tell(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """A sign of life, passed on at most once in `feed_s`: call it where the work is done, as often as it is done."""
        if self.feed_s is not None and (now_ns := self._clock.mono_ns()) >= self._next_ns:
            self._next_ns = now_ns + round(self.feed_s * NS_PER_S)
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        """A manager that does not listen is logged once and stops no measurement."""
        if not self._address:
            return
        place = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), place)
        except OSError as error:
            if not self._deaf:
                log.warning("the service manager at %s cannot be told %s: %s", self._address, message.splitlines()[0], error)
            self._deaf = True
