"""Day-ahead prices of ENTSO-E: the recorded day to the last digit, holes that stay holes, and replies that are none."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import ConfigError, FormatError, InsufficientData
from joulemark.pricing import cost
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import source
from joulemark.pricing.sources.entsoe import SOURCE, Config, Market, due, gather, parse_document
from joulemark.pricing.spans import cover
from joulemark.pricing.tariffs import Tariff
from joulemark.pricing.web import origins
from joulemark.units import NS_PER_S
from tests.standins.price_server import Answer, PriceServer

NL = "10YNL----------L"
READ_NS = moment_ns("2025-09-17T13:18:00Z", "read")
MARKET = Market("nl", READ_NS, "https://example.com/api?documentType=A44")
HOUR_NS = 3600 * NS_PER_S


@pytest.fixture
def recorded(corpus: Path) -> bytes:
    return (corpus / "pricing" / "electricity" / "entsoe_A44_NL_2025-09-17_PT60M.xml").read_bytes()


def document(points: str, *, resolution: str = "PT60M", curve: str = "A03", end: str = "2025-09-17T02:00Z", more: str = "") -> str:
    """A time series of two hours from midnight on, with what a test changes."""
    return f"""<TimeSeries><in_Domain.mRID>{NL}</in_Domain.mRID><out_Domain.mRID>{NL}</out_Domain.mRID>{more}
      <currency_Unit.name>EUR</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>{curve}</curveType>
      <Period><timeInterval><start>2025-09-17T00:00Z</start><end>{end}</end></timeInterval><resolution>{resolution}</resolution>
      {points}</Period></TimeSeries>"""


def point(position: int | str, price: str) -> str:
    return f"<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"


def parsed(*series: str, sequence: str = "1") -> Harvest:
    body = f'<Publication_MarketDocument xmlns="urn:x"><type>A44</type>{"".join(series)}</Publication_MarketDocument>'
    return parse_document(body.encode(), domain=NL, market=MARKET, sequence=sequence)


def hours(harvest: Harvest) -> list[tuple[float, float, str]]:
    """Begin and end in hours after midnight, and the amount per kWh."""
    midnight = moment_ns("2025-09-17", "day")
    tariffs = [t for t in harvest.records if isinstance(t, Tariff)]
    edges = [((t.effective_from_ns - midnight) / HOUR_NS, ((t.effective_to_ns or 0) - midnight) / HOUR_NS) for t in tariffs]
    return [(*edge, str(t.amount)) for edge, t in zip(edges, tariffs, strict=True)]


def test_vector_v05_from_the_recorded_day(recorded: bytes) -> None:
    """Of the recorded day 6 kW from 05:50 to 06:10 UTC take positions 8 and 9, 118.75 and 112.96 EUR/MWh: exactly 0.231710 EUR (V05)."""
    harvest = parse_document(recorded, domain=NL, market=MARKET)
    tariffs = [t for t in harvest.records if isinstance(t, Tariff)]
    assert (len(tariffs), harvest.rejected) == (24, ())
    begin, end = (moment_ns(text, "edge") for text in ("2025-09-17T05:50:00Z", "2025-09-17T06:10:00Z"))
    spans = cover(tariffs, begin, end).spans
    assert [tariffs.index(span.record) + 1 for span in spans] == [8, 9]
    assert [str(span.record.amount) for span in spans] == ["0.11875", "0.11296"]
    parts = [(span.record.amount, 6000 * (span.end_ns - span.begin_ns) // NS_PER_S) for span in spans]
    assert cost.kwh(sum(joules for _, joules in parts)) == 2
    assert cost.energy_piecewise(parts, currency="EUR").amount == Decimal("0.231710")


def test_the_recorded_day_is_whole_and_ends(recorded: bytes) -> None:
    """The tariffs cover the market day of the Netherlands without a hole, and nothing behind its end."""
    tariffs = [t for t in parse_document(recorded, domain=NL, market=MARKET).records if isinstance(t, Tariff)]
    begin, end = moment_ns("2025-09-16T22:00:00Z", "begin"), moment_ns("2025-09-17T22:00:00Z", "end")
    assert cover(tariffs, begin, end).reason == ""
    assert cover(tariffs, begin, end + 1).reason == "no tariff of nl from 2025-09-17T22:00:00Z to 2025-09-17T22:00:00.000000001Z is known"
    assert {(t.currency, t.zone, t.feed, t.amount_basis) for t in tariffs} == {("EUR", "nl", "entsoe", "assumed")}
    assert "without grid fees, taxes and levies" in tariffs[0].note


def test_records_survive_a_price_file(recorded: bytes) -> None:
    """What was parsed comes back equal from the price file that holds it."""
    harvest = parse_document(recorded, domain=NL, market=MARKET)
    snapshot = Snapshot(tariffs=tuple(t for t in harvest.records if isinstance(t, Tariff)))
    assert Snapshot.from_json(snapshot.to_json()) == snapshot


def test_a_variable_curve_repeats_what_it_omits() -> None:
    """In a curve A03 an omitted position has the price of the one before, to the end of the period; below zero too."""
    harvest = parsed(document(point(1, "100") + point(3, "-12.5"), resolution="PT30M"))
    assert hours(harvest) == [(0, 0.5, "0.100"), (0.5, 1, "0.100"), (1, 1.5, "-0.0125"), (1.5, 2, "-0.0125")]


def test_a_fixed_curve_repeats_nothing() -> None:
    """In a curve A01 an omitted position is missing, and told."""
    harvest = parsed(document(point(1, "100"), curve="A01"))
    assert hours(harvest) == [(0, 1, "0.100")]
    assert [one.pointer for one in harvest.rejected] == ["TimeSeries 1 Period 1 Point 2"]


@pytest.mark.parametrize("bad", [point(2, "n/a"), point(2, ""), point(2, "70") + point(2, "80"), point(2, "1e400")])
def test_a_wrong_position_is_a_hole(bad: str) -> None:
    """A price that is no number, or stands twice with two values, leaves its position and those that would repeat it without price."""
    harvest = parsed(document(point(1, "100") + bad + point(4, "60"), resolution="PT30M"))
    assert hours(harvest) == [(0, 0.5, "0.100"), (1.5, 2, "0.060")]
    assert harvest.rejected


def test_nothing_is_filled_backwards_and_no_position_lies_outside() -> None:
    """A curve whose first position is missing begins where it begins; positions beyond the period, or none at all, are told."""
    harvest = parsed(document(point(2, "100") + point(0, "1") + point(3, "1") + point("x", "1") + point("9" * 40, "1")))
    assert hours(harvest) == [(1, 2, "0.100")]
    assert len(harvest.rejected) == 5


def test_quarters_of_an_hour_win_over_hours() -> None:
    """Where a period stands in quarters and in hours, the quarters count and the hours are told; else the hours count."""
    harvest = parsed(document(point(1, "100")), document(point(1, "90"), resolution="PT15M", end="2025-09-17T01:00Z"))
    assert sorted(hours(harvest)) == [(0, 0.25, "0.090"), (0.25, 0.5, "0.090"), (0.5, 0.75, "0.090"), (0.75, 1, "0.090"), (1, 2, "0.100")]
    assert [one.reason for one in harvest.rejected] == ["a finer auction covers the same period"]


def test_a_day_of_25_hours_has_25_tariffs() -> None:
    """On the day when clocks go back the period has 25 positions, and the tariffs cover it in UTC without a doubled hour."""
    series = document(point(1, "10"), end="2025-09-18T01:00Z")
    assert len(parsed(series).records) == 25


def test_other_auctions_are_not_mixed_in() -> None:
    """Another auction of the day, an intraday contract and a border between two zones are told and not taken."""
    position = "classificationSequence_AttributeInstanceComponent.position"
    second = document(point(1, "1"), more=f"<{position}>2</{position}>")
    intraday = document(point(1, "2"), more="<contract_MarketAgreement.type>A07</contract_MarketAgreement.type>")
    border = document(point(1, "3")).replace(NL, "10YBE----------2", 1)
    power = document(point(1, "4")).replace("MWH", "MAW")
    harvest = parsed(document(point(1, "100")), second, intraday, border, power)
    assert {amount for _, _, amount in hours(harvest)} == {"0.100"}
    assert [one.pointer for one in harvest.rejected] == ["TimeSeries 2", "TimeSeries 3", "TimeSeries 4", "TimeSeries 5"]
    assert {
        amount for _, _, amount in hours(parsed(document(point(1, "100"), more=f"<{position}>1</{position}>"), second, sequence="2"))
    } == {"0.001"}


def test_the_currency_is_the_one_of_the_market() -> None:
    """A market that is not in euro keeps its currency; nothing is converted on the way in."""
    tariff = parsed(document(point(1, "400")).replace("EUR", "PLN")).records[0]
    assert isinstance(tariff, Tariff)
    assert (tariff.currency, str(tariff.amount)) == ("PLN", "0.400")
    with pytest.raises(InsufficientData, match="not an ISO 4217 code"):
        parsed(document(point(1, "400")).replace("EUR", "euro"))


def test_no_data_says_so() -> None:
    """An acknowledgement in place of prices is no list: its words are the reason."""
    said = "<Reason><code>999</code><text>No matching data found for Data item Day-ahead Prices</text></Reason>"
    body = f'<Acknowledgement_MarketDocument xmlns="urn:y">{said}</Acknowledgement_MarketDocument>'
    with pytest.raises(InsufficientData, match="No matching data found"):
        parse_document(body.encode(), domain=NL, market=MARKET)
    with pytest.raises(InsufficientData, match="it holds no TimeSeries"):
        parsed()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<type>A44</type>", "<type>A65</type>", "of type 'A65'"),
        ("PT60M", "P1D", "none of 15, 30 and 60"),
        ("T02:00Z", "T01:30Z", "not a row of 60 min"),
        ("2025-09-17T02:00Z", "2035-09-17T00:00Z", "within a year"),
        ("2025-09-17T02:00Z", "yesterday", "is not a date"),
        ("2025-09-17T02:00Z", "2025-09-17T02:00", "has no time zone"),
    ],
)
def test_another_shape_is_no_price(old: str, new: str, message: str) -> None:
    """A document of another type, resolution or period is refused with what is wrong in it."""
    body = f"<Publication_MarketDocument><type>A44</type>{document(point(1, '5'))}</Publication_MarketDocument>"
    assert old in body
    with pytest.raises((FormatError, InsufficientData), match=message):
        parse_document(body.replace(old, new).encode(), domain=NL, market=MARKET)


def test_hostile_xml_is_refused(recorded: bytes) -> None:
    """A recorded reply with a document type in front is refused whole."""
    with pytest.raises(FormatError, match="document type"):
        parse_document(recorded.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY a "b">]>', 1), domain=NL, market=MARKET)


class Standing:
    """A clock at one moment."""

    def utc_ns(self) -> int:
        return READ_NS

    def mono_ns(self) -> int:
        return 1


def test_it_asks_for_yesterday_to_tomorrow_and_keeps_no_token(recorded: bytes, tmp_path: Path) -> None:
    """One question, from yesterday to the end of tomorrow; the token is sent, and stands in no record and no tally."""
    (tmp_path / "token").write_text("s3cret\n")
    with PriceServer() as server:
        server.serve("/api", Answer(recorded))
        settings = Config(NL, tmp_path / "token", zone="nl", pue="1.2", url=server.url("/api"))

        async def asked() -> tuple[Harvest, str]:
            async with HttpWeb(origins(settings), clock=Standing()) as web:
                return await gather(settings, web), web.tally.url

        harvest, url = asyncio.run(asked())
        (question,) = server.asked
    assert (question.query["periodStart"], question.query["periodEnd"]) == ("202509160000", "202509190000")
    assert (question.query["securityToken"], question.query["in_Domain"], question.query["out_Domain"]) == ("s3cret", NL, NL)
    assert "s3cret" not in url + repr(harvest)
    tariff = harvest.records[0]
    assert isinstance(tariff, Tariff)
    assert (str(tariff.pue), tariff.zone, tariff.fetched_at_ns) == ("1.2", "nl", READ_NS)
    assert "documentType=A44" in tariff.source_url


def test_wrong_keys_are_told(tmp_path: Path) -> None:
    """A zone that is no EIC code, more than a year, and a PUE that is no number are errors of the configuration."""
    for keys in ({"domain": "NL"}, {"domain": NL, "days": 364}):
        with pytest.raises(ConfigError):
            Config(key_file=tmp_path, **keys)
    with pytest.raises(FormatError):
        Config(NL, tmp_path, pue="low")
    assert Config(NL, tmp_path, days=363).days == 363


def test_it_is_asked_each_hour_until_tomorrow_is_there(recorded: bytes) -> None:
    """Before 13 h in Brussels it waits until then; later it asks each hour, until a tariff of tomorrow is there."""
    today = parse_document(recorded, domain=NL, market=MARKET)

    def next_text(harvest: Harvest, asked: str) -> str:
        return moment_text(due(harvest, moment_ns(asked, "asked")))

    assert next_text(today, "2025-09-17T08:30:00Z") == "2025-09-17T11:00:00Z"
    assert next_text(today, "2025-09-17T11:30:00Z") == "2025-09-17T12:30:00Z"
    assert next_text(today, "2025-09-16T12:30:00Z") == "2025-09-17T11:00:00Z"
    assert next_text(Harvest(), "2025-12-17T11:59:00Z") == "2025-12-17T12:00:00Z"
    assert (source("entsoe"), SOURCE.interval_s, SOURCE.experimental) == (SOURCE, 3600, False)
