"""The page of one run, and its verdict, which takes seconds and is therefore a page of its own that the first one fetches."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from joulemark.cards.figures import Place, headline
from joulemark.collector import measure
from joulemark.collector.api import cards, traces
from joulemark.collector.api.state import Served, State
from joulemark.collector.reckoning import Reckoned
from joulemark.collector.recorded import Edge, Recorded
from joulemark.collector.summaries import PATIENCE_S
from joulemark.collector.web import looks
from joulemark.collector.web.breakdown import breakdown, counting, ratio, total
from joulemark.collector.web.checklist import Checklist
from joulemark.collector.web.classmates import classmates
from joulemark.collector.web.drawings.power import power
from joulemark.collector.web.drawings.stacked import stacked
from joulemark.collector.web.money import bills, costs
from joulemark.errors import InsufficientData
from joulemark.pricing.dates import moment_ns
from joulemark.runs import IdleKind

router = APIRouter(include_in_schema=False)

MOST_PHASES: Final = 200
"""Phases in the table; the JSON has all."""

MOST_SUMS: Final = 20
"""Sums of parts that do not close, or cannot be told, that are named."""

BEING_COMPUTED: Final = InsufficientData("they are being computed; of a day of many meters that takes half a minute", "load the page again")

Moment = Annotated[str | None, Query(max_length=40)]


@router.get("/runs/{run_id}")
async def run(
    state: Served,
    request: Request,
    run_id: str,
    from_: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    to: Moment = None,
) -> HTMLResponse:
    """What a run took, cost and is worth; of its power the time from `from` to `to`, UTC."""
    recorded = state.recorded(run_id)
    shown = [None if text is None else moment_ns(text, where) for text, where in ((from_, "from"), (to, "to"))]
    standing = await Standing.of(state, recorded)
    common: dict[str, Any] = {"run": recorded, "standing": standing, "origin": str(request.base_url).rstrip("/")}
    try:
        found = await traces.known(state, run_id)
        found = found or await state.summaries.in_time(("run", run_id), lambda: traces.reckoned(state, run_id), within_s=PATIENCE_S)
        if found is None:
            raise BEING_COMPUTED
    except InsufficientData as why:
        common |= {"why": why, "waiting": why is BEING_COMPUTED, "about": about(recorded)}
        return await looks.page(state, "run_without_card.html", here="/runs", title=f"Run {run_id}", **common)
    judged = state.reckoning.judged.get(await traces.key_of(state, run_id))
    document = None if judged is None else judged.document
    more = await asyncio.to_thread(context, found, *shown)
    more["classmates"] = await classmates(state, recorded, found)
    more |= {"about": about(recorded, found.facts), **checked(document)}
    return await looks.page(state, "run.html", here="/runs", title=f"Run {run_id}", **more, **common)


@router.get("/runs/{run_id}/verdict")
async def verdict(state: Served, run_id: str) -> HTMLResponse:
    """Every rule of the standard over a run: kept while nothing that the run depends on changes."""
    key = await traces.key_of(state, run_id)
    judged = state.reckoning.judged.get(key)
    if judged is None:
        settled = (await traces.reckoned(state, run_id)).settled
        judged = await cards.shown(state, run_id)
        if settled:
            state.reckoning.judge(key, judged)
    more: dict[str, Any] = {"run": state.recorded(run_id), **checked(judged.document)}
    return await looks.page(state, "verdict.html", here="/runs", title=f"Verdict on run {run_id}", **more)


def checked(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the templates show of a verdict; nothing before there is one."""
    return {"verdict": None if document is None else Checklist.of(document)}


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a run goes on. `agents`: whose meters count; `open_phases`: begun and not ended."""

    stopped: bool
    agents: tuple[str, ...]
    open_phases: tuple[str, ...]

    @classmethod
    async def of(cls, state: State, recorded: Recorded) -> Standing:
        """How a run stands now."""
        streams = await asyncio.to_thread(state.store.streams)
        stopped = recorded.first(Edge.STOP) is not None
        ended = {mark.name for mark in recorded.marks if mark.edge is Edge.END}
        begun = dict.fromkeys(mark.name for mark in recorded.marks if mark.edge is Edge.BEGIN)
        going = () if stopped else tuple(name for name in begun if name not in ended)
        return cls(stopped, tuple(sorted(measure.agents_of(recorded, streams))), going)


def context(found: Reckoned, from_ns: int | None = None, to_ns: int | None = None) -> dict[str, Any]:
    """What the template shows of a run whose card is known."""
    card = Place(found.card)
    begin_ns, end_ns = traces.span(found.card, from_ns, to_ns)
    phases = counting(card)
    whole = total([phase["duration_s"] for phase in phases])
    parts = breakdown(card)
    told = conclusion(found)
    lines = found.coarse if from_ns is None and to_ns is None else found.lines
    return {
        "card": card,
        "phases": list(card["phases"])[:MOST_PHASES],
        "settled": found.settled,
        "headline": headline(card),
        "k": coverage_factor(phases),
        "counted": phases,
        "duration": whole,
        "mean_power": phases[0]["mean_power_w"] if len(phases) == 1 else ratio(card["headline"]["energy_j"], whole),
        "highest": highest(found),
        "idle": idle(card),
        "zoomed": (from_ns, to_ns) != (None, None),
        "begin_ns": begin_ns,
        "end_ns": end_ns,
        "lines": [(line.boundary, line.meters, traces.averaging_s(found.card, line.boundary)) for line in found.lines],
        "told": told,
        "drawing": power(card["phases"], lines, begin_ns, end_ns, title=told, idle_w=idle_w(card)),
        "breakdown": parts,
        **closing(card),
        "bar": stacked(parts.parts, title=parts.conclusion),
        "bills": bills(card["headline"]),
        "costs": costs(card["headline"]),
    }


def about(recorded: Recorded, facts: Mapping[str, Any] | None = None) -> list[str]:
    """What a run was of, so far as it is known: benchmark, model, precision, engine, GPUs, load; the workload goes before the labels."""
    known = facts or {}
    said = {name: known.get(f"workload.{name}") or recorded.labels.get(name) for name in ("model", "precision", "engine", "engine_version")}
    engine = " ".join(part for part in (said["engine"], said["engine_version"]) if part)
    gpus = ", ".join(known.get("node.gpus") or ()) or recorded.labels.get("gpu")
    load = known.get("workload.concurrency")
    found = (recorded.benchmark, said["model"], said["precision"], engine, gpus, None if load is None else f"concurrency {load}")
    return [str(one) for one in found if one]


def closing(card: Place) -> dict[str, Any]:
    """The phases in which every sum of parts is within what flows into them, and the sums that are not, or cannot be told."""
    told = [one for one in card["closure"] if one["phase"].value in card["headline"]["phases"].value]
    wrong = [one for one in told if not one["holds"].value]
    open_phases = {one["phase"].value for one in wrong}
    names = dict.fromkeys(one["phase"].value for one in told if one["phase"].value not in open_phases)
    return {"closes": list(names), "open_sums": wrong[:MOST_SUMS]}


def coverage_factor(phases: list[Place]) -> Place:
    """The largest k of the phases; nothing where none has a budget."""
    known = [phase["uncertainty"]["k"] for phase in phases if phase["uncertainty"].value is not None]
    return max(known, key=lambda one: one.value, default=Place(None))


def highest(found: Reckoned) -> Place:
    """The highest reading in the phases that count, at the boundary of the headline: it stands in the trace, and in no card."""
    for at, line in enumerate(found.lines):
        if line.boundary == found.card["headline"]["boundary"]:
            return Place(found.highest[at].power_w, f"trace:/lines/{at}/highest_w")
    return Place(None)


def idle(card: Place) -> Place | None:
    """The idle phase that is shown beside the others: with the engine loaded where there is one."""
    known = [one for one in card["idle"] if one["mean_power_w"].value is not None]
    return next((one for one in known if one["idle_kind"].value == IdleKind.READY), known[0] if known else None)


def idle_w(card: Place) -> float | None:
    """Its power."""
    found = idle(card)
    power_w: float | None = None if found is None else found["mean_power_w"].value
    return power_w


def conclusion(found: Reckoned) -> str:
    """What the drawing of the power shows, in words."""
    card, top = found.card, highest(found).value
    said = [f"Power of run {card['run_id']} at {', '.join(line.boundary.replace('_', ' ') for line in found.lines) or 'no boundary'}."]
    if top is not None:
        said.append(f"In the measured phases the highest reading was {top:.6g} W.")
    open_lines = [(line.boundary.replace("_", " "), gaps) for line, gaps in zip(found.lines, found.gaps, strict=True) if gaps]
    said += [f"The line of {name} has {gaps} gap{'s' if gaps > 1 else ''}." for name, gaps in open_lines] or ["No line has a gap."]
    return " ".join(said)
