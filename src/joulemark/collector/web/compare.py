"""The page of two to six runs side by side, one of them the baseline: what differs, and whether that is more than its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from joulemark.cards.latency import KINDS, PERCENTILES, name_of
from joulemark.collector.api import compare as pairs
from joulemark.collector.api.bodies import PRINTABLE
from joulemark.collector.api.state import Served, State
from joulemark.collector.recorded import Recorded
from joulemark.collector.summaries import PATIENCE_S
from joulemark.collector.web import looks
from joulemark.collector.web.drawings.scatter import scatter, table
from joulemark.collector.web.listing import Row
from joulemark.collector.web.sides import Side, boundaries, classed, conclusion, deltas, differing, overlaid, phases, told

router = APIRouter(include_in_schema=False)

FEWEST: Final = 2
MOST: Final = 6
OFFERED: Final = 50
"""The newest runs, whose ids are offered for the form."""

RunId = Annotated[str, Query(max_length=64, pattern=PRINTABLE)]
Word = Annotated[str, Query(max_length=200, pattern=PRINTABLE)]
Way = Annotated[str, Query(pattern=f"^(({'|'.join(KINDS)})-({'|'.join(map(str, PERCENTILES))}))?$")]


@router.get("/compare")
async def compare(
    state: Served,
    run: Annotated[list[RunId], Query(max_length=50, default_factory=list)],
    baseline: RunId = "",
    phase: Word = "",
    boundary: Word = "",
    latency: Way = "",
) -> HTMLResponse:
    """The runs `run` against `baseline`, else against the first that has a card."""
    chosen = list(dict.fromkeys(one.strip() for one in run if one.strip()))
    recorded = {one: found for one in chosen[: MOST + 1] if (found := state.catalog.run(one)) is not None}
    context: dict[str, Any] = {
        "chosen": chosen,
        "recorded": recorded,
        "unknown": [one for one in chosen[: MOST + 1] if one not in recorded],
        "offered": [Row.of(one) for one in state.catalog.runs(OFFERED)],
        "wrong": wrong(chosen),
        "sides": [],
        "waiting": False,
    }
    if not chosen or context["wrong"] or not recorded:
        status = 200 if len(chosen) < FEWEST else 422 if context["wrong"] else 404
        return await looks.page(state, "compare.html", here="/compare", title="Compare", status=status, **context)
    asked_of = (baseline, *recorded)
    sides = await state.summaries.in_time(asked_of, lambda: side_by_side(state, recorded, baseline), within_s=PATIENCE_S)
    if sides is None:
        return await looks.page(state, "compare.html", here="/compare", title="Compare", **{**context, "waiting": True})
    asked = {"phase": phase, "boundary": boundary, "latency": latency}
    context |= {"strayed": bool(baseline) and baseline not in recorded, **compared(sides, asked)}
    return await looks.page(state, "compare.html", here="/compare", title="Compare", **context)


def wrong(chosen: Sequence[str]) -> str:
    """Why so many runs are not compared; empty where they are."""
    if not chosen or FEWEST <= len(chosen) <= MOST:
        return ""
    return f"{len(chosen)} {'run was' if len(chosen) == 1 else 'runs were'} chosen: two to six can be compared."


async def side_by_side(state: State, recorded: dict[str, Recorded], baseline: str) -> list[Side]:
    """The runs in the order they were chosen, each held against the baseline."""
    first = baseline if baseline in recorded else ""
    summaries = {}
    if not first:
        for run_id in recorded:
            summaries[run_id] = await pairs.summary(state, run_id)
            if summaries[run_id].card is not None:
                first = run_id
                break
        first = first or next(iter(recorded))
    found = await pairs.against(state, first, [run_id for run_id in recorded if run_id != first], drawn=True)
    summaries = {run_id: await pairs.summary(state, run_id) for run_id in recorded}
    return [
        Side.of(number, one, summaries[run_id], found.get(run_id), baseline=run_id == first)
        for number, (run_id, one) in enumerate(recorded.items(), 1)
    ]


def compared(sides: Sequence[Side], asked: dict[str, str]) -> dict[str, Any]:
    """What the template shows of runs that are known."""
    (base,) = [side for side in sides if side.baseline]
    levels, names, ways = boundaries(sides), phases(sides), told(sides)
    boundary = asked["boundary"] if asked["boundary"] in levels else next(iter(levels), "")
    phase = asked["phase"] if asked["phase"] in names else ""
    way = asked["latency"] or max(ways, key=lambda one: one[2])[0]
    kind, percentile = way.split("-")[0], int(way.split("-")[1])
    points = [side.point(kind, percentile) for side in sides]
    classes = {side.number: classed(base.summary.key, side.summary.key) for side in sides if not side.baseline}
    return {
        "sides": sides,
        "base": base,
        "others": [side for side in sides if not side.baseline],
        "boundaries": levels,
        "boundary": boundary,
        "phases": names,
        "phase": phase,
        "ways": ways,
        "way": way,
        "deltas": deltas(sides),
        "differing": differing(sides),
        "classes": classes,
        "overlaid": overlaid(sides, phase, boundary),
        "conclusion": conclusion(sides, phase),
        "scatter": scatter(points, name_of(kind, percentile)),
        "scatter_table": table(points, name_of(kind, percentile), here="baseline"),
        "latencies": [(name_of(one, part), [side.latency(one, part) for side in sides]) for one in KINDS for part in PERCENTILES],
        "address": lambda **changed: address(sides, base, {**asked, **changed}),
    }


def address(sides: Sequence[Side], base: Side, asked: dict[str, str]) -> str:
    """This page with another baseline, phase, boundary or latency; `without`: less one run."""
    run_ids = [side.run_id for side in sides if side.run_id != asked.get("without")]
    baseline = asked.get("baseline") or base.run_id
    named = [("baseline", baseline if baseline in run_ids else ""), *((name, asked[name]) for name in ("phase", "boundary", "latency"))]
    return f"/compare?{urlencode([*(('run', one) for one in run_ids), *((name, value) for name, value in named if value)])}"
