"""The page of the board."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/board")
async def board(state: Served) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "board.html", here="/board", title="Energy board")
