"""What lies ready is answered as its route answers it, is never older than the board, and is behind the door as everything else."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from joulemark.collector.api import prepared
from joulemark.collector.tokens import Scope
from tests.collector.api.conftest import Api
from tests.collector.api.test_access import bearer
from tests.collector.api.test_board import Boarded, boarded, path_of

__all__ = ["boarded"]

PATHS = ["/v1/board", "/v1/board/feed.json", "/v1/board/energy.csv", "/v1/board/croissant.json", path_of(1)]


def parts(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    return answer.status_code, dict(answer.headers), answer.content


@pytest.mark.parametrize("path", PATHS)
def test_it_is_what_the_route_answers(boarded: Boarded, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, headers and body; also where the asker has it already, by its tag or its date."""
    boarded.publish(1, 2)
    assert prepared.ready(boarded.board.shelf, path) is not None
    fresh = boarded.get(path)
    asked: list[dict[str, str]] = [
        {},
        {"If-None-Match": fresh.headers["etag"]},
        {"If-None-Match": '"another"'},
        {"If-Modified-Since": fresh.headers["last-modified"]},
    ]
    here = [parts(boarded.get(path, **headers)) for headers in asked]
    assert [status for status, *_ in here] == [200, 304, 200, 304]
    monkeypatch.setattr(prepared, "ready", lambda *_: None)
    assert [parts(boarded.get(path, **headers)) for headers in asked] == here


@pytest.mark.parametrize("path", PATHS)
def test_what_changes_is_seen_at_once(boarded: Boarded, path: str) -> None:
    """A new entry, and one that is taken back, stand in the next answer."""
    boarded.publish(1)
    before = boarded.get(path)
    boarded.publish(2, labels={"model": "Another"})
    if path != PATHS[-1]:
        assert boarded.get(path).content != before.content
    assert "Another" in boarded.get(path_of(2)).text
    before = boarded.get(path)
    assert boarded.post(f"{path_of(1)}/withdraw", json={"reason": "a wrong meter"}).status_code == 200
    after = boarded.get(path, **{"If-None-Match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.content != before.content


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/board?page=1", 200),
        ("GET", "/v1/board?pgae=1", 422),
        ("GET", "/v1/board/feed.json?page=9", 404),
        ("GET", "/v1/board/entries/00000000-0000-0000-0000-000000000000", 404),
        ("GET", "/v1/board/entries/x", 422),
        ("GET", "/v1/board/", 404),
        ("POST", "/v1/board", 405),
        ("HEAD", "/v1/board", 405),
    ],
)
def test_the_rest_is_left_to_the_routes(boarded: Boarded, method: str, path: str, status: int) -> None:
    """Parameters, other methods, and what is not there."""
    boarded.publish(1)
    answer = boarded.runner.run(boarded.client.request(method, path))
    assert answer.status_code == status


def test_a_token_is_asked_for_first(boarded: Boarded) -> None:
    """Where there are tokens, nothing that lies ready is given to who shows none."""
    boarded.publish(1)
    token = boarded.tokens.create("reader", Scope.READ, created_ns=0)
    for path in PATHS:
        assert boarded.get(path).status_code == 401
        assert boarded.get(path, **bearer(token)).status_code == 200


def test_no_thread_is_waited_for(boarded: Boarded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what every route asks first nor the board's own questions hop to a thread, whose return a busy machine delays."""
    boarded.publish(1)

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr("fastapi.dependencies.utils.run_in_threadpool", refused)
    monkeypatch.setattr("fastapi.routing.run_in_threadpool", refused)
    monkeypatch.setattr(asyncio, "to_thread", refused)
    for path in ("/healthz", *PATHS, "/v1/board?page=1", "/v1/board/feed.json?page=1", "/v1/board/entries?page=1"):
        assert boarded.get(path).status_code == 200


def test_a_collector_without_a_board_has_nothing_ready(api: Api) -> None:
    """The routes say why."""
    assert [api.get(path).status_code for path in PATHS] == [404] * len(PATHS)
