"""The collector with one fault put in by hand, `MUTATE`: the checker of the live proof must see it.

`gate`: nothing that a feed brings is compared. `touch`: a failed reading counts as one that found its prices unchanged. `serial`: one
feed waits for another. The processes of the collector are spawned from this module, so each has the fault.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from joulemark.cli import main
from joulemark.collector.gathering import Gathered, Gatherer
from joulemark.pricing import gates
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.gates import Taken


def gate() -> None:
    """Nothing is compared."""
    commit = gates.commit

    def trusting(store: Any, fetch: Fetch, harvest: Any, **_more: Any) -> Taken:
        return commit(store, fetch, harvest, force=True)

    gates.commit = trusting


def touch() -> None:
    """A failed reading makes the prices known look as if they had been seen just now."""
    failed = Gatherer._failed

    async def touched(self: Gatherer, fetch: Fetch, why: str) -> Gathered:
        last = await self._stored(lambda store: store.last_good(fetch.feed, fetch.scope))
        if last is None:
            return await failed(self, fetch, why)
        same = replace(fetch, outcome=Outcome.NOT_MODIFIED, repeats=last.fetch_id, fetched_at_ns=self.clock.utc_ns())
        return Gathered(Taken(same, await self._stored(lambda store: store.take(same))))

    Gatherer._failed = touched  # type: ignore[method-assign]  # the fault


def serial() -> None:
    """One reading at a time."""
    gather, alone = Gatherer.gather, asyncio.Lock()

    async def waiting(self: Gatherer, feed: Any, **more: Any) -> Gathered:
        async with alone:
            return await gather(self, feed, **more)

    Gatherer.gather = waiting  # type: ignore[method-assign]  # the fault


MUTATIONS: dict[str, Callable[[], None]] = {"gate": gate, "touch": touch, "serial": serial}

MUTATIONS[os.environ["PRICE_MUTATE"]]()

if __name__ == "__main__":
    main()
