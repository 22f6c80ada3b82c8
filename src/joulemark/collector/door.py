"""What the streams of all agents share: limits, whose certificate is good, what each agent has used, and how often one was refused."""

from __future__ import annotations

from collections import Counter

from joulemark.collector.identity import AlwaysValid, Validity
from joulemark.collector.limits import Account, Waiting
from joulemark.config import LimitsConfig


class Door:
    """One for each ingest process; used from its event loop only."""

    def __init__(self, limits: LimitsConfig | None = None, validity: Validity | None = None) -> None:
        self.limits = limits or LimitsConfig()
        self.validity = validity or AlwaysValid()
        self.waiting = Waiting(self.limits)
        self.refused: Counter[str] = Counter()
        self._accounts: dict[str, Account] = {}

    def account(self, agent_id: str, now_ns: int) -> Account:
        """The account of an agent; those that say no more than a new one would are forgotten."""
        self._accounts = {name: kept for name, kept in self._accounts.items() if name == agent_id or not kept.is_fresh(now_ns)}
        return self._accounts.setdefault(agent_id, Account(self.limits, now_ns))
