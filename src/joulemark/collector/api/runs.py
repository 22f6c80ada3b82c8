"""Routes of runs: marks in, windows, energy and card out."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from joulemark.cards import attribution as attributions
from joulemark.cards import bundle as bundles
from joulemark.cards import card as cards
from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.evidence import Evidence
from joulemark.collector import chain as chains
from joulemark.collector import measure
from joulemark.collector.api import calibrations
from joulemark.collector.api.bodies import BenchmarkBody, EvidenceBody, PhaseBody, StartBody, StopBody
from joulemark.collector.api.door import TOLD
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.collector.documents import Documents, with_receipts
from joulemark.collector.evidence import alignments_of, evidence_of, known_prices
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.energy.attribution_claims import Method
from joulemark.errors import InsufficientData
from joulemark.proto.messages import Directive
from joulemark.runs import PhaseKind, new_run_id

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=described(400, 409, 415, 429, 507))


@router.post("", status_code=201)
async def start(body: StartBody, state: Served, request: Request) -> dict[str, Any]:
    """Start a run. The answer's `run_id` names it in every other call."""
    received_ns = state.clock.utc_ns()
    run_id = body.run_id or new_run_id(state.clock)
    moment = body.moment
    mark = Mark(Edge.START, "", PhaseKind.OTHER, moment.utc_ns, moment.mono_ns, moment.boot_id, received_ns)
    state.catalog.start(Recorded(run_id, body.benchmark, body.labels, tuple(body.agents), (mark,)), received_ns)
    request.scope[TOLD]["run_id"] = run_id
    if state.refresh is not None:
        state.refresh.hurry()
    await state.control.broadcast(Directive(read_now=True), body.agents)
    return {"run_id": run_id, "received_ns": received_ns}


@router.post("/{run_id}/phases", status_code=201)
async def phase(run_id: str, body: PhaseBody, state: Served) -> dict[str, Any]:
    """Begin or end a phase, or give a whole window. Every meter is read at a mark."""
    return await keep(state, run_id, body.mark(state.clock.utc_ns()))


@router.post("/{run_id}/benchmark", status_code=201)
async def benchmark(run_id: str, body: BenchmarkBody, state: Served) -> dict[str, Any]:
    """Give a run what its benchmark's files tell: windows, counts, and the tool's own figures, which stand beside ours."""
    received_ns = state.clock.utc_ns()
    marks = body.marks(received_ns)
    state.recorded(run_id)
    state.catalog.mark(run_id, *marks)
    state.catalog.tell(run_id, replace(body.plain(), windows=()))
    return {"received_ns": received_ns, "phases": len(marks)}


@router.post("/{run_id}/evidence", status_code=201)
async def documents(run_id: str, body: EvidenceBody, state: Served) -> dict[str, Any]:
    """Give a run what only the client knows: workload, requests, nodes, meter log, receipts for events of its chain."""
    received_ns, given = state.clock.utc_ns(), body.plain()
    recorded = state.recorded(run_id)
    if given.receipts:
        kept = Documents.of(state.catalog.documents(run_id)).receipts
        given = replace(given, receipts=with_receipts(kept, given.receipts, chains.heard(recorded)))
    texts = given.texts()
    state.catalog.document(run_id, texts, received_ns)
    return {"received_ns": received_ns, "documents": sorted(texts)}


@router.get("/{run_id}/chain")
async def chain(run_id: str, state: Served) -> dict[str, Any]:
    """The chain of what was heard of a run so far, for an authority that gives receipts: `joulemark.chain/1`, and the hash of its head."""
    known = chains.heard(state.recorded(run_id))
    receipts = Documents.of(state.catalog.documents(run_id)).receipts
    return {**replace(known, receipts=receipts).to_json(), "head_sha256": known.head_sha256}


@router.post("/{run_id}/seal")
async def seal(run_id: str, state: Served) -> dict[str, Any]:
    """Take nothing more for a run that was stopped and whose readings have all arrived: its bundle stays as it is."""
    if state.recorded(run_id).first(Edge.STOP) is None or not (await gathered(state, run_id)).settled:
        raise InsufficientData(f"run {run_id!r} is still going on, or readings of its end may arrive", "stop it, and ask again in a second")
    return {"sealed_ns": state.catalog.seal(run_id, state.clock.utc_ns())}


@router.post("/{run_id}/stop")
async def stop(run_id: str, body: StopBody, state: Served) -> dict[str, Any]:
    """Stop a run; phases still open end here."""
    return await keep(state, run_id, body.mark(state.clock.utc_ns()))


async def keep(state: State, run_id: str, mark: Mark) -> dict[str, Any]:
    """Make the mark durable, then have every meter that may count read: a collector whose ingest is down still takes marks."""
    agents = state.recorded(run_id).agents
    state.catalog.mark(run_id, mark)
    if mark.edge is not Edge.WINDOW:
        await state.control.broadcast(Directive(read_now=True), agents)
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
    return await asyncio.to_thread(measure.energy_json, await gathered(state, run_id))


@router.get("/{run_id}/attribution")
async def attribution(run_id: str, state: Served, share: Method = Method.EQUAL) -> dict[str, Any]:
    """The energy of each phase shared out among its requests, as the request log tells them: schema `joulemark.attribution/1`."""
    made = await evidence(state, run_id)
    return await asyncio.to_thread(attributions.attribution, made, Told.logged(made.requests), Asked(share))


@router.get("/{run_id}/card")
async def card(run_id: str, state: Served) -> dict[str, Any]:
    """The energy card: schema `joulemark.card/1`."""
    return await asyncio.to_thread(cards.build, await evidence(state, run_id))


@router.get("/{run_id}/bundle", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
async def bundle(run_id: str, state: Served) -> Response:
    """The card and everything it was computed from, as a zip archive. A run that is sealed gives the same bytes each time."""
    made = await evidence(state, run_id)
    files = await asyncio.to_thread(lambda: bundles.build(made, sign=state.sign))
    headers = {"Content-Disposition": f'attachment; filename="{quote(run_id)}.zip"'}
    return Response(await asyncio.to_thread(zipped, files), media_type="application/zip", headers=headers)


async def gathered(state: State, run_id: str) -> measure.Gathered:
    """A run and what the store knows around it. Raises NotFound and InsufficientData."""
    return await asyncio.to_thread(measure.gather, state.recorded(run_id), state.store, state.boot_id)


async def evidence(state: State, run_id: str) -> Evidence:
    """What the card of a run is made from."""
    return await evidence_from(state, await gathered(state, run_id))


async def evidence_from(state: State, known: measure.Gathered) -> Evidence:
    """The same, where the readings are at hand."""
    told = await asyncio.to_thread(Documents.of, state.catalog.documents(known.run.run_id))
    aligned = await asyncio.to_thread(alignments_of, known, calibrations.kept(state))
    return evidence_of(known, await asyncio.to_thread(known_prices, state.config, state.clock, known.run), told, aligned)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip archive of `files`, equal for equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
