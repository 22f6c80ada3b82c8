"""The page of one run."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/runs/{run_id}")
async def run(state: Served, run_id: str) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "run.html", here="/runs", title="Run")
