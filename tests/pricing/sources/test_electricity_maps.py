"""Carbon intensity of Electricity Maps: both recorded replies, and an estimate that is replaced without being forgotten."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.http_web import HttpWeb
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources.electricity_maps import SOURCE, Config, gather, parse_intensity
from joulemark.pricing.spans import cover
from joulemark.pricing.web import origins
from joulemark.units import NS_PER_S
from tests.standins.price_server import Answer, PriceServer, page

READ_NS = moment_ns("2026-08-22T17:05:00Z", "read")
HOUR_NS = 3600 * NS_PER_S
REPLY: dict[str, Any] = {
    "zone": "DK-DK2",
    "carbonIntensity": 75,
    "datetime": "2026-08-22T17:00:00.000Z",
    "isEstimated": True,
    "estimationMethod": "FORECASTS_HIERARCHY",
}


def parsed(body: bytes, zone: str = "DK-DK2", *, fetched_at_ns: int = READ_NS) -> Harvest:
    return parse_intensity(body, zone=zone, fetched_at_ns=fetched_at_ns, source_url="https://example.com/latest")


def made(**changes: object) -> bytes:
    return json.dumps({key: value for key, value in {**REPLY, **changes}.items() if value is not ...}).encode()


def one(harvest: Harvest) -> Carbon:
    (record,) = harvest.records
    assert isinstance(record, Carbon)
    return record


def test_the_recorded_reply_of_denmark(corpus: Path) -> None:
    """75 g/kWh, average, of one hour, estimated: as the reply of 2026 says, with its method."""
    found = one(parsed((corpus / "pricing" / "carbon" / "electricitymaps_latest_DK-DK2_20260822.json").read_bytes()))
    assert (str(found.g_per_kwh), found.kind, found.estimated, found.zone) == ("75", CarbonKind.AVERAGE, True, "DK-DK2")
    assert (moment_text(found.effective_from_ns), (found.effective_to_ns or 0) - found.effective_from_ns) == (
        "2026-08-22T17:00:00Z",
        HOUR_NS,
    )
    assert found.note == "lifecycle emission factors; flow-traced; estimated by FORECASTS_HIERARCHY"
    assert Carbon.from_json(found.record()) == found


def test_the_recorded_reply_of_france(corpus: Path) -> None:
    """The reply of 2023 names no granularity and is of an hour; when it was updated is kept."""
    found = one(parsed((corpus / "pricing" / "carbon" / "electricitymaps_latest_FR_20230320.json").read_bytes(), "FR"))
    assert (str(found.g_per_kwh), found.estimated, (found.effective_to_ns or 0) - found.effective_from_ns) == ("83", True, HOUR_NS)
    assert found.note == "lifecycle emission factors; estimated by TIME_SLICER_AVERAGE; updated 2023-03-20T16:51:02.892Z"


def test_a_final_value_supersedes_the_estimate_and_does_not_erase_it() -> None:
    """Two days later the hour has another value: it counts from then on, and who asks what was known before gets the estimate."""
    later_ns = READ_NS + 48 * HOUR_NS
    final = made(carbonIntensity=81.5, isEstimated=False, estimationMethod=None)
    both = [one(parsed(made())), one(parsed(final, fetched_at_ns=later_ns))]
    begin_ns = both[0].effective_from_ns
    window = (begin_ns, begin_ns + HOUR_NS)
    assert [(str(c.g_per_kwh), c.estimated) for c in cover(both, *window).records] == [("81.5", False)]
    assert [(str(c.g_per_kwh), c.estimated) for c in cover(both, *window, known_at_ns=later_ns - 1).records] == [("75", True)]
    assert len(Snapshot(carbons=tuple(both)).carbons) == 2


def test_a_value_that_is_not_said_to_be_measured_is_an_estimate() -> None:
    """Only isEstimated = false without a method is no estimate; silence is taken as an estimate and told."""
    assert not one(parsed(made(isEstimated=False, estimationMethod=None))).estimated
    assert one(parsed(made(isEstimated=False))).estimated
    silent = one(parsed(made(isEstimated=..., estimationMethod=...)))
    assert silent.estimated
    assert "taken as estimated" in silent.note


def test_an_hour_without_value_is_told_and_not_zero() -> None:
    """A null intensity, a negative one and a time without zone become no record; a true 0 does."""
    for wrong in (
        {"carbonIntensity": None},
        {"carbonIntensity": -1},
        {"datetime": None},
        {"temporalGranularity": "weekly"},
        {"temporalGranularity": []},
    ):
        harvest = parsed(made(**wrong))
        assert (harvest.records, len(harvest.rejected)) == ((), 1), wrong
    assert str(one(parsed(made(carbonIntensity=0))).g_per_kwh) == "0"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"Invalid auth-token"}', "Invalid auth-token"),
        (b'{"message":"Zone does not exist"}', "Zone does not exist"),
        (b"{}", "names no carbonIntensity"),
        (made(zone="DE"), "answered for 'DE', not for DK-DK2"),
        (b"[]", "not an object"),
        (b'{"carbonIntensity": 7', "not valid JSON"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_refusals_and_other_replies_are_told(body: bytes, message: str) -> None:
    """A refusal is repeated in its own words; another zone, another shape and a damaged reply are no intensity."""
    with pytest.raises(FormatError, match=message):
        parsed(body)


def test_values_below_an_hour_last_as_long_as_they_say() -> None:
    """A granularity of five minutes ends after five minutes; nothing is stretched to the hour."""
    found = one(parsed(made(temporalGranularity="5_minutes")))
    assert (found.effective_to_ns or 0) - found.effective_from_ns == 300 * NS_PER_S


class Standing:
    """A clock at one moment."""

    def utc_ns(self) -> int:
        return READ_NS

    def mono_ns(self) -> int:
        return 1


def asked(server: PriceServer, key_file: Path, **keys: Any) -> Harvest:
    settings = Config("DK-DK2", key_file, url=server.url("/v3"), **keys)

    async def run() -> Harvest:
        async with HttpWeb(origins(settings), clock=Standing()) as web:
            return await gather(settings, web)

    return asyncio.run(run())


def test_it_asks_for_now_and_for_two_days_ago(tmp_path: Path) -> None:
    """The token goes in a header and into no record; the hour of two days ago is asked for again, unless that is switched off."""
    (tmp_path / "key").write_text("s3cret\n")
    old = page({**REPLY, "datetime": "2026-08-20T17:00:00Z", "isEstimated": False, "estimationMethod": None, "carbonIntensity": 60})
    with PriceServer() as server:
        server.serve("/v3/latest", Answer(made(), needs={"auth-token": "s3cret"}))
        server.serve("/v3/past", old)
        harvest = asked(server, tmp_path / "key")
        assert [str(c.g_per_kwh) for c in harvest.records if isinstance(c, Carbon)] == ["75", "60"]
        assert [question.query.get("datetime") for question in server.asked] == [None, "2026-08-20T17:00:00Z"]
        assert "s3cret" not in repr(harvest)
        assert len(asked(server, tmp_path / "key", revise_after_h=0).records) == 1
        assert server.times("/v3/past") == 1


def test_a_plan_without_history_still_has_the_latest(tmp_path: Path) -> None:
    """Where the older value is refused, the latest stands and the refusal is told."""
    (tmp_path / "key").write_text("s3cret")
    with PriceServer() as server:
        server.serve("/v3/latest", Answer(made()))
        server.serve("/v3/past", Answer(b'{"error":"not in your plan"}', status=403))
        harvest = asked(server, tmp_path / "key")
    assert len(harvest.records) == 1
    assert [one.pointer for one in harvest.rejected] == ["past 2026-08-20T17:00:00Z"]
    assert "not in your plan" in harvest.rejected[0].reason


def test_wrong_keys_are_told(tmp_path: Path) -> None:
    """A time of revision outside the year is an error of the configuration."""
    for hours in (-1, 9000):
        with pytest.raises(ConfigError, match="revise_after_h"):
            Config("FR", tmp_path, revise_after_h=hours)
    assert (SOURCE.kind, SOURCE.interval_s, SOURCE.experimental) == ("electricity_maps", 3600, False)
