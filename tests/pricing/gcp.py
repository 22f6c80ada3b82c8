"""SKUs of Google as its catalog lists them, with whatever a test changes."""

from __future__ import annotations

import json
import zlib
from typing import Any

REGION = "us-central1"


def sku(description: str, units: str = "0", nanos: int = 0, *, usage: str = "OnDemand", unit: str = "h", **changes: Any) -> dict[str, Any]:
    """One SKU in one region, with a single tier in USD."""
    rates = [{"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": units, "nanos": nanos}}]
    return {
        "skuId": f"{zlib.crc32((description + usage).encode()):08X}",
        "description": description,
        "category": {"resourceFamily": "Compute", "usageType": usage},
        "serviceRegions": [REGION],
        "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": rates}, "effectiveTime": "2026-08-01T10:00:00Z"}],
        **changes,
    }


def body(*skus: dict[str, Any], token: str = "") -> bytes:
    """A page of them."""
    return json.dumps({"skus": list(skus), "nextPageToken": token}).encode()


def ultra(prefix: str = "", suffix: str = "running in Americas", usage: str = "OnDemand") -> list[dict[str, Any]]:
    """The four parts of an a2-ultragpu machine, a GPU of which costs 3.92808."""
    attached = f" {suffix.removesuffix(' running in Americas')}" if suffix.startswith("attached") else ""
    return [
        sku(f"{prefix}A2 Instance Core running in Americas", nanos=31611000, usage=usage),
        sku(f"{prefix}A2 Instance Ram running in Americas", nanos=4237000, usage=usage, unit="GiBy.h"),
        sku(f"Nvidia Tesla A100 80GB GPU {suffix}", "3", 928080000, usage=usage),
        sku(f"SSD backed Local Storage{attached}", nanos=80000000, usage=usage, unit="GiBy.mo"),
    ]
