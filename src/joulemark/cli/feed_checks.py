"""The checks of `joulemark doctor` on feeds of prices: each configured one is read, lately, and by a source that was tried."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from joulemark.cli.findings import Finding, fail, ok, warn
from joulemark.collector.feeds import feeds_of
from joulemark.collector.standing import Age, Standing, standings
from joulemark.config import Config
from joulemark.errors import JoulemarkError
from joulemark.pricing import kept
from joulemark.pricing.fetch import Outcome
from joulemark.timebase import Clock

HOUR_S = 3600


def all_of(config: Config, clock: Clock) -> Iterator[Finding]:
    """One finding for each configured feed; one that says why when none can be looked at."""
    if not config.feeds:
        return
    try:
        feeds = feeds_of(config)
        with kept.opened(config, clock) if kept.exists(config) else nullcontext() as store:
            found = standings(feeds, store)
    except JoulemarkError as error:
        yield fail("price feeds", error.what, error.next_step)
        return
    for standing in found:
        yield judged(standing, clock.utc_ns(), config.path)


def judged(standing: Standing, now_ns: int, path: Path | None) -> Finding:
    """What is wrong with a feed, the worst first, with the command that mends it."""
    feed, last, age = standing.feed, standing.last, standing.age(now_ns)
    name, read = f"price feed {feed.name}", command("update", feed.kind, path)
    if last is None:
        return warn(name, "never read: no collector with this configuration has run yet", read)
    if last.outcome is Outcome.FAILED:
        return warn(name, f"failing: {last.error} {told(standing, now_ns)}", read)
    if last.outcome is Outcome.HELD:
        return warn(name, f"held: {last.error}; {told(standing, now_ns)}", f"look at the provider's page, then: {read} --force")
    if age is not Age.FRESH:
        return warn(name, f"{age}: {told(standing, now_ns)}", read)
    if feed.source.experimental:
        said = f"experimental: no recorded reply of the provider was at hand for its tests; {told(standing, now_ns)}"
        return warn(name, said, f"compare one price with the provider's page: {command('fetches', feed.kind, path)}")
    return ok(name, told(standing, now_ns))


def told(standing: Standing, now_ns: int) -> str:
    """How old what is in use is."""
    age_s = standing.age_s(now_ns)
    return "nothing of it is known" if age_s is None else f"last good reading {age_s / HOUR_S:.1f} hours ago"


def command(verb: str, kind: str, path: Path | None) -> str:
    """The command line that does `verb` with the feeds of `kind`."""
    config = f" --config {shlex.quote(str(path))}" if path else ""
    return f"joulemark price {verb} --feed {kind}{config}"
