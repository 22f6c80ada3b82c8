"""Vast.ai: offers of strangers, each with its number, its machine and a disk that is charged by the month of 720 hours."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.answer import Status
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sources.vast import KIND, SOURCE, Config, gather, parse_offers, question
from joulemark.pricing.wanted import Question, Wanted
from tests.pricing.offers import OFFER
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer


def book(*offers: dict[str, Any]) -> bytes:
    return json.dumps({"offers": list(offers)}).encode()


def parsed(body: bytes, disk_gb: int = 100) -> Harvest:
    return parse_offers(body, fetched_at_ns=DAY, source_url="https://example.com/bundles", payload_sha256="ab", disk_gb=disk_gb)


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def test_the_month_of_a_disk_has_720_hours() -> None:
    """V16: 2.00 an hour and 100 GB at 0.15 a month are 2.020833 an hour; without a disk it is 2.00."""
    fixed, _ = prices(parsed(book(OFFER)))
    assert fixed.amount.quantize(Decimal("1e-6")) == Decimal("2.020833")
    assert [(part.sku_id, part.amount) for part in fixed.components] == [("dph_base", Decimal("2.0")), ("storage_cost", Decimal("0.15"))]
    assert prices(parsed(book(OFFER), disk_gb=0))[0].amount == Decimal(2)
    assert Price.from_json(fixed.to_json()) == fixed


def test_an_offer_is_no_list_price() -> None:
    """It is of the marketplace, for the whole machine, with the number of the offer and of the machine, and is fresh for hours only."""
    fixed, bid = prices(parsed(book(OFFER)))
    assert (fixed.price_model, bid.price_model, fixed.unit) == (PriceModel.MARKETPLACE, PriceModel.SPOT, Unit.INSTANCE_HOUR)
    assert (fixed.sku_id, fixed.zone, fixed.region, fixed.instance_type) == ("21348645", "machine 150014", "Ontario, CA", "8x H100 SXM")
    assert (fixed.gpu_count, fixed.gpu_memory_gib, fixed.effective_trust) == (8, Decimal("79.6"), Trust.NONE)
    assert fixed.note == "with 100 GB of disk; the machine is verified"
    assert bid.amount.quantize(Decimal("1e-6")) == Decimal("1.520833")
    assert (SOURCE.hard_limit_s, SOURCE.experimental, SOURCE.active_s, SOURCE.kind) == (86_400, True, 900, KIND)


@pytest.mark.parametrize(
    ("told", "says"),
    [({"verification": "unverified"}, "unverified"), ({"verified": True}, "verified"), ({"verified": False}, "not verified")],
)
def test_who_looked_after_it_is_told(told: dict[str, Any], says: str) -> None:
    """What Vast.ai says of the machine stands in the note; where it says nothing, so does the note."""
    offer = {key: value for key, value in OFFER.items() if key != "verification"}
    assert prices(parsed(book({**offer, **told})))[0].note.endswith(f"the machine is {says}")
    assert prices(parsed(book(offer)))[0].note.endswith("not told to be verified")


def test_two_offers_are_ambiguous_until_one_is_named() -> None:
    """Of two offers of one machine type none is taken for the other; the number of the offer decides."""
    found = prices(parsed(book(OFFER, {**OFFER, "id": 7, "machine_id": 8, "dph_base": 3.0})))
    wanted: dict[str, Any] = {
        "provider": "vast",
        "instance_type": "8x H100 SXM",
        "region": "Ontario, CA",
        "price_model": PriceModel.MARKETPLACE,
    }
    assert lookup(found, Question(Wanted(**wanted), valid_at_ns=DAY)).status is Status.AMBIGUOUS
    answer = lookup(found, Question(Wanted(**wanted, sku_id="21348645"), valid_at_ns=DAY))
    assert answer.price is not None
    assert answer.price.amount < 3


def test_binary_fractions_are_cut() -> None:
    """Seventeen digits of a double are kept as such and do not grow in the sum."""
    fixed, *_ = prices(parsed(book({**OFFER, "dph_base": 0.10533333333333333})))
    assert fixed.components[0].amount == Decimal("0.10533333333333333")
    assert len(fixed.amount.as_tuple().digits) <= 18


def test_a_bid_that_is_the_fixed_price_is_unknown() -> None:
    """A lowest bid equal to the fixed price is told and not kept; without a bid nothing is told."""
    harvest = parsed(book({**OFFER, "min_bid": 2.0}))
    assert len(harvest.records) == 1
    assert harvest.rejected == (Rejected("offers[0] 21348645", "spot_unknown: the lowest bid is the fixed price"),)
    assert parsed(book({**OFFER, "min_bid": None})).rejected == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dph_base": 0}, "costs nothing"),
        ({"dph_base": None}, "dph_base = None is not an amount"),
        ({"storage_cost": None}, "storage_cost = None is not an amount"),
        ({"dph_base": "free"}, "not a number"),
        ({"num_gpus": 0}, "gpu_count is 0"),
        ({"num_gpus": "8"}, "num_gpus is '8'"),
        ({"geolocation": None}, "geolocation is None"),
        ({"geolocation": ""}, "region is empty"),
        ({"id": None}, "id is None"),
        ({"machine_id": "x"}, "machine_id is 'x'"),
    ],
)
def test_an_offer_without_a_price_is_told(changes: dict[str, Any], reason: str) -> None:
    """An offer that costs nothing, or lacks what makes its price, is a reason, and the next offer is read."""
    harvest = parsed(book({**OFFER, "min_bid": None, **changes}, OFFER))
    assert [reason in one.reason for one in harvest.rejected] == [True]
    assert len(harvest.records) == 2


@pytest.mark.parametrize("mib", [80, 10**9, None])
def test_a_memory_of_no_gpu_is_unknown(mib: int | None) -> None:
    """80 MiB were meant as GiB: a memory that no GPU has is left out, the price is not."""
    assert prices(parsed(book({**OFFER, "gpu_ram": mib})))[0].gpu_memory_gib is None


@pytest.mark.parametrize("body", [b"{}", b'{"offers": {}}', b'{"offers": [7]}', b"[]"])
def test_another_shape_is_told(body: bytes) -> None:
    """A reply that is no book of offers is refused under its address."""
    with pytest.raises(FormatError, match="example"):
        parsed(body)


def test_no_filter_hides_gpus() -> None:
    """Nothing is asked of CUDA versions, which hide GPUs without a word; named GPUs are asked for by their names."""
    assert "cuda" not in json.dumps(question(Config()))
    assert question(Config(gpu_names=("H100 SXM",)))["gpu_name"] == {"in": ["H100 SXM"]}
    wrong: tuple[dict[str, Any], ...] = ({"limit": 0}, {"disk_gb": -1})
    for bad in wrong:
        with pytest.raises(ConfigError, match="feed"):
            Config(**bad)


def test_the_question_is_posted() -> None:
    """One POST without a key, and the disk of the configuration is in the price."""
    with PriceServer() as server:
        server.serve("/api/v0/bundles/", Answer(book(OFFER)))

        async def run() -> Harvest:
            async with web_of(server) as web:
                return await gather(Config(url=server.url("/api/v0/bundles/"), disk_gb=720, limit=5), web)

        assert prices(asyncio.run(run()))[0].amount == Decimal("2.15")
        assert (server.asked[0].method, json.loads(server.asked[0].body)["limit"]) == ("POST", 5)
