"""Spot machines of AWS: each change in its zone, from its second on; a stand-in for boto3, which is not needed to install Joulemark."""

from __future__ import annotations

import asyncio
import datetime
import sys
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest

from joulemark.errors import ConfigError, EnvironmentFailed, FormatError, RemoteUnreachable
from joulemark.pricing.answer import Status
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.sources.aws_spot import KIND, SOURCE, Config, gather, parse_history
from joulemark.pricing.wanted import Question, Wanted
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import PriceServer


def change(zone: str, amount: str, at: str, **more: Any) -> dict[str, Any]:
    """One item as boto3 gives it."""
    return {
        "AvailabilityZone": zone,
        "InstanceType": "p5.48xlarge",
        "ProductDescription": "Linux/UNIX",
        "SpotPrice": amount,
        "Timestamp": datetime.datetime.fromisoformat(at),
        **more,
    }


HISTORY = (
    change("us-east-1a", "24.500000", "2026-07-01T08:00:00Z"),
    change("us-east-1a", "26.000000", "2026-07-31T12:20:00Z"),
    change("us-east-1b", "21.900000", "2026-07-20T00:00:00Z"),
)


def parsed(*items: dict[str, Any]) -> Harvest:
    return parse_history([{"SpotPriceHistory": list(items)}], region="us-east-1", fetched_at_ns=DAY, source_url="https://example.com/ec2")


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def test_each_change_is_a_price_of_its_zone() -> None:
    """Amounts are the text of EC2, valid from the second of the change; the last change before the time asked for is one of them."""
    found = [(p.zone, p.amount, moment_text(p.effective_from_ns), p.effective_trust) for p in prices(parsed(*HISTORY))]
    assert found == [
        ("us-east-1a", Decimal("24.5"), "2026-07-01T08:00:00Z", Trust.VALID_FROM),
        ("us-east-1a", Decimal(26), "2026-07-31T12:20:00Z", Trust.VALID_FROM),
        ("us-east-1b", Decimal("21.9"), "2026-07-20T00:00:00Z", Trust.VALID_FROM),
    ]
    assert {(p.price_model, p.os, p.currency, p.gpu_count, p.feed) for p in prices(parsed(*HISTORY))} == {
        (PriceModel.SPOT, "linux", "USD", 8, KIND)
    }


@pytest.mark.parametrize(
    ("at", "zone", "amount"),
    [
        ("2026-07-31T12:00:00Z", "us-east-1a", "24.5"),
        ("2026-07-31T13:00:00Z", "us-east-1a", "26"),
        ("2026-07-31T13:00:00Z", "us-east-1b", "21.9"),
    ],
)
def test_the_price_at_a_moment_is_that_of_the_zone(at: str, zone: str, amount: str) -> None:
    """Within the history the price that was charged at any moment is found, for the zone of the run, not the lowest of all zones."""
    wanted = Wanted("aws", "p5.48xlarge", "us-east-1", price_model=PriceModel.SPOT, zone=zone)
    answer = lookup(prices(parsed(*HISTORY)), Question(wanted, moment_ns(at, "run")))
    assert answer.price is not None
    assert (answer.price.amount, answer.price.zone) == (Decimal(amount), zone)


def test_no_zone_is_chosen_for_anybody() -> None:
    """Without a zone two zones with two prices are ambiguous; the lower one is not taken."""
    wanted = Wanted("aws", "p5.48xlarge", "us-east-1", price_model=PriceModel.SPOT)
    answer = lookup(prices(parsed(*HISTORY)), Question(wanted, moment_ns("2026-07-31T13:00:00Z", "run")))
    assert (answer.status, answer.price) == (Status.AMBIGUOUS, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"SpotPrice": "0.0"}, "the amount is zero"),
        ({"SpotPrice": 24.5}, "SpotPrice is 24.5, not str"),
        ({"ProductDescription": "OS/2"}, "product: OS/2"),
        ({"AvailabilityZone": "eu-west-1a"}, "zone: eu-west-1a"),
        ({"Timestamp": None}, "is not a date"),
        ({"InstanceType": None}, "InstanceType is None"),
    ],
)
def test_a_change_that_is_no_price_is_told(values: dict[str, Any], reason: str) -> None:
    """A zero, a float, another system or region, no time: refused with its place, the one after it is taken."""
    harvest = parsed({**HISTORY[0], **values}, HISTORY[1])
    assert ([told.pointer for told in harvest.rejected], len(prices(harvest))) == (["SpotPriceHistory[0]"], 1)
    assert reason in harvest.rejected[0].reason


def test_another_shape_is_an_error() -> None:
    """What has no history is no page of it; a system in a private network is that system."""
    with pytest.raises(FormatError, match="SpotPriceHistory"):
        parse_history([{}], region="us-east-1", fetched_at_ns=DAY, source_url="https://example.com/ec2")
    assert len(prices(parsed({**HISTORY[0], "ProductDescription": "Linux/UNIX (Amazon VPC)"}))) == 1


class Boto:
    """The parts of boto3 that are called: a session, a client, a paginator. `pages` is the answer, or what is raised."""

    def __init__(self, pages: list[dict[str, Any]] | Exception) -> None:
        self.pages, self.asked = pages, {}

    def Session(self, **given: Any) -> Boto:  # noqa: N802  # the name is boto3's
        self.asked |= given
        return self

    def client(self, name: str) -> Boto:
        self.asked["client"] = name
        return self

    def get_paginator(self, name: str) -> Boto:
        self.asked["operation"] = name
        return self

    def paginate(self, **given: Any) -> Iterator[dict[str, Any]]:
        self.asked |= given
        if isinstance(self.pages, Exception):
            raise self.pages
        return iter(self.pages)


class ClientError(Exception):
    """As botocore's."""


def gathered(boto: Boto | None, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Harvest:
    module, failures = ModuleType("boto3"), ModuleType("botocore.exceptions")
    module.__dict__["session"] = boto
    failures.__dict__.update(BotoCoreError=ClientError, ClientError=ClientError)
    monkeypatch.setitem(sys.modules, "boto3", module if boto else None)  # type: ignore[arg-type]  # None makes the import fail
    monkeypatch.setitem(sys.modules, "botocore.exceptions", failures)
    config = Config(**{"region": "us-east-1", "instance_types": ("p5.48xlarge",), **changes})

    async def run() -> Harvest:
        with PriceServer() as server:
            async with web_of(server) as web:
                return await gather(config, web)

    return asyncio.run(run())


def test_boto3_is_asked_for_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages of the last days are asked for, for the machines and the system of the configuration, dated by the clock."""
    boto = Boto([{"SpotPriceHistory": [HISTORY[0]]}, {"SpotPriceHistory": [HISTORY[2]]}])
    assert {p.zone for p in prices(gathered(boto, monkeypatch, days=90, profile="prices"))} == {"us-east-1a", "us-east-1b"}
    assert (boto.asked["client"], boto.asked["operation"]) == ("ec2", "describe_spot_price_history")
    assert (boto.asked["region_name"], boto.asked["profile_name"]) == ("us-east-1", "prices")
    assert (boto.asked["InstanceTypes"], boto.asked["ProductDescriptions"]) == (["p5.48xlarge"], ["Linux/UNIX"])
    assert boto.asked["EndTime"] - boto.asked["StartTime"] == datetime.timedelta(days=90)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one source that needs it says how to get it, when it is asked and not before."""
    with pytest.raises(EnvironmentFailed, match="need boto3") as caught:
        gathered(None, monkeypatch)
    assert "joulemark[pricing-aws]" in caught.value.next_step


def test_what_boto3_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing keys and refusals become one error that names the right that is needed; endless pages end."""
    with pytest.raises(RemoteUnreachable, match="no credentials") as caught:
        gathered(Boto(ClientError("no credentials")), monkeypatch)
    assert "ec2:DescribeSpotPriceHistory" in caught.value.next_step
    with pytest.raises(FormatError, match="more than 100 pages"):
        gathered(Boto([{"SpotPriceHistory": []}] * 101), monkeypatch)


@pytest.mark.parametrize("values", [{"days": 91}, {"days": 0}, {"product": "Linux"}, {"region": "x"}, {"instance_types": ()}])
def test_what_cannot_be_asked_is_refused(values: dict[str, Any]) -> None:
    """Beyond 90 days EC2 keeps nothing; systems have the names of EC2."""
    with pytest.raises(ConfigError):
        Config(**{"region": "us-east-1", "instance_types": ("p5.48xlarge",), **values})


def test_it_is_experimental_and_asked_often_while_runs_go_on() -> None:
    """No recorded reply was at hand; a spot price is stale after hours and gone after a day."""
    assert (SOURCE.kind, SOURCE.experimental, SOURCE.active_s, SOURCE.hard_limit_s) == (KIND, True, 1800, 86_400)
