"""The status page: one document, rendered here, without script or anything from elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from joulemark import __version__
from joulemark.collector.api.readings import hosts
from joulemark.collector.api.state import Served, State
from joulemark.collector.store.base import Described
from joulemark.energy.series import Series
from joulemark.timebase import iso_utc
from joulemark.units import NS_PER_S

router = APIRouter(include_in_schema=False)
POLICY: Final = "default-src 'none'; style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
RECENT_NS: Final = 60 * NS_PER_S
SYMBOLS: Final = {"watt": "W", "joule": "J", "volt": "V", "ampere": "A", "celsius": "°C"}
templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
templates.filters["utc"] = lambda t_ns: f"{iso_utc(t_ns)[:19]}Z"


@router.get("/")
async def status(state: Served) -> HTMLResponse:
    """Hosts, meters with their last reading, runs; and what to do next where there are none."""
    meters = await asyncio.to_thread(last_readings, state)
    page = templates.get_template("status.html").render(
        version=__version__,
        hosts=await hosts(state),
        meters=meters,
        runs=state.catalog.runs(20),
        agent_address=state.config.collector.grpc_listen,
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})


def last_readings(state: State) -> list[dict[str, str]]:
    """Every meter with its newest reading of the last minute."""
    devices = state.store.devices()
    now_ns = state.clock.utc_ns()
    ids = [m.meter_id for d in devices for m in d.device.meters]
    newest = {s.meter.meter_id: s for s in state.store.series(ids, now_ns - RECENT_NS, now_ns + RECENT_NS)} if ids else {}
    return [row for described in devices for row in rows(described, newest)]


def rows(described: Described, newest: dict[str, Series]) -> list[dict[str, str]]:
    """Lines of the table of meters."""
    found = []
    for meter in described.device.meters:
        series = newest.get(meter.meter_id)
        good = series.integrable() if series is not None else None
        unit = SYMBOLS.get(meter.quantity.unit, "")
        shown = (
            f"{good.meter.si(int(good.value[-1])):,.1f} {unit}".rstrip() if good is not None and len(good) else "none in the last minute"
        )
        at = f"{iso_utc(int(good.t_ns[-1]))[:19]}Z" if good is not None and len(good) else ""
        origin = "simulated" if meter.simulated else ""
        found.append({"meter_id": meter.meter_id, "boundary": str(meter.boundary), "reading": shown, "at": at, "origin": origin})
    return found
