"""Savings plans of AWS: rates of SKUs joined to the machines they discount. The shape is the documented one; none was recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.dates import moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.sources.aws_savings import KIND, SOURCE, Config, gather, version_path
from tests.pricing.aws_lists import P5, RESERVED, listed, p5
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer, page

EC2 = "/offers/v1.0/aws/AmazonEC2/current/us-east-1/index.csv"
INDEX = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json"
PLANS = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20260623215842/us-east-1/index"
COLUMNS = (
    *("SKU", "RateCode", "Unit", "EffectiveDate", "DiscountedRate", "Currency", "DiscountedSKU", "DiscountedServiceCode"),
    *("DiscountedUsageType", "DiscountedOperation", "PurchaseOption", "LeaseContractLength", "LeaseContractLengthUnit", "ServiceCode"),
    *("usageType", "operation", "Description", "Instance Family", "Location", "Location Type", "Granularity", "Product Family"),
)
RATE = {
    "SKU": "8GU23DFTKP2N43SD",
    "RateCode": "8GU23DFTKP2N43SD.3D4V8UAYEMB38GU2",
    "Unit": "Hrs",
    "EffectiveDate": "2026-06-23T21:58:42Z",
    "DiscountedRate": "37.10",
    "Currency": "USD",
    "DiscountedSKU": P5["SKU"],
    "DiscountedServiceCode": "AmazonEC2",
    "DiscountedUsageType": "BoxUsage:p5.48xlarge",
    "DiscountedOperation": "RunInstances",
    "PurchaseOption": "No Upfront",
    "LeaseContractLength": "1",
    "LeaseContractLengthUnit": "year",
    "ServiceCode": "ComputeSavingsPlans",
    "Product Family": "ComputeSavingsPlans",
}


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        term = {**p5(), **RESERVED, "PurchaseOption": "No Upfront"}
        running.serve(EC2, Answer(listed(p5(), p5(SKU="WINDOWS", Operating_System="Windows"), term)))
        running.serve(INDEX, page({"regions": [{"regionCode": "us-east-1", "versionUrl": f"{PLANS}.json"}]}))
        yield running


def gathered(server: PriceServer, *rates: dict[str, str], **changes: Any) -> Harvest:
    server.serve(f"{PLANS}.csv", Answer(listed(*rates, version="20260623215842", columns=COLUMNS)))
    config = Config(**{"region": "us-east-1", "instance_types": ("p5.48xlarge",), "url": server.origin, **changes})

    async def run() -> Harvest:
        async with web_of(server) as web:
            return await gather(config, web)

    return asyncio.run(run())


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def test_a_rate_is_joined_to_its_machine(server: PriceServer) -> None:
    """A rate names a SKU; machine, system, region and GPUs come from the list of EC2, the amount and the dates from the plan."""
    harvest = gathered(server, RATE, {**RATE, "DiscountedSKU": "WINDOWS", "DiscountedRate": "60"})
    (price,) = prices(harvest)
    assert (price.instance_type, price.os, price.region, price.gpu_count) == ("p5.48xlarge", "linux", "us-east-1", 8)
    assert (price.amount, price.price_model, price.term_months) == (Decimal("37.10"), PriceModel.SAVINGS_PLAN, 12)
    assert (price.payment_option, price.feed, price.list_version) == ("no_upfront", KIND, "20260623215842")
    assert (moment_text(price.known_ns), price.source_url) == ("2026-06-23T21:58:42Z", server.url(f"{PLANS}.csv"))
    assert (harvest.list_version, price.note, price.billing_step_s) == ("20260623215842", "", 1)


def test_plans_are_kept_apart(server: PriceServer) -> None:
    """Length, way of paying and family of the plan tell prices apart, so that none hides another."""
    three = {**RATE, "LeaseContractLength": "3", "LeaseContractLengthUnit": "years", "DiscountedRate": "25"}
    narrow = {**RATE, "Product Family": "EC2InstanceSavingsPlans", "DiscountedRate": "34", "PurchaseOption": "All Upfront"}
    found = {(p.term_months, p.payment_option): p.amount for p in prices(gathered(server, RATE, three, narrow))}
    assert found == {(12, "no_upfront"): Decimal("37.10"), (36, "no_upfront"): Decimal(25), (12, "all_upfront_ec2_instance"): Decimal(34)}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Unit": "Request"}, "unit: Request"),
        ({"Currency": "CNY"}, "currency: listed in CNY"),
        ({"Product Family": "MachineLearningSavingsPlans"}, "plan:"),
        ({"LeaseContractLength": "5"}, "term: 5 year"),
        ({"DiscountedRate": "0"}, "the amount is zero"),
        ({"SKU": P5["SKU"], "DiscountedSKU": "OTHER"}, "discounts another SKU"),
    ],
)
def test_a_rate_that_is_no_price_is_told(server: PriceServer, values: dict[str, str], reason: str) -> None:
    """Another unit, currency, plan or term, a zero: refused with the code of the rate, the one beside it is taken."""
    harvest = gathered(server, RATE, {**RATE, **values, "RateCode": "odd"})
    assert ([told.pointer for told in harvest.rejected], len(prices(harvest))) == (["odd"], 1)
    assert reason in harvest.rejected[0].reason


def test_a_machine_without_a_plan_is_told(server: PriceServer) -> None:
    """No plan for a machine, and no machine at all, are reasons, not silences; without machines no plan is asked for."""
    assert [told.reason.partition(":")[0] for told in gathered(server).rejected] == ["no_plan"]
    harvest = gathered(server, RATE, instance_types=("p9.48xlarge",))
    assert ([told.reason.partition(":")[0] for told in harvest.rejected], server.times(f"{PLANS}.csv")) == (["no_price"], 1)


def test_the_index_names_the_list_of_the_region() -> None:
    """The list of a region is asked for as CSV; a region that is not there, and a path elsewhere, are errors."""
    index = b'{"regions": [{"regionCode": "us-east-1", "versionUrl": "/savingsPlan/v1.0/aws/X/1/us-east-1/index.json"}]}'
    assert version_path(index, "us-east-1", where="x") == "/savingsPlan/v1.0/aws/X/1/us-east-1/index.csv"
    with pytest.raises(FormatError, match="no plans for eu-west-1"):
        version_path(index, "eu-west-1", where="x")
    with pytest.raises(FormatError, match="is no path of a list"):
        version_path(index.replace(b"/savingsPlan", b"@evil.example"), "us-east-1", where="x")


def test_it_is_experimental() -> None:
    """No recorded list was at hand, and that is said; what cannot be asked is refused."""
    assert (SOURCE.kind, SOURCE.experimental) == (KIND, True)
    with pytest.raises(ConfigError, match="no region"):
        Config(region="nowhere", instance_types=("p5.48xlarge",))
