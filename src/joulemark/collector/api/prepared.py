"""What of the board lies ready as bytes is answered behind the door, before a route is looked for: that costs more than the answer."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from joulemark.board import croissant, feed, table
from joulemark.collector.api.access import BOARD
from joulemark.collector.api.board import answered
from joulemark.collector.api.state import State
from joulemark.collector.shelf import Answer, Shelf

ENTRIES: Final = f"{BOARD}/entries/"
FILES: Final = {f"{BOARD}/{name}": name for name in (table.NAME, croissant.NAME)}


class Prepared:
    """ASGI middleware: answers as the route of `api.board` does, and hands on what asks for more than its path says."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._board = app, state.board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = None
        if self._board is not None and scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            answer = ready(self._board.shelf, scope["path"])
        if answer is None:
            await self._app(scope, receive, send)
        else:
            await answered(Request(scope), answer, what=scope["path"])(scope, receive, send)


def ready(shelf: Shelf, path: str) -> Answer | None:
    """The answer of a shelf to the path without parameters; None where a route has to say."""
    if path == BOARD:
        return shelf.listed(1)
    if path == f"{BOARD}/{feed.NAME}":
        return shelf.feed[0] if shelf.feed else None
    if path.startswith(ENTRIES):
        entry = shelf.entries.get(path.removeprefix(ENTRIES))
        return None if entry is None else shelf.told(entry)
    return shelf.files.get(FILES.get(path, ""))
