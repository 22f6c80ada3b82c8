"""The door of the REST interface: every request passes it once, and every write leaves a line in the audit log."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from joulemark.collector.api import archives, limits, live
from joulemark.collector.api.access import ASKER, SAFE, Access, is_probe
from joulemark.collector.api.limits import Limits, Places
from joulemark.collector.api.problems import problem
from joulemark.collector.api.refusals import Reason, Refusal
from joulemark.collector.api.state import State
from joulemark.collector.audit import Audit
from joulemark.collector.tokens import Tokens

log = logging.getLogger("joulemark.collector.api")
TOLD: Final = "joulemark.told"
"""Key of the ASGI scope under which a route says what the audit log should know: `run_id`."""
INCOMING: Final = "board/incoming"
"""Where archives arrive, below collector.data_dir."""
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Door:
    """ASGI middleware: refuses, or hands on with a body that is whole and within the limits.

    Writes that were let in stand in audit.jsonl, those turned away in audit-refused.jsonl: whoever knocks without a token cannot
    push the record of real writes out of a file of bounded size.
    """

    def __init__(self, app: ASGIApp, state: State, bounds: Limits) -> None:
        """Raises ConfigError as `Access`."""
        folder = state.config.collector.data_dir
        self._app, self._state, self._bounds = app, state, bounds
        self._access = Access(state.config, Tokens(folder), state.clock)
        self._places, self._large = Places(bounds.requests), Places(bounds.large_answers)
        self._listeners = Places(bounds.listeners, "listen to what goes on")
        self._audit = Audit(folder / "audit.jsonl")
        self._turned_away = Audit(folder / "audit-refused.jsonl")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, send = Request(scope, receive), guarded(send)
        path: str = scope["path"]  # never request.url, which a Host header can bend
        facts: dict[str, Any] = {"who": None, "bytes": 0, "run_id": run_of(path)}
        try:
            with self._place(request):
                limits.head(request, self._bounds)
                asker = self._access.admit(request)
                facts["who"], scope[ASKER] = asker.name, asker
                if request.method in SAFE:
                    await self._app(scope, receive, send)
                elif archives.is_archive(request):
                    async with self._arrived(request) as archive:
                        scope[archives.ARRIVED] = archive
                        await self._write(request, b"", receive, send, {**facts, "bytes": archive.size})
                else:
                    raw = await limits.body(request, self._bounds)
                    await self._write(request, raw, receive, send, {**facts, "bytes": len(raw)})
        except Refusal as refusal:
            self._state.refused.count(refusal.reason)
            if request.method not in SAFE:
                self._note(request, refusal, facts)
            await problem(refusal.status, refusal.detail, refusal.next_step, kind=refusal.reason, headers=refusal.headers)(
                scope, receive, send
            )
        except ClientDisconnect:
            log.info("%s %s: the client left before its body was whole", request.method, path)

    def _arrived(self, request: Request) -> AbstractAsyncContextManager[archives.Arrived]:
        board = self._state.config.board
        folder = self._state.config.collector.data_dir / INCOMING
        return archives.arrived(request, folder, most_bytes=board.max_bundle_bytes, within_s=self._bounds.archive_s)

    def _place(self, request: Request) -> AbstractContextManager[None]:
        """Held until the answer is sent. Large answers have few places of their own: they wait in memory for who reads them. So have
        streams, which do not end.
        """
        if is_probe(request):
            return nullcontext()
        if request.scope["path"] == live.PATH:
            return self._listeners.taken()
        return (self._large if is_large(request.scope["path"]) else self._places).taken()

    async def _write(self, request: Request, raw: bytes, receive: Receive, send: Send, facts: dict[str, Any]) -> None:
        """Have a write carried out between the begin and the end of its line. Raises Refusal when there is no room for the line."""
        told: dict[str, str] = {}
        try:
            entry = self._audit.begin(**self._line(request, facts))
        except OSError as error:
            what = f"the audit log cannot be written ({error.strerror}), so nothing was changed"
            raise Refusal(
                Reason.AUDIT, 507, what, "free space in collector.data_dir; a client keeps the mark and sends it later"
            ) from error

        async def audited(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._audit.end(entry, message["status"], told.get("run_id"))
            await send(message)

        try:
            await self._app({**request.scope, TOLD: told}, limits.again(raw, receive), audited)
        finally:
            self._audit.end(entry, 500, told.get("run_id"))

    def _note(self, request: Request, refusal: Refusal, facts: dict[str, Any]) -> None:
        """Keep the line of a write that was turned away; it stays turned away when there is no room for that."""
        try:
            self._turned_away.note(refusal.status, reason=refusal.reason, **self._line(request, facts))
        except OSError as error:
            log.error("a refused request is not in the audit log: %s", error.strerror)

    def _line(self, request: Request, facts: dict[str, Any]) -> dict[str, Any]:
        peer = request.client.host if request.client else None
        return {"t_ns": self._state.clock.utc_ns(), "peer": peer, "method": request.method, "path": request.scope["path"], **facts}


def guarded(send: Send) -> Send:
    """`send` with the headers that every answer has, unless it brings its own."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


def is_large(path: str) -> bool:
    """Whether the answer, or the body, may have many megabytes, or takes seconds of judging."""
    if path.endswith(("/bundle", "/card.html", "/label.svg", "/report", "/verdict")):
        return True
    return path in ("/v1/readings", archives.PATH) or path.startswith("/v1/calibrations/")


def run_of(path: str) -> str | None:
    """The run that a path is about."""
    parts = path.split("/")
    return parts[3] if parts[:3] == ["", "v1", "runs"] and len(parts) > 3 else None
