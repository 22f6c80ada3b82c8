"""Routes of hosts, meters and readings."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from joulemark.collector.api.problems import NotFound, described
from joulemark.collector.api.state import Served, State
from joulemark.collector.catalog import Full
from joulemark.collector.measure import newest
from joulemark.collector.store.base import ENCLOSING_NS, Integral, Stream
from joulemark.energy.series import RAW_TIMES, Int64, Series
from joulemark.errors import UsageError
from joulemark.readings import Quality
from joulemark.units import NS_PER_S

router = APIRouter(prefix="/v1", tags=["readings"], responses=described(429))
MeterIds = Annotated[list[Annotated[str, Query(max_length=500)]], Query(min_length=1, max_length=100)]
MAX_ROWS: Final = 1_000_000
"""Rows of one answer, over all its meters."""
DAY_NS: Final = 86_400 * NS_PER_S
MAX_SPAN_NS: Final = 10 * DAY_NS
"""Time that is read for one answer, over all its meters: 17 million readings at 20 Hz."""
DEFAULT_LIMIT: Final = 100_000
MAX_SUMMED_NS: Final = 100 * DAY_NS
"""The same of an answer that is made of sums: where none of them stands for its chunk, this much has to be read."""
MARGIN_NS: Final = 3600 * NS_PER_S
"""How far a reading may lie outside of what the streams tell: clocks differ."""
COLUMNS = ("meter_id", "t_ns", "value", "quality", "t_unc_ns", "reason", *RAW_TIMES)
"""Of a row; the raw times are empty where they were not kept, that of the device also where it told none."""


@router.get("/hosts")
async def hosts(state: Served) -> list[dict[str, Any]]:
    """Every host that sent readings: its latest start, counts over all starts, time of its newest reading."""
    streams = await asyncio.to_thread(state.store.streams)
    return [host(stream, [s for s in streams if s.agent_id == stream.agent_id]) for stream in newest(streams)]


def host(latest: Stream, epochs: list[Stream]) -> dict[str, Any]:
    """One entry of the list of hosts."""
    return {
        "agent_id": latest.agent_id,
        "boot_id": latest.boot_id,
        "started_ns": latest.epoch_ns,
        "last_received_ns": latest.last_rx_ns,
        "last_reading_ns": max(s.last_ns for s in epochs),
        "starts": len(epochs),
        "batches": sum(s.batch_count for s in epochs),
        "samples": sum(s.sample_count for s in epochs),
        "duplicates_suppressed": sum(s.duplicate_count for s in epochs),
    }


@router.get("/meters")
async def meters(state: Served) -> list[dict[str, Any]]:
    """Every meter as its agent describes it, with its agent and device."""
    described = await asyncio.to_thread(state.store.devices)
    return [{"agent_id": d.agent_id, "device_id": d.device.device_id, **m.to_json()} for d in described for m in d.device.meters]


@router.get("/readings", response_model=None, responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}})
async def readings(
    state: Served,
    meter: MeterIds,
    from_ns: int = Query(ge=0, lt=2**63),
    to_ns: int = Query(ge=0, lt=2**63),
    limit: int | None = Query(None, ge=1, le=MAX_ROWS),
    format: Literal["json", "csv"] = "json",  # the name of the query parameter
) -> Response:
    """Readings of meters in [from_ns, to_ns], oldest first, at most `limit` (100 000) for each: integers times 10**exponent W or J.

    One answer has at most a million rows and reads at most ten days, over all its meters.
    """
    known = {m.meter_id for d in await asyncio.to_thread(state.store.devices) for m in d.device.meters}
    if unknown := sorted(set(meter) - known):
        raise NotFound(f"no meter {unknown[0]!r}", "list them with GET /v1/meters")
    from_ns, to_ns = await asyncio.to_thread(stored_span, state, from_ns, to_ns)
    limit = bounded(len(meter), to_ns - from_ns, limit)
    series = await asyncio.to_thread(state.store.series, meter, from_ns, to_ns)
    return await asyncio.to_thread(rendered, series, limit, format)  # a million rows take seconds: marks shall not wait for them


@router.get("/energy")
async def energy(
    state: Served, meter: MeterIds, from_ns: int = Query(ge=0, lt=2**62), to_ns: int = Query(ge=0, lt=2**62)
) -> list[dict[str, Any]]:
    """Energy of power meters from `from_ns` to `to_ns`, each for itself: the integral of the power that is linear between readings.

    It comes out of the sums of sealed chunks, so a month takes no longer than a minute; it has no uncertainty, which a run's energy has.
    One answer covers at most a hundred days, over all its meters.
    """
    if (asked_ns := len(meter) * (to_ns - from_ns)) > MAX_SUMMED_NS:
        raise Full(
            f"{len(meter)} meters over that time are {asked_ns / DAY_NS:.1f} days; 100 are given at once", "ask for a part of the time"
        )
    known = {m.meter_id: m for d in await asyncio.to_thread(state.store.devices) for m in d.device.meters}
    if unknown := sorted(set(meter) - known.keys()):
        raise NotFound(f"no meter {unknown[0]!r}", "list them with GET /v1/meters")
    if to_ns <= from_ns:
        raise UsageError(f"to_ns = {to_ns} is not after from_ns = {from_ns}", "give a span with the earlier time first")
    found = await asyncio.to_thread(state.store.integrals, meter, [(from_ns, to_ns)])
    return [told(meter_id, from_ns, to_ns, one) for meter_id, (one,) in zip(meter, found, strict=True)]


def told(meter_id: str, from_ns: int, to_ns: int, found: Integral | None) -> dict[str, Any]:
    """One entry of the answer; null with its reason where a reading is missing at an edge."""
    side_s = ENCLOSING_NS // NS_PER_S
    return {
        "meter_id": meter_id,
        "from_ns": from_ns,
        "to_ns": to_ns,
        "energy_j": None if found is None else found.energy_j,
        "mean_power_w": None if found is None else found.energy_j / ((to_ns - from_ns) / NS_PER_S),
        "readings": None if found is None else found.readings,
        "longest_gap_s": None if found is None else found.longest_ns / NS_PER_S,
        "reason": f"no reading within {side_s} s before its begin, or none within {side_s} s after its end" if found is None else "",
    }


def rendered(series: list[Series], limit: int, format: str) -> Response:
    """The answer, in the order of `series`."""
    if format == "csv":
        return Response(csv_text(series, limit), media_type="text/csv")
    return JSONResponse([columns(one, limit) for one in series])


def stored_span(state: State, from_ns: int, to_ns: int) -> tuple[int, int]:
    """The part of [from_ns, to_ns] in which there can be readings: a client may ask for all there is."""
    streams = state.store.streams()
    first_ns = min((min(s.epoch_ns, s.first_rx_ns) for s in streams), default=0)
    last_ns = max((max(s.last_ns, s.last_rx_ns) for s in streams), default=0)
    return max(from_ns, first_ns - MARGIN_NS), min(to_ns, last_ns + MARGIN_NS)


def bounded(meter_count: int, span_ns: int, limit: int | None) -> int:
    """Rows for each meter. Raises Full when the question asks for too much at once."""
    rows = min(DEFAULT_LIMIT, MAX_ROWS // meter_count) if limit is None else limit
    if meter_count * rows > MAX_ROWS:
        raise Full(f"{rows} rows of {meter_count} meters are more than {MAX_ROWS}", "ask for fewer meters, or set a lower limit")
    if meter_count * span_ns > MAX_SPAN_NS:
        days = meter_count * span_ns / DAY_NS
        raise Full(
            f"{meter_count} meters over that time are {days:.1f} days of readings; 10 are given at once", "ask for a part of the time"
        )
    return rows


def columns(series: Series, limit: int) -> dict[str, Any]:
    """One series as columns; a value that is missing is null."""
    rows = list(rows_of(series, limit))
    return {
        "meter_id": series.meter.meter_id,
        "quantity": series.meter.quantity,
        "exponent": series.meter.exponent,
        "clock_bound_ns": series.clock_bound_ns,
        "device_stamps": series.device_stamps,
        **{name: [row[i] for row in rows] for i, name in enumerate(COLUMNS) if name not in ("meter_id", "reason")},
        "reasons": {str(row): text for row, text in series.reasons.items() if row < limit},
    }


def csv_text(series: list[Series], limit: int) -> str:
    """Rows of COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in series:
        writer.writerows(rows_of(one, limit))
    return out.getvalue()


def rows_of(series: Series, limit: int) -> Iterator[tuple[str | int | None, ...]]:
    """The first `limit` readings as COLUMNS; the value of a gap is None."""
    first = slice(limit)
    columns = (series.t_ns[first].tolist(), series.value[first].tolist(), series.quality[first].tolist(), series.t_unc_ns[first].tolist())
    raw = [raw_times(series, name, limit) for name in RAW_TIMES]
    for row, (t_ns, value, code, t_unc_ns, *times) in enumerate(zip(*columns, *raw, strict=True)):
        quality = Quality(code)
        shown = None if quality is Quality.GAP else value
        yield series.meter.meter_id, t_ns, shown, quality.name.lower(), t_unc_ns, series.reasons.get(row, ""), *times


def raw_times(series: Series, name: str, limit: int) -> list[int | None]:
    """The column `name` of the first `limit` readings, None where nothing was kept or told."""
    times: Int64 | None = getattr(series, name)
    if times is None:
        return [None] * min(limit, len(series))
    return [t_ns or None for t_ns in times[:limit].tolist()]
