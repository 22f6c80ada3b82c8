"""Lambda: whole cents for whole machines, the same everywhere, never scaled by the number of GPUs."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import FormatError, RemoteUnreachable
from joulemark.pricing.answer import Status
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Options
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import EVERYWHERE, Price, Trust, Unit
from joulemark.pricing.sources import skypilot
from joulemark.pricing.sources.lambda_cloud import KIND, SOURCE, Config, gather, parse_types
from joulemark.pricing.wanted import Question, Wanted
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer

RECORDED = "pricing/neocloud/lambda_instance-types_20260730.json"
SXM = "pricing/skypilot/v8_lambda_vms_excerpt.csv"
PATH = "/api/v1/instance-types"


def parsed(body: bytes) -> Harvest:
    return parse_types(body, fetched_at_ns=DAY, source_url="https://example.com/types", payload_sha256="ab")


def entry(**kind: Any) -> bytes:
    """A list of one type."""
    values = {"name": "gpu_8x_h100_sxm5", "price_cents_per_hour": 3192, **kind}
    return json.dumps({"data": {"it": {"instance_type": values, "regions_with_capacity_available": []}}}).encode()


def only(body: bytes) -> Price:
    (price,) = parsed(body).records
    assert isinstance(price, Price)
    return price


def test_cents_are_a_hundredth(corpus: Path) -> None:
    """The recorded list has six machines; 1592 cents are 15.92 USD for the whole machine of eight GPUs."""
    harvest = parsed((corpus / RECORDED).read_bytes())
    found = {p.instance_type: p for p in harvest.records if isinstance(p, Price)}
    assert (len(found), harvest.rejected) == (6, ())
    eight = found["gpu_8x_a100"]
    assert (eight.amount, eight.unit, eight.currency, eight.gpu_count) == (Decimal("15.92"), Unit.INSTANCE_HOUR, "USD", 8)
    assert (eight.per_instance_hour(), eight.sku_id) == (Decimal("15.92"), "gpu_8x_a100")
    assert (eight.effective_trust, eight.effective_from_ns, eight.feed) == (Trust.NONE, DAY, KIND)


def test_two_gpus_are_not_twice_one(corpus: Path) -> None:
    """8.38 for two is not twice 4.29: each size has the price that is listed, whoever lists it, and no size is derived from another."""
    text = (corpus / SXM).read_text(encoding="utf-8")
    others = skypilot.parse_catalogue(text, name=Path(SXM).name, fetched_at_ns=DAY, options=Options())
    listed = {p.instance_type: p.amount for p in others.records if isinstance(p, Price)}
    sizes = {name: int(amount * 100) for name, amount in listed.items() if name.endswith("h100_sxm5")}
    kinds = {name: {"instance_type": {"name": name, "price_cents_per_hour": cents}} for name, cents in sizes.items()}
    ours = {p.instance_type: p.amount for p in parsed(json.dumps({"data": kinds}).encode()).records if isinstance(p, Price)}
    assert ours == {
        "gpu_1x_h100_sxm5": Decimal("4.29"),
        "gpu_2x_h100_sxm5": Decimal("8.38"),
        "gpu_4x_h100_sxm5": Decimal("16.36"),
        "gpu_8x_h100_sxm5": Decimal("31.92"),
    }
    assert ours["gpu_2x_h100_sxm5"] != 2 * ours["gpu_1x_h100_sxm5"]


def test_a_machine_without_capacity_has_its_price(corpus: Path) -> None:
    """Regions with machines to spare come and go and are no part of a price, which holds in any region."""
    prices = [p for p in parsed((corpus / RECORDED).read_bytes()).records if isinstance(p, Price)]
    assert {p.region for p in prices} == {EVERYWHERE}
    answer = lookup(prices, Question(Wanted("lambda", "gpu_1x_a6000", "europe-south-9"), valid_at_ns=DAY))
    assert (answer.status, answer.price and answer.price.amount) == (Status.FRESH, Decimal("1.09"))


def test_what_a_machine_is() -> None:
    """Sizes are taken from the description, else from the name; a machine without GPUs has none."""
    told = only(entry(specs={"vcpus": 208, "memory_gib": 1800, "gpus": 8}))
    assert (told.vcpu, told.memory_gib, told.gpu_count) == (208, Decimal(1800), 8)
    assert only(entry()).gpu_count == 8
    assert only(entry(name="cpu_4x_general")).gpu_count is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_cents_per_hour": 0}, "amount is zero"),
        ({"price_cents_per_hour": -1}, "is negative"),
        ({"price_cents_per_hour": 31.92}, "is Decimal"),
        ({"price_cents_per_hour": "3192"}, "not int"),
        ({"price_cents_per_hour": True}, "not int"),
        ({"price_cents_per_hour": None}, "is None"),
        ({"name": ""}, "instance_type is empty"),
        ({"name": 8}, "name is 8"),
        ({"specs": {"gpus": "8"}}, "gpus is '8'"),
        ({"specs": {"gpus": -8}}, "gpus is -8"),
    ],
)
def test_a_type_without_a_price_is_told(changes: dict[str, Any], reason: str) -> None:
    """A zero, a fraction of a cent and a value of another kind are reasons, never a price."""
    harvest = parsed(entry(**changes))
    assert harvest.records == ()
    (told,) = harvest.rejected
    assert told.pointer == "it"
    assert reason in told.reason


@pytest.mark.parametrize("body", [b"{}", b'{"data": []}', b"[]", b"nothing"])
def test_another_shape_is_told(body: bytes) -> None:
    """A reply that is no such list is refused under its address; an entry that is none is told alone."""
    with pytest.raises(FormatError, match="example"):
        parsed(body)
    (told,) = parsed(b'{"data": {"it": 7}}').rejected
    assert "instance_type" in told.reason


def test_the_key_goes_in_a_header(corpus: Path, tmp_path: Path) -> None:
    """The key is shown as Lambda wants it and stands in no address and no record; without it the answer is told."""
    key_file = tmp_path / "key"
    key_file.write_text("secret_lambda\n", encoding="utf-8")
    with PriceServer() as server:
        server.serve(PATH, Answer((corpus / RECORDED).read_bytes(), needs={"Authorization": "Bearer secret_lambda"}))

        async def run() -> Harvest:
            async with web_of(server) as web:
                return await gather(Config(key_file=key_file, url=server.url(PATH)), web)

        harvest = asyncio.run(run())
        assert len(harvest.records) == 6
        assert "secret" not in str(harvest) + server.asked[0].raw
        key_file.write_text("another\n", encoding="utf-8")
        with pytest.raises(RemoteUnreachable, match="answered 403"):
            asyncio.run(run())


def test_the_source() -> None:
    """It is asked four times a day, and every quarter of an hour while runs are going on."""
    assert (SOURCE.kind, SOURCE.interval_s, SOURCE.active_s, SOURCE.experimental) == (KIND, 21_600, 900, False)
