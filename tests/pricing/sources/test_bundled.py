"""The bundled prices: few, dated, each with a page to hold it against, and last of all that a look-up asks."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.pricing.answer import Status
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.lookup import lookup
from joulemark.pricing.machines import machine
from joulemark.pricing.price import BUNDLED, MANUAL, Price, PriceModel, Trust, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources.bundled import seed, snapshot
from joulemark.pricing.wanted import Question, Wanted

NOW = moment_ns("2026-11-21", "the day of the tests")
P5 = Wanted("aws", "p5.48xlarge", "us-east-1")


def test_every_price_can_be_held_against_its_page() -> None:
    """Each says the day on which it was read, where, and a public page of its provider; none is newer than its note or pretends a date."""
    prices = seed().prices
    assert 15 <= len(prices) <= 30
    for price in prices:
        assert (price.feed, price.price_model, price.unit, price.currency) == (BUNDLED, PriceModel.ON_DEMAND, Unit.INSTANCE_HOUR, "USD")
        assert price.source_url.startswith("https://")
        assert price.effective_trust is Trust.NONE
        assert price.effective_from_ns == price.fetched_at_ns < NOW
        assert "20" in price.note
        assert price.gpu_count
    assert len({(p.provider, p.region, p.instance_type) for p in prices}) == len(prices)
    assert {p.provider for p in prices} == {"aws", "azure", "gcp", "lambda", "nebius"}


def test_machines_are_what_the_table_says() -> None:
    """Where the table of machines knows a type, GPUs, cores and memory of the price are the same."""
    for price in seed().prices:
        if known := machine(price.provider, price.instance_type):
            assert (price.gpu_count, price.gpu_memory_gib, price.vcpu, price.memory_gib, price.gpu_model) == (
                known.gpu_count,
                known.gpu_memory_gib,
                known.vcpu,
                known.memory_gib,
                known.gpu_model,
            )


@pytest.mark.parametrize(
    ("name", "region", "type_column", "price_column"),
    [
        ("pricing/aws/karpenter_static_ondemand_gpu_us-east-1_20260720.csv", "region", "instance_type", "usd_per_hour"),
        ("pricing/azure/karpenter_static_ondemand_gpu_20260618.csv", "armRegionName", "armSkuName", "usd_per_hour"),
    ],
)
def test_amounts_are_those_of_the_tables(corpus: Path, name: str, region: str, type_column: str, price_column: str) -> None:
    """The amounts of AWS and Azure are the ones in the tables that their notes name."""
    head, *lines = (corpus / name).read_text(encoding="utf-8").splitlines()
    columns = head.split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in lines]
    listed = {(row[region], row[type_column]): Decimal(row[price_column]) for row in rows}
    provider = name.split("/")[1]
    ours = {(p.region, p.instance_type): p.amount for p in seed().prices if p.provider == provider}
    assert len(ours) >= 4
    assert {key: listed[key] for key in ours} == ours


def test_the_first_run_has_a_price() -> None:
    """Without any list a p5.48xlarge costs 55.04 with the status bundled, however old it is; elsewhere and earlier nothing is known."""
    answer = lookup(snapshot().prices, Question(P5, NOW))
    assert (answer.status, answer.price and answer.price.amount) == (Status.BUNDLED, Decimal("55.04"))
    assert answer.age_s == (NOW - moment_ns("2026-07-20T13:44:30Z", "x")) // 10**9
    assert lookup(snapshot().prices, Question(replace(P5, region="eu-west-1"), NOW)).status is Status.MISSING
    assert lookup(snapshot().prices, Question(P5, moment_ns("2025-06-15", "x"))).status is Status.MISSING


def test_every_other_source_comes_first() -> None:
    """A price that somebody wrote down, or that a list told, is used, and the bundled one is not asked."""
    (bundled,) = snapshot(instance_type="P5.48XLARGE").prices
    for feed, status in ((MANUAL, Status.MANUAL), ("gpuhunt", Status.FRESH), ("aws_bulk", Status.FRESH)):
        other = replace(bundled, feed=feed, amount=Decimal(60), effective_from_ns=NOW, fetched_at_ns=NOW)
        answer = lookup((other, bundled), Question(P5, NOW))
        assert (answer.status, answer.price and answer.price.amount) == (status, Decimal(60))


def test_only_what_was_known() -> None:
    """As of a day before a price was read it is not there; names narrow it down whatever their case."""
    day = moment_ns("2023-12-31", "x")
    assert [p.provider for p in snapshot(known_at_ns=day).prices] == ["gcp"]
    assert {p.provider for p in snapshot(provider="Azure").prices} == {"azure"}
    assert snapshot(provider="azure", region="mars") == Snapshot()
    assert all(isinstance(record, Price) for record in seed().records())
