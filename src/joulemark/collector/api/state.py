"""What the routes work with, made once for the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from joulemark.cards.bundle import Signer
from joulemark.collector.api.problems import NotFound
from joulemark.collector.api.refusals import Refused
from joulemark.collector.catalog import Catalog
from joulemark.collector.control import Control
from joulemark.collector.live import Live
from joulemark.collector.reckoning import Reckoning
from joulemark.collector.recorded import Recorded
from joulemark.collector.serving_totals import Totals
from joulemark.collector.showing import Showing
from joulemark.collector.store.base import ReadingStore
from joulemark.collector.summaries import Summaries
from joulemark.config import Config
from joulemark.timebase import Clock

if TYPE_CHECKING:
    from joulemark.collector.boarding import Boarding
    from joulemark.collector.refresh import Refresh


@dataclass(frozen=True)
class State:
    """Store and catalogue, the way to the agents, the clock; `boot_id` of this host; what was turned away; `sign`: seals bundles;
    `refresh`: reads the feeds of prices, None where none is configured; `board`: what was published here, None where nothing runs it;
    `totals`: what services took and did, for the metrics; `live`: who listens to what goes on. `showing`: pages and labels of runs;
    `reckoning`: their cards; `summaries`: what lists show of them.
    """

    config: Config
    store: ReadingStore
    catalog: Catalog
    control: Control
    clock: Clock
    boot_id: str
    refused: Refused = field(default_factory=Refused)
    sign: Signer | None = None
    refresh: Refresh | None = None
    board: Boarding | None = None
    totals: Totals = field(default_factory=Totals)
    showing: Showing = field(default_factory=Showing)
    live: Live = field(default_factory=Live)
    reckoning: Reckoning = field(default_factory=Reckoning)
    summaries: Summaries = field(default_factory=Summaries)

    def recorded(self, run_id: str) -> Recorded:
        """A run of the catalogue. Raises NotFound."""
        if (recorded := self.catalog.run(run_id)) is None:
            raise NotFound(f"no run {run_id!r}", "list them with GET /v1/runs")
        return recorded


async def state_of(request: Request) -> State:
    """The state of the app that serves `request`, a coroutine as `app.known_parameters` is one."""
    return cast("State", request.app.state.joulemark)


Served = Annotated[State, Depends(state_of)]
