"""Lambda: one price for each type of machine, in whole US cents, the same in all regions.

The reply also names the regions with machines to spare, which is no property of a price and not kept. Two GPUs cost less than twice one:
nothing is scaled by the number of GPUs. Reference: Lambda Cloud API v1, `instance-types`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.key import key_of
from joulemark.pricing.page import json_page, taken
from joulemark.pricing.price import EVERYWHERE, Price, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.web import Web

KIND: Final = "lambda_cloud"
NAME: Final = re.compile(r"gpu_(\d{1,3})x_([a-z0-9_]+)", re.ASCII)
QUARTER_HOUR_S: Final = 900


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind lambda_cloud: an API key of an account."""

    key_file: Path
    """File with the API key, one line, readable by this user only."""
    url: str = "https://cloud.lambdalabs.com/api/v1/instance-types"
    """Address of the list of machines."""


async def gather(config: Config, web: Web) -> Harvest:
    """The list of machines. Raises what `web` and `parse_types` raise, ConfigError for a key that cannot be read."""
    reply = await web.get(config.url, secret={"Authorization": f"Bearer {key_of(config.key_file, kind=KIND)}"})
    return parse_types(reply.body, fetched_at_ns=reply.fetched_at_ns, source_url=reply.url, payload_sha256=reply.sha256)


def parse_types(body: bytes, *, fetched_at_ns: int, source_url: str, payload_sha256: str = "") -> Harvest:
    """A price for each type. Raises FormatError where the reply is no such list."""
    types = taken(json_page(body, where=source_url), "data", dict, where=source_url)

    def read(entry: Any) -> Iterator[Price]:
        yield price_of(entry, fetched_at_ns=fetched_at_ns, source_url=source_url, payload_sha256=payload_sha256)

    return sifted(types.items(), read)


def price_of(entry: object, *, fetched_at_ns: int, source_url: str, payload_sha256: str) -> Price:
    """The price of one type. Raises FormatError where it has none."""
    kind = taken(entry, "instance_type", dict, where="entry")
    name = taken(kind, "name", str, where="instance_type")
    cents = taken(kind, "price_cents_per_hour", int, where=name)
    specs = kind.get("specs", {})
    named = NAME.fullmatch(name)
    return Price(
        provider="lambda",
        region=EVERYWHERE,
        instance_type=name,
        sku_id=name,
        amount=money.amount(Decimal(cents).scaleb(-2), f"{name} price"),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        effective_from_ns=fetched_at_ns,
        effective_trust=Trust.NONE,
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        gpu_model=named[2].upper() if named else "",
        gpu_count=count(specs, "gpus") or (int(named[1]) if named else None),
        vcpu=count(specs, "vcpus"),
        memory_gib=None if (memory := count(specs, "memory_gib")) is None else Decimal(memory),
        feed=KIND,
        payload_sha256=payload_sha256,
    )


def count(specs: object, key: str) -> int | None:
    """A number of the machine's description, None where it is not told. Raises FormatError for what is no number."""
    if not isinstance(specs, Mapping) or specs.get(key) is None:
        return None
    number = taken(specs, key, int, where="specs")
    if number < 0:
        raise FormatError(f"specs: {key} is {number}")
    return number or None


SOURCE: Final = Source(KIND, Config, gather, interval_s=DAY_S // 4, active_s=QUARTER_HOUR_S)
