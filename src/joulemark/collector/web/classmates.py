"""Energy against latency of the runs that are like one: of the same benchmark and model, so far as they have been computed already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from joulemark.cards.latency import KINDS, PERCENTILES, name_of
from joulemark.collector.api import traces
from joulemark.collector.api.state import State
from joulemark.collector.reckoning import Reckoned
from joulemark.collector.recorded import Recorded
from joulemark.collector.summaries import Summary
from joulemark.collector.web.drawings.scatter import Point, scatter, table
from joulemark.collector.web.listing import energy_of
from joulemark.markup import Markup

LOOKED: Final = 500
"""So many of the newest runs are looked through."""

MOST: Final = 40
"""Runs in one drawing."""

COMPARED: Final = 6
"""As many as the page that compares takes."""


@dataclass(frozen=True, slots=True)
class Classmates:
    """What a page shows: `drawing` and `table`, None where this run tells no latency. `unknown`: runs of its class that are not computed;
    `compare`: where they stand side by side, empty without another one.
    """

    drawing: Markup | None
    table: Markup | None
    unknown: int
    compare: str


async def classmates(state: State, recorded: Recorded, found: Reckoned) -> Classmates:
    """The class of a run. Nothing is computed for it: a page waits for no other run."""
    own = Summary(found.card, found.latencies, None, found.settled)
    rows = [row for row in state.catalog.runs(LOOKED) if row["run_id"] != recorded.run_id and alike(row, recorded)]
    near = {row["run_id"]: (row, await known(state, row["run_id"])) for row in rows[:MOST]}
    summaries = {run_id: summary for run_id, (_, summary) in near.items() if summary is not None}
    ids = [recorded.run_id, *summaries][:COMPARED]
    compare = f"/compare?{urlencode([('run', one) for one in ids])}" if len(ids) > 1 else ""
    way = shared([own, *summaries.values()])
    unknown = len(rows) - len(summaries)
    if way is None:
        return Classmates(None, None, unknown, compare)
    names = {run_id: near[run_id][0]["labels"].get("name") or run_id for run_id in summaries}
    points = [point(own, recorded.labels.get("name") or "this run", recorded.run_id, way, here=True)]
    points += [point(summary, names[run_id], run_id, way) for run_id, summary in summaries.items()]
    return Classmates(scatter(points, name_of(*way)), table(points, name_of(*way)), unknown, compare)


def alike(row: dict[str, Any], recorded: Recorded) -> bool:
    """Whether a run of the catalogue is of the same benchmark and the same model, as its labels name it."""
    same: bool = row["benchmark"] == recorded.benchmark and row["labels"].get("model") == recorded.labels.get("model")
    return same and row["stopped_ns"] is not None


async def known(state: State, run_id: str) -> Summary | None:
    """The summary of a run where one is kept and true."""
    if run_id not in state.summaries.kept:
        return None
    return state.summaries.known(run_id, await traces.key_of(state, run_id), state.clock.mono_ns())


def shared(summaries: list[Summary]) -> tuple[str, int] | None:
    """The latency of the first run that most others tell too; None where the first tells none."""
    ways = [(kind, percentile) for kind in KINDS for percentile in PERCENTILES if summaries[0].latency(kind, percentile) is not None]
    return max(ways, key=lambda way: sum(one.latency(*way) is not None for one in summaries), default=None)


def point(summary: Summary, name: str, run_id: str, way: tuple[str, int], *, here: bool = False) -> Point:
    """A run in the drawing, with the reason where it has no place in it."""
    energy_j, u95_j = energy_of(summary)
    latency = summary.latency(*way)
    why = [] if energy_j is not None else ["its energy per 1k output tokens is not known"]
    why += [] if latency is not None else [f"it tells no {name_of(*way)}"]
    value_ms = None if latency is None else latency.value_ms
    return Point(name, energy_j, u95_j, value_ms, run_id=run_id, why=" and ".join(why), here=here)
