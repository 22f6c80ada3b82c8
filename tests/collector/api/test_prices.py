"""Prices over REST: what counted when, what is known, how the feeds stand, and a feed read at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from joulemark.collector.api import app
from joulemark.collector.refresh import Refresh, gatherer
from joulemark.pricing import kept
from joulemark.pricing.store import PriceStore
from joulemark.timebase import SystemClock
from tests.collector.api.conftest import Api
from tests.collector.test_gathering import rates
from tests.collector.test_refresh import Bench
from tests.pricing.records import CUT, fetch, price
from tests.standins.price_server import Answer, PriceServer

P5 = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1"}


def store_of(api: Api) -> PriceStore:
    return PriceStore(kept.place(api.state.config))


def test_the_price_of_a_machine_at_a_date(api: Api) -> None:
    """All three names give the one price that counted then, whole; another date, or what was known earlier, gives another answer."""
    with store_of(api) as store:
        store.take(fetch(), [price(), price(**CUT)])
    answer = api.get("/v1/prices", params={**P5, "valid_at": "2025-07-04"}).json()
    assert (answer["schema"], answer["price"]["amount"], answer["price"]["currency"]) == ("joulemark.price/1", "55.04", "USD")
    earlier = api.get("/v1/prices", params={**P5, "valid_at": "2025-06-15", "known_at": "2025-06-20T00:00:00Z"}).json()
    assert earlier["price"]["amount"] == "98.32"
    windows = api.get("/v1/prices", params={**P5, "os": "windows", "valid_at": "2025-07-04"}).json()
    assert (windows["status"], windows["price"], windows["reason"] != "") == ("missing", None, True)


def test_prices_that_are_known_are_listed_in_parts(api: Api) -> None:
    """Fewer names give a list, bounded and in parts; nothing known is an empty list and makes no file."""
    assert api.get("/v1/prices").json() == {"schema": "joulemark.price_list/1", "prices": []}
    assert not kept.place(api.state.config).exists()
    with store_of(api) as store:
        store.take(fetch(), [price(instance_type=f"m{number}") for number in range(3)])
    first, second = (api.get("/v1/prices", params={"limit": 2, "offset": offset}).json()["prices"] for offset in (0, 2))
    assert [one["instance_type"] for one in [*first, *second]] == ["m0", "m1", "m2"]
    assert [one["instance_type"] for one in api.get("/v1/prices", params={"instance_type": "M1"}).json()["prices"]] == ["m1"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({**P5, "valid_at": "yesterday"}, "valid_at = 'yesterday' is not a date"),
        ({**P5, "valid_at": "2025-06-15T12:00:00"}, "has no time zone"),
        ({"valid_at": "2025-06-15"}, "need provider, instance_type and region"),
        ({"limit": 1001}, "limit"),
        ({"price_model": "stolen"}, "price_model"),
        ({"instance": "p5"}, "has no parameter 'instance'"),
    ],
)
def test_a_wrong_question_is_a_problem(api: Api, params: dict[str, Any], said: str) -> None:
    """A date that is none, a name that is no parameter, a limit beyond the bound: 422 with what is wrong."""
    answer = api.get("/v1/prices", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert said in answer.json()["detail"]


def test_without_feeds_there_is_nothing_to_read(api: Api) -> None:
    """No feed configured: an empty list, no metric of prices, and 404 for who wants one read."""
    assert api.get("/v1/prices/feeds").json() == {"schema": "joulemark.price_feeds/1", "feeds": []}
    answer = api.post("/v1/prices/refresh", {"feed": "ecb"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no feed 'ecb' is configured")
    assert "joulemark_price" not in api.get("/metrics").text


@dataclass
class Fed:
    """The application with feeds that are being read."""

    api: Api
    bench: Bench
    refresh: Refresh
    client: httpx.AsyncClient

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.api.runner.run(self.client.request(method, path, **more))

    def feeds(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.request("GET", "/v1/prices/feeds").json()["feeds"]
        return found

    def settle(self, *, times: int = 1) -> list[dict[str, Any]]:
        """The feeds, once each was tried so often and none is being read."""
        while True:
            found = self.feeds()
            if all(sum(one["attempts"].values()) >= times and not one["running"] for one in found):
                return found
            self.api.runner.run(asyncio.sleep(0.05))


@pytest.fixture
def fed(api: Api) -> Iterator[Fed]:
    """A good feed and one that answers 404, and what is in the store of the application."""
    with PriceServer() as server:
        server.serve("/USD", Answer(rates(), etag='"1"'))
        bench = Bench(server, api.state.config.collector.data_dir)
        clock = SystemClock()
        refresh = Refresh((bench.feed("USD"), bench.feed("GONE")), gatherer(api.state.config, clock), active=lambda: False, clock=clock)
        transport = httpx.ASGITransport(app.create(replace(api.state, refresh=refresh)), raise_app_exceptions=False)
        api.runner.run(refresh.start())
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7471")
        yield Fed(api, bench, refresh, client)
        api.runner.run(refresh.stop())
        api.runner.run(client.aclose())


def test_how_each_feed_stands(fed: Fed) -> None:
    """Last attempt, last good one with its true time, error, counts and next reading; a feed that never brought anything has no age."""
    good, gone = fed.settle()
    (fetched,) = fed.bench.fetches("USD")
    assert (good["feed"], good["scope"], good["outcome"], good["error"], good["rows"]) == ("ecb", "currencies=USD", "ok", "", 5)
    assert (good["last_good_ns"], good["last_attempt_ns"], good["age"]) == (fetched.fetched_at_ns, fetched.requested_at_ns, "fresh")
    assert good["next_ns"] == pytest.approx(fetched.requested_at_ns + good["every_s"] * 10**9, rel=1e-6)
    assert good["attempts"] == {"ok": 1, "not_modified": 0, "held": 0, "failed": 0}
    assert (gone["outcome"], gone["http_status"], gone["last_good_ns"], gone["age_s"], gone["age"]) == ("failed", 404, None, None, "never")
    assert "answered 404" in gone["error"]


def test_a_feed_is_read_at_once(fed: Fed) -> None:
    """POST begins a reading: 202, and a moment later the feed has one attempt more; the kind alone names all of its feeds."""
    fed.settle()
    answer = fed.request("POST", "/v1/prices/refresh", json={"feed": "ecb", "scope": "currencies=USD"})
    assert (answer.status_code, answer.json()) == (202, {"asked": ["ecb currencies=USD"], "running": []})
    while (good := fed.feeds()[0])["attempts"]["not_modified"] == 0:
        fed.api.runner.run(asyncio.sleep(0.05))
    assert good["outcome"] == "not_modified"
    assert len(fed.request("POST", "/v1/prices/refresh", json={"feed": "ecb"}).json()["asked"]) == 2
    assert fed.request("POST", "/v1/prices/refresh", json={"feed": "ecb", "scope": "none"}).status_code == 404


def test_metrics_tell_age_and_outcomes(fed: Fed) -> None:
    """Age, last success and attempts stand in /metrics by feed, scope and outcome; what was never read well has no age."""
    fed.settle()
    lines = fed.request("GET", "/metrics").text.splitlines()
    labels = 'feed="ecb",scope="currencies=USD"'
    (age,) = [line for line in lines if line.startswith("joulemark_price_age_seconds{")]
    assert age.startswith(f"joulemark_price_age_seconds{{{labels}}} ")
    assert 0 <= float(age.split()[-1]) < 60
    assert f'joulemark_price_fetches_total{{{labels},outcome="ok"}} 1' in lines
    assert 'joulemark_price_fetches_total{feed="ecb",scope="currencies=GONE",outcome="failed"} 1' in lines
    (when,) = [line for line in lines if line.startswith("joulemark_price_last_success_timestamp_seconds{")]
    assert float(when.split()[-1]) == pytest.approx(fed.bench.fetches("USD")[0].requested_at_ns / 1e9, abs=60)


def test_a_run_that_begins_hurries_the_feeds(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a run asks the feeds whether they are to be read for it."""
    hurried: list[bool] = []
    monkeypatch.setattr(fed.refresh, "hurry", lambda: hurried.append(True))
    assert fed.request("POST", "/v1/runs", json={"moment": {"utc_ns": 1}}).status_code == 201
    assert hurried == [True]
