"""RunPod: an hour of one GPU, in two clouds, fixed and by bid."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.answer import Status
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sources.runpod import KIND, SOURCE, Config, gather, parse_types
from joulemark.pricing.wanted import Question, Wanted
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer

SHAPE = "pricing/neocloud/runpod_gputypes_SHAPE_from_test.json"
GPU = {"id": "NVIDIA H100 NVL", "memoryInGb": 94, "maxGpuCount": 8, "secureCloud": True, "communityCloud": True, "securePrice": 2.59}


def parsed(body: bytes, gpu_counts: tuple[int, ...] = (1,)) -> Harvest:
    return parse_types(body, fetched_at_ns=DAY, source_url="https://example.com/graphql", payload_sha256="ab", gpu_counts=gpu_counts)


def reply(**changes: Any) -> bytes:
    return json.dumps({"data": {"gpuTypes": [{**GPU, **changes}]}}).encode()


def asked(harvest: Harvest) -> set[tuple[str, PriceModel, str, Decimal]]:
    return {(p.instance_type, p.price_model, p.tenancy, p.amount) for p in harvest.records if isinstance(p, Price)}


def test_the_four_prices_of_a_gpu(corpus: Path) -> None:
    """Secure and community, fixed and by bid, are four prices; what is not offered is none, and nothing is told of it."""
    harvest = parsed((corpus / SHAPE).read_bytes())
    assert asked(harvest) == {
        ("1x NVIDIA GeForce RTX 4090", PriceModel.ON_DEMAND, "", Decimal("0.69")),
        ("1x NVIDIA GeForce RTX 4090", PriceModel.ON_DEMAND, "community", Decimal("0.34")),
        ("1x NVIDIA GeForce RTX 4090", PriceModel.SPOT, "", Decimal("0.5")),
        ("1x NVIDIA GeForce RTX 4090", PriceModel.SPOT, "community", Decimal("0.2")),
        ("1x NVIDIA L40S", PriceModel.ON_DEMAND, "", Decimal("0.86")),
        ("1x NVIDIA L40S", PriceModel.ON_DEMAND, "community", Decimal("0.79")),
        ("1x NVIDIA H100 NVL", PriceModel.ON_DEMAND, "", Decimal("2.59")),
    }
    assert harvest.rejected == ()
    assert {(p.unit, p.currency, p.effective_trust) for p in harvest.records if isinstance(p, Price)} == {
        (Unit.GPU_HOUR, "USD", Trust.NONE)
    }


def test_a_price_is_for_one_gpu() -> None:
    """A machine of eight costs eight times the price of a GPU, and one of sixteen is not rented."""
    prices = [p for p in parsed(reply(), gpu_counts=(1, 8, 16)).records if isinstance(p, Price)]
    assert {p.sku_id for p in prices} == {"NVIDIA H100 NVL"}
    assert {p.instance_type: (p.amount, p.per_instance_hour()) for p in prices} == {
        "1x NVIDIA H100 NVL": (Decimal("2.59"), Decimal("2.59")),
        "8x NVIDIA H100 NVL": (Decimal("2.59"), Decimal("20.72")),
    }


def test_a_machine_has_a_gpu() -> None:
    """A size of no GPU is a mistake in the configuration."""
    with pytest.raises(ConfigError, match="gpu_counts"):
        Config(gpu_counts=(1, 0))


def test_strangers_machines_are_another_tenancy() -> None:
    """Who asks for a machine gets RunPod's own price in any region, and that of strangers when it says so."""
    prices = [p for p in parsed(reply(communityPrice=1.99)).records if isinstance(p, Price)]
    own = lookup(prices, Question(Wanted("runpod", "1x NVIDIA H100 NVL", "EU-SE-1"), valid_at_ns=DAY))
    other = lookup(prices, Question(Wanted("runpod", "1x NVIDIA H100 NVL", "SE", tenancy="community"), valid_at_ns=DAY))
    assert [(a.status, a.price and a.price.amount) for a in (own, other)] == [
        (Status.FRESH, Decimal("2.59")),
        (Status.FRESH, Decimal("1.99")),
    ]


def test_the_lowest_bid_is_the_spot_price() -> None:
    """`minimumBidPrice` of a cloud wins over the older field."""
    harvest = parsed(reply(secureSpotPrice=2.0, secure={"minimumBidPrice": 1.25}))
    assert ("1x NVIDIA H100 NVL", PriceModel.SPOT, "", Decimal("1.25")) in asked(harvest)


def test_a_bid_that_is_the_fixed_price_is_unknown() -> None:
    """A spot price equal to the fixed one is a place holder: it is told and not kept."""
    harvest = parsed(reply(secure={"minimumBidPrice": 2.59}))
    assert {model for _, model, _, _ in asked(harvest)} == {PriceModel.ON_DEMAND}
    assert harvest.rejected == (Rejected("gpuTypes[0] 'NVIDIA H100 NVL'", "spot_unknown: the lowest bid (secure) is the fixed price"),)


@pytest.mark.parametrize("nothing", [None, 0, 0.0])
def test_what_is_not_offered_costs_nothing_and_is_no_price(nothing: object) -> None:
    """Null and zero mean that it is not rented, so there is no price of it; a cloud without this GPU has none either."""
    assert parsed(reply(securePrice=nothing)) == Harvest()
    assert parsed(reply(secureCloud=False)) == Harvest()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"securePrice": "2.59x"}, "not a number"),
        ({"securePrice": -1}, "negative"),
        ({"memoryInGb": "94"}, "memoryInGb"),
        ({"id": 1}, "id is 1"),
    ],
)
def test_a_value_of_another_kind_is_told(changes: dict[str, Any], reason: str) -> None:
    """What is no amount, no size and no name is the reason of its row."""
    (told,) = parsed(reply(**changes)).rejected
    assert reason in told.reason


@pytest.mark.parametrize("body", [b"{}", b'{"data": null}', b'{"data": {"gpuTypes": [1]}}', b'{"errors": [{"message": "no such field"}]}'])
def test_another_shape_is_told(body: bytes) -> None:
    """Errors of the interface, which come with status 200, and other shapes are refused under the address."""
    with pytest.raises(FormatError, match="example"):
        parsed(body)


def test_one_question_for_all(corpus: Path) -> None:
    """One POST without a key asks for every field that is read."""
    with PriceServer() as server:
        server.serve("/graphql", Answer((corpus / SHAPE).read_bytes()))

        async def run() -> Harvest:
            async with web_of(server) as web:
                return await gather(Config(url=server.url("/graphql")), web)

        assert len(asyncio.run(run()).records) == 7
        (question,) = server.asked
        assert question.method == "POST"
        query = json.loads(question.body)["query"]
        assert all(field in query for field in ("maxGpuCount", "securePrice", "communityPrice", "minimumBidPrice", "memoryInGb"))


def test_the_source_is_experimental() -> None:
    """No reply of the real service was at hand, and the source says so."""
    assert (SOURCE.kind, SOURCE.experimental, SOURCE.active_s) == (KIND, True, 900)
