"""All pages of the collector, and what they load."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from joulemark.collector.web import assets, board, calibrations, compare, host, hosts, prices, rule, run, runs

router = APIRouter(include_in_schema=False)
for one in (hosts, host, runs, run, rule, compare, board, prices, calibrations, assets):
    router.include_router(one.router)


@router.get("/")
async def home() -> RedirectResponse:
    """The first page is that of the hosts."""
    return RedirectResponse("/hosts", status_code=307)
