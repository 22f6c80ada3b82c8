"""Another board, as hostile as a test wants it: answers of its own over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from joulemark.board import feed
from joulemark.board.entry import Entry
from joulemark.board.site import Site
from joulemark.board.submission import entry_id_of
from tests.board.archives import sha256, zipped
from tests.board.entries import entry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def bundle(number: int) -> bytes:
    """An archive that belongs to entry `number` (and is no bundle: nothing judges it here)."""
    return zipped({"readme.txt": f"bundle {number}".encode()})


def theirs(number: int, **changed: Any) -> Entry:
    """Entry `number` of another board, with the hash of its archive and the id that follows from its manifest."""
    manifest = sha256(f"manifest {number}".encode())
    return replace(entry(number), entry_id=entry_id_of(manifest), manifest_sha256=manifest, bundle_sha256=sha256(bundle(number)), **changed)


@dataclass
class Another:
    """A board at `url` with `entries`; `answers`: path -> what is answered there instead. `asked`: every path that was asked for."""

    url: str = ""
    entries: Sequence[Entry] = ()
    answers: dict[str, Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    change: Callable[[dict[str, Any]], None] = lambda page: None
    authorization: str | None = None

    def page(self) -> dict[str, Any]:
        """The feed, as it is changed."""
        found = feed.page(feed.newest_first(self.entries), Site(self.url))
        self.change(found)
        return found

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What is answered."""
        self.asked.append(request.path_qs)
        self.authorization = request.headers.get("Authorization")
        if (own := self.answers.get(request.path)) is not None:
            return await own(request)
        if request.path == "/v1/board/feed.json":
            raw = json.dumps(self.page()).encode()
            tag = f'"{sha256(raw)}"'
            if request.headers.get("If-None-Match") == tag:
                return web.Response(status=304, headers={"ETag": tag})
            return web.Response(body=raw, content_type="application/feed+json", headers={"ETag": tag})
        for number in range(1, 20):
            if request.path.endswith(f"/{theirs(number).entry_id.rpartition(':')[2]}/bundle"):
                return web.Response(body=bundle(number))
        return web.Response(status=404)


@asynccontextmanager
async def another(*entries: Entry, **more: Any) -> AsyncIterator[Another]:
    """Such a board on a free port."""
    board = Another(entries=entries, **more)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", board.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    board.url = f"http://{host}:{port}"
    try:
        yield board
    finally:
        await runner.cleanup()
