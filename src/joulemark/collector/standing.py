"""Standing: how each configured feed of prices is doing, for REST, metrics and doctor alike."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from joulemark.collector.feeds import Feed
from joulemark.pricing.fetch import Check, Fetch, Outcome
from joulemark.pricing.store import PriceStore
from joulemark.units import NS_PER_S


class Age(enum.StrEnum):
    """How old the last good reading is: `stale` beyond the age at which its prices are fresh, `expired` beyond that of any use."""

    NEVER = "never"
    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Standing:
    """A feed, its `last` attempt, the last `good` one, which found its prices or found them unchanged, and the one that `brought` them.

    `counts`: attempts by outcome, since ever.
    """

    feed: Feed
    last: Fetch | None
    good: Fetch | None
    brought: Fetch | None
    counts: dict[str, int]

    @property
    def good_ns(self) -> int | None:
        """The true time of the last good reading, UTC."""
        return self.good.fetched_at_ns if self.good else None

    def age_s(self, now_ns: int) -> float | None:
        """Seconds since the last good reading; None before the first."""
        return None if self.good_ns is None else (now_ns - self.good_ns) / NS_PER_S

    def age(self, now_ns: int) -> Age:
        """How old that is, by the bounds of the source."""
        age_s = self.age_s(now_ns)
        if age_s is None:
            return Age.NEVER
        if age_s > self.feed.source.hard_limit_s:
            return Age.EXPIRED
        return Age.STALE if age_s > self.feed.source.max_age_s else Age.FRESH


def standings(feeds: Iterable[Feed], store: PriceStore | None) -> list[Standing]:
    """How each of `feeds` stands in `store`; None where nothing was ever kept. Raises what `PriceStore` does."""
    if store is None:
        return [Standing(feed, None, None, None, counted({})) for feed in feeds]
    with store.at_once():
        checks = {(check.last.feed, check.last.scope): check for check in store.checks()}
        counts = store.counts()
        return [standing(feed, checks.get((feed.kind, feed.scope)), store, counts.get((feed.kind, feed.scope), {})) for feed in feeds]


def standing(feed: Feed, check: Check | None, store: PriceStore, counts: dict[str, int]) -> Standing:
    """How one feed stands."""
    last, good = (check.last, check.good) if check else (None, None)
    return Standing(feed, last, good, store.last_good(feed.kind, feed.scope), counted(counts))


def counted(by_outcome: dict[str, int]) -> dict[str, int]:
    """Attempts by outcome, also those that never were."""
    return {str(outcome): by_outcome.get(outcome, 0) for outcome in Outcome}
