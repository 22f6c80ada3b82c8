"""The page of one host."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/hosts/{agent_id}")
async def host(state: Served, agent_id: str) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "host.html", here="/hosts", title="Host")
