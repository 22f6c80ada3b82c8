"""How much a request may be: requests at once, bytes and seconds of a body, what JSON may hold."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.types import Message, Receive

from joulemark import document
from joulemark.collector.api.refusals import Reason, Refusal
from joulemark.errors import FormatError

MEDIA_TYPE: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the REST interface. A mark has a few hundred bytes and is there at once; a log of requests has a hundred for each."""

    body_bytes: int = 1024 * 1024
    evidence_bytes: int = 32 * 1024 * 1024
    body_s: float = 10.0
    archive_s: float = 300.0
    requests: int = 64
    large_answers: int = 8
    listeners: int = 32
    connections: int = 512
    head_bytes: int = 32 * 1024
    head_s: float = 10.0
    answer_stall_s: float = 30.0


class Places:
    """Requests that are being answered."""

    def __init__(self, limit: int, what: str = "requests are being answered") -> None:
        self._limit, self._taken, self._what = limit, 0, what

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place. Raises Refusal when none is free."""
        if self._taken >= self._limit:
            raise Refusal(Reason.BUSY, 503, f"{self._taken} {self._what}", "ask again in a second", {"Retry-After": "1"})
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


def head(request: Request, limits: Limits) -> None:
    """Refuse a head that is too long, also when it came in one piece. Raises Refusal."""
    length = len(request.scope["query_string"]) + len(request.scope["path"]) + sum(len(k) + len(v) for k, v in request.headers.raw)
    if length > limits.head_bytes:
        what = f"the head of the request has more than {limits.head_bytes} bytes"
        raise Refusal(Reason.TOO_LARGE, 431, what, "send shorter names and fewer headers")


async def body(request: Request, limits: Limits) -> bytes:
    """The body of `request`, whole, and JSON where there is one. Raises Refusal."""
    try:
        async with asyncio.timeout(limits.body_s):
            raw = await whole(request, limits.evidence_bytes if is_evidence(request.scope["path"]) else limits.body_bytes)
    except TimeoutError:
        what = f"the body did not arrive within {limits.body_s:g} s"
        raise Refusal(Reason.TOO_SLOW, 408, what, "send it at once", {"Connection": "close"}) from None
    if raw:
        check(request, raw)
    return raw


def is_evidence(path: str) -> bool:
    """Whether what is handed in there may have megabytes: a log of requests, the readings of an alignment."""
    return path.endswith("/evidence") or path == "/v1/calibrations"


async def whole(request: Request, limit: int) -> bytes:
    """All bytes of the body. Raises Refusal beyond `limit`, as soon as that is known."""
    declared = request.headers.get("content-length", "")
    found = bytearray()
    if not (declared.isascii() and declared.isdecimal() and int(declared[:19]) > limit):
        async for chunk in request.stream():
            found += chunk
            if len(found) > limit:
                break
        else:
            return bytes(found)
    next_step = "send less at once; windows of a large benchmark may be posted in parts"
    raise Refusal(Reason.TOO_LARGE, 413, f"the body has more than {limit} bytes", next_step, {"Connection": "close"})


def check(request: Request, raw: bytes) -> None:
    """Refuse a body that is not JSON, or that two programs could read differently (`joulemark.document`)."""
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Refusal(Reason.MEDIA_TYPE, 415, f"the body is declared as {declared[:80]!r}", f"send it as Content-Type: {MEDIA_TYPE}")
    try:
        document.parse(raw.decode("utf-8"), where="the body")
    except UnicodeDecodeError as error:
        raise Refusal(Reason.JSON, 400, f"the body is not UTF-8: {error.reason}", "send JSON in UTF-8") from None
    except FormatError as error:
        raise Refusal(Reason.JSON, 400, error.what, "send JSON (RFC 8259) as /openapi.json describes it") from None


def again(raw: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body already read, then what comes after it."""
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return next_message
