"""Which collector an agent keeps to, and the part of its spool that belongs to one.

Every start of an agent, an epoch, has one home: only there is a batch known that comes again, so nowhere else may it be sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from joulemark.agent.spool import Refused, Spool, Stored
from joulemark.proto.messages import Ack


def home_of(agent_id: str, addresses: Sequence[str]) -> str:
    """The address at which the agent is at home: the one whose hash with the agent's name is the highest, in whatever order they stand.

    Where one of n addresses is new, it takes about 1/n of all agents, and no other agent moves.
    """
    return max(addresses, key=lambda address: hashlib.sha256(f"{agent_id}|{address}".encode()).digest())


class Outbox(Protocol):
    """What a stream delivers: batches that wait for an acknowledgement, see `Spool`."""

    @property
    def path(self) -> Path: ...

    def claim(self, after: tuple[int, int], limit: int) -> list[Stored]: ...

    def acknowledge(self, acks: Sequence[Ack]) -> int: ...

    def refuse(self, sha256: bytes, label: str) -> Refused | None: ...

    def batch_count(self) -> int: ...


class Share:
    """The batches of a spool whose home is one address, as an Outbox. What another collector says of them does not count."""

    def __init__(self, spool: Spool, home: str) -> None:
        self._spool, self._home = spool, home

    @property
    def path(self) -> Path:
        """The file of the spool."""
        return self._spool.path

    def claim(self, after: tuple[int, int], limit: int) -> list[Stored]:
        """As `Spool.claim`."""
        return self._spool.claim(after, limit, home=self._home)

    def acknowledge(self, acks: Sequence[Ack]) -> int:
        """As `Spool.acknowledge`."""
        return self._spool.acknowledge([ack for ack in acks if self._spool.homes.holds(self._home, ack.epoch_ns)])

    def refuse(self, sha256: bytes, label: str) -> Refused | None:
        """As `Spool.refuse`."""
        return self._spool.refuse(sha256, label)

    def batch_count(self) -> int:
        """As `Spool.batch_count`."""
        return self._spool.batch_count(home=self._home)
