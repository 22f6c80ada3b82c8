"""Costs over REST: a run priced again, by the prices that the collector knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from joulemark.pricing import kept
from joulemark.pricing.store import PriceStore
from tests.collector.api.conftest import Api
from tests.pricing.records import CUT, fetch, price, tariff

P5 = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1"}


def cost(api: Api, run_id: str, **params: Any) -> dict[str, Any]:
    answer = api.get("/v1/cost", params={"run": run_id, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def know(api: Api) -> None:
    """A price of June 2025 and before, its cut, and a tariff."""
    with PriceStore(kept.place(api.state.config)) as store:
        store.take(fetch(feed="manual"), [price(feed="manual"), price(**CUT, feed="manual"), tariff()])


def test_a_run_is_priced_at_another_date(api: Api) -> None:
    """Three seconds at 98.32 USD/h and at 55.04 USD/h, by the date; the record of the price stands beside the amount."""
    know(api)
    run_id = api.run_of_three_seconds()
    dear, cheap = (cost(api, run_id, **P5, as_of=date) for date in ("2025-05-01", "2025-07-04"))
    for found, hourly in ((dear, "98.32"), (cheap, "55.04")):
        assert found["schema"] == "joulemark.cost/1"
        assert found["market"]["price"]["amount"] == hourly
        assert Decimal(found["market"]["amount"]) == pytest.approx(Decimal(hourly) * 3 / 3600, rel=Decimal("1e-9"))
    assert dear["valid_at"].startswith("2025-05-01")


def test_a_price_may_be_stated(api: Api) -> None:
    """One price in a word counts in place of those known; electricity and rent are never summed."""
    know(api)
    run_id = api.run_of_three_seconds()
    found = cost(api, run_id, price="3600USD/h")
    assert Decimal(found["market"]["amount"]) == 3
    assert "total" not in found
    assert Decimal(cost(api, run_id, price="3600USD/h", billing_minimum_s="60")["market"]["amount"]) == 60


def test_what_is_not_known_has_a_reason(api: Api) -> None:
    """A machine without a price: no amount, and why."""
    found = cost(api, api.run_of_three_seconds(), provider="nobody", instance_type="none", region="nowhere")
    assert (found["market"]["amount"], found["market"]["reason"] != "") == (None, True)


@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"run": "none"}, 404, "no run 'none'"),
        ({}, 422, "run"),
        ({"run": "none", "as_of": "soon"}, 422, "as_of = 'soon' is not a date"),
        ({"run": "none", "pue": "-1"}, 422, "pue"),
        ({"run": "none", "basis": "guess"}, 422, "basis"),
    ],
)
def test_a_wrong_question_is_a_problem(api: Api, params: dict[str, str], status: int, said: str) -> None:
    """No such run, no run named, a date that is none, a value out of its bounds."""
    answer = api.get("/v1/cost", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]
