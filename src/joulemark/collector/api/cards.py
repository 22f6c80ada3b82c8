"""Routes of a run for people: its card as a page, and its label."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from joulemark.cards import bundle as bundles
from joulemark.collector.api.board import answered
from joulemark.collector.api.problems import described
from joulemark.collector.api.runs import evidence
from joulemark.collector.api.state import Served, State
from joulemark.collector.showing import SVG, Shown
from joulemark.markup import POLICY

router = APIRouter(prefix="/v1/runs", tags=["runs"], responses=described(409, 429))


def told(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of an answer."""
    return {304: {"description": "Not Modified"}, 200: {"description": "OK", "content": {media_type: {}}}}


@router.get("/{run_id}/card.html", response_class=Response, responses=told("text/html"))
async def page(run_id: str, state: Served, request: Request) -> Response:
    """The energy card as one page, judged by every rule: it loads nothing and runs nothing."""
    return harmless(answered(request, (await shown(state, run_id)).page, what="such page"))


@router.get("/{run_id}/label.svg", response_class=Response, responses=told(SVG))
async def label(run_id: str, state: Served, request: Request) -> Response:
    """The label of a run, which leads to its page."""
    return harmless(answered(request, (await shown(state, run_id)).label, what="such label"))


@router.get("/{run_id}/report")
async def report(run_id: str, state: Served) -> JSONResponse:
    """The card, what it was measured on and the verdict of every rule: schema `joulemark.report/1`, all that page and label show."""
    return JSONResponse((await shown(state, run_id)).document)


async def shown(state: State, run_id: str) -> Shown:
    """What there is to see of a run now. Raises NotFound and InsufficientData."""
    made = await evidence(state, run_id)
    return await state.showing.of(await asyncio.to_thread(lambda: bundles.build(made, sign=state.sign)))


def harmless(response: Response) -> Response:
    """The answer under a policy that lets it do nothing."""
    response.headers["Content-Security-Policy"] = POLICY
    return response
