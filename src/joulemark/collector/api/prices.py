"""Routes of prices: what is known, what counted when, how each feed stands, and a feed read now."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query

from joulemark.collector.api.bodies import PRINTABLE, Body, Label, Name
from joulemark.collector.api.problems import NotFound, described
from joulemark.collector.api.state import Served, State
from joulemark.collector.standing import Standing, standings
from joulemark.errors import UsageError
from joulemark.pricing import kept, sources
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel

if TYPE_CHECKING:
    from joulemark.collector.refresh import Refresh

router = APIRouter(prefix="/v1/prices", tags=["prices"], responses=described(400, 415, 507))

MOST: Final = 1000
"""Prices of one answer."""

Text = Annotated[str | None, Query(min_length=1, max_length=200, pattern=PRINTABLE)]
Date = Annotated[str | None, Query(min_length=1, max_length=40, pattern=PRINTABLE)]


class RefreshBody(Body):
    """Which feeds are read now: those of the kind `feed`, of them only `scope` where it is given."""

    feed: Name
    scope: Label | None = None


@router.get("")
async def prices(
    state: Served,
    provider: Text = None,
    instance_type: Text = None,
    region: Text = None,
    valid_at: Date = None,
    known_at: Date = None,
    price_model: PriceModel = PriceModel.ON_DEMAND,
    os: Annotated[str, Query(max_length=200, pattern=PRINTABLE)] = "linux",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> dict[str, Any]:
    """With provider, instance_type and region: the price that counted at `valid_at`, as known at `known_at`, both now unless given.

    With less: the prices that are known, `limit` of them from `offset` on. Dates are `2025-06-15` or times with their zone.
    """
    named: dict[str, Any] = {
        key: value for key, value in (("provider", provider), ("instance_type", instance_type), ("region", region)) if value
    }
    if provider and instance_type and region:
        valid_at_ns = moment_ns(valid_at, "valid_at") if valid_at else state.clock.utc_ns()
        known_at_ns = moment_ns(known_at, "known_at") if known_at else None
        during = (valid_at_ns, valid_at_ns + 1)
        known = await asyncio.to_thread(kept.known, state.config, state.clock, during=during, instance_type=instance_type)
        when: dict[str, Any] = {"valid_at_ns": valid_at_ns, "known_at_ns": known_at_ns, "limits": sources.limits()}
        answer = known.lookup(**named, **when, price_model=price_model, os=os)
        return {"schema": "joulemark.price/1", **answer.to_json()}
    if valid_at or known_at:
        raise UsageError("valid_at and known_at need provider, instance_type and region", "name all three, or leave the dates out")
    found = await asyncio.to_thread(listed, state, limit=limit, offset=offset, **named)
    return {"schema": "joulemark.price_list/1", "prices": found}


@router.get("/feeds")
async def feeds(state: Served) -> dict[str, Any]:
    """How each configured feed stands: `joulemark.price_feeds/1`."""
    found = await asyncio.to_thread(standings_of, state)
    return {"schema": "joulemark.price_feeds/1", "feeds": [standing_json(one, state.refresh) for one in found if state.refresh]}


@router.post("/refresh", status_code=202)
async def read_now(body: RefreshBody, state: Served) -> dict[str, Any]:
    """Read feeds now, whatever their interval. `asked`: those whose reading begins; `running`: those that are being read already.

    What came of it stands in `GET /v1/prices/feeds` a moment later.
    """
    configured = state.refresh.feeds if state.refresh else ()
    names = [feed.name for feed in configured if feed.kind == body.feed and body.scope in (None, feed.scope)]
    if state.refresh is None or not names:
        asked_for = f"{body.feed} {body.scope or ''}".rstrip()
        raise NotFound(f"no feed {asked_for!r} is configured", "list them with GET /v1/prices/feeds")
    asked = [name for name in names if state.refresh.ask(name)]
    return {"asked": asked, "running": [name for name in names if name not in asked]}


def listed(state: State, *, limit: int, offset: int, **named: str) -> list[dict[str, Any]]:
    """A part of the list of known prices."""
    if not kept.exists(state.config):
        return []
    with kept.opened(state.config, state.clock) as store:
        return [price.record() for price in store.listed(limit=limit, offset=offset, **named)]


def standings_of(state: State) -> list[Standing]:
    """How each configured feed stands."""
    if state.refresh is None:
        return []
    with kept.opened(state.config, state.clock) if kept.exists(state.config) else nullcontext() as store:
        return standings(state.refresh.feeds, store)


def standing_json(standing: Standing, refresh: Refresh) -> dict[str, Any]:
    """A feed with its last attempt, its last good one, and its next; null where there is none."""
    feed, last, good = standing.feed, standing.last, standing.good
    now_ns, course = refresh.clock.utc_ns(), refresh.course(feed.name)
    age_s = standing.age_s(now_ns)
    return {
        "feed": feed.kind,
        "scope": feed.scope,
        "experimental": feed.source.experimental,
        "every_s": feed.every_s,
        "running": course.running,
        "next_ns": refresh.next_ns(feed.name),
        "last_attempt_ns": last.requested_at_ns if last else None,
        "outcome": str(last.outcome) if last else None,
        "error": course.error or (last.error if last else ""),
        "url": last.url if last else "",
        "http_status": last.http_status if last else None,
        "last_good_ns": standing.good_ns,
        "list_published_ns": good.published_at_ns if good else None,
        "age_s": None if age_s is None else round(age_s, 3),
        "age": str(standing.age(now_ns)),
        "max_age_s": feed.source.max_age_s,
        "hard_limit_s": feed.source.hard_limit_s,
        "rows": standing.brought.rows_parsed if standing.brought else 0,
        "rows_refused": last.rows_rejected if last else 0,
        "attempts": standing.counts,
    }
