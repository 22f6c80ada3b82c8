"""What the streams of all agents share: limits, whose certificate is good, what each agent has used, and how often one was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc

from joulemark.collector.guard import Guard
from joulemark.collector.homecoming import Homecoming
from joulemark.collector.identity import AlwaysValid, Peer, Validity
from joulemark.collector.limits import Account, Waiting
from joulemark.collector.refusal import RETRY_AFTER_MS, Refused
from joulemark.config import LimitsConfig
from joulemark.units import NS_PER_S

KNOCKING: Final = 64
"""Calls of one peer whose first message is on its way: up to 4 MiB each are held before anything is known of who sends them."""


class Door:
    """One for each ingest process; used from its event loop only."""

    def __init__(self, limits: LimitsConfig | None = None, validity: Validity | None = None) -> None:
        self.limits = limits or LimitsConfig()
        self.validity = validity or AlwaysValid()
        self.waiting = Waiting(self.limits)
        self.refused: Counter[str] = Counter()
        self.guard, self.homecoming = Guard(self.limits), Homecoming()
        self._accounts: dict[str, Account] = {}
        self._swept_ns = 0
        self._knocking: Counter[str | bytes] = Counter()

    @contextmanager
    def knocking(self, peer: Peer) -> Iterator[None]:
        """Hold one of the places that a certificate, or without one an address, has until its message is there. Raises Refused."""
        who = peer.pem or peer.host
        if self._knocking[who] >= KNOCKING:
            raise Refused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "knocking",
                f"{KNOCKING} calls of {peer.host} have begun and not said yet what they want: look there for what opens them",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._knocking[who] += 1
        try:
            yield
        finally:
            self._knocking[who] -= 1
            if not self._knocking[who]:
                del self._knocking[who]

    def account(self, agent_id: str, now_ns: int) -> Account:
        """The account of an agent; those that say no more than a new one would are forgotten."""
        if now_ns - self._swept_ns >= NS_PER_S:  # not at each of a thousand that come at once
            self._accounts = {name: kept for name, kept in self._accounts.items() if name == agent_id or not kept.is_fresh(now_ns)}
            self._swept_ns = now_ns
        return self._accounts.setdefault(agent_id, Account(self.limits, now_ns))
