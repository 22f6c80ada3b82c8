"""The page of all runs: found by what they are called and when they were, with the figures that are known of each.

Nothing is computed before the page is sent; what it lacks is computed behind it, a few runs at a time, and stands there when it is loaded
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from starlette.background import BackgroundTask

from joulemark.collector.api import compare, traces
from joulemark.collector.api.bodies import PRINTABLE
from joulemark.collector.api.state import Served, State
from joulemark.collector.web import looks
from joulemark.collector.web.checklist import LOOKS
from joulemark.collector.web.listing import MOST_LISTED, Asked, Row, listing

router = APIRouter(include_in_schema=False)

MOST_FILLED: Final = 4
"""Summaries that are computed behind one page."""

Word = Annotated[str, Query(max_length=200, pattern=PRINTABLE)]
Day = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


@router.get("/runs")
async def runs(
    state: Served,
    q: Word = "",
    standing: Annotated[Literal["", "running", "stopped", "sealed"], Query(alias="state")] = "",
    level: Literal["", "ES0", "ES1", "ES2", "INVALID"] = "",
    host: Word = "",
    first: Annotated[str, Query(alias="from", pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "",
    to: Day = "",
    sort: Literal["started", "benchmark", "model", "duration", "energy"] = "started",
    direction: Literal["up", "down"] = "down",
    page: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 1,
) -> HTMLResponse:
    """A page of the list."""
    asked = Asked(q.strip(), standing, level, host, first, to, sort, direction == "up", page)
    streams = await asyncio.to_thread(state.store.streams)
    found = listing(state, asked, streams, await levels(state))
    rows = [await known(state, row) for row in found.rows]
    answer = await looks.page(state, "runs.html", here="/runs", title="Runs", found=replace(found, rows=tuple(rows)), looks=LOOKS)
    wanting = [row.run_id for row in rows if row.summary is None and row.state != "running"][:MOST_FILLED]
    if wanting and not state.summaries.filling.locked():
        answer.background = BackgroundTask(fill, state, wanting)
    return answer


async def levels(state: State) -> dict[str, str]:
    """The levels of the runs that somebody asked the validator about, and that are the same since."""
    found = {}
    for key, shown in list(state.reckoning.judged.items()):
        run_id = shown.document["card"]["run_id"]
        if await traces.key_of(state, run_id) == key:
            found[run_id] = shown.document["validation"]["level_text"]
    return found


async def known(state: State, row: Row) -> Row:
    """The row with its summary, where there is one."""
    if row.run_id not in state.summaries.kept:
        return row
    return replace(row, summary=state.summaries.known(row.run_id, await traces.key_of(state, row.run_id), state.clock.mono_ns()))


async def fill(state: State, run_ids: Sequence[str]) -> None:
    """Have the summaries of some runs computed, one after the other."""
    if state.summaries.filling.locked():
        return
    async with state.summaries.filling:
        for run_id in run_ids:
            await compare.summary(state, run_id)
