"""SKUs of Google: which part of which machine, rented how, at what amount."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import AccessDenied, FormatError
from joulemark.pricing.gcp_skus import Mode, Part, mode_of, parse_page, part_name, tier, undone
from joulemark.pricing.price import PriceModel
from tests.pricing.gcp import body, sku

RECORDED = "pricing/gcp/skus_a2_a100_20230324_opencost.json"
BAD_KEY = "pricing/gcp/error_bad_key_opencost.json"


def part(**changes: Any) -> Part:
    (found,) = parse_page(body(sku("A2 Instance Core running in Americas", nanos=31611000, **changes)), where="page").parts
    return found


def reason(**changes: Any) -> str:
    (told,) = parse_page(body(sku("A2 Instance Core running in Americas", nanos=31611000, **changes)), where="page").rejected
    return told.reason


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("A2 Instance Core running in Americas", "A2 core"),
        ("Spot Preemptible A3Plus Instance Ram running in Iowa", "A3Plus ram"),
        ("Commitment v1: A2 Cpu in APAC for 1 Year", "A2 core"),
        ("DWS Defined Duration A2 Core", "A2 core"),
        ("Nvidia Tesla A100 GPU running in Americas", "Tesla A100"),
        ("Nvidia Tesla A100 80GB GPU attached to Spot Preemptible VMs running in Iowa", "Tesla A100 80GB"),
        ("H200 141GB GPU running in Netherlands", "H200 141GB"),
        ("NVIDIA L4 GPU running in Virginia", "L4"),
        ("SSD backed Local Storage", "ssd"),
        ("SSD backed Local Storage attached to Spot Preemptible VMs in Paris", "ssd"),
        ("G2 Custom Instance Core running in Americas", ""),
        ("Nvidia L4 GPU Virtual Workstation running in Americas", ""),
        ("Nvidia L40 GPU running in Americas", ""),
        ("Reserved Nvidia Tesla A100 80GB GPU in Virginia", ""),
        ("A2 Sole Tenancy Instance Core running in Americas", ""),
        ("T2D AMD Instance Core running in Singapore", ""),
        ("E2 Instance Core running in Americas", ""),
        ("Network Internet Egress from Americas", ""),
        ("", ""),
    ],
)
def test_which_part_a_sku_is(description: str, name: str) -> None:
    """A card of 40 GB is not one of 80 GB, and place holders, custom machines and workstations are no part at all."""
    assert part_name(description) == name


@pytest.mark.parametrize(
    ("description", "usage", "mode"),
    [
        ("A2 Instance Core running in Americas", "OnDemand", Mode(PriceModel.ON_DEMAND)),
        ("A2 Instance Core running in Americas", "Preemptible", Mode(PriceModel.SPOT)),
        ("Spot Preemptible A4 Instance Core running in Americas", "OnDemand", Mode(PriceModel.SPOT)),
        ("Commitment v1: A2 Cpu in Americas for 1 Year", "OnDemand", Mode(PriceModel.COMMITTED_USE, 12)),
        ("Commitment v1: A2 Cpu in Americas for 3 Years", "Commit3Yr", Mode(PriceModel.COMMITTED_USE, 36)),
        ("Commitment v1: A2 Cpu in Americas", "Commit1Yr", Mode(PriceModel.COMMITTED_USE, 12)),
        ("Nvidia B200 GPU in Americas in Calendar Mode", "OnDemand", Mode(PriceModel.DWS, 0, "calendar")),
        ("DWS Calendar Mode A3 Core", "OnDemand", Mode(PriceModel.DWS, 0, "calendar")),
        ("DWS Defined Duration A2 Core", "Preemptible", Mode(PriceModel.DWS, 0, "defined_duration")),
    ],
)
def test_description_and_category_say_how_it_is_rented(description: str, usage: str, mode: Mode) -> None:
    """A spot, calendar or commitment SKU in the category OnDemand is not taken for the list price."""
    assert mode_of(description, usage) == mode


@pytest.mark.parametrize(
    ("description", "usage", "why"),
    [
        ("Spot Preemptible A2 Instance Core", "Commit1Yr", "contradicts"),
        ("Commitment v1: A2 Cpu in Americas for 3 Years", "Commit1Yr", "contradicts"),
        ("Commitment v1: A2 Cpu in Americas for 1 Year", "Preemptible", "contradicts"),
        ("Commitment v1: A2 Cpu in Americas", "OnDemand", "for how long"),
        ("A2 Instance Core", "Commit5Yr", "is none of"),
    ],
)
def test_a_contradiction_is_no_price(description: str, usage: str, why: str) -> None:
    """Where description and category cannot both be true, neither is believed."""
    with pytest.raises(FormatError, match=why):
        mode_of(description, usage)


def test_units_and_nanos_are_exact() -> None:
    """Whole units are text of 64 bits, nanos are 1e-9; either may be left out where it is zero."""
    rate = {"unitPrice": {"currencyCode": "USD", "units": "2", "nanos": 933908000}}
    assert tier([rate]) == (Decimal("2.933908"), "USD")
    assert tier([{"unitPrice": {"currencyCode": "USD", "units": "9223372036"}}]) == (Decimal("9223372036"), "USD")
    assert tier([{"unitPrice": {"currencyCode": "USD", "nanos": 1}}]) == (Decimal("1e-9"), "USD")


def test_a_free_tier_is_not_the_price() -> None:
    """The first tier may be a free allotment: what counts is the first use that is paid for, by where it starts, not where it stands."""
    free = {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": 0}}
    paid = {"startUsageAmount": 100, "unitPrice": {"currencyCode": "USD", "units": "1", "nanos": 500000000}}
    more = {"startUsageAmount": 1000, "unitPrice": {"currencyCode": "USD", "units": "1", "nanos": 0}}
    assert tier([more, free, paid]) == (Decimal("1.5"), "USD")
    with pytest.raises(FormatError, match="every tier is zero"):
        tier([free])


def test_a_converted_price_is_converted_back(corpus: Path) -> None:
    """V07: 508.934997455 IDR at the list's own 14999.999925 are 0.033929 USD, and both are told."""
    skus = json.loads((corpus / RECORDED).read_bytes())["skus"]
    (idr,) = [one for one in skus if one["skuId"] == "9E37-EAF4-1576"]
    rate = idr["pricingInfo"][0]["currencyConversionRate"]
    amount, currency = tier(idr["pricingInfo"][0]["pricingExpression"]["tieredRates"])
    assert (amount, currency) == (Decimal("508.934997455"), "IDR")
    usd, now, note = undone(amount, currency, Decimal(str(rate)))
    assert (usd, now) == (Decimal("0.033929000"), "USD")
    assert note == "508.934997455 IDR at the rate of the list, 14999.999925 IDR for 1 USD"
    assert undone(amount, currency, None) == (amount, "IDR", "")
    assert undone(Decimal(1), "USD", 1) == (Decimal(1), "USD", "")
    with pytest.raises(FormatError, match="is zero"):
        undone(amount, currency, 0)


def test_a_part_says_what_it_is() -> None:
    """Amount, regions and time of the question come from the newest entry of pricingInfo."""
    infos = sku("", nanos=1)["pricingInfo"] + sku("", nanos=2)["pricingInfo"]
    found = part(pricingInfo=infos)
    assert (found.amount, found.regions, found.per_month) == (Decimal("2e-9"), ("us-central1",), False)
    assert part(unit="GiBy.mo").per_month


def test_a_sku_without_a_price_is_told() -> None:
    """No pricingInfo, an unknown unit, a zero and a value of another kind are reasons, and the page is read on."""
    assert "pricingInfo is empty" in reason(pricingInfo=[])
    assert "usageUnit 'GBy.d'" in reason(unit="GBy.d")
    assert "every tier is zero" in reason(pricingInfo=sku("")["pricingInfo"])
    assert "serviceRegions is None" in reason(serviceRegions=None)
    assert "category" in reason(category={})
    assert "unitPrice units" in reason(pricingInfo=sku("", "two")["pricingInfo"])
    assert "negative" in reason(pricingInfo=sku("", "-2")["pricingInfo"])


def test_a_wrong_key_is_said(corpus: Path) -> None:
    """The recorded answer to a wrong key is an error that says what to do, not an empty list."""
    with pytest.raises(AccessDenied, match="API key not valid") as caught:
        parse_page((corpus / BAD_KEY).read_bytes(), where="page")
    assert "key_file" in caught.value.next_step
    with pytest.raises(AccessDenied, match="'no'"):
        parse_page(b'{"error": "no"}', where="page")


@pytest.mark.parametrize("reply", [b"{}", b'{"skus": {}}', b'{"skus": [1]}', b'{"skus": [], "nextPageToken": 7}', b"<html>"])
def test_another_shape_is_told(reply: bytes) -> None:
    """A reply that is no page of the catalog is refused under its address."""
    with pytest.raises(FormatError, match="the address"):
        parse_page(reply, where="the address")
