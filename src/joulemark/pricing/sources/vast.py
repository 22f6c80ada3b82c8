"""Vast.ai: a book of offers by strangers, each a machine at its own price. An offer is kept with its number and no two are alike.

The price of an hour is that of the machine and of the disk that was asked for. Reference: the interface of Vast.ai, `bundles`.
Experimental: no reply of the real service was at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from joulemark import document
from joulemark.config import at_least
from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.page import json_page, listed, taken
from joulemark.pricing.price import Component, Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.web import Web

KIND: Final = "vast"
MONTH_HOURS: Final = 720
"""Hours of a month at Vast.ai: 30 days, for which a GB of disk is charged."""

QUARTER_HOUR_S: Final = 900
MIB_PER_GIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind vast: no key is needed for offers."""

    gpu_names: tuple[str, ...] = ()
    """GPUs whose offers are kept, as Vast.ai writes them, for example H100 SXM; all unless named."""
    disk_gb: int = 100
    """Size of the disk that is rented with the machine, in GB: it is charged by the month and part of the price."""
    limit: int = 1000
    """Most offers that are asked for, the best rated first."""
    url: str = "https://console.vast.ai/api/v0/bundles/"
    """Address of the book of offers."""

    def __post_init__(self) -> None:
        at_least("feed.disk_gb", self.disk_gb, 0)
        at_least("feed.limit", self.limit, 1)


def question(config: Config) -> dict[str, Any]:
    """What is asked for: offers that are free now. No filter of CUDA versions: it hides GPUs without a word."""
    filters: dict[str, Any] = {
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "order": [["score", "desc"]],
        "type": "on-demand",
        "limit": config.limit,
    }
    return {**filters, "gpu_name": {"in": list(config.gpu_names)}} if config.gpu_names else filters


async def gather(config: Config, web: Web) -> Harvest:
    """The offers of this moment. Raises what `web` and `parse_offers` raise."""
    reply = await web.post(config.url, question(config))
    return parse_offers(
        reply.body, fetched_at_ns=reply.fetched_at_ns, source_url=reply.url, payload_sha256=reply.sha256, disk_gb=config.disk_gb
    )


def parse_offers(body: bytes, *, fetched_at_ns: int, source_url: str, payload_sha256: str = "", disk_gb: int) -> Harvest:
    """Prices of each offer with a disk of `disk_gb`. Raises FormatError where the reply is no book of offers."""
    offers = listed(json_page(body, where=source_url), "offers", dict, where=source_url)

    def read(offer: Mapping[str, Any]) -> Iterator[Price | str]:
        base = cost(offer, "dph_base")
        yield price_of(PriceModel.MARKETPLACE, base, offer)
        if offer.get("min_bid") is None:
            return
        bid = cost(offer, "min_bid")
        if bid == base:
            yield "spot_unknown: the lowest bid is the fixed price"
        else:
            yield price_of(PriceModel.SPOT, bid, offer)

    def price_of(model: PriceModel, hourly: Decimal, offer: Mapping[str, Any]) -> Price:
        gpu, gpus = taken(offer, "gpu_name", str, where="offer"), taken(offer, "num_gpus", int, where="offer")
        number = taken(offer, "id", int, where="offer")
        machine = None if offer.get("machine_id") is None else taken(offer, "machine_id", int, where=f"offer {number}")
        disk = Component("storage_cost", Decimal(money.stored(money.CONTEXT.divide(disk_gb, MONTH_HOURS))), cost(offer, "storage_cost"))
        if not hourly:
            raise FormatError(f"offer {number} costs nothing an hour")
        total = hourly + money.CONTEXT.multiply(disk.quantity, disk.amount)
        return Price(
            provider="vast",
            region=taken(offer, "geolocation", str, where=f"offer {number}"),
            zone=f"machine {machine}" if machine is not None else "",
            instance_type=f"{gpus}x {gpu}",
            sku_id=str(number),
            amount=Decimal(money.stored(total)),
            currency="USD",
            unit=Unit.INSTANCE_HOUR,
            effective_from_ns=fetched_at_ns,
            effective_trust=Trust.NONE,
            fetched_at_ns=fetched_at_ns,
            source_url=source_url,
            price_model=model,
            gpu_model=gpu,
            gpu_count=gpus,
            gpu_memory_gib=memory_gib(offer),
            components=(Component("dph_base" if model is PriceModel.MARKETPLACE else "min_bid", Decimal(1), hourly), disk),
            feed=KIND,
            payload_sha256=payload_sha256,
            note=f"with {disk_gb} GB of disk; the machine is {verified(offer)}",
        )

    return sifted([(f"offers[{i}] {document.shown(offer.get('id'))}", offer) for i, offer in enumerate(offers)], read)


def cost(offer: Mapping[str, Any], key: str) -> Decimal:
    """An amount of an offer, cut to 18 digits: Vast.ai prints binary fractions. Raises FormatError where it has none."""
    value = offer.get(key)
    return Decimal(money.stored(money.amount(value, key))) if value is not None else money.amount(None, key)


def memory_gib(offer: Mapping[str, Any]) -> Decimal | None:
    """Memory of one GPU, which Vast.ai tells in MiB; None where it is not told or cannot be of one GPU."""
    told = offer.get("gpu_ram")
    if told is None:
        return None
    gib = money.CONTEXT.divide(money.amount(told, "gpu_ram"), MIB_PER_GIB).quantize(Decimal("0.1"))
    return gib if 1 <= gib <= MIB_PER_GIB else None


def verified(offer: Mapping[str, Any]) -> str:
    """Whether Vast.ai looked after the machine, as it says itself."""
    told = offer.get("verification", offer.get("verified"))
    if isinstance(told, bool):
        return "verified" if told else "not verified"
    return told[:40] if isinstance(told, str) else "not told to be verified"


SOURCE: Final = Source(
    KIND,
    Config,
    gather,
    interval_s=DAY_S // 4,
    max_age_s=DAY_S // 2,
    hard_limit_s=DAY_S,
    experimental=True,
    active_s=QUARTER_HOUR_S,
)
