"""Errors as problem+json."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from joulemark.collector.api import problems
from joulemark.collector.web import looks
from joulemark.errors import EnvironmentFailed, FormatError, InsufficientData, RemoteUnreachable, UsageError
from tests.collector.api.conftest import Api

REFUSED = (
    ("GET", "/v1/runs/none/energy", None, 404),
    ("GET", "/v1/nothing", None, 404),
    ("GET", "/v1/readings?meter=x&from_ns=0&to_ns=1", None, 404),
    ("GET", "/v1/readings?meter=x", None, 422),
    ("POST", "/v1/runs", {}, 422),
    ("POST", "/v1/runs", {"moment": {"utc_ns": 1}, "surprise": 1}, 422),
    ("POST", "/v1/runs", {"moment": {"utc_ns": -1}}, 422),
    ("POST", "/v1/runs/none/phases", {"name": "a", "edge": "window", "moment": {"utc_ns": 1}}, 422),
    ("POST", "/v1/runs/none/stop", {"moment": {"utc_ns": 1}}, 404),
    ("PUT", "/v1/runs", {}, 405),
)


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
def test_errors_are_problems(api: Api, method: str, path: str, body: dict[str, object] | None, status: int) -> None:
    """Every refusal is application/problem+json with its status, what failed and what to do next."""
    answer = api.request(method, path, json=body)
    assert answer.status_code == status, path
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem.keys() == {"type", "title", "status", "detail", "next_step"}
    assert problem["detail"]
    assert problem["next_step"]


def answer_to(error: Exception) -> httpx.Response:
    """What a client hears when a route raises `error`."""
    app = FastAPI()
    problems.install(app, looks.problem)

    @app.get("/")
    async def failing() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (problems.NotFound("no x", "list them"), 404, "NotFound"),
        (UsageError("wrong", "mend it"), 422, "UsageError"),
        (FormatError("no run", "give one"), 422, "FormatError"),
        (InsufficientData("too few", "wait"), 409, "InsufficientData"),
        (RemoteUnreachable("silent", "start it"), 503, "RemoteUnreachable"),
        (EnvironmentFailed("disk", "free it"), 500, "EnvironmentFailed"),
    ],
)
def test_the_status_follows_the_kind_of_error(error: Exception, status: int, kind: str) -> None:
    """The nearest known class decides; the body keeps what failed, the next step and the class."""
    answer = answer_to(error)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:joulemark:{kind}")
    assert f"{answer.json()['detail']}. {answer.json()['next_step']}." == str(error)


def test_a_bug_does_not_tell_its_insides() -> None:
    """An unforeseen exception is a 500 that names its type, not its text, which may hold anything."""
    answer = answer_to(KeyError("a secret"))
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "KeyError" in answer.json()["detail"]
    assert "secret" not in answer.text
