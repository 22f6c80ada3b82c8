"""What a request may be: bytes, JSON, names, numbers, how many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from joulemark.collector import catalog
from joulemark.collector.api import readings
from joulemark.collector.api.limits import Limits, Places
from joulemark.collector.api.refusals import Reason, Refusal
from tests.collector.api.conftest import BOOT_ID, Api, S
from tests.collector.conftest import Agent

POWER = "fake:host-a:0:power"
HOSTILE = (
    "'; DROP TABLE run; --",
    '"',
    "{{7*7}}",
    "${7*7}",
    "<script>alert(1)</script>",
    "%00",
    "../../etc/passwd",
    "🔋\u202e",
    "NULL",
    "=1+1",
)


def send(api: Api, raw: bytes, *, media_type: str = "application/json", path: str = "/v1/runs") -> Any:
    return api.request("POST", path, content=raw, headers={"Content-Type": media_type})


def refused(api: Api, reason: Reason) -> int:
    """How often that reason was counted."""
    (value,) = [line.split()[1] for line in api.get("/metrics").text.splitlines() if f'reason="{reason}"' in line]
    return int(value)


def started(api: Api, **more: Any) -> bytes:
    return json.dumps({"moment": api.moment(0), **more}).encode()


def test_a_body_is_as_long_as_it_may_be_and_no_longer(api: Api) -> None:
    """One byte beyond the limit is 413, whether the length was declared or not; at the limit it is read."""
    body = started(api)
    full = body + b" " * (Limits().body_bytes - len(body))
    assert send(api, full).status_code == 201
    answer = send(api, full + b" ")
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    streamed = api.request("POST", "/v1/runs", content=pieces(), headers={"Content-Type": "application/json"})
    assert streamed.status_code == 413
    assert refused(api, Reason.TOO_LARGE) == 2


def test_a_head_is_bounded(api: Api) -> None:
    """Headers or a query beyond the limit are 431."""
    for path, headers in (("/v1/runs", {"X-Long": "x" * 40_000}), ("/v1/runs?x=" + "y" * 40_000, {})):
        assert api.request("GET", path, headers=headers).status_code == 431
    assert refused(api, Reason.TOO_LARGE) == 2


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"])
def test_a_body_must_say_that_it_is_json(api: Api, media_type: str) -> None:
    """What a form of another site's page can send without asking is refused before it is looked at."""
    assert send(api, started(api), media_type=media_type).status_code == 415
    assert send(api, started(api), media_type="Application/JSON; charset=utf-8").status_code == 201
    assert refused(api, Reason.MEDIA_TYPE) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"moment": NaN}',
        b'{"moment": 1e999}',
        b'{"moment": ' + b"9" * 5000 + b"}",
        b'{"a": 1, "a": 2}',
        b'{"labels": {"a": "\\ud800"}}',
        b'{"labels": {"a": "\\u0000"}}',
        b'{"a": [' + b"[" * 80 + b"]" * 80 + b"]}",
    ],
)
def test_json_that_could_mean_two_things_is_refused(api: Api, raw: bytes) -> None:
    """Cut off, not UTF-8, nested too deep, NaN, numbers without bound, a key twice, text that is not Unicode: 400, never 500."""
    answer = send(api, raw)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:joulemark:json")
    assert refused(api, Reason.JSON) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {f"k{i}": "v" for i in range(65)}},
        {"labels": {"k" * 201: "v"}},
        {"labels": {"k": "v" * 1001}},
        {"labels": {"k\n": "v"}},
        {"labels": {"k": "a\x1b[2Jb"}},
        {"benchmark": "a\rb"},
        {"benchmark": "b" * 1001},
        {"agents": ["a\tb"]},
        {"moment": {"utc_ns": 2**63}},
        {"moment": {"utc_ns": 1e308}},
        {"moment": {"utc_ns": -1}},
        {"moment": {"utc_ns": 1, "boot_id": "\x7f"}},
    ],
)
def test_names_and_numbers_are_bounded(api: Api, wrong: dict[str, Any]) -> None:
    """Too many labels, long names, control characters and numbers beyond 64 bits are 422 and counted."""
    assert api.post("/v1/runs", {"moment": api.moment(0), **wrong}).status_code == 422
    assert refused(api, Reason.INVALID) == 1


def test_an_answer_is_not_larger_than_its_question(api: Api) -> None:
    """Thousands of errors in one body are summed up."""
    answer = api.post("/v1/runs", {"moment": api.moment(0), "agents": [1] * 1000, "x" * 50_000: 1})
    assert answer.status_code == 422
    assert len(answer.content) < 5000


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_wherever_they_go(api: Api, name: str) -> None:
    """Quotes, templates, tags and other dialects come back letter by letter in JSON and stand escaped on the page."""
    start = {"run_id": "r", "benchmark": name, "labels": {name: name}, "moment": api.moment(0)}
    assert api.post("/v1/runs", start).status_code == 201
    assert api.post("/v1/runs/r/phases", {"name": name, "edge": "begin", "moment": api.moment(1)}).status_code == 201
    assert api.post("/v1/runs/r/phases", {"name": name, "edge": "end", "moment": api.moment(2), "source": name}).status_code == 201
    run = api.get("/v1/runs/r").json()
    assert (run["benchmark"], run["labels"], [p["name"] for p in run["phases"]]) == (name, {name: name}, [name])
    (row,) = api.get("/v1/runs").json()
    assert (row["benchmark"], row["labels"]) == (name, {name: name})
    page = api.get("/").text
    assert "<script" not in page
    assert "49" not in page.partition("<h2>Runs</h2>")[2].replace(run["run_id"], "")


@pytest.mark.parametrize("run_id", ["'; DROP TABLE run; --", "{{7*7}}", "<script>", "%2e%2e%2f", "a%00b", "x" * 5000])
def test_a_hostile_run_id_is_not_found(api: Api, run_id: str) -> None:
    """Whatever stands in the path is the name of a run that is not there."""
    for what in ("", "/energy", "/card", "/bundle", "/phases"):
        assert api.get(f"/v1/runs/{run_id}{what}").status_code == 404


def test_only_so_many_requests_at_once(api: Api) -> None:
    """With every place taken the next request is told to come again, and a place that was given back can be taken."""
    places = Places(2)
    with places.taken():
        with places.taken(), pytest.raises(Refusal) as caught, places.taken():
            pass
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
        with places.taken():
            pass

    async def many() -> list[int]:
        answers = await asyncio.gather(*(api.client.get("/readyz" if i % 2 else "/v1/hosts") for i in range(200)))
        return [a.status_code for a in answers]

    statuses = set(api.runner.run(many()))
    assert 503 in statuses
    assert api.get("/v1/hosts").status_code == 200


def test_large_answers_keep_nobody_else_out(api: Api) -> None:
    """Of many who ask for readings or a bundle at once only some are served; none of them takes the place of a mark."""

    async def many() -> list[int]:
        readings = "/v1/readings?meter=none&from_ns=0&to_ns=1"  # its store is asked; what is wrong in itself waits for nobody
        asked = [api.client.get(path) for path in (readings, "/v1/runs/none/bundle") for _ in range(30)]
        marked = api.client.post("/v1/runs", json={"moment": api.moment(0)})
        return [a.status_code for a in await asyncio.gather(*asked, marked)]

    *asked, marked = api.runner.run(many())
    assert (503 in asked, marked) == (True, 201)


def test_only_so_many_open_runs_and_marks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of a day that nobody stops, marks of a run and files told of it are bounded: 429 says how to go on."""
    monkeypatch.setattr(catalog, "MAX_OPEN_RUNS", 2)
    monkeypatch.setattr(catalog, "MAX_MARKS", 4)
    for name in ("a", "b", "a"):
        assert api.post("/v1/runs", {"run_id": name, "moment": api.moment(0)}).status_code == 201
    answer = api.post("/v1/runs", {"run_id": "c", "moment": api.moment(0)})
    assert (answer.status_code, "joulemark run stop" in answer.json()["next_step"]) == (429, True)
    statuses = [api.post("/v1/runs/a/phases", {"name": f"p{i}", "edge": "begin", "moment": api.moment(i)}).status_code for i in range(5)]
    assert statuses == [201, 201, 201, 429, 429]
    api.clock.advance(2 * catalog.OPEN_NS)
    assert api.post("/v1/runs", {"run_id": "c", "moment": api.moment(0)}).status_code == 201
    assert refused(api, Reason.TOO_MANY) == 3


def test_readings_are_given_in_bounded_answers(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows or more time than one answer holds is 429 with what to ask instead; all time is fine while little is stored."""
    agent = Agent(epoch_ns=api.clock.utc_ns(), boot_id=BOOT_ID)
    api.take(agent, agent.batch(0, begin_ns=api.clock.utc_ns()))
    everything = {"meter": POWER, "from_ns": 0, "to_ns": 2**63 - 1}
    assert len(api.get("/v1/readings", params=everything).json()[0]["value"]) == 10
    assert api.get("/v1/readings", params={**everything, "meter": [POWER] * 11, "limit": 100_000}).status_code == 429
    assert api.get("/v1/readings", params={**everything, "meter": [POWER] * 101}).status_code == 422
    monkeypatch.setattr(readings, "MAX_SPAN_NS", S)
    assert "part of the time" in api.get("/v1/readings", params=everything).json()["next_step"]
