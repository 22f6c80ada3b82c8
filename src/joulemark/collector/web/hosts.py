"""The page of all hosts: a row for each agent, what its meters show now, and the course of its power."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from joulemark.cards.buckets import Buckets
from joulemark.collector.api.live import look
from joulemark.collector.api.state import Served
from joulemark.collector.picture import Host, Picture
from joulemark.collector.store.recent import KEEP_NS
from joulemark.collector.web import course, looks, words
from joulemark.collector.web.drawings.sparkline import sparkline
from joulemark.energy.now import Level
from joulemark.markup import Markup
from joulemark.units import NS_PER_S

router = APIRouter(include_in_schema=False)
MINUTES: Final = KEEP_NS // (60 * NS_PER_S)
BUCKETS: Final = 60
"""Stretches of five seconds, in each of which the lowest and the highest reading stay."""


@dataclass(frozen=True, slots=True)
class Row:
    """A host; `outermost`: the boundary nearest to the wall, which the sparkline shows."""

    host: Host
    outermost: Level | None
    spark: Markup | None


@router.get("/hosts")
async def hosts(state: Served) -> HTMLResponse:
    """Every host that sent readings; and what to do next where there is none."""
    seen = await state.live.now(lambda: look(state))
    found = await asyncio.to_thread(rows, seen)
    address = state.config.collector.grpc_listen
    shown: dict[str, Any] = {"seen": seen, "rows": found, "words": words, "minutes": MINUTES, "agent_address": address}
    return await looks.page(state, "hosts.html", here="/hosts", title="Hosts", **shown)


def rows(seen: Picture) -> list[Row]:
    """The hosts, each with its sparkline."""
    return [row(seen, host) for host in seen.hosts]


def row(seen: Picture, host: Host) -> Row:
    """One host. Its boundaries stand in the order of the supply chain."""
    if not host.boundaries:
        return Row(host, None, None)
    outermost, begin_ns = host.boundaries[-1], seen.t_ns - KEEP_NS
    own = [seen.series[meter.meter_id] for meter in host.meters if meter.meter_id in seen.series]
    trace = course.together(course.courses([one for one in own if str(one.meter.boundary) == outermost.boundary]), outermost.boundary)
    if trace is None:
        return Row(host, outermost, None)
    line = Buckets.of(trace, begin_ns, seen.t_ns, count=BUCKETS)
    where = f"{words.place(outermost.boundary)} over the last {MINUTES} minutes"
    return Row(
        host,
        outermost,
        sparkline(line, begin_ns, seen.t_ns, title=course.said(where, line), look=words.LOOKS.get(outermost.boundary, "wall")),
    )
