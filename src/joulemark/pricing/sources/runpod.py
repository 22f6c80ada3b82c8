"""RunPod: prices for an hour of one GPU, in its own centres (secure) and at strangers' (community), fixed or by bid.

Reference: the GraphQL interface of RunPod, `gpuTypes`. Experimental: no reply of the real service was at hand, only the shape of one.
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
from joulemark.pricing.price import EVERYWHERE, Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.web import Web

KIND: Final = "runpod"
QUARTER_HOUR_S: Final = 900
COMMUNITY: Final = "community"
"""Tenancy of machines of strangers; that of RunPod's own is empty, as of any provider's usual machines."""

CLOUDS: Final = (("secure", ""), (COMMUNITY, COMMUNITY))
QUERY: Final = """query {
  gpuTypes {
    id memoryInGb maxGpuCount secureCloud communityCloud securePrice communityPrice secureSpotPrice communitySpotPrice
    secure: lowestPrice(input: {gpuCount: 1, secureCloud: true}) { minimumBidPrice }
    community: lowestPrice(input: {gpuCount: 1, secureCloud: false}) { minimumBidPrice }
  }
}"""


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind runpod: no key is needed for prices."""

    gpu_counts: tuple[int, ...] = (1, 2, 4, 8)
    """Sizes of machines whose prices are kept, in GPUs; a price is for one GPU and holds for each size that RunPod rents."""
    url: str = "https://api.runpod.io/graphql"
    """Address of the GraphQL interface."""

    def __post_init__(self) -> None:
        for gpus in self.gpu_counts:
            at_least("feed.gpu_counts", gpus, 1)


async def gather(config: Config, web: Web) -> Harvest:
    """The prices of all kinds of GPUs. Raises what `web` and `parse_types` raise."""
    reply = await web.post(config.url, {"query": QUERY})
    return parse_types(
        reply.body,
        fetched_at_ns=reply.fetched_at_ns,
        source_url=reply.url,
        payload_sha256=reply.sha256,
        gpu_counts=config.gpu_counts,
    )


def parse_types(
    body: bytes, *, fetched_at_ns: int, source_url: str, payload_sha256: str = "", gpu_counts: tuple[int, ...] = (1,)
) -> Harvest:
    """Prices of each kind of GPU, for machines of so many of them. Raises FormatError where the reply is no such list."""
    page = json_page(body, where=source_url)
    if errors := page.get("errors"):
        raise FormatError(f"{source_url} answers {document.shown(errors)}", "the interface has changed; report it")
    types = listed(taken(page, "data", dict, where=source_url), "gpuTypes", dict, where=source_url)

    def read(gpu: Mapping[str, Any]) -> Iterator[Price | str]:
        largest = taken(gpu, "maxGpuCount", int, where="gpuTypes") if gpu.get("maxGpuCount") else 1
        for model, tenancy, amount in asked(gpu):
            if isinstance(amount, str):
                yield amount
            else:
                yield from (price_of(gpu, gpus, model, tenancy, amount) for gpus in gpu_counts if gpus <= largest)

    def price_of(gpu: Mapping[str, Any], gpus: int, model: PriceModel, tenancy: str, amount: Decimal) -> Price:
        name = taken(gpu, "id", str, where="gpuTypes")
        return Price(
            provider="runpod",
            region=EVERYWHERE,
            instance_type=f"{gpus}x {name}",
            sku_id=name,
            amount=amount,
            currency="USD",
            unit=Unit.GPU_HOUR,
            effective_from_ns=fetched_at_ns,
            effective_trust=Trust.NONE,
            fetched_at_ns=fetched_at_ns,
            source_url=source_url,
            price_model=model,
            tenancy=tenancy,
            gpu_model=name,
            gpu_count=gpus,
            gpu_memory_gib=Decimal(taken(gpu, "memoryInGb", int, where=name)) or None,
            feed=KIND,
            payload_sha256=payload_sha256,
        )

    return sifted([(f"gpuTypes[{i}] {document.shown(gpu.get('id'))}", gpu) for i, gpu in enumerate(types)], read)


def asked(gpu: Mapping[str, Any]) -> Iterator[tuple[PriceModel, str, Decimal | str]]:
    """Way of renting, tenancy, and the amount for one GPU, or why there is none. What is not offered is not told."""
    for cloud, tenancy in CLOUDS:
        if not gpu.get(f"{cloud}Cloud"):
            continue
        fixed = offered(gpu.get(f"{cloud}Price"), f"{cloud}Price")
        lowest = gpu.get(cloud)
        bid = lowest.get("minimumBidPrice") if isinstance(lowest, Mapping) else None
        spot = offered(gpu.get(f"{cloud}SpotPrice") if bid is None else bid, f"{cloud} minimumBidPrice")
        if fixed is not None:
            yield PriceModel.ON_DEMAND, tenancy, fixed
        if spot is not None:
            alike = f"spot_unknown: the lowest bid ({cloud}) is the fixed price"
            yield PriceModel.SPOT, tenancy, alike if spot == fixed else spot


def offered(value: object, where: str) -> Decimal | None:
    """An amount; None where it is null or zero, with which RunPod says that it does not rent this. Raises FormatError for another kind."""
    return None if value is None else money.amount(value, where) or None


SOURCE: Final = Source(
    KIND,
    Config,
    gather,
    interval_s=DAY_S // 4,
    max_age_s=DAY_S // 2,
    hard_limit_s=7 * DAY_S,
    experimental=True,
    active_s=QUARTER_HOUR_S,
)
