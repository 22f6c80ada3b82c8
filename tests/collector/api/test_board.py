"""Routes of the board: who may hand in and withdraw, what is answered, and that an unchanged answer is not sent twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from joulemark.board.desk import Desk
from joulemark.board.site import Site
from joulemark.board.submission import State as Fate
from joulemark.collector.api import app
from joulemark.collector.boarding import Boarding
from joulemark.collector.tokens import Scope, Tokens
from joulemark.config import BoardConfig
from tests.board import archives
from tests.board.entries import PUBLISHED_NS, entry
from tests.collector.api.conftest import Api
from tests.collector.api.test_access import bearer

ARCHIVE = archives.zipped({"readme.txt": b"nothing of ours"})
ZIP = {"Content-Type": "application/zip"}
SUBMISSIONS = "/v1/board/submissions"


@dataclass
class Boarded:
    """A board with entries, its requests, and what stands behind it."""

    board: Boarding
    runner: asyncio.Runner
    client: httpx.AsyncClient
    tokens: Tokens

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.runner.run(self.client.get(path, headers=headers))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.runner.run(self.client.post(path, **more))

    def publish(self, *numbers: int, **changed: Any) -> None:
        """Entries as the desk publishes them."""
        self.board.desk.store.publish_all([(entry(number, **changed), f"run-{number}") for number in numbers])
        self.runner.run(self.board.refresh())


@pytest.fixture
def boarded(api: Api, request: pytest.FixtureRequest) -> Iterator[Boarded]:
    config = replace(api.state.config, board=BoardConfig(max_bundle_bytes=65_536, **getattr(request, "param", {})))
    desk = Desk.of(config, api.clock)
    board = Boarding(desk, Site("http://127.0.0.1:7471"))
    api.runner.run(board.refresh())
    transport = httpx.ASGITransport(app.create(replace(api.state, config=config, board=board)), raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7471")
    yield Boarded(board, api.runner, client, Tokens(config.collector.data_dir))
    api.runner.run(client.aclose())
    desk.close()


def path_of(number: int) -> str:
    """Where entry number `number` is."""
    return f"/v1/board/entries/{entry(number).entry_id.rpartition(':')[2]}"


def test_a_bundle_is_taken_and_told_of(boarded: Boarded) -> None:
    """202 with the place where it is told what becomes of it; the same bytes again are the same submission; no file is left behind."""
    answer = boarded.post(SUBMISSIONS, content=ARCHIVE, headers=ZIP, params={"level": "ES1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "received")
    assert answer.headers["location"] == f"{SUBMISSIONS}/{archives.sha256(ARCHIVE)}"
    assert boarded.post(SUBMISSIONS, content=ARCHIVE, headers={"Content-Type": "application/gzip"}).json() == answer.json()
    told = boarded.get(answer.headers["location"]).json()
    assert (told["submitter"], told["level"], told["size"]) == ("loopback", "ES1", len(ARCHIVE))
    assert boarded.board.desk.archives.sound(archives.sha256(ARCHIVE))
    assert not list((boarded.board.desk.lock.parent / "incoming").iterdir())
    assert boarded.get(f"{SUBMISSIONS}/{'0' * 64}").status_code == 404


def test_the_queue_is_judged_in_the_background(boarded: Boarded) -> None:
    """A boarding at work judges what was handed in, without another request, and its refusal says why."""
    location = boarded.post(SUBMISSIONS, content=ARCHIVE, headers=ZIP).headers["location"]

    async def settled() -> None:
        task = asyncio.create_task(boarded.board.run())
        while (await boarded.client.get(location)).json()["state"] in (Fate.RECEIVED, Fate.VALIDATING):
            await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    boarded.runner.run(settled())
    told = boarded.get(location).json()
    assert told["state"] == "refused"
    assert "no run, or no reading" in told["reasons"][0]["why"]


def test_what_is_too_long_or_no_archive_is_refused_at_the_door(boarded: Boarded) -> None:
    """Beyond the bound 413, declared or not; another media type 415; a level that is none 422. Nothing of it is kept."""
    long = b"x" * 65_537
    assert boarded.post(SUBMISSIONS, content=long, headers=ZIP).status_code == 413

    async def pieces() -> Any:
        yield long

    assert boarded.post(SUBMISSIONS, content=pieces(), headers=ZIP).status_code == 413
    assert boarded.post(SUBMISSIONS, content=b"{}", headers={"Content-Type": "application/json"}).status_code == 415
    assert boarded.post(SUBMISSIONS, content=ARCHIVE, headers=ZIP, params={"level": "INVALID"}).status_code == 422
    assert boarded.board.desk.store.next() is None
    assert not list((boarded.board.desk.lock.parent / "incoming").iterdir())


def test_each_scope_opens_its_part_of_the_board(boarded: Boarded) -> None:
    """Reading needs read, handing in submit, snapshots admin; an entry is withdrawn by who handed it in, or by an admin."""
    secret = {scope: boarded.tokens.create(scope, scope, created_ns=0) for scope in Scope}
    boarded.publish(1, submitter="submit")
    boarded.publish(2, submitter="somebody")
    boarded.publish(3, submitter="submit", origin="https://a.example")
    headers = {scope: {**ZIP, **bearer(secret[scope])} for scope in Scope}
    assert [boarded.post(SUBMISSIONS, content=ARCHIVE, headers=headers[s]).status_code for s in Scope] == [403, 202, 202, 202]
    assert boarded.get("/v1/board").status_code == 401
    day = {"date": "2026-01-01"}
    assert [boarded.post("/v1/board/snapshots", json=day, headers=bearer(secret[s])).status_code for s in Scope] == [403, 403, 403, 201]

    def withdrawn(number: int, scope: Scope) -> int:
        return boarded.post(f"{path_of(number)}/withdraw", json={"reason": "wrong"}, headers=bearer(secret[scope])).status_code

    assert [withdrawn(2, scope) for scope in Scope] == [403, 403, 403, 200]
    assert [withdrawn(3, scope) for scope in Scope] == [403, 403, 403, 200]
    assert [withdrawn(1, scope) for scope in (Scope.READ, Scope.WRITE, Scope.SUBMIT)] == [403, 403, 200]


@pytest.mark.parametrize("boarded", [{"public": True}], indirect=True)
def test_a_public_board_is_read_by_everybody_and_nothing_else(boarded: Boarded) -> None:
    """Where the board is public, its pages need no token; the desk behind it, and all other routes, do."""
    boarded.tokens.create("ci", Scope.READ, created_ns=0)
    boarded.publish(1)
    open_to_all = ["/v1/board", "/v1/board/feed.json", "/v1/board/energy.csv", path_of(1), "/v1/board/snapshots"]
    assert [boarded.get(path).status_code for path in open_to_all] == [200] * len(open_to_all)
    shut = ["/v1/runs", f"{SUBMISSIONS}/{'0' * 64}", "/v1/boarder", "/metrics"]
    assert [boarded.get(path).status_code for path in shut] == [401] * len(shut)
    assert boarded.post(SUBMISSIONS, content=ARCHIVE, headers=ZIP).status_code == 401
    assert boarded.post(f"{path_of(1)}/withdraw", json={"reason": "x"}).status_code == 401


def test_what_has_not_changed_is_not_sent_again(boarded: Boarded) -> None:
    """Each prepared answer has a tag and a date; shown again it is 304 without a body; a change makes it 200 with another tag."""
    boarded.publish(1)
    paths = ["/v1/board", "/v1/board?level=ES1", "/v1/board/feed.json", "/v1/board/energy.csv", "/v1/board/croissant.json", path_of(1)]
    first = {path: boarded.get(path) for path in paths}
    for path, answer in first.items():
        tag, date = answer.headers["etag"], answer.headers["last-modified"]
        for name, value in (
            ("If-None-Match", tag),
            ("If-None-Match", f'"o", W/{tag}'),
            ("If-None-Match", "*"),
            ("If-Modified-Since", date),
        ):
            again = boarded.get(path, **{name: value})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), path
        assert boarded.get(path, **{"If-None-Match": '"other"', "If-Modified-Since": date}).status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
    assert boarded.post(f"{path_of(1)}/withdraw", json={"reason": "the meter was not wired as stated"}).status_code == 200
    for path, answer in first.items():
        assert boarded.get(path, **{"If-None-Match": answer.headers["etag"]}).status_code == 200, path


def test_the_answers_have_their_types(boarded: Boarded) -> None:
    """Feed, table and description are served as what they are."""
    boarded.publish(1)
    types = {
        "feed.json": "application/feed+json",
        "energy.csv": "text/csv; charset=utf-8",
        "croissant.json": "application/ld+json",
    }
    assert {name: boarded.get(f"/v1/board/{name}").headers["content-type"] for name in types} == types
    item = boarded.get("/v1/board/feed.json").json()["items"][0]
    assert boarded.get(item["url"]).json()["entry_id"] == item["id"]
    assert json.loads(boarded.get("/v1/board").content)["total"] == 1


def test_files_of_an_entry(boarded: Boarded) -> None:
    """The archive is given byte for byte, the card as it stood in it; what is not kept here is 404."""
    boarded.publish(1)
    assert [boarded.get(f"{path_of(1)}/{name}").status_code for name in ("bundle", "card")] == [404, 404]
    kept, digest = boarded.board.desk.archives, entry(1).bundle_sha256
    kept.path(digest).parent.mkdir(parents=True)
    kept.path(digest).write_bytes(ARCHIVE)
    kept.card(digest).write_bytes(b"{}")
    answer = boarded.get(f"{path_of(1)}/bundle")
    assert (answer.content, answer.headers["cache-control"]) == (ARCHIVE, "max-age=31536000, immutable")
    assert boarded.get(f"{path_of(1)}/card").json() == {}


def test_a_withdrawn_entry_stays_with_its_reason(boarded: Boarded) -> None:
    """It is in the list of what was withdrawn and in the feed, with the reason; a reason of nothing or of many lines is refused."""
    boarded.publish(1)
    assert [boarded.post(f"{path_of(1)}/withdraw", json={"reason": reason}).status_code for reason in ("", " ")] == [422, 422]
    assert boarded.post(f"{path_of(1)}/withdraw", json={"reason": "two\nlines\x1b[2J"}).status_code == 422
    assert boarded.post(f"{path_of(1)}/withdraw", json={"reason": " the meter  was not wired"}).status_code == 200
    listed = boarded.get("/v1/board").json()["board"]
    assert not listed["classes"]
    assert listed["withdrawn"][0]["withdrawn_reason"] == "the meter was not wired"
    item = boarded.get("/v1/board/feed.json").json()["items"][0]
    assert (item["id"], item["_energy"]["status"]) == (entry(1).entry_id, "withdrawn")


def test_nothing_beyond_the_board(boarded: Boarded) -> None:
    """A page, an entry, a snapshot or a file that is not there is 404; a number that is none 422."""
    for path in (
        "?page=2",
        "/feed.json?page=2",
        path_of(9).removeprefix("/v1/board"),
        "/snapshots/2026-01-01",
        "/snapshots/2026-01-01/energy.csv",
    ):
        assert boarded.get(f"/v1/board{path}").status_code == 404, path
    for path in ("?page=0", "/feed.json?page=x", "/entries/1", "/snapshots/today", "/snapshots/2026-01-01/..%2Fx", "?class=zz"):
        assert boarded.get(f"/v1/board{path}").status_code in (404, 422), path


def test_snapshots_are_for_ever(boarded: Boarded) -> None:
    """A day that is over has a snapshot, the same whenever it is asked for, whatever is published later; one that is not over has none."""
    boarded.publish(1, published_ns=PUBLISHED_NS - 400 * 86_400 * 10**9)
    day = {"date": "2026-01-01"}
    made = boarded.post("/v1/board/snapshots", json=day)
    assert made.status_code == 201
    boarded.publish(2, published_ns=PUBLISHED_NS - 390 * 86_400 * 10**9)
    assert boarded.post("/v1/board/snapshots", json=day).json() == made.json() == boarded.get("/v1/board/snapshots/2026-01-01").json()
    for name, digest in made.json()["files"].items():
        answer = boarded.get(f"/v1/board/snapshots/2026-01-01/{name}")
        assert archives.sha256(answer.content) == digest
        assert answer.headers["cache-control"] == "max-age=31536000, immutable"
    assert boarded.get("/v1/board/snapshots").json()["snapshots"] == [made.json()]
    assert boarded.post("/v1/board/snapshots", json={"date": "2999-01-01"}).status_code == 422
    assert boarded.post("/v1/board/snapshots", json={"date": "2026-13-45"}).status_code == 422


def test_a_collector_without_a_board_says_so(api: Api) -> None:
    """The routes are there, and tell that nothing runs behind them."""
    assert api.get("/v1/board").status_code == 404
    assert "no board" in api.get("/v1/board").json()["detail"]
