"""The page of prices: what REST answers, amounts as they are written, and what to do where something is old or nothing is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from joulemark.collector.api import app
from joulemark.collector.refresh import Refresh, gatherer
from joulemark.collector.web import prices as page_of
from joulemark.pricing import kept
from joulemark.pricing.fetch import Outcome
from joulemark.pricing.store import PriceStore
from tests.collector.api.conftest import Api
from tests.collector.test_refresh import Bench
from tests.collector.web.reading import Element, read
from tests.pricing.records import CUT, DAY, fetch, price
from tests.standins.price_server import PriceServer

P5 = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1"}
PERSON = {"accept": "text/html"}


def shown(api: Api, **params: Any) -> Element:
    """The page as a person gets it."""
    answer = api.get("/prices", params=params, headers=PERSON)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def take(api: Api, *lists: tuple[dict[str, Any], list[Any]]) -> None:
    with PriceStore(kept.place(api.state.config)) as store:
        for about, records in lists:
            store.take(fetch(**about), records)


def test_without_a_price_the_page_says_what_to_do(api: Api) -> None:
    """Both commands that bring prices; nothing is made on disk by looking."""
    page = shown(api)
    assert page.one("pre").text == "joulemark price import FILE joulemark price update"
    assert not kept.place(api.state.config).exists()


def test_the_price_that_counted_is_that_of_rest(api: Api) -> None:
    """Amount, status, dates and source are those of `GET /v1/prices`, the amount digit by digit."""
    take(api, ({}, [price(amount="98.3200000000000000001"), price(**CUT)]))
    asked = {**P5, "valid_at": "2025-06-15"}
    told = api.get("/v1/prices", params=asked).json()
    page = shown(api, **asked)
    (amount,) = page.all("data")
    assert (amount.attributes["value"], amount.text) == (told["price"]["amount"],) * 2
    answer = page.one("div", id="answer").text
    assert f"{told['status']}: " in answer
    assert told["price"]["sha256"] in answer
    assert told["price"]["source_url"] in answer
    assert all(sentence in answer for sentence in told["trace"])
    assert page.one("input", name="valid_at").attributes["value"] == "2025-06-15"


def test_a_price_over_time_is_drawn_and_tabled(api: Api) -> None:
    """The cut of June 2025 is one step between two amounts, both in the drawing and, exact, in the table beside it."""
    take(api, ({}, [price(), price(**CUT)]))
    page = shown(api, **P5, valid_at="2025-06-15")
    rows = page.one("table", id="stretches").rows()[1:]
    assert [row[2] for row in rows] == ["98.32 USD/h", "55.04 USD/h"]
    assert rows[0][1] == rows[1][0] == "2025-06-01T00:00:00"
    drawing = page.one("svg", role="img")
    assert "between 55.04 and 98.32 USD/h, last 55.04" in drawing.one("title").text
    assert {"98.32", "55.04"} <= {one.text for one in drawing.all("text")}
    assert len(drawing.all("line", class_="step")) == 3


def test_what_is_missing_says_why_and_what_is_near(api: Api) -> None:
    """No price is a word with its reason and a command, never a zero; words of the asker are text."""
    take(api, ({}, [price()]))
    page = shown(api, **{**P5, "region": "<b>mars"}, valid_at="2025-06-15")
    assert "no price" in page.one("p", class_="figure").text
    assert page.one("span", class_="bad").text == "missing"
    assert "joulemark price show --instance p5.48xlarge" in page.one("p", class_="next").text
    assert page.one("input", name="region").attributes["value"] == "<b>mars"
    wrong = api.get("/prices", params={**P5, "valid_at": "yesterday"}, headers=PERSON)
    assert (wrong.status_code, "write 2025-06-01" in wrong.text) == (422, True)
    assert api.get("/prices", params={"provider": "aws", "valid_at": "2025-06-15"}, headers=PERSON).status_code == 422


def test_fewer_names_list_what_is_known(api: Api) -> None:
    """The list of `GET /v1/prices`, each leading to its own price; of nothing the command that shows all."""
    take(api, ({}, [price(), price(instance_type="p4d", amount="21.9")]))
    rows = shown(api, provider="aws").one("table", id="listed").rows()[1:]
    told = api.get("/v1/prices", params={"provider": "aws"}).json()["prices"]
    assert [(row[1], row[4]) for row in rows] == [
        (one["instance_type"], f"{one['amount']} {one['currency']}/{one['unit']}") for one in told
    ]
    assert "joulemark price show" in shown(api, provider="nobody").one("p", class_="next").text


def test_what_changed_is_named_from_and_to(api: Api) -> None:
    """Between the two newest lists of a feed; coverage and the lists with their hashes stand below, and nothing is counted twice."""
    seen = {"feed": "azure_retail", "effective_trust": "query_time"}
    take(
        api,
        ({"raw_sha256": "a" * 64, "url": "https://example.com/<list>"}, [price(**seen)]),
        ({"raw_sha256": "b" * 64, "requested_at_ns": DAY + 1}, [price(**seen, amount="55.04"), price(**seen, instance_type="new")]),
    )
    page = shown(api)
    assert page.one("table", class_="changes").rows()[1][4:] == ["98.32 USD/h", "55.04 USD/h"]
    assert "1 prices changed, 1 came, 0 went" in page.text
    assert page.one("table", id="covered").rows()[1] == ["aws", "1", "2", "3"]
    assert "https://example.com/<list>" in page.text
    assert {"a" * 16, "b" * 16} <= {cell for row in page.all("table")[-1].rows() for cell in row}
    assert page_of.known_to(api.state) is page_of.known_to(api.state)
    take(api, ({"raw_sha256": "c" * 64, "requested_at_ns": DAY + 2}, [price(**seen)]))
    assert len(page_of.known_to(api.state).snapshots) == 3


def test_feeds_say_how_old_they_are_and_how_to_mend_them(api: Api) -> None:
    """A feed never read and one that failed: a word with its symbol's class, a banner with the command; one that is fresh has none."""
    with PriceServer() as server:
        bench = Bench(server, api.state.config.collector.data_dir)
        feeds = (bench.feed("USD"), bench.feed("GONE"), bench.feed("OLD"))
        now_ns = api.clock.utc_ns()
        good = {"feed": feeds[0].kind, "scope": feeds[0].scope, "requested_at_ns": now_ns, "fetched_at_ns": now_ns}
        old = {**good, "scope": feeds[2].scope, "fetched_at_ns": now_ns - (feeds[2].source.max_age_s + 60) * 10**9}
        take(api, (good, []), (old, []), ({**good, "requested_at_ns": now_ns - 1, "outcome": Outcome.FAILED, "error": "<down>"}, []))
        refresh = Refresh(feeds, gatherer(api.state.config, api.clock), active=lambda: False, clock=api.clock)
        transport = httpx.ASGITransport(app.create(replace(api.state, refresh=refresh)), raise_app_exceptions=False)

        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:7471") as client:
                return await client.get("/prices", headers=PERSON)

        page = read(api.runner.run(asked()).text)
    table = next(one for one in page.all("table") if one.rows()[0][0] == "feed")
    assert [row[1].split()[0] for row in table.rows()[1:]] == ["fresh", "never", "stale"]
    looks = [span.attributes["class"] for span in table.all("span", class_="word")]
    assert looks == ["word good", "word bad", "word doubt"]
    banners = [one.text for one in page.all("p", class_="banner") if "price update" in one.text]
    assert len(banners) == 2
    assert all(f"joulemark price update --feed {feeds[0].kind}" in one for one in banners)


@pytest.mark.parametrize(("age_s", "said"), [(None, ""), (0.2, "0 s"), (61, "1 min 1 s"), (90_000, "1 d 1 h"), (3600, "1 h 0 min")])
def test_an_age_in_two_units(age_s: float | None, said: str) -> None:
    """The two largest units that are there."""
    assert page_of.ago(age_s) == said
