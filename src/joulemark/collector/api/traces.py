"""Route of the power of a run over time, and how a card that was computed once is found again."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from joulemark.cards.buckets import Buckets
from joulemark.collector import measure
from joulemark.collector.api import calibrations, runs
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.collector.reckoning import Reckoned, measured
from joulemark.collector.summaries import Summary
from joulemark.errors import UsageError
from joulemark.pricing import kept
from joulemark.units import NS_PER_S

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=described(409))

TRACE_SCHEMA: Final = "joulemark.trace/1"
MOST_BUCKETS: Final = 4000
MARGIN_NS: Final = 30 * NS_PER_S
"""Shown before the first phase and after the last one, where nothing else is asked for: all that a bundle keeps of a steady meter."""

Moment = Annotated[int | None, Query(ge=0, lt=2**63)]
CSV: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
COLUMNS: Final = ("boundary", "t_ns", "low_w", "mean_w", "high_w")


@router.get("/{run_id}/trace", response_model=None, responses=CSV)
async def trace(
    run_id: str,
    state: Served,
    from_ns: Moment = None,
    to_ns: Moment = None,
    buckets: Annotated[int, Query(ge=1, le=MOST_BUCKETS)] = 1000,
    format: Literal["json", "csv"] = "json",  # the name of the query parameter
) -> Response:
    """Power over time of each boundary of a run, `joulemark.trace/1`: from 30 s before its first phase to 30 s after its last one, or in
    [from_ns, to_ns]. Of each of `buckets` equal stretches the lowest, the mean and the highest reading.
    """
    found = await reckoned(state, run_id)
    begin_ns, end_ns = span(found.card, from_ns, to_ns)
    made = await asyncio.to_thread(of_lines, found, begin_ns, end_ns, buckets)
    return Response(csv_text(made), media_type="text/csv") if format == "csv" else JSONResponse(made)


async def known(state: State, run_id: str) -> Reckoned | None:
    """The same of a run that was computed before and has not changed. Raises NotFound."""
    return state.reckoning.known(run_id, await key_of(state, run_id), state.clock.mono_ns())


async def reckoned(state: State, run_id: str) -> Reckoned:
    """The card and the lines of a run, of a settled one as they were computed first. Raises NotFound and InsufficientData."""
    key = await key_of(state, run_id)

    async def make() -> Reckoned:
        known = await runs.gathered(state, run_id)
        evidence = await runs.evidence_from(state, known)
        run = await asyncio.to_thread(measured, evidence)
        short = await asyncio.to_thread(lambda: Summary.of(run, settled=known.settled))
        state.summaries.keep(run_id, key, state.clock.mono_ns(), short)
        return await asyncio.to_thread(lambda: Reckoned.made(run, settled=known.settled))

    return await state.reckoning.of(run_id, key, state.clock.mono_ns(), make)


async def key_of(state: State, run_id: str) -> str:
    """Of all that the card of a settled run depends on: marks, documents, agents, alignments and prices. Raises NotFound."""
    recorded, told = state.recorded(run_id), state.catalog.stamps(run_id)
    end_ns = max((mark.received_ns for mark in recorded.marks), default=0) + measure.MARGIN_NS
    streams = await asyncio.to_thread(state.store.streams)
    agents = measure.agents_of(recorded, streams)
    heard = [(one.agent_id, one.epoch_ns) for one in streams if one.agent_id in agents and one.epoch_ns <= end_ns]
    prices = kept.place(state.config)
    changed = [stamp(path) for path in (prices, prices.with_name(f"{prices.name}-wal"), calibrations.folder(state))]
    return hashlib.sha256(repr((recorded, told, heard, changed)).encode()).hexdigest()


def stamp(path: Any) -> tuple[int, int] | None:
    """When a file or a folder changed last, ns, and its size; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def span(card: Mapping[str, Any], from_ns: int | None = None, to_ns: int | None = None) -> tuple[int, int]:
    """The time that is shown. Raises UsageError for one that ends before it begins."""
    begin_ns = min(phase["begin_ns"] for phase in card["phases"]) - MARGIN_NS if from_ns is None else from_ns
    end_ns = max(phase["end_ns"] for phase in card["phases"]) + MARGIN_NS if to_ns is None else to_ns
    if end_ns <= begin_ns:
        raise UsageError(f"to_ns = {end_ns} is not after from_ns = {begin_ns}", "give the earlier time as from_ns")
    return begin_ns, end_ns


def of_lines(found: Reckoned, begin_ns: int, end_ns: int, count: int) -> dict[str, Any]:
    """The document of a stretch of time."""
    card = found.card
    return {
        "schema": TRACE_SCHEMA,
        "run_id": card["run_id"],
        "settled": found.settled,
        "from_ns": begin_ns,
        "to_ns": end_ns,
        "bucket_ns": max(1, -(-(end_ns - begin_ns) // count)),
        "phases": [{name: phase[name] for name in ("name", "kind", "begin_ns", "end_ns")} for phase in card["phases"]],
        "idle": card["idle"],
        "lines": [
            {
                "boundary": line.boundary,
                "meters": line.meters,
                "averaging_window_s": averaging_s(card, line.boundary),
                "highest_w": top.power_w,
                "highest_ns": top.t_ns,
                **Buckets.of(line, begin_ns, end_ns, count=count).to_json(begin_ns),
            }
            for line, top in zip(found.lines, found.highest, strict=True)
        ],
    }


def averaging_s(card: Mapping[str, Any], boundary: str) -> float | None:
    """The longest averaging window of the meters that count at a boundary; None where one does not tell."""
    told = [meter["averaging_window_s"] for meter in card["meters"] if meter["used"] and meter["boundary"] == boundary]
    return None if None in told else max(told, default=None)


def csv_text(made: Mapping[str, Any]) -> str:
    """Rows of COLUMNS; a gap is a row without power."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in made["lines"]:
        writer.writerows(rows_of(line, made["from_ns"]))
    return out.getvalue()


def rows_of(line: Mapping[str, Any], begin_ns: int) -> Iterator[tuple[Any, ...]]:
    """The rows of one boundary."""
    for t_ms, *powers in zip(line["t_ms"], line["low_w"], line["mean_w"], line["high_w"], strict=True):
        yield line["boundary"], begin_ns + t_ms * 1_000_000, *powers
