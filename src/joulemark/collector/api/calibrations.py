"""Routes of alignments: those of the meters, with the readings they were made from."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from joulemark.collector.alignments import Alignments
from joulemark.collector.api.bodies import Body, Name
from joulemark.collector.api.problems import NotFound, described
from joulemark.collector.api.state import Served, State

router = APIRouter(prefix="/v1/calibrations", tags=["calibrations"], responses=described(400, 415, 429, 507))


class CalibrationBody(Body):
    """An alignment as `joulemark calibrate` writes it: path of each file below `energy/` of a bundle, and its text."""

    files: Annotated[dict[Name, str], Field(min_length=4, max_length=5)]


def kept(state: State) -> Alignments:
    """Where this collector keeps them."""
    return Alignments(folder(state))


def folder(state: State) -> Path:
    """The folder that changes with each of them."""
    return state.config.collector.data_dir / "alignments"


@router.post("", status_code=201)
async def keep(body: CalibrationBody, state: Served) -> dict[str, Any]:
    """Hand in an alignment. Runs that begin from now on until it expires are corrected by it. The same again changes nothing."""
    record = await asyncio.to_thread(kept(state).keep, body.files)
    return {"alignment_id": record.alignment_id, "sensor": record.sensor, "received_ns": state.clock.utc_ns()}


@router.get("")
async def calibrations(
    state: Served, sensor: Annotated[str | None, Query(max_length=500)] = None, limit: int = Query(100, ge=1, le=1000)
) -> list[dict[str, Any]]:
    """The newest alignments, of the meter `sensor` or of all: what `calibration.json` holds of each."""
    records = await asyncio.to_thread(kept(state).records)
    return [asdict(one) for one in records if sensor in (None, one.sensor)][:limit]


@router.get("/{alignment_id}")
async def calibration(alignment_id: str, state: Served) -> dict[str, Any]:
    """One alignment with its files, the raw readings among them, as they were handed in."""
    files = await asyncio.to_thread(kept(state).files, alignment_id)
    if not files:
        raise NotFound(f"no alignment {alignment_id[:80]!r}", "list them with GET /v1/calibrations")
    return {"alignment_id": alignment_id, "files": files}
