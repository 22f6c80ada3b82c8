"""Bulk lists of AWS: streamed, dated by their version, unchanged ones not read again; recorded offers, a written list, a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError, JoulemarkError
from joulemark.pricing.answer import Status
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.sources.aws_bulk import KIND, SOURCE, Config, gather, newest_at, parse_list, parse_offer, parse_versions
from joulemark.pricing.wanted import Question, Wanted
from joulemark.pricing.web import NotModified, Reply
from tests.pricing.aws_lists import VERSION, listed, p5
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer, packed, page

P4D = "pricing/aws/offer_ec2_us-east-1_p4d_ondemand+capacityblock_20240528_excerpt.json"
OHIO = "pricing/aws/offer_ec2_us-east-2_20230322_excerpt.json"
NINGXIA = "pricing/aws/offer_ec2_cn-northwest-1_20230314_excerpt.json"
FOLDER = "/offers/v1.0/aws/AmazonEC2"
REPLY = Reply(url="https://example.com/index.json", http_status=200, fetched_at_ns=DAY, sha256="ab" * 32)


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        yield running


def config(**changes: Any) -> Config:
    return Config(**{"region": "us-east-1", "instance_types": ("p5.48xlarge",), **changes})


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def offer(path: Path, **changes: Any) -> Harvest:
    return parse_offer(path.read_bytes(), REPLY, config(**changes).selection)


def gathered(server: PriceServer, web: HttpWeb | None = None, **changes: Any) -> Harvest:
    async def run() -> Harvest:
        async with web or web_of(server) as opened:
            return await gather(config(url=server.origin, **changes), opened)

    return asyncio.run(run())


def test_a_capacity_block_at_zero_is_no_price(corpus: Path) -> None:
    """V19: of two rows for p4d.24xlarge one is on demand at 32.7726; the capacity block at 0.0000000000 is told with its reason."""
    harvest = offer(corpus / P4D, instance_types=("p4d.24xlarge",))
    (price,) = prices(harvest)
    assert (price.amount, price.price_model, price.gpu_count, price.sku_id) == (
        Decimal("32.7726"),
        PriceModel.ON_DEMAND,
        8,
        "H7NGEAC6UEHNTKSJ",
    )
    (told,) = harvest.rejected
    assert told.pointer == "YSXJGN78QTXNVGDQ.JRTCKXETXF.6YS6EN2CT7"
    assert told.reason.startswith("capacity_block_unpriced")


def test_a_list_is_dated_by_its_version(corpus: Path) -> None:
    """Publication and version are the list's, the date of the price is the stamp of the month."""
    (price,) = prices(offer(corpus / P4D, instance_types=("p4d.24xlarge",)))
    assert (price.list_version, moment_text(price.known_ns)) == ("20240528203522", "2024-05-28T20:35:22Z")
    assert (moment_text(price.effective_from_ns), price.effective_trust) == ("2024-05-01T00:00:00Z", Trust.MONTH_STAMP)
    assert (price.fetched_at_ns, price.payload_sha256, price.feed) == (DAY, "ab" * 32, KIND)
    assert (price.vcpu, price.memory_gib, price.gpu_model) == (96, Decimal(1152), "A100-40")


def test_windows_with_ones_own_licence_is_not_linux(corpus: Path) -> None:
    """p3.8xlarge at 12.24 in Ohio is Windows BYOL: no price of Linux, and none of Windows either."""
    linux = offer(corpus / OHIO, region="us-east-2", instance_types=("p3.8xlarge",))
    assert linux.records == ()
    assert [told.reason.partition(":")[0] for told in linux.rejected] == ["no_price"]
    windows = offer(corpus / OHIO, region="us-east-2", instance_types=("p3.8xlarge",), operating_systems=("Windows",))
    assert windows.records == ()
    assert windows.rejected[0].reason.startswith("byol")


def test_all_upfront_is_spread_over_the_term(corpus: Path) -> None:
    """1161 for three years of m5.large is 1161 / 26280 an hour, though the list has only a `Quantity`; disks are no machines."""
    harvest = offer(corpus / OHIO, region="us-east-2", instance_types=("m5.large",))
    (price,) = prices(harvest)
    assert (price.price_model, price.term_months, price.payment_option) == (PriceModel.RESERVED, 36, "all_upfront_convertible")
    assert price.amount.quantize(Decimal("1E-9")) == Decimal("0.044178082")
    assert harvest.rejected == ()


def test_the_list_of_china_is_in_yuan(corpus: Path, server: PriceServer) -> None:
    """The recorded Chinese list parses (it holds a disk only); its regions are asked for under another path and in CNY."""
    harvest = offer(corpus / NINGXIA, region="cn-northwest-1", currency="CNY")
    assert ([told.reason[:8] for told in harvest.rejected], harvest.list_version) == (["no_price"], "20230314154740")
    row = p5(Currency="CNY", PricePerUnit="400.10", **{"Region Code": "cn-northwest-1"})
    server.serve("/offers/v1.0/cn/AmazonEC2/current/cn-northwest-1/index.csv", Answer(listed(row)))
    (price,) = prices(gathered(server, region="cn-northwest-1", currency="CNY"))
    assert (price.amount, price.currency, price.region) == (Decimal("400.10"), "CNY", "cn-northwest-1")
    with pytest.raises(ConfigError, match="not in USD"):
        config(region="cn-northwest-1")


def test_a_list_is_streamed_and_parsed(server: PriceServer) -> None:
    """The file of a region is asked for, also packed, and its price has its address, hash and version; nothing is in memory or left."""
    server.serve(f"{FOLDER}/current/us-east-1/index.csv", packed(listed(p5(), p5(**{"Operating System": "Windows"}))))
    harvest = gathered(server)
    (price,) = prices(harvest)
    assert (price.amount, price.source_url) == (Decimal("55.04"), server.url(f"{FOLDER}/current/us-east-1/index.csv"))
    assert (harvest.list_version, harvest.published_at_ns) == (VERSION, moment_ns("2026-07-28T17:52:47Z", "x"))
    assert (len(price.payload_sha256), price.billing_step_s, price.billing_minimum_s) == (64, 1, 60)


def test_an_unchanged_list_is_not_streamed_again(server: PriceServer) -> None:
    """A tag, or without one a date, saves the 300 MB; with neither the list is read again and has the same hash."""
    path = f"{FOLDER}/current/us-east-1/index.csv"
    for etag, date in (('"7"', ""), ("", "Tue, 28 Jul 2026 17:52:47 GMT")):
        server.serve(path, Answer(listed(p5()), etag=etag, last_modified=date))
        with pytest.raises(NotModified):
            gathered(server, web_of(server, known={server.url(path): (etag, date)}))
    server.serve(path, Answer(listed(p5())))
    webs = [web_of(server, known={server.url(path): ("", "")}) for _ in range(2)]
    hashes = {(gathered(server, web).records, web.tally.raw_sha256) for web in webs}
    assert len(hashes) == 1


def test_an_old_list_is_asked_for_by_date(server: PriceServer) -> None:
    """On 15 June 2025 the newest list was that of 29 May, at 98.32; a month later it was that of 3 July. Two dates of one list are one."""
    versions = {v: {"offerVersionUrl": f"{FOLDER}/{v}/index.json"} for v in ("20250703204906", "20250529210942", "20151209144527")}
    server.serve(f"{FOLDER}/index.json", page({"versions": versions}))
    for version, amount in (("20250529210942", "98.3200000000"), ("20250703204906", "55.0400000000")):
        body = listed(p5(PricePerUnit=amount, EffectiveDate=f"{version[:4]}-{version[4:6]}-01"), version=version)
        server.serve(f"{FOLDER}/{version}/us-east-1/index.csv", Answer(body))
    harvest = gathered(server, as_of=("2025-06-15", "2025-06-20", "2025-07-10"))
    assert [(p.list_version, p.amount, moment_text(p.known_ns)) for p in prices(harvest)] == [
        ("20250529210942", Decimal("98.32"), "2025-05-29T21:09:42Z"),
        ("20250703204906", Decimal("55.04"), "2025-07-03T20:49:06Z"),
    ]
    assert harvest.list_version == "20250703204906"
    assert {p.feed for p in prices(harvest)} == {"aws_history"}, "a list that is no longer the newest does not hold when it is read"
    answer = lookup(prices(harvest), Question(Wanted("aws", "p5.48xlarge", "us-east-1"), moment_ns("2025-06-15T12:00:00Z", "run")))
    assert (answer.status, answer.price, answer.after) == (Status.CHANGED, *prices(harvest))
    with pytest.raises(FormatError, match="no list of AWS is as old"):
        gathered(server, as_of=("2014-01-01",))


def test_the_index_of_versions_is_read_in_order() -> None:
    """Versions are sorted by their seconds; what is no version is an error with the address."""
    index = b'{"versions": {"20250703204906": {}, "20151209144527": {}}}'
    assert parse_versions(index, where="x") == ("20151209144527", "20250703204906")
    assert newest_at(("20151209144527",), moment_ns("2015-12-09T14:45:27Z", "x")) == "20151209144527"
    for body in (b'{"versions": {"latest": {}}}', b"{}", b"no"):
        with pytest.raises(JoulemarkError):
            parse_versions(body, where="x")


def test_a_machine_that_no_row_prices_is_told(server: PriceServer) -> None:
    """p5e stands in no list of us-east-1: that is a reason to write a price file, not a silence and not a zero."""
    server.serve(f"{FOLDER}/current/us-east-1/index.csv", Answer(listed(p5())))
    harvest = gathered(server, instance_types=("p5.48xlarge", "p5e.48xlarge"))
    assert [(told.pointer, told.reason[:9]) for told in harvest.rejected] == [("p5e.48xlarge us-east-1", "no_price:")]


def test_what_is_no_list_is_an_error(server: PriceServer, tmp_path: Path) -> None:
    """A page of HTML, a renamed column, a list without version: nothing is taken, the address is named."""
    path = tmp_path / "index.csv"
    for body in (b"<html>", b"", listed(p5()).replace(b'"Tenancy"', b'"Tenure"'), listed(p5(), version="latest")):
        path.write_bytes(body)
        with pytest.raises(FormatError):
            parse_list(path, REPLY, config().selection)
    server.serve(f"{FOLDER}/current/us-east-1/index.csv", Answer(listed(p5()), cut=2000))
    with pytest.raises(JoulemarkError, match=r"us-east-1/index\.csv cannot be read"):
        gathered(server)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"products": {}, "terms": {"OnDemand": {"A": {}}}, "version": "20240528203522"}', b'{"products": []}']
)
def test_what_is_no_offer_is_an_error(body: bytes) -> None:
    """A JSON of another shape is refused with its address."""
    with pytest.raises(FormatError, match=r"example\.com"):
        parse_offer(body, REPLY, config().selection)


@pytest.mark.parametrize(
    "values", [{"region": "../x"}, {"instance_types": ()}, {"instance_types": ("*",)}, {"currency": "CNY"}, {"as_of": ("soon",)}]
)
def test_what_cannot_be_asked_is_refused(values: dict[str, Any]) -> None:
    """No region, no machine, a currency that the list is not in and a date that is none are errors before anything is asked."""
    with pytest.raises(JoulemarkError):
        config(**values)


def test_it_is_a_source() -> None:
    """Asked once a day."""
    assert (SOURCE.kind, SOURCE.config, SOURCE.interval_s, SOURCE.experimental) == (KIND, Config, 86_400, False)
