"""Retail prices of Azure: nine rows for one machine and what each of them is; pages, links and lies, against recorded replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.errors import ConfigError, FormatError, RemoteUnreachable
from joulemark.pricing import money
from joulemark.pricing.dates import moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.sources.azure_retail import KIND, SOURCE, Config, gather, parse_page, parse_reply
from tests.pricing.records import DAY
from tests.pricing.webs import web_of
from tests.standins.price_server import Answer, PriceServer, azure_pages, page, renamed, throttled

FOLDER = "pricing/azure"
D2S = f"{FOLDER}/retail_eastus_Standard_D2s_v3_nofilter_preview.json"
D2ALS = f"{FOLDER}/retail_eastus_Standard_D2als_v7_nofilter_preview.json"
EMPTY = f"{FOLDER}/retail_eastus_Standard_D2s_v3_reservation_empty.json"
PATH = "/api/retail/prices"


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with PriceServer() as running:
        yield running


def parsed(body: bytes, currency: str = "USD") -> Harvest:
    return parse_reply(body, source_url="https://example.com/prices", fetched_at_ns=DAY, payload_sha256="ab" * 32, currency=currency)


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def changed(body: bytes, number: int, **values: object) -> bytes:
    """A recorded reply with other values in one item; None takes the key away."""
    data = json.loads(body)
    item = {**data["Items"][number], **values}
    data["Items"][number] = {key: value for key, value in item.items() if value is not None}
    return json.dumps(data).encode()


def gathered(server: PriceServer, **changes: Any) -> Harvest:
    config = Config(**{"regions": ("eastus",), "instance_types": ("Standard_D2s_v3",), "url": server.url(PATH), **changes})

    async def run() -> Harvest:
        async with web_of(server) as web:
            return await gather(config, web)

    return asyncio.run(run())


def test_one_of_nine_rows_is_the_price(corpus: Path) -> None:
    """Of nine rows for D2s_v3 one is Linux on demand, 0.096, though its isPrimaryMeterRegion is false."""
    body = (corpus / D2S).read_bytes()
    found = [p for p in prices(parsed(body)) if (p.os, p.price_model) == ("linux", PriceModel.ON_DEMAND)]
    assert [(p.amount, p.instance_type, p.region, p.currency) for p in found] == [(Decimal("0.096"), "Standard_D2s_v3", "eastus", "USD")]
    (row,) = [item for item in json.loads(body)["Items"] if item["skuId"] == found[0].sku_id and item["type"] == "Consumption"]
    assert (len(json.loads(body)["Items"]), row["isPrimaryMeterRegion"]) == (9, False)
    assert (moment_text(found[0].effective_from_ns), found[0].effective_trust) == ("2017-12-15T00:00:00Z", Trust.VALID_FROM)
    assert (found[0].feed, found[0].payload_sha256, found[0].fetched_at_ns) == (KIND, "ab" * 32, DAY)


def test_windows_is_another_price(corpus: Path) -> None:
    """A Windows machine costs about twice as much and is told apart by the name of its product."""
    found = {(p.os, p.price_model): p.amount for p in prices(parsed((corpus / D2S).read_bytes())) if p.term_months is None}
    assert found == {
        ("linux", PriceModel.ON_DEMAND): Decimal("0.096"),
        ("windows", PriceModel.ON_DEMAND): Decimal("0.188"),
        ("linux", PriceModel.SPOT): Decimal("0.018816"),
        ("windows", PriceModel.SPOT): Decimal("0.036848"),
    }


def test_rows_for_development_and_low_priority_are_left_out(corpus: Path) -> None:
    """DevTestConsumption has the SKU and the meter of Windows at the price of Linux; Low Priority was replaced by Spot in 2021."""
    harvest = parsed((corpus / D2S).read_bytes())
    reasons = sorted(one.reason.partition(":")[0] for one in harvest.rejected)
    assert reasons == ["DevTestConsumption", "DevTestConsumption", "DevTestConsumption", "low_priority", "low_priority"]
    assert Decimal("0.019") not in {p.amount for p in prices(harvest)}


def test_a_spot_date_is_the_month_of_a_list(corpus: Path) -> None:
    """Spot rows carry the first of the month: no date of a change."""
    for name, month in ((D2S, "2026-06"), (D2ALS, "2026-08")):
        spots = [p for p in prices(parsed((corpus / name).read_bytes())) if p.price_model is PriceModel.SPOT]
        assert {(moment_text(p.effective_from_ns), p.effective_trust) for p in spots} == {(f"{month}-01T00:00:00Z", Trust.MONTH_STAMP)}


def test_a_reservation_is_listed_for_its_whole_term(corpus: Path) -> None:
    """`1 Hour` of 416.0 and 803.0 is 0.047488584 and 0.030555556 an hour (V08)."""
    found = {p.term_months: p for p in prices(parsed((corpus / D2ALS).read_bytes())) if p.price_model is PriceModel.RESERVED}
    hourly = {months: money.text(p.amount.quantize(Decimal("1E-9"))) for months, p in found.items()}
    assert hourly == {12: "0.047488584", 36: "0.030555556"}
    assert (found[12].note, found[36].note) == ("416.0 USD for 8760 h", "803.0 USD for 26280 h")


def test_a_reservation_that_may_be_hourly_already_is_no_price(corpus: Path) -> None:
    """When the amount is below the hour on demand, and its share of a year next to nothing, nobody can tell which it is."""
    body = (corpus / D2ALS).read_bytes()
    harvest = parsed(changed(body, 1, unitPrice=0.0475))
    assert [p.term_months for p in prices(harvest) if p.price_model is PriceModel.RESERVED] == [36]
    assert any(one.reason.startswith("ambiguous: 0.0475 for 1 Year may be a price per hour") for one in harvest.rejected)
    assert any(one.reason.startswith("term: 18 Months") for one in parsed(changed(body, 1, reservationTerm="18 Months")).rejected)


def test_savings_plans_are_listed_per_hour(corpus: Path) -> None:
    """The plans of a row are prices of an hour already, for one year and for three."""
    plans = {p.term_months: p.amount for p in prices(parsed((corpus / D2S).read_bytes())) if p.price_model is PriceModel.SAVINGS_PLAN}
    assert plans == {12: Decimal("0.06624"), 36: Decimal("0.04512")}


@pytest.mark.parametrize("name", [D2S, D2ALS])
def test_no_two_prices_compete(corpus: Path, name: str) -> None:
    """What is rented in one way has one price."""
    keys = [(p.os, p.price_model, p.term_months) for p in prices(parsed((corpus / name).read_bytes()))]
    assert len(keys) == len(set(keys))


def test_amounts_keep_their_digits(corpus: Path) -> None:
    """JSON numbers are read as they are written, not through a float."""
    body = (corpus / D2S).read_bytes().replace(b'"unitPrice":0.096,', b'"unitPrice":0.09600000000000000001,')
    assert Decimal("0.09600000000000000001") in {p.amount for p in prices(parsed(body))}


def test_another_currency_is_refused(corpus: Path) -> None:
    """A list in euros is no list in dollars, whatever was asked."""
    body = (corpus / D2S).read_bytes()
    harvest = parsed(body.replace(b'"currencyCode":"USD"', b'"currencyCode":"EUR"'))
    assert (harvest.records, {one.reason for one in harvest.rejected}) == ((), {"currency: listed in EUR, asked for in USD"})
    assert parsed(body, "EUR").records == ()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"unitPrice": 0.0}, "the amount is zero"),
        ({"unitPrice": "free"}, "not a number"),
        ({"unitPrice": -1}, "negative"),
        ({"unitPrice": None}, "is not an amount"),
        ({"unitOfMeasure": "1/Month"}, "unit: 1/Month"),
        ({"tierMinimumUnits": 100.0}, "tier:"),
        ({"effectiveStartDate": "soon"}, "is not a date"),
        ({"serviceName": "Cloud Services"}, "service:"),
        ({"armSkuName": None}, "schema: armSkuName is missing"),
        ({"savingsPlan": "none"}, "schema: savingsPlan"),
        ({"savingsPlan": [{"term": "1 Year"}]}, "savingsPlan unitPrice"),
    ],
)
def test_a_row_that_is_no_price_is_told(corpus: Path, values: dict[str, object], reason: str) -> None:
    """A zero, another unit, a tier, a missing key: the row is refused with its place, the rows beside it are taken."""
    harvest = parsed(changed((corpus / D2ALS).read_bytes(), 0, **values))
    (told,) = [one for one in harvest.rejected if one.pointer.endswith("Items[0]")]
    assert reason in told.reason
    assert len(prices(harvest)) >= 5


def test_two_prices_of_one_key_are_both_refused(corpus: Path) -> None:
    """One SKU, type and date at two prices is ambiguous; twice at the same price is one row."""
    body = (corpus / D2S).read_bytes()
    data = json.loads(body)
    again = {**data, "Items": [*data["Items"], {**data["Items"][6], "unitPrice": 12345.5}]}
    twice = json.dumps(again).encode().replace(b"12345.5", b"0.0960")
    assert len(prices(parsed(twice))) == len(prices(parsed(body)))
    again["Items"][-1] = {**data["Items"][6], "unitPrice": 0.2}
    harvest = parsed(json.dumps(again).encode())
    assert "linux on_demand" not in {f"{p.os} {p.price_model}" for p in prices(harvest)}
    assert any(one.reason.startswith("ambiguous: one SKU") for one in harvest.rejected)


def test_an_empty_reply_is_no_error_of_the_page(corpus: Path) -> None:
    """The recorded reply without rows parses to nothing."""
    body = json.dumps(json.loads((corpus / EMPTY).read_bytes())["body"]).encode()
    assert parsed(body) == Harvest()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Items": {}}', b'{"Items": [1]}', b'{"Items": [], "NextPageLink": 5}', b"\xff"])
def test_another_schema_is_an_error(body: bytes) -> None:
    """What has no list of items is no reply of the API."""
    with pytest.raises(FormatError, match=r"example\.com"):
        parse_page(body, source_url="https://example.com/prices", fetched_at_ns=DAY)


def test_renamed_keys_leave_no_price(corpus: Path) -> None:
    """When the API renames its amounts no row is a price, and each says what is missing."""
    harvest = parsed(renamed((corpus / D2S).read_bytes(), currencyCode="currency"))
    assert (harvest.records, {one.reason for one in harvest.rejected}) == ((), {"schema: currencyCode is missing"})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(float) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


ANYWHERE = st.sampled_from(["unitPrice", "type", "meterId", "skuId", "savingsPlan", "reservationTerm"])


@given(number=st.integers(0, 7), key=ANYWHERE, value=ANYTHING)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_value_breaks_the_page(corpus: Path, number: int, key: str, value: object) -> None:
    """Whatever stands at a key, the other rows are read, nothing but a reason comes of it, and no price is zero."""
    data = json.loads((corpus / D2ALS).read_bytes())
    data["Items"][number][key] = value
    try:
        harvest = parsed(json.dumps(data, allow_nan=False).encode())
    except FormatError:
        return  # numbers and texts that no document may hold
    assert len(prices(harvest)) >= 5
    assert all(p.amount > 0 for p in prices(harvest))


def test_the_count_of_gpus_is_our_own(corpus: Path) -> None:
    """ND96isr_H100_v5 has 8 GPUs, whatever its name or somebody's list says; a machine without GPUs says nothing."""
    body = (corpus / D2ALS).read_bytes().replace(b"Standard_D2als_v7", b"Standard_ND96isr_H100_v5")
    assert {(p.gpu_count, p.gpu_model) for p in prices(parsed(body))} == {(8, "H100")}
    assert {p.gpu_count for p in prices(parsed((corpus / D2ALS).read_bytes()))} == {None}


def test_pages_are_followed_by_their_links(server: PriceServer, corpus: Path) -> None:
    """Nine rows in three pages give what one page gives; the links are followed as they are written."""
    body = (corpus / D2S).read_bytes()
    azure_pages(server, PATH, body, per_page=4)
    assert {p.point_id for p in prices(gathered(server))} == {p.point_id for p in prices(parsed(body))}
    link = "$filter=x%20eq%20%27y%27&$skip="
    assert [asked.raw.partition("?")[2] for asked in server.asked[1:]] == [f"{link}4", f"{link}8"]


def test_the_question_is_in_the_spelling_of_azure(server: PriceServer, corpus: Path) -> None:
    """Region, machine and currency are asked for as written in the configuration, in quotes."""
    server.serve(PATH, Answer((corpus / D2S).read_bytes()))
    gathered(server)
    assert server.asked[0].query == {
        "api-version": "2023-01-01-preview",
        "currencyCode": "'USD'",
        "$filter": "serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and armSkuName eq 'Standard_D2s_v3'",
    }


def test_a_link_to_another_host_is_not_followed(server: PriceServer, corpus: Path) -> None:
    """A page whose link leads to another host ends the reading: nothing of such a list is used."""
    azure_pages(server, PATH, (corpus / D2S).read_bytes(), per_page=4, link_host="http://localhost:1")
    with pytest.raises(FormatError, match="is not an origin of this feed"):
        gathered(server)


def test_a_link_in_a_circle_ends(server: PriceServer, corpus: Path) -> None:
    """A page that names itself as the next one is an error, not an endless list."""
    data = json.loads((corpus / D2S).read_bytes())
    server.serve(PATH, page({**data, "NextPageLink": server.url(f"{PATH}?$skip=0")}))
    with pytest.raises(FormatError, match="leads back"):
        gathered(server)


def test_azure_is_waited_for_and_given_up(server: PriceServer, corpus: Path) -> None:
    """Its own header sets the pause; a reply that breaks off is asked for again; a page that stays broken fails the whole gathering."""
    body = (corpus / D2S).read_bytes()
    server.serve(PATH, throttled(0, azure=True), Answer(body, cut=100), Answer(body))
    assert len(prices(gathered(server))) == 6
    azure_pages(server, PATH, body, per_page=4)
    server.serve(f"{PATH}?$skip=8", Answer(body, cut=10))
    with pytest.raises(RemoteUnreachable, match="after 3 attempts"):
        gathered(server)


def test_a_machine_that_is_not_listed_is_told(server: PriceServer) -> None:
    """No row for a machine is a reason, not a silence: filters tell upper from lower case."""
    server.serve(PATH, page({"Items": [], "NextPageLink": None}))
    assert [(one.pointer, one.reason[:11]) for one in gathered(server).rejected] == [("Standard_D2s_v3 eastus", "not_listed:")]


@pytest.mark.parametrize(
    "values", [{"regions": ()}, {"instance_types": ("x' or 'a' eq 'a",)}, {"currency": "usd"}, {"regions": ("east us",)}]
)
def test_what_cannot_be_asked_is_refused(values: dict[str, Any]) -> None:
    """Nothing named, or a name that would change the question, is an error of the configuration."""
    with pytest.raises(ConfigError, match="azure_retail"):
        Config(**{"regions": ("eastus",), "instance_types": ("Standard_D2s_v3",), **values})


def test_it_is_a_source() -> None:
    """Asked once a day, on recorded replies."""
    assert (SOURCE.kind, SOURCE.config, SOURCE.interval_s, SOURCE.experimental) == (KIND, Config, 86_400, False)
