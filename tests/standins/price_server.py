"""A provider's price service on loopback: a real HTTP server that answers with recorded replies, and with everything that goes wrong.

    with PriceServer() as server:
        server.serve("/list.csv", Answer(body, etag='"1"'))            # 304 for who shows the tag or the date again
        server.serve("/flaky", throttled(1), Answer(body))             # the answers in turn, the last one for ever
        azure_pages(server, "/api/retail/prices", recorded, per_page=4)
        asyncio.run(gather(Config(url=server.url("/list.csv")), web))
        assert server.asked[0].headers["User-Agent"]

Whoever asks for a path that nothing is served at gets 404.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

TOKEN = "x-ms-ratelimit-retailprices-retry-after"


@dataclass(frozen=True)
class Answer:
    """One answer. `file`: its body is what that file holds. `delay_s`: before it; `pause_s`: in the middle of the body.

    `cut`: the connection breaks after so many bytes of the body. `etag`, `last_modified`: answered 304 when shown again.
    `needs`: headers without which the answer is 403.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    delay_s: float = 0.0
    pause_s: float = 0.0
    cut: int | None = None
    etag: str = ""
    last_modified: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        return self.file.stat().st_size if self.file else len(self.body)

    def pieces(self) -> Iterator[bytes]:
        """The body in the parts in which it is sent."""
        if self.file is not None:
            with self.file.open("rb") as file:
                yield from iter(lambda: file.read(1 << 18), b"")
        elif self.cut is not None:
            yield self.body[: self.cut]
        else:
            half = len(self.body) // 2 if self.pause_s else len(self.body)
            yield from (self.body[:half], self.body[half:])


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    raw: str
    headers: Mapping[str, str]
    body: bytes


def page(data: object, **more: Any) -> Answer:
    """JSON; numbers that must keep their digits are given as text of JSON already."""
    return Answer(json.dumps(data).encode(), headers={"Content-Type": "application/json"}, **more)


def throttled(wait: float | str, *, azure: bool = False, status: int = 429) -> Answer:
    """Too many requests: come back after `wait` seconds, or at that date."""
    return Answer(b"slow down", status=status, headers={TOKEN if azure else "Retry-After": f"{wait}"})


def redirect(to: str, status: int = 302) -> Answer:
    """The list is elsewhere."""
    return Answer(status=status, headers={"Location": to})


def packed(body: bytes, **more: Any) -> Answer:
    """`body` as gzip."""
    return Answer(gzip.compress(body), headers={"Content-Encoding": "gzip"}, **more)


def bomb(mib: int) -> Answer:
    """A few kilobytes of gzip that unfold to `mib` MiB."""
    return packed(b"\0" * (mib << 20))


def renamed(body: bytes, **names: str) -> bytes:
    """JSON with keys of another schema: every key `old` is called `new`."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): walk(inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(walk(json.loads(body))).encode()


def azure_pages(server: PriceServer, path: str, recorded: bytes, *, per_page: int, link_host: str = "") -> None:
    """Serve a recorded reply of Azure in pages. `NextPageLink` names `link_host`, else the server itself, with `$skip`."""
    reply = json.loads(recorded)
    items = reply["Items"]
    answers = {}
    for start in range(0, max(len(items), 1), per_page):
        after = start + per_page
        link = f"{link_host or server.origin}{path}?$filter=x%20eq%20%27y%27&$skip={after}" if after < len(items) else None
        part = {**reply, "Items": items[start:after], "NextPageLink": link, "Count": len(items[start:after])}
        answers[str(start)] = page(part)
    server.serve(path, answers["0"])
    for start, answer in answers.items():
        server.serve(f"{path}?$skip={start}", answer)


class PriceServer:
    """The server: as a context manager it runs in a thread of its own, at a free port."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.port = 0
        self._answers: dict[str, list[Answer]] = {}
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Address of `path`."""
        return self.origin + path

    def serve(self, path: str, *answers: Answer) -> None:
        """Answer requests of `path` with `answers` in turn. A path with `?key=value` is only for requests with that pair."""
        self._answers[path] = list(answers)

    def serve_all(self, answers: Mapping[str, Answer]) -> None:
        """Several paths at once."""
        for path, answer in answers.items():
            self.serve(path, answer)

    def times(self, path: str) -> int:
        """How often `path` was asked for."""
        return sum(asked.path == path for asked in self.asked)

    def __enter__(self) -> PriceServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _chosen(self, request: web.Request) -> Answer:
        with_pair = [f"{request.path}?{key}={value}" for key, value in request.query.items()]
        answers = next((self._answers[key] for key in [*with_pair, request.path] if key in self._answers), None)
        if answers is None:
            return Answer(b"nothing is served here", status=404)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        query, headers = dict(request.query), dict(request.headers)
        self.asked.append(Asked(request.method, request.path, query, request.raw_path, headers, body))
        answer = self._chosen(request)
        await asyncio.sleep(answer.delay_s)
        if any(request.headers.get(name) != value for name, value in answer.needs.items()):
            return web.Response(status=403, text="who are you?")
        headers = {**answer.headers, **validators(answer)}
        if unchanged(answer, request.headers):
            return web.Response(status=304, headers=headers)
        return await self._sent(request, answer, headers)

    async def _sent(self, request: web.Request, answer: Answer, headers: Mapping[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={**headers, "Content-Length": str(answer.length)})
        try:
            await response.prepare(request)
            for piece in answer.pieces():
                await response.write(piece)
                await asyncio.sleep(answer.pause_s)
            if answer.cut is not None and request.transport is not None:
                request.transport.close()
        except ConnectionError:
            pass  # who asked has gone
        return response


def validators(answer: Answer) -> dict[str, str]:
    """The headers by which a list is known again."""
    return {name: value for name, value in (("ETag", answer.etag), ("Last-Modified", answer.last_modified)) if value}


def unchanged(answer: Answer, headers: Mapping[str, str]) -> bool:
    """Whether who asks has this list already; the tag wins over the date (RFC 9110, section 13.2.2)."""
    shown = headers.get("If-None-Match")
    if shown is not None and answer.etag:
        return answer.etag in [tag.strip() for tag in shown.split(",")]
    return bool(answer.last_modified) and headers.get("If-Modified-Since") == answer.last_modified
