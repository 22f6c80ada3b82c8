"""The catalog of Google: a machine is the sum of its parts, or has no price at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import AccessDenied, ConfigError, FormatError, RemoteUnreachable
from joulemark.pricing.dates import moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources.gcp_catalog import KIND, SOURCE, Config, gather, parse_catalog
from tests.pricing.gcp import REGION, body, sku, ultra
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer

RECORDED = "pricing/gcp/skus_a2_a100_20230324_opencost.json"
BAD_KEY = "pricing/gcp/error_bad_key_opencost.json"
PATH = "/v1/services/6F81-5844-456A/skus"


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        yield running


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("AIza-secret-of-the-test\n", encoding="utf-8")
    return path


def parsed(*bodies: bytes, regions: Iterable[str] = ()) -> Harvest:
    return parse_catalog(bodies, fetched_at_ns=DAY, source_url="https://example.com/skus", regions=regions)


def prices(harvest: Harvest, instance_type: str, region: str = REGION) -> list[Price]:
    found = [record for record in harvest.records if isinstance(record, Price)]
    return [price for price in found if (price.instance_type, price.region) == (instance_type, region)]


def gathered(server: PriceServer, key_file: Path, **changes: Any) -> Harvest:
    async def run() -> Harvest:
        async with web_of(server) as web:
            return await gather(Config(key_file=key_file, url=server.origin, **changes), web)

    return asyncio.run(run())


def test_a_machine_is_the_sum_of_its_parts(corpus: Path) -> None:
    """V06: 12 cores, 85 GiB and one A100 of the recorded list are 3.673385, and 8 GPUs 29.38708, without a float on the way."""
    harvest = parsed((corpus / RECORDED).read_bytes())
    (one,) = prices(harvest, "a2-highgpu-1g")
    (eight,) = prices(harvest, "a2-highgpu-8g")
    assert (one.amount, eight.amount) == (Decimal("3.673385"), Decimal("29.38708"))
    assert [(c.quantity, c.amount) for c in one.components] == [
        (Decimal(12), Decimal("0.031611")),
        (Decimal(85), Decimal("0.004237")),
        (Decimal(1), Decimal("2.933908")),
    ]
    assert one.sku_id == "2922-40C5-B19F+2390-DCAF-DA38+039F-D0DA-4055"
    assert (one.gpu_count, one.unit, one.currency, one.provider, one.feed) == (1, Unit.INSTANCE_HOUR, "USD", "gcp", KIND)
    assert {price.region for price in harvest.records if isinstance(price, Price)} == {"us-central1", "us-east1", "us-west1"}


def test_the_time_of_the_question_is_no_beginning(corpus: Path) -> None:
    """`effectiveTime` without a range lies in the last twelve hours: it is kept as the time of the question, not as a beginning."""
    (price,) = prices(parsed((corpus / RECORDED).read_bytes()), "a2-highgpu-1g")
    assert (price.effective_trust, moment_text(price.effective_from_ns)) == (Trust.QUERY_TIME, "2023-03-24T10:52:50.681Z")
    undated = [{**part, "pricingInfo": [{**part["pricingInfo"][0], "effectiveTime": None}]} for part in ultra()]
    (now,) = prices(parsed(body(*undated)), "a2-ultragpu-1g")
    assert (now.effective_trust, now.effective_from_ns) == (Trust.NONE, DAY)


@pytest.mark.parametrize(("index", "missing"), [(0, "cores"), (1, "memory"), (2, "GPUs"), (3, "local disk")])
def test_a_host_without_its_gpus_has_no_price(index: int, missing: str) -> None:
    """Any part that is missing takes the whole price with it, and is named; 0.74 for a machine of 3.67 was seen elsewhere."""
    parts = ultra()
    del parts[index]
    harvest = parsed(body(*parts))
    assert not harvest.records
    told = {one.pointer: one.reason for one in harvest.rejected}
    assert told[f"a2-ultragpu-1g {REGION} on_demand"].startswith(f"part_missing: {missing} not listed there")


def test_the_disk_that_comes_with_a_machine_is_in_its_price() -> None:
    """V16: 375 GiB at 0.08 a month are 0.041095890 an hour, the month having 730; a2-ultragpu-1g is the 5.06879789 of Google's page."""
    (price,) = prices(parsed(body(*ultra())), "a2-ultragpu-1g")
    disk = price.components[-1]
    assert (disk.quantity * disk.amount).quantize(Decimal("1e-9")) == Decimal("0.041095890")
    assert price.amount.quantize(Decimal("1e-8")) == Decimal("5.06879789")
    assert Price.from_json(price.to_json()) == price


def test_spot_is_put_together_from_spot() -> None:
    """Parts of one way of renting are never mixed with another: spot without a spot GPU has no price beside the fixed one."""
    spot = ultra("Spot Preemptible ", "attached to Spot Preemptible VMs running in Americas", "OnDemand")
    both = prices(parsed(body(*ultra(), *spot)), "a2-ultragpu-2g")
    assert sorted(price.price_model for price in both) == [PriceModel.ON_DEMAND, PriceModel.SPOT]
    harvest = parsed(body(*ultra(), *spot[:2], spot[3]))
    assert [price.price_model for price in prices(harvest, "a2-ultragpu-2g")] == [PriceModel.ON_DEMAND]
    assert any(one.pointer == f"a2-ultragpu-2g {REGION} spot" for one in harvest.rejected)


def test_a_commitment_is_not_the_list_price() -> None:
    """A commitment in the category OnDemand is neither the price on demand nor ambiguous with it."""
    cheap = [
        sku("Commitment v1: A2 Cpu in Americas for 1 Year", nanos=10000000),
        sku("Commitment v1: A2 Ram in Americas for 1 Year", nanos=1000000, unit="GiBy.h"),
        sku("Commitment v1: Nvidia Tesla A100 80GB GPU running in Americas for 1 Year", "1"),
        sku("Commitment v1: Local SSD In Americas for 1 Year", nanos=40000000, unit="GiBy.mo"),
    ]
    listed, committed = sorted(prices(parsed(body(*cheap, *ultra())), "a2-ultragpu-1g"), key=lambda p: p.amount, reverse=True)
    assert (listed.price_model, listed.term_months) == (PriceModel.ON_DEMAND, None)
    assert (committed.price_model, committed.term_months) == (PriceModel.COMMITTED_USE, 12)


def test_a_part_listed_twice_is_ambiguous() -> None:
    """Two SKUs of one part at different prices are named; at the same price they are one, in whatever order they stand."""
    core = sku("A2 Instance Core running in Iowa", nanos=31611000)
    (one,) = prices(parsed(body(core, *ultra())), "a2-ultragpu-1g")
    (turned,) = prices(parsed(body(*reversed([core, *ultra()]))), "a2-ultragpu-1g")
    assert one.point_id == turned.point_id
    other = sku("A2 Instance Core running in Ohio", nanos=99000000)
    harvest = parsed(body(other, *ultra()))
    assert not harvest.records
    told = {one.pointer: one.reason for one in harvest.rejected}[f"a2-ultragpu-1g {REGION} on_demand"]
    assert told.startswith("ambiguous: cores")
    assert other["skuId"] in told


def test_parts_in_rupiah_are_undone() -> None:
    """A list in another currency gives the price in USD, with the rate of the list in its note; parts of two currencies give none."""
    in_idr = ultra()
    for part in in_idr:
        info = part["pricingInfo"][0]
        price = info["pricingExpression"]["tieredRates"][0]["unitPrice"]
        amount = (Decimal(price["units"]) + Decimal(price["nanos"]).scaleb(-9)) * 15000
        price |= {"currencyCode": "IDR", "units": str(int(amount)), "nanos": int(amount % 1 * 10**9)}
        info["currencyConversionRate"] = 15000
    (price,) = prices(parsed(body(*in_idr)), "a2-ultragpu-1g")
    (usd,) = prices(parsed(body(*ultra())), "a2-ultragpu-1g")
    assert (price.amount, price.currency) == (usd.amount, "USD")
    assert "58921.2 IDR at the rate of the list, 15000 IDR for 1 USD" in price.note
    del in_idr[0]["pricingInfo"][0]["currencyConversionRate"]
    told = {one.pointer: one.reason for one in parsed(body(*in_idr)).rejected}
    assert told[f"a2-ultragpu-1g {REGION} on_demand"] == "its parts are in different currencies: IDR, USD"


def test_only_the_regions_asked_for(corpus: Path) -> None:
    """Other regions are neither taken nor told as missing."""
    harvest = parsed((corpus / RECORDED).read_bytes(), regions=["us-west1"])
    assert {price.region for price in harvest.records if isinstance(price, Price)} == {"us-west1"}
    assert all("us-west1" in one.pointer for one in harvest.rejected)


def test_prices_survive_a_file(corpus: Path) -> None:
    """All prices of the recorded list are read back from a price file as they were."""
    snapshot = Snapshot(tuple(r for r in parsed((corpus / RECORDED).read_bytes()).records if isinstance(r, Price)))
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_pages_are_followed(server: PriceServer, key_file: Path) -> None:
    """A machine whose parts stand on two pages has its price; the key is in a header and in no address."""
    parts = ultra()
    server.serve(f"{PATH}?pageToken=second page/2", Answer(body(*parts[2:])))
    server.serve(PATH, Answer(body(*parts[:2], token="second page/2")))
    (price,) = prices(gathered(server, key_file), "a2-ultragpu-1g")
    assert (price.source_url, price.payload_sha256) == (server.url(PATH), hashlib.sha256(body(*parts[2:])).hexdigest())
    assert [asked.headers["X-Goog-Api-Key"] for asked in server.asked] == ["AIza-secret-of-the-test"] * 2
    assert not any("secret" in asked.raw for asked in server.asked)
    assert server.asked[0].query == {"currencyCode": "USD", "pageSize": "5000"}


def test_pages_in_a_circle_end(server: PriceServer, key_file: Path) -> None:
    """A token that comes again is an error, not an endless list."""
    server.serve(PATH, Answer(body(token="again")))
    with pytest.raises(FormatError, match="without end"):
        gathered(server, key_file)
    assert server.times(PATH) == 2


def test_a_wrong_key_is_said(server: PriceServer, key_file: Path, corpus: Path) -> None:
    """The recorded answer to a wrong key, with its status 400, is an error that names key_file; other failures stay what they are."""
    server.serve(PATH, Answer((corpus / BAD_KEY).read_bytes(), status=400))
    with pytest.raises(AccessDenied, match="API key not valid") as caught:
        gathered(server, key_file)
    assert "key_file" in caught.value.next_step
    server.serve(PATH, Answer(b"not here", status=404))
    with pytest.raises(RemoteUnreachable, match="answered 404"):
        gathered(server, key_file)


@pytest.mark.parametrize("content", ["", "two words\n", "Schlüssel\n", "a\nb\n"])
def test_a_key_that_is_none_is_told(server: PriceServer, key_file: Path, content: str) -> None:
    """An empty file, several lines and letters that no header holds are refused without being shown, and nothing is asked."""
    key_file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match="does not hold one key") as caught:
        gathered(server, key_file)
    assert server.asked == []
    assert content.strip() == "" or content.strip() not in str(caught.value)


def test_the_source() -> None:
    """It is found by its name and asked twice a day; a real reply was at hand."""
    assert (SOURCE.kind, SOURCE.interval_s, SOURCE.experimental) == (KIND, 43_200, False)
