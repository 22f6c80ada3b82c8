"""The page of runs side by side."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/compare")
async def compare(state: Served) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "compare.html", here="/compare", title="Compare")
