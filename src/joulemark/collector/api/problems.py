"""Errors of the REST API as `application/problem+json` (RFC 9457), with the next step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from joulemark.board.store import Crowded
from joulemark.collector.api.access import wants_page
from joulemark.collector.api.refusals import Reason, Refusal
from joulemark.collector.catalog import Full, Sealed
from joulemark.collector.unusable import is_no_room
from joulemark.errors import InsufficientData, JoulemarkError, RemoteUnreachable, UsageError

MEDIA_TYPE: Final = "application/problem+json"
ANYWHERE: Final = (401, 403, 404, 405, 408, 413, 421, 422, 431, 500, 503)
"""Statuses that any route may answer."""
COMPARE: Final = "compare the request with /openapi.json"
SERVED: Final = "see /openapi.json for what is served"
AMONG_PAGES: Final = "go on with a page named above; docs/how-to/read-the-pages.md tells their addresses and parameters"
"""Next steps of who asked badly: a program, and a person, whose pages stand in no OpenAPI document."""
SHOWN: Final = 5
LONGEST: Final = 2000
"""Errors of a body that are named, and characters of an answer: it may be larger than the body otherwise."""
STATUS: Final[tuple[tuple[type[JoulemarkError], int], ...]] = (
    (InsufficientData, 409),
    (Full, 429),
    (Crowded, 429),
    (Sealed, 409),
    (UsageError, 422),
    (RemoteUnreachable, 503),
)


class NotFound(UsageError):
    """Nothing of that name is here."""


class Problem(BaseModel):
    """Why a request failed, and what to do next (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    next_step: str


def problem(status: int, detail: str, next_step: str, *, kind: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that failed. `kind` names the class of the error or the reason of a refusal."""
    name = f"urn:joulemark:{kind}" if kind else "about:blank"
    body = Problem(type=name, title=HTTPStatus(status).phrase, status=status, detail=detail, next_step=next_step)
    return JSONResponse(body.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of `statuses`, beside those that every route may answer."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in (*ANYWHERE, *statuses)}


def install(app: FastAPI, page: Callable[[Request, Problem], Response]) -> None:
    """Answer every error of `app` as a problem; where a person asks for a page, as what `page` makes of it."""

    def told(
        request: Request, status: int, detail: str, next_step: str, *, kind: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        if not request.scope["path"].startswith("/v1/") and wants_page(request):
            step = AMONG_PAGES if next_step in (COMPARE, SERVED) else next_step
            return page(request, Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, next_step=step))
        return problem(status, detail, next_step, kind=kind, headers=headers)

    async def deliberate(request: Request, error: Exception) -> Response:
        assert isinstance(error, JoulemarkError)
        status = 404 if isinstance(error, NotFound) else next((s for cls, s in STATUS if isinstance(error, cls)), 500)
        if isinstance(error, Full):
            count(request, Reason.TOO_MANY)
        return told(request, status, error.what, error.next_step, kind=type(error).__name__)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        count(request, error.reason)
        return told(request, error.status, error.detail, error.next_step, kind=error.reason, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        count(request, Reason.INVALID)
        found = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        detail = "; ".join(found[:SHOWN]) + (f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else "")
        return told(request, 422, detail[:LONGEST], COMPARE, kind="Validation")

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = f"{request.method} {request.scope['path'][:LONGEST]}: {error.detail}"
        return told(request, error.status_code, what, SERVED, headers=error.headers)

    async def disk(request: Request, error: Exception) -> Response:
        assert isinstance(error, sqlite3.OperationalError)
        if not is_no_room(error):
            raise error
        count(request, Reason.DISK)
        return told(request, 507, f"the catalogue cannot be written: {error}", "free space in collector.data_dir", kind=Reason.DISK)

    async def bug(request: Request, error: Exception) -> Response:
        what = f"{request.method} {request.scope['path'][:LONGEST]}: {type(error).__name__}"
        return told(request, 500, what, "report it with the collector's log lines")

    app.add_exception_handler(Exception, bug)
    app.add_exception_handler(JoulemarkError, deliberate)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(sqlite3.OperationalError, disk)


def count(request: Request, reason: Reason) -> None:
    """Count a request that a route, not the door, refused."""
    state = getattr(request.app.state, "joulemark", None)
    if state is not None:
        state.refused.count(reason)
