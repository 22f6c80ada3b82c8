"""The page of all runs."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/runs")
async def runs(state: Served) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "runs.html", here="/runs", title="Runs")
