"""What goes on now, as events of a stream that does not end: `GET /v1/live`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from joulemark.collector import picture
from joulemark.collector.api.problems import NotFound, described
from joulemark.collector.api.readings import columns
from joulemark.collector.api.state import Served, State
from joulemark.collector.picture import Picture
from joulemark.collector.store.pieces import cut
from joulemark.collector.store.recent import KEEP_NS
from joulemark.units import NS_PER_S

router = APIRouter(prefix="/v1", tags=["readings"], responses=described())
PATH: Final = "/v1/live"
RETRY_MS: Final = 3000
"""After how long a reader asks again when the stream ended."""
LONGEST_S: Final = 900.0
"""A stream ends after that, and its reader asks again: a token that was revoked meanwhile is asked for again."""
MEDIA_TYPE: Final = "text/event-stream"
EVENT: Final = {
    "type": "object",
    "description": "An event of the stream; data is `joulemark.live/1`.",
    "properties": {
        "id": {"type": "string"},
        "event": {"const": "live"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}
TOLD: Final = ("meter_id", "quantity", "exponent", "t_ns", "value", "quality", "reasons")


class Events(StreamingResponse):
    """A stream whose source is told at once that nobody reads any more."""

    def __init__(self, source: AsyncGenerator[str]) -> None:
        super().__init__(source, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._source):
            await super().__call__(scope, receive, send)


@router.get("/live", response_class=StreamingResponse, responses={200: {"content": {MEDIA_TYPE: {"schema": EVENT}}}})
async def live(
    state: Served,
    host: Annotated[str | None, Query(max_length=500)] = None,
    since_ns: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    events: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Events:
    """Server-sent events `live`, one a second: `joulemark.live/1`. With `host` of one agent, and with its new readings since `since_ns`
    (or since the event `Last-Event-ID`), up to five minutes. It ends after `events` of them, or after a quarter of an hour: ask again.
    """
    if host is not None and host not in {s.agent_id for s in await asyncio.to_thread(state.store.streams)}:
        raise NotFound(f"no host {host!r}", "list them with GET /v1/hosts")
    since, now_ns = number(last_event_id) or since_ns, state.clock.utc_ns()
    return Events(written(state, host, now_ns if since is None else min(since, now_ns), events))


def number(last_event_id: str | None) -> int | None:
    """The time in the name of an event of this stream; None for any other name."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


async def look(state: State) -> Picture:
    """What goes on now."""
    ingest, now_ns = await state.control.status(), state.clock.utc_ns()
    return await asyncio.to_thread(picture.look, state.store, now_ns, ingest, state.catalog.open_phases(now_ns))


async def written(state: State, host: str | None, since_ns: int, count: int | None) -> AsyncGenerator[str]:
    """The text of the stream."""
    yield f"retry: {RETRY_MS}\n\n"
    end_s, news, left = asyncio.get_running_loop().time() + LONGEST_S, News(since_ns), count
    async with aclosing(state.live.pictures(lambda: look(state))) as pictures:
        async for seen in pictures:
            if seen is None:
                yield ": nothing new yet\n\n"
            else:
                yield await asyncio.to_thread(told, seen, host, news)
                left = None if left is None else left - 1
            if left == 0 or asyncio.get_running_loop().time() >= end_s:
                return


class News:
    """What a reader of one host was told already: the time of the newest reading of each meter."""

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self._until: dict[str, int] = {}

    def of(self, seen: Picture, host: str) -> list[dict[str, Any]]:
        """The readings of a host that were not told yet, as columns; one that comes late, before others that were told, never is."""
        found = []
        shown = seen.host(host)
        for meter in () if shown is None else shown.meters:
            if (series := seen.series.get(meter.meter_id)) is None:
                continue
            after_ns = max(self._until.get(meter.meter_id, self.since_ns), seen.t_ns - KEEP_NS)
            new = cut(series, after_ns + 1, seen.t_ns + KEEP_NS)
            self._until[meter.meter_id] = max(after_ns, int(series.t_ns[-1]))
            if len(new):
                told = columns(new, len(new))
                found.append({name: told[name] for name in TOLD})
        return found

    def resumes(self, t_ns: int) -> int:
        """The time after which somebody has to ask who saw everything so far: what some meters said since may come twice."""
        lately = [until_ns for until_ns in self._until.values() if until_ns > t_ns - 30 * NS_PER_S]
        return min(lately, default=t_ns)


def told(seen: Picture, host: str | None, news: News) -> str:
    """One event. Its name is a time that a reader who comes back may name."""
    body, name = seen.to_json(host), seen.t_ns
    if host is not None:
        body["readings"] = news.of(seen, host)
        name = news.resumes(seen.t_ns)
    return f"id: {name}\nevent: live\ndata: {json.dumps(body, separators=(',', ':'))}\n\n"
