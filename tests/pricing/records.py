"""A price, its later cut, and a tariff, as a price file holds them, with whatever a test changes."""

from __future__ import annotations

from typing import Any, Final

from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.price import Price
from joulemark.pricing.tariffs import Tariff

DAY: Final = moment_ns("2026-08-01", "the first day of the tests")

CUT = {"amount": "55.04", "effective_from": "2025-06-01", "fetched_at": "2025-07-03T20:49:06Z"}
TOML = """
schema = "joulemark.prices/1"

[[price]]
provider = "aws"
region = "us-east-1"
instance_type = "p5.48xlarge"
amount = 55.0400000000000000001
currency = "USD"
unit = "h"
gpu_count = 8
effective_from = 2025-06-01
fetched_at = 2025-07-03T20:49:06Z
source_url = "https://example.com/list"

[[tariff]]
zone = "site"
amount = "0.12"
currency = "USD"
amount_basis = "assumed"
effective_from = 2025-01-01
fetched_at = 2025-01-02
source_url = "https://example.com/bill"
"""
"""A price file as people write it."""


def record(**changes: object) -> dict[str, object]:
    return {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "p5.48xlarge",
        "amount": "98.32",
        "currency": "USD",
        "unit": "h",
        "effective_from": "2024-01-01",
        "fetched_at": "2024-02-05T20:41:07Z",
        "source_url": "https://example.com/list",
        **changes,
    }


def price(**changes: object) -> Price:
    return Price.from_json(record(**changes))


def tariff(**changes: object) -> Tariff:
    return Tariff.from_json(
        {
            "zone": "site",
            "amount": "0.12",
            "currency": "USD",
            "amount_basis": "measured",
            "pue": "1.20",
            "effective_from": "2025-01-01",
            "fetched_at": "2025-01-02",
            "source_url": "https://example.com/bill",
            **changes,
        }
    )


def fetch(**changes: Any) -> Fetch:
    """An attempt on the first day of the tests that read something."""
    values = {
        "feed": "azure_retail",
        "url": "https://example.com/list",
        "requested_at_ns": DAY,
        "outcome": Outcome.OK,
        "fetched_at_ns": DAY,
    }
    return Fetch(**{**values, **changes})
