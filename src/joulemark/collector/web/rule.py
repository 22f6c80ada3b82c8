"""The page of one rule of the standard: what it demands, why, its limits, and how to meet it."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.collector.api.problems import NotFound
from joulemark.collector.api.state import Served
from joulemark.collector.web import looks
from joulemark.errors import UsageError
from joulemark.standard.edition import edition

router = APIRouter(include_in_schema=False)


@router.get("/rules/{rule_id}")
async def rule(state: Served, rule_id: str) -> HTMLResponse:
    """A rule of the current edition, where checklists lead to."""
    try:
        found = edition().rule(rule_id)
    except UsageError as error:
        raise NotFound(error.what, error.next_step) from error
    return await looks.page(state, "rule.html", here="/runs", title=f"Rule {found.id}", rule=found, edition=edition().version)
