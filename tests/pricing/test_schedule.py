"""Time-of-use schedules: local hours in UTC, days of 23 and 25 hours, and no hole while the schedule is in force."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError, UsageError
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.schedule import FLAT, Schedule, table
from joulemark.pricing.spans import cover
from joulemark.pricing.tariffs import Tariff
from joulemark.units import NS_PER_S

EVENING = table([[1 if 16 <= hour < 21 else 0 for hour in range(24)]] * 12)
PEAK = Schedule(
    zone="site",
    time_zone="America/Los_Angeles",
    currency="USD",
    amounts=(Decimal("0.10"), Decimal("0.30"), Decimal("0.20")),
    weekdays=EVENING,
    weekends=FLAT,
    fetched_at_ns=0,
    source_url="https://example.com",
    feed="openei",
)
HOUR_NS = 3600 * NS_PER_S


def stretches(schedule: Schedule, begin: str, end: str) -> list[tuple[str, str, str]]:
    found = schedule.between(moment_ns(begin, "begin"), moment_ns(end, "end"))
    return [(moment_text(t.effective_from_ns), moment_text(t.effective_to_ns or 0), str(t.amount)) for t in found]


def test_a_weekday_has_its_evening_peak_in_local_time() -> None:
    """On a summer Monday in California 16 to 21 h local time are 23 h UTC to 4 h UTC of the next day."""
    assert stretches(PEAK, "2026-07-06T07:00:00Z", "2026-07-07T07:00:00Z") == [
        ("2026-07-06T07:00:00Z", "2026-07-06T23:00:00Z", "0.10"),
        ("2026-07-06T23:00:00Z", "2026-07-07T04:00:00Z", "0.30"),
        ("2026-07-07T04:00:00Z", "2026-07-07T07:00:00Z", "0.10"),
    ]


def test_a_weekend_and_a_month_have_their_own_table() -> None:
    """Sunday has no peak; in winter the same local hour is another one in UTC; a month may have its own period."""
    assert stretches(PEAK, "2026-07-05T08:00:00Z", "2026-07-05T09:00:00Z") == [("2026-07-05T07:00:00Z", "2026-07-06T07:00:00Z", "0.10")]
    assert ("2026-01-06T00:00:00Z", "2026-01-06T05:00:00Z", "0.30") in stretches(PEAK, "2026-01-06T00:00:00Z", "2026-01-06T01:00:00Z")
    rows = [list(row) for row in EVENING]
    rows[1] = [2] * 24
    february = replace(PEAK, weekdays=table(rows))
    assert stretches(february, "2026-02-03T12:00:00Z", "2026-02-03T13:00:00Z") == [("2026-02-03T08:00:00Z", "2026-02-04T08:00:00Z", "0.20")]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-02", 24)])
def test_days_with_a_change_of_clocks(day: str, hours: int) -> None:
    """The Sunday on which clocks go forward has 23 hours, the one on which they go back 25; both are one stretch without hole."""
    noon = moment_ns(f"{day}T20:00:00Z", "noon")
    found = replace(PEAK, weekdays=FLAT).between(noon, noon + 1)
    assert [((t.effective_to_ns or 0) - t.effective_from_ns) // HOUR_NS for t in found] == [hours]


def test_a_repeated_hour_is_priced_each_time() -> None:
    """Where the hour from 1 to 2 is dearer, it is so twice in the night in which it is repeated, and lasts two hours."""
    dear = table([[1 if hour == 1 else 0 for hour in range(24)]] * 12)
    found = stretches(replace(PEAK, weekdays=dear, weekends=dear), "2026-11-01T07:00:00Z", "2026-11-01T12:00:00Z")
    assert ("2026-11-01T08:00:00Z", "2026-11-01T10:00:00Z", "0.30") in found
    skipped = table([[1 if hour == 2 else 0 for hour in range(24)]] * 12)
    none = stretches(replace(PEAK, weekdays=skipped, weekends=skipped), "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z")
    assert {amount for _, _, amount in none} == {"0.10"}


def test_half_an_hour_of_change_moves_no_later_hour() -> None:
    """On Lord Howe Island clocks go back by half an hour: the hour from 1 to 2 then lasts one and a half, and 2 h begins at 2 h."""
    dear = table([[1 if hour == 1 else 0 for hour in range(24)]] * 12)
    island = replace(PEAK, time_zone="Australia/Lord_Howe", weekdays=dear, weekends=dear)
    found = stretches(island, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z")
    assert ("2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z", "0.30") in found


def test_it_ends_where_it_is_no_longer_in_force() -> None:
    """Nothing is stated before its begin and from its end on; the stretches that they cut are cut."""
    limited = replace(PEAK, begin_ns=moment_ns("2026-07-06T12:00:00Z", "b"), end_ns=moment_ns("2026-07-07T00:00:00Z", "e"))
    assert stretches(limited, "2026-07-01T00:00:00Z", "2026-07-30T00:00:00Z") == [
        ("2026-07-06T12:00:00Z", "2026-07-06T23:00:00Z", "0.10"),
        ("2026-07-06T23:00:00Z", "2026-07-07T00:00:00Z", "0.30"),
    ]
    assert stretches(limited, "2026-07-08T00:00:00Z", "2026-07-30T00:00:00Z") == []
    assert stretches(limited, "2026-07-01T00:00:00Z", "2026-07-06T12:00:00Z") == []


def test_a_wrong_table_is_refused() -> None:
    """Eleven months, 23 hours, a period that has no price and an unknown time zone are errors."""
    for rows in (EVENING[:11], tuple(row[:23] for row in EVENING), table([[3] * 24] * 12), table([[-1] * 24] * 12)):
        with pytest.raises(FormatError, match="schedule site: week"):
            replace(PEAK, weekends=rows)
    with pytest.raises(UsageError, match="unknown time zone"):
        replace(PEAK, time_zone="America/Atlantis")


ZONES = ["America/Los_Angeles", "Europe/Amsterdam", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo", "UTC"]
BEGIN_S = 1_735_689_600


@given(
    st.sampled_from(ZONES),
    st.lists(st.lists(st.integers(0, 2), min_size=24, max_size=24), min_size=12, max_size=12),
    st.integers(0, 700 * 24 * 4),
    st.integers(1, 60 * 4),
)
def test_stretches_tile_any_window(name: str, rows: list[list[int]], quarter: int, quarters: int) -> None:
    """In any zone the stretches cover the window without hole or overlap, and each moment has the period of its local hour."""
    schedule = replace(PEAK, time_zone=name, weekdays=table(rows), weekends=EVENING)
    begin_ns = (BEGIN_S + quarter * 900) * NS_PER_S
    end_ns = begin_ns + quarters * 900 * NS_PER_S
    found = schedule.between(begin_ns, end_ns)
    assert all((a.effective_to_ns or 0) == b.effective_from_ns for a, b in pairwise(found))
    covered = cover(found, begin_ns, end_ns)
    assert covered.reason == ""
    zone = datetime.UTC if name == "UTC" else ZoneInfo(name)
    for span in covered.spans:
        for at_ns in (span.begin_ns, span.end_ns - 1):
            local = datetime.datetime.fromtimestamp(at_ns // NS_PER_S, zone)
            period = (EVENING if local.weekday() >= 5 else schedule.weekdays)[local.month - 1][local.hour]
            assert span.record.amount == schedule.amounts[period]


@given(st.sampled_from(ZONES), st.integers(0, 365 * 24), st.integers(1, 72), st.integers(0, 72))
def test_a_stretch_is_the_same_from_every_window(name: str, hour: int, hours: int, later: int) -> None:
    """Two windows that meet the same moment state the same tariff for it, so that readings of several days do not contradict."""
    schedule = replace(PEAK, time_zone=name)

    def at(first: int, last: int) -> set[Tariff]:
        return set(schedule.between((BEGIN_S + first * 3600) * NS_PER_S, (BEGIN_S + last * 3600) * NS_PER_S))

    wide = at(hour, hour + hours + later)
    assert at(hour, hour + hours) <= wide
    assert at(hour + later, hour + hours + later) <= wide
