"""Reference rates of the ECB: dated by their day, the euro as base, and nothing made up for a day without rate."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources.ecb import SOURCE, Config, gather, parse_rates
from joulemark.pricing.web import origins
from joulemark.timebase import SystemClock
from tests.standins.price_server import Answer, PriceServer

BODY = """<?xml version="1.0" encoding="UTF-8"?>
<g:Envelope xmlns:g="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
 <g:subject>Reference rates</g:subject><g:Sender><g:name>European Central Bank</g:name></g:Sender>
 <Cube>
  <Cube time="2026-06-05"><Cube currency="USD" rate="1.25"/><Cube currency="CNY" rate="8.0000"/></Cube>
  <Cube time="2026-06-04"><Cube currency="USD" rate="1.2345"/><Cube currency="RUB" rate="N/A"/></Cube>
 </Cube>
</g:Envelope>"""
READ_NS = moment_ns("2026-06-05T15:00:00Z", "read")


def parsed(body: str = BODY, **more: tuple[str, ...]) -> Harvest:
    return parse_rates(body.encode(), fetched_at_ns=READ_NS, source_url="https://example.com/list", **more)


def rates(harvest: Harvest) -> tuple[Rate, ...]:
    return tuple(record for record in harvest.records if isinstance(record, Rate))


def test_each_day_has_its_rates() -> None:
    """A rate for each day and currency, exact, dated by its day; one that is no number is told and not 0."""
    harvest = parsed()
    found = {(r.quote, r.effective_from_ns): r.rate for r in rates(harvest)}
    day, before = moment_ns("2026-06-05", "day"), moment_ns("2026-06-04", "day")
    assert found == {("USD", day): Decimal("1.25"), ("CNY", day): Decimal(8), ("USD", before): Decimal("1.2345")}
    assert {(r.base, r.feed) for r in rates(harvest)} == {("EUR", "ecb")}
    assert [(one.pointer, "N/A" in one.reason) for one in harvest.rejected] == [("2026-06-04 RUB", True)]
    assert harvest.list_version == "2026-06-05"


def test_a_weekend_has_the_rate_of_the_day_before() -> None:
    """On a Sunday the rate of Friday is in force, and the day before Friday its own; before the first there is none."""
    known = Snapshot(rates=rates(parsed()))
    for moment, rate in (("2026-06-07T12:00:00Z", "1.25"), ("2026-06-04T12:00:00Z", "1.2345")):
        found = known.rate_at(moment_ns(moment, "x"), between=("EUR", "USD"))
        assert found is not None
        assert str(found.rate) == rate
    assert known.rate_at(moment_ns("2026-06-03", "x"), between=("EUR", "USD")) is None


def test_two_other_currencies_cross_at_the_euro() -> None:
    """Between dollar and renminbi the rate is the quotient of both, and names the two records it comes from."""
    found = Snapshot(rates=rates(parsed())).rate_at(moment_ns("2026-06-05T12:00:00Z", "x"), between=("USD", "CNY"))
    assert found is not None
    assert (found.base, found.quote, str(found.rate)) == ("USD", "CNY", "6.4")
    for rate in rates(parsed())[:2]:
        assert rate.point_id in found.note


@pytest.mark.parametrize("bad", ["0", "-1", "", "1e40"])
def test_a_rate_that_cannot_be_is_told(bad: str) -> None:
    """Zero, a negative rate and none at all are no rates."""
    harvest = parsed(BODY.replace('rate="1.25"', f'rate="{bad}"'))
    assert [one.pointer for one in harvest.rejected] == ["2026-06-05 USD", "2026-06-04 RUB"]
    assert not {r.effective_from_ns for r in rates(harvest) if r.quote == "USD"} & {moment_ns("2026-06-05", "x")}


def test_other_replies_are_no_list() -> None:
    """A page of another kind, or a list without days, is refused; a day that is no date is told for each of its rates."""
    for body in ("<html/>", BODY.replace("Cube", "Tube")):
        with pytest.raises(FormatError, match="without days"):
            parsed(body)
    assert len(parsed(BODY.replace("2026-06-05", "today")).rejected) == 3


def test_only_the_wanted_currencies_are_taken() -> None:
    """The key currencies limits the list, whatever case it is written in."""
    assert {r.quote for r in rates(parsed(currencies=("usd",)))} == {"USD"}


def test_it_is_read_from_the_web() -> None:
    """One question without a key; the address of the list stands in each record."""
    with PriceServer() as server:
        server.serve("/eurofxref-daily.xml", Answer(BODY.encode()))
        settings = Config(url=server.url("/eurofxref-daily.xml"))

        async def asked() -> Harvest:
            async with HttpWeb(origins(settings), clock=SystemClock()) as web:
                return await gather(settings, web)

        assert {r.source_url for r in rates(asyncio.run(asked()))} == {settings.url}
        assert [question.query for question in server.asked] == [{}]
    assert SOURCE.experimental
