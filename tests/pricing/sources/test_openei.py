"""Rates of OpenEI: tiers, adjustments and hours become tariffs, and what belongs to no single run is named."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError, InsufficientData, UsageError
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.schedule import Schedule
from joulemark.pricing.sources.openei import SOURCE, Config, gather, parse_rate
from joulemark.pricing.spans import cover
from joulemark.pricing.tariffs import Tariff
from joulemark.pricing.web import origins
from joulemark.units import NS_PER_S
from tests.standins.price_server import PriceServer, page

LABEL = "539fca7bec4f024c27d8a5b1"
READ_NS = moment_ns("2026-07-08T12:00:00Z", "read")
EVENING = [[1 if 16 <= hour < 21 else 0 for hour in range(24)]] * 12
RATE: dict[str, Any] = {
    "label": LABEL,
    "utility": "Pacific Example",
    "name": "B-20",
    "startdate": 1_767_225_600,
    "energyratestructure": [[{"rate": 0.1, "adj": 0.0125, "unit": "kWh"}], [{"rate": 0.3, "unit": "kWh"}]],
    "energyweekdayschedule": EVENING,
    "energyweekendschedule": [[0] * 24] * 12,
    "demandratestructure": [[{"rate": 20.5}]],
    "fixedmonthlycharge": 900,
}


def config(**keys: Any) -> Config:
    return Config(LABEL, Path("key"), "America/Los_Angeles", **{"zone": "site", **keys})


def parsed(settings: Config | None = None, **changes: object) -> tuple[Schedule, tuple[Rejected, ...]]:
    rate = {key: value for key, value in {**RATE, **changes}.items() if value is not ...}
    body = json.dumps({"items": [rate]}).encode()
    return parse_rate(body, settings=settings or config(), fetched_at_ns=READ_NS, source_url="https://example.com/rates")


def test_rates_and_adjustments_are_added_exactly() -> None:
    """A period costs its rate plus its adjustment, in exact decimals; the afternoon of a summer Wednesday is the second one."""
    schedule, _ = parsed()
    assert [str(amount) for amount in schedule.amounts] == ["0.1125", "0.3"]
    afternoon = schedule.between(READ_NS + 12 * 3600 * NS_PER_S, READ_NS + 13 * 3600 * NS_PER_S)
    assert [(moment_text(t.effective_from_ns), str(t.amount)) for t in afternoon] == [("2026-07-08T23:00:00Z", "0.3")]


def test_what_belongs_to_no_run_is_named() -> None:
    """Demand and fixed charges are told one by one, stand in the note of each tariff, and are in no amount."""
    schedule, beyond = parsed()
    assert [one.pointer for one in beyond] == ["demandratestructure", "fixedmonthlycharge"]
    assert all("cannot be attributed to one run" in one.reason for one in beyond)
    assert schedule.note == "Pacific Example B-20; without a fixed charge, demand charges, which no run can be charged for"
    assert parsed(demandratestructure=..., fixedmonthlycharge=0)[1] == ()


def test_the_tier_is_chosen_by_consumption_and_never_guessed() -> None:
    """Of three tiers the usual month chooses; without it, beyond the last, or by another unit there is no tariff."""
    steps = ((0.1, 500), (0.2, 1000), (0.4, None))
    tiers = [[{"rate": rate, "unit": "kWh", **({"max": most} if most else {})} for rate, most in steps]]
    changes: dict[str, Any] = {"energyratestructure": tiers, "energyweekdayschedule": ..., "energyweekendschedule": ...}
    for month, amount in (("500", "0.1"), ("500.1", "0.2"), ("90000", "0.4")):
        assert [str(a) for a in parsed(config(month_kwh=month), **changes)[0].amounts] == [amount]
    with pytest.raises(InsufficientData, match="3 tiers of consumption"):
        parsed(**changes)
    with pytest.raises(InsufficientData, match="ends at 1000 kWh"):
        parsed(config(month_kwh="1001"), **{**changes, "energyratestructure": [tiers[0][:2]]})
    daily = [[{**tier, "unit": "kWh daily"} for tier in tiers[0]]]
    with pytest.raises(InsufficientData, match="tiers by kWh daily"):
        parsed(config(month_kwh="500"), **{**changes, "energyratestructure": daily})


def test_no_price_is_not_free() -> None:
    """A tier without a rate, or a rate without tiers, is no tariff of 0; a stated 0 and a credit are what they say."""
    for structure in ([[{"adj": 0.1}]], [[{"rate": None}]]):
        with pytest.raises(InsufficientData, match="states no rate"):
            parsed(energyratestructure=structure)
    shapes: list[object] = [[], [[]], None, ..., [[7]], "x"]
    for wrong in shapes:
        with pytest.raises(FormatError, match="energyratestructure"):
            parsed(energyratestructure=wrong)
    credit = [[{"rate": 0, "adj": -0.01}], [{"rate": 0.3}]]
    assert [str(amount) for amount in parsed(energyratestructure=credit)[0].amounts] == ["-0.01", "0.3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energyweekdayschedule": ...}, "energyweekdayschedule is no table"),
        ({"energyweekendschedule": [[0.5] * 24] * 12}, "energyweekendschedule is no table"),
        ({"energyweekdayschedule": EVENING[:11]}, "12 months"),
        ({"energyweekdayschedule": [[2] * 24] * 12}, "names period 2, and there are 2"),
        ({"startdate": "soon"}, "startdate"),
        ({"enddate": 10**12}, "enddate"),
    ],
)
def test_another_shape_is_refused(changes: dict[str, Any], message: str) -> None:
    """A schedule that is missing, of another size, or names a period without price, and a date that is none, are refused."""
    with pytest.raises(FormatError, match=message):
        parsed(**changes)


def test_refusals_are_told() -> None:
    """A wrong key, an unknown rate and a reply that is no JSON say so."""
    for body, error in (
        (b'{"error": {"code": "API_KEY_INVALID"}}', InsufficientData),
        (b'{"items": []}', InsufficientData),
        (b'{"items": [{"label": "other"}]}', InsufficientData),
        (b"<html>", FormatError),
        (b"\xff", FormatError),
    ):
        with pytest.raises(error):
            parse_rate(body, settings=config(), fetched_at_ns=READ_NS, source_url="u")
    with pytest.raises(InsufficientData, match="2 rates"):
        parse_rate(json.dumps({"items": [RATE, RATE]}).encode(), settings=config(), fetched_at_ns=READ_NS, source_url="u")


def test_wrong_keys_are_told() -> None:
    """An empty label, an unknown time zone and a consumption that is no number are errors of the configuration."""
    with pytest.raises(ConfigError, match="label is empty"):
        Config("", Path("key"), "UTC")
    with pytest.raises(UsageError, match="unknown time zone"):
        Config(LABEL, Path("key"), "Mars/Olympus")
    with pytest.raises(FormatError, match="month_kwh"):
        config(month_kwh="much")


class Standing:
    """A clock at one moment."""

    def utc_ns(self) -> int:
        return READ_NS

    def mono_ns(self) -> int:
        return 1


def asked(server: PriceServer, settings: Config) -> Harvest:
    async def run() -> Harvest:
        async with HttpWeb(origins(settings), clock=Standing()) as web:
            return await gather(settings, web)

    return asyncio.run(run())


def test_two_weeks_of_tariffs_and_no_key_in_them(tmp_path: Path) -> None:
    """The tariffs cover the week before today and the one after without a hole; the key is sent and stands in no record."""
    (tmp_path / "key").write_text("s3cret\n")
    with PriceServer() as server:
        server.serve("/utility_rates", page({"items": [RATE]}))
        settings = Config(LABEL, tmp_path / "key", "America/Los_Angeles", zone="site", url=server.url("/utility_rates"))
        harvest = asked(server, settings)
        (question,) = server.asked
        tariffs = [t for t in harvest.records if isinstance(t, Tariff)]
        week_ns = 7 * 86_400 * NS_PER_S
        assert cover(tariffs, READ_NS - week_ns, READ_NS + week_ns).reason == ""
        assert (question.query["api_key"], question.query["getpage"], question.query["version"]) == ("s3cret", LABEL, "8")
        assert "s3cret" not in repr(harvest)
        assert {(t.feed, t.zone, t.currency, t.amount_basis) for t in tariffs} == {("openei", "site", "USD", "assumed")}
        server.serve("/utility_rates", page({"items": [{**RATE, "enddate": 1_775_000_000}]}))
        with pytest.raises(InsufficientData, match="not in force"):
            asked(server, settings)
    assert SOURCE.experimental
