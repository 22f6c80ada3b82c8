"""What waits for one collector is given to another: only an operator knows that the first will never come back."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from joulemark.agent.spool import Spool
from joulemark.config import Config
from joulemark.errors import UsageError
from joulemark.timebase import SystemClock


@dataclass(frozen=True, slots=True)
class Moved:
    """How many batches changed their home, and how many of them the old one may have stored already."""

    batches: int
    perhaps_stored: int


def rehomed(config: Config, old: str, new: str, *, accept_duplicates: bool) -> Moved:
    """Give everything in the spool whose home is `old` to `new`.

    Raises UsageError when nothing waits for `old`, when `new` is none of the configured collectors, and without `accept_duplicates` where
    batches may be stored at `old` already; EnvironmentFailed while the agent runs.
    """
    if new not in config.agent.addresses:
        what = f"{new} is none of the configured collectors"
        raise UsageError(what, f"name one of {', '.join(config.agent.addresses)}, or add it to agent.collectors first")
    if not config.spool.path.exists():
        raise UsageError(
            f"there is no spool {config.spool.path}",
            "name the configuration of the agent with --config, and for a service its folder: STATE_DIRECTORY=/var/lib/joulemark-agent",
        )
    spool = Spool(config.spool, SystemClock())
    with closing(spool):
        spool.open()
        waiting = spool.homes.waiting
        if old not in waiting:
            known = ", ".join(f"{count} for {home}" for home, (count, _) in waiting.items()) or "none at all"
            raise UsageError(f"no batch of {config.spool.path} waits for {old}", f"batches that wait: {known}")
        moved = Moved(*waiting[old])
        if moved.perhaps_stored and not accept_duplicates:
            what = f"{moved.perhaps_stored} of the {moved.batches} batches were sent to {old} and may be stored there: they would be twice"
            raise UsageError(
                what,
                f"bring {old} back; or, if it is gone for ever or is {new} itself, repeat this with --yes",
            )
        spool.rehome(old, new)
        return moved
