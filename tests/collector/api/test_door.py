"""The door: what every answer carries, and the audit log of writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.api.door import HEADERS
from joulemark.collector.tokens import Scope, Tokens
from tests.collector.api.conftest import Api


def lines(api: Api, name: str = "audit.jsonl") -> list[dict[str, Any]]:
    path = api.state.config.collector.data_dir / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_answer_has_its_headers(api: Api) -> None:
    """Pages, data, metrics and refusals forbid sniffing, framing and foreign loading; the page keeps its own policy."""
    for path in ("/", "/v1/runs", "/metrics", "/v1/nothing", "/openapi.json"):
        headers = api.get(path).headers
        assert {name: headers[name] for name in HEADERS if name != "Content-Security-Policy"} == {
            name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"
        }, path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert "default-src 'self'" in api.get("/hosts").headers["content-security-policy"]


def test_every_write_leaves_one_line(api: Api) -> None:
    """Start, phase and stop, taken or not: who, from where, what, the run, the size and the outcome. Reading leaves none."""
    run_id = api.post("/v1/runs", {"moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/phases", {"name": "p", "edge": "begin", "moment": api.moment(1)})
    api.post(f"/v1/runs/{run_id}/stop", {"surprise": 1})
    api.post("/v1/runs/none/stop", {"moment": api.moment(1)})
    api.request("DELETE", f"/v1/runs/{run_id}")
    api.get("/v1/runs")
    found = lines(api)
    assert [(line["method"], line["status"], line["run_id"]) for line in found] == [
        ("POST", 201, run_id),
        ("POST", 201, run_id),
        ("POST", 422, run_id),
        ("POST", 404, "none"),
        ("DELETE", 405, run_id),
    ]
    assert {(line["who"], line["peer"]) for line in found} == {("loopback", "127.0.0.1")}
    assert found[0]["t_ns"] == api.clock.utc_ns()
    assert found[2]["bytes"] == len(b'{"surprise":1}')


def test_the_log_names_the_token_and_never_shows_it(api: Api) -> None:
    """A write with a token is its name's; one turned away stands in a file of its own; no secret, good or wrong, is in either."""
    secret = Tokens(api.state.config.collector.data_dir).create("ci", Scope.WRITE, created_ns=0)
    body = {"moment": api.moment(0)}
    api.request("POST", "/v1/runs", json=body, headers={"Authorization": f"Bearer {secret}"})
    api.request("POST", "/v1/runs", json=body, headers={"Authorization": "Bearer joulemark_guessed"})
    api.request("POST", "/v1/runs?token=joulemark_guessed", json=body)
    assert [(line["who"], line["status"]) for line in lines(api)] == [("ci", 201)]
    refused = lines(api, "audit-refused.jsonl")
    assert [(line["who"], line["status"], line["reason"]) for line in refused] == [(None, 401, "token")] * 2
    text = "".join(path.read_text() for path in Path(api.state.config.collector.data_dir).glob("audit*"))
    assert secret not in text
    assert "guessed" not in text


def test_without_room_for_its_line_nothing_is_written(api: Api) -> None:
    """When the audit log cannot be written a write is refused with 507 and changes nothing; reading goes on, and so do refusals."""
    folder = api.state.config.collector.data_dir
    (folder / "audit.jsonl").mkdir()
    (folder / "audit-refused.jsonl").mkdir()
    answer = api.post("/v1/runs", {"run_id": "r", "moment": api.moment(0)})
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:joulemark:audit")
    assert "collector.data_dir" in answer.json()["next_step"]
    assert api.get("/v1/runs").json() == []
    assert api.request("POST", "/v1/runs", json={}, headers={"Origin": "http://evil.example"}).status_code == 403
    (folder / "audit.jsonl").rmdir()
    assert api.post("/v1/runs", {"run_id": "r", "moment": api.moment(0)}).status_code == 201


def test_a_bug_is_in_the_log_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose handler breaks has its line, with status 500."""

    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(api.state.catalog, "start", broken)
    answer = api.post("/v1/runs", {"run_id": "r", "moment": api.moment(0)})
    assert (answer.status_code, "ZeroDivisionError" in answer.json()["detail"]) == (500, True)
    assert [line["status"] for line in lines(api)] == [500]


def test_a_full_catalogue_is_not_a_bug(api: Api) -> None:
    """A disk without room for a mark is 507 with the next step, not 500; with room again the same mark is taken."""
    db = api.state.catalog._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    codes = set()
    for number in range(40):
        labels = {f"label{i}": "x" * 900 for i in range(60)}
        codes.add(api.post("/v1/runs", {"run_id": f"r{number}", "labels": labels, "moment": api.moment(number)}).status_code)
    assert 507 in codes
    assert codes <= {201, 507}
    db.execute("PRAGMA max_page_count = 1000000")
    assert api.post("/v1/runs", {"run_id": "r39", "moment": api.moment(0)}).status_code == 201
    assert 'joulemark_rest_refused_total{reason="disk"} 0\n' not in api.get("/metrics").text
