"""The page of prices."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.state import Served
from joulemark.collector.web import looks

router = APIRouter(include_in_schema=False)


@router.get("/prices")
async def prices(state: Served) -> HTMLResponse:
    """To be written."""
    return await looks.page(state, "prices.html", here="/prices", title="Prices")
