"""Who is let in: tokens and scopes, addresses, and what a browser may be tricked into."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.api.access import Access
from joulemark.collector.tokens import Scope, Tokens
from joulemark.config import CollectorConfig, Config, TlsConfig
from joulemark.errors import ConfigError
from tests.collector.api.conftest import Api, S
from tests.conftest import ManualClock

OPEN = ("/healthz", "/openapi.json", "/v1/runs", "/metrics", "/hosts")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'anyone:{secret}'.encode()).decode()}"}


def start(api: Api, **headers: str) -> int:
    """Status of a request to start a run."""
    body = {"moment": api.moment(0)}
    return api.request("POST", "/v1/runs", json=body, headers=headers).status_code


@pytest.fixture
def tokens(api: Api) -> Tokens:
    return Tokens(api.state.config.collector.data_dir)


def test_without_tokens_this_machine_may_do_all(api: Api) -> None:
    """As long as no token was ever made, loopback reads and writes without one."""
    assert [api.get(path).status_code for path in OPEN] == [200] * len(OPEN)
    assert start(api) == 201


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
def test_what_a_proxy_hands_on_is_not_of_this_machine(api: Api, header: str) -> None:
    """Without tokens, a request that says it comes from elsewhere is asked for one, though it arrives over loopback."""
    assert start(api, **{header: "for=192.0.2.43"}) == 401
    assert api.get("/v1/runs", headers={header: "192.0.2.43"}).status_code == 401


def test_with_a_token_every_route_but_the_probes_asks_for_one(api: Api, tokens: Tokens) -> None:
    """The first token closes the door, on loopback too and for paths that do not exist; only the two probes stay open."""
    tokens.create("ci", Scope.READ, created_ns=0)
    for path in (*OPEN[1:], "/v1/nothing"):
        answer = api.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="joulemark"'), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert "joulemark token create NAME --scope read" in answer.json()["next_step"]
    assert start(api) == 401
    assert api.get("/healthz").status_code == 200
    assert api.get("/readyz").status_code == 503
    tokens.revoke("ci")
    assert api.get("/v1/runs").status_code == 401


def test_a_probe_is_only_asked(api: Api, tokens: Tokens) -> None:
    """Without a token the paths of the probes take no body and no write: they ask for one, and the log of writes has no line of it."""
    tokens.create("ci", Scope.READ, created_ns=0)
    for method in ("POST", "PUT", "DELETE"):
        assert api.request(method, "/healthz", json={}).status_code == 401, method
    assert not (tokens.path.parent / "audit.jsonl").exists()


def test_the_door_stays_shut_when_the_tokens_go_away(api: Api, tokens: Tokens) -> None:
    """While a collector runs, neither removing tokens.json nor a link to nowhere in its place opens what asked for a token."""
    tokens.create("ci", Scope.READ, created_ns=0)
    assert api.get("/v1/runs").status_code == 401
    tokens.path.unlink()
    assert api.get("/v1/runs").status_code == 401
    tokens.path.symlink_to("nowhere")
    assert api.get("/v1/runs").status_code == 401


def test_each_scope_opens_what_it_says(api: Api, tokens: Tokens) -> None:
    """Read asks, submit adds the board's desk, write marks, admin does all; a token too narrow is told 403 and the missing scope."""
    secret = {scope: tokens.create(scope, scope, created_ns=0) for scope in Scope}
    assert [api.get("/v1/runs", headers=bearer(secret[s])).status_code for s in Scope] == [200] * 4
    assert [start(api, **bearer(secret[s])) for s in Scope] == [403, 403, 201, 201]
    denied = api.request("POST", "/v1/runs", json={}, headers=bearer(secret[Scope.READ]))
    assert "--scope write" in denied.json()["next_step"]
    assert 'error="insufficient_scope", scope="write"' in denied.headers["www-authenticate"]


def test_every_wrong_token_hears_the_same(api: Api, tokens: Tokens) -> None:
    """Missing, malformed, unknown, revoked and expired tokens get one answer, so that nobody learns which names or secrets exist."""
    now_ns = api.clock.utc_ns()
    expired = tokens.create("old", Scope.ADMIN, created_ns=0, expires_ns=now_ns)
    revoked = tokens.create("gone", Scope.ADMIN, created_ns=0)
    good = tokens.create("good", Scope.ADMIN, created_ns=0)
    tokens.revoke("gone")
    wrong: list[dict[str, Any]] = [{}, *(bearer(text) for text in ("", "x", expired, revoked, good[:-1], f"{good}x", "\xff"))]
    wrong += [{"Authorization": good}, {"Authorization": "Bearer"}, {"Authorization": f"Token {good}"}, {"Authorization": "Basic !!!"}]
    answers = {api.request("GET", "/v1/runs", headers={k: v.encode("latin-1") for k, v in headers.items()}).text for headers in wrong}
    assert len(answers) == 1
    assert api.get("/v1/runs", headers=bearer(good)).status_code == 200


def test_a_browser_may_ask_with_the_token_as_password(api: Api, tokens: Tokens) -> None:
    """A person's browser is offered Basic, whose password opens pages and links; it never opens a write, which pages can forge."""
    secret = tokens.create("me", Scope.ADMIN, created_ns=0)
    asked = api.get("/hosts", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (asked.status_code, "Basic " in asked.headers["www-authenticate"]) == (401, True)
    assert api.get("/hosts", headers=basic(secret)).status_code == 200
    assert start(api, **basic(secret)) == 401


def test_a_rebound_name_is_refused(api: Api) -> None:
    """Without tokens, a page whose own name was pointed here hears 421; addresses, localhost and the configured name are served."""
    for host in ("evil.example", "evil.example:7471", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "a b"):
        answer = api.get("/v1/runs", headers={"Host": host})
        assert (answer.status_code, answer.json()["type"]) == (421, "urn:joulemark:host"), host
    for host in ("127.0.0.1:7471", "localhost:9", "LOCALHOST", "[::1]:7471", "192.0.2.7"):
        assert api.get("/v1/runs", headers={"Host": host}).status_code == 200, host
    assert api.get("/healthz", headers={"Host": "pod.example"}).status_code == 200


def test_with_tokens_any_name_may_stand_there(api: Api, tokens: Tokens) -> None:
    """Behind a proxy the collector has other names: a request with its token is served under each."""
    secret = tokens.create("ci", Scope.READ, created_ns=0)
    assert api.get("/v1/runs", headers={"Host": "power.example", **bearer(secret)}).status_code == 200


def test_a_name_cannot_pose_as_a_path(api: Api, tokens: Tokens) -> None:
    """A Host that ends in the path of a probe does not open other paths."""
    tokens.create("ci", Scope.READ, created_ns=0)
    for host in ("127.0.0.1/healthz?", "x/healthz#", "127.0.0.1:7471/readyz?a=", "[::1", "a@b"):
        assert api.get("/v1/runs", headers={"Host": host}).status_code == 401, host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_from_elsewhere_do_not_write(api: Api, headers: dict[str, str]) -> None:
    """A write that a browser sends for another site's page is refused, also with a token, and counted."""
    assert start(api, **headers) == 403
    assert 'joulemark_rest_refused_total{reason="origin"} 1\n' in api.get("/metrics").text
    assert start(api, Origin="http://127.0.0.1:7471") == 201
    assert api.get("/v1/runs", headers=headers).status_code == 200


def test_beyond_this_machine_tokens_must_exist(tmp_path: Path, manual_clock: ManualClock) -> None:
    """The collector does not start on another address without a token, unless plaintext is allowed by name; the error says what to do."""

    def access(address: str, *, insecure: bool = False) -> Access:
        config = Config(collector=CollectorConfig(rest_listen=address, data_dir=tmp_path), tls=TlsConfig(insecure=insecure))
        return Access(config, Tokens(tmp_path), manual_clock)

    with pytest.raises(ConfigError, match="joulemark token create"):
        access("0.0.0.0:7471")
    assert access("0.0.0.0:7471", insecure=True)
    assert access("[::1]:7471")
    Tokens(tmp_path).create("ci", Scope.READ, created_ns=0)
    assert access("0.0.0.0:7471")


def test_tokens_that_cannot_be_read_let_nobody_in(api: Api, tokens: Tokens) -> None:
    """A damaged tokens.json is 503 for everybody, and the probe still answers; a new start refuses with the file's name."""
    secret = tokens.create("ci", Scope.ADMIN, created_ns=0)
    assert api.get("/v1/runs", headers=bearer(secret)).status_code == 200
    tokens.path.write_text("{")
    answer = api.get("/v1/runs", headers=bearer(secret))
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:joulemark:tokens_file")
    assert api.get("/healthz").status_code == 200
    with pytest.raises(ConfigError, match=r"tokens\.json"):
        Access(api.state.config, Tokens(tokens.path.parent), api.clock)


def test_a_token_expires_while_the_collector_runs(api: Api, tokens: Tokens) -> None:
    """A token is good until its time and not a nanosecond longer."""
    secret = tokens.create("ci", Scope.READ, created_ns=0, expires_ns=api.clock.utc_ns() + S)
    assert api.get("/v1/runs", headers=bearer(secret)).status_code == 200
    api.clock.advance(S)
    assert api.get("/v1/runs", headers=bearer(secret)).status_code == 401
