"""Errors of the REST API as `application/problem+json` (RFC 9457), with the next step."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from joulemark.errors import InsufficientData, JoulemarkError, RemoteUnreachable, UsageError

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[tuple[tuple[type[JoulemarkError], int], ...]] = ((InsufficientData, 409), (UsageError, 422), (RemoteUnreachable, 503))


class NotFound(UsageError):
    """Nothing of that name is here."""


def problem(status: int, detail: str, next_step: str, *, kind: str = "about:blank") -> Response:
    """The answer to a request that failed. `kind` names the error class."""
    body = {"type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "next_step": next_step}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""

    async def deliberate(request: Request, error: Exception) -> Response:
        assert isinstance(error, JoulemarkError)
        status = 404 if isinstance(error, NotFound) else next((s for cls, s in STATUS if isinstance(error, cls)), 500)
        return problem(status, error.what, error.next_step, kind=f"urn:joulemark:{type(error).__name__}")

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        detail = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        return problem(422, detail, f"compare the request with {request.url_for('openapi').path}", kind="urn:joulemark:Validation")

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}", "see /openapi.json for what is served")

    async def bug(request: Request, error: Exception) -> Response:
        return problem(500, f"{request.method} {request.url.path}: {type(error).__name__}", "report it with the collector's log lines")

    app.add_exception_handler(Exception, bug)
    app.add_exception_handler(JoulemarkError, deliberate)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
