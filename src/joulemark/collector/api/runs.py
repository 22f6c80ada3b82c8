"""Routes of runs: marks in, windows, energy and card out."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Query

from joulemark.collector import measure
from joulemark.collector.api.bodies import PhaseBody, StartBody, StopBody
from joulemark.collector.api.state import Served, State
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.proto.messages import Directive
from joulemark.runs import PhaseKind, new_run_id

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.post("", status_code=201)
async def start(body: StartBody, state: Served) -> dict[str, Any]:
    """Start a run. The answer's `run_id` names it in every other call."""
    received_ns = state.clock.utc_ns()
    run_id = body.run_id or new_run_id(state.clock)
    moment = body.moment
    mark = Mark(Edge.START, "", PhaseKind.OTHER, moment.utc_ns, moment.mono_ns, moment.boot_id, received_ns)
    state.catalog.start(Recorded(run_id, body.benchmark, body.labels, tuple(body.agents), (mark,)), received_ns)
    await state.control.broadcast(Directive(read_now=True))
    return {"run_id": run_id, "received_ns": received_ns}


@router.post("/{run_id}/phases", status_code=201)
async def phase(run_id: str, body: PhaseBody, state: Served) -> dict[str, Any]:
    """Begin or end a phase, or give a whole window. Every meter is read at a mark."""
    return await keep(state, run_id, body.mark(state.clock.utc_ns()))


@router.post("/{run_id}/stop")
async def stop(run_id: str, body: StopBody, state: Served) -> dict[str, Any]:
    """Stop a run; phases still open end here."""
    return await keep(state, run_id, body.mark(state.clock.utc_ns()))


async def keep(state: State, run_id: str, mark: Mark) -> dict[str, Any]:
    """Make the mark durable, then have every meter read: a collector whose ingest is down still takes marks."""
    state.recorded(run_id)
    state.catalog.mark(run_id, mark)
    if mark.edge is not Edge.WINDOW:
        await state.control.broadcast(Directive(read_now=True))
    return {"received_ns": mark.received_ns}


@router.get("")
async def runs(state: Served, limit: int = Query(100, ge=1, le=10_000)) -> list[dict[str, Any]]:
    """The newest runs."""
    return state.catalog.runs(limit)


@router.get("/{run_id}")
async def run(run_id: str, state: Served) -> dict[str, Any]:
    """A run with its windows on the collector's clock: schema `joulemark.run/1`."""
    recorded = state.recorded(run_id)
    return (await asyncio.to_thread(measure.run_with_axis, recorded, state.store, state.boot_id)).to_json()


@router.get("/{run_id}/phases")
async def phases(run_id: str, state: Served) -> list[dict[str, Any]]:
    """The windows of a run."""
    found: list[dict[str, Any]] = (await run(run_id, state))["phases"]
    return found


@router.get("/{run_id}/energy")
async def energy(run_id: str, state: Served) -> dict[str, Any]:
    """Energy of every phase at every boundary. `settled` is false while readings of the run's end may still arrive."""
    recorded = state.recorded(run_id)
    return (await asyncio.to_thread(measure.energy, recorded, state.store, state.boot_id)).to_json()
