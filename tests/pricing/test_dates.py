"""Dates of prices: UTC nanoseconds of what a file says, and back."""

from __future__ import annotations

import datetime

import pytest

from joulemark.errors import FormatError, NaiveTimeError
from joulemark.pricing.dates import moment_ns, moment_text

JUNE_NS = 1_748_736_000_000_000_000


def test_dates_round_trip() -> None:
    """A date is midnight UTC, offsets are applied, fractions stay."""
    assert moment_text(moment_ns("2025-06-01", "x")) == "2025-06-01T00:00:00Z"
    assert moment_text(moment_ns("2025-06-01T02:00:00.5+02:00", "x")) == "2025-06-01T00:00:00.5Z"


@pytest.mark.parametrize(
    "value",
    [
        "2025-06-01",
        "2025-06-01T00:00:00Z",
        "2025-05-31T20:00:00-04:00",
        datetime.date(2025, 6, 1),
        datetime.datetime(2025, 6, 1, 5, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=5, minutes=30))),
    ],
)
def test_one_moment_in_every_form(value: object) -> None:
    """A date, a time with its zone, and the objects that TOML makes of them are the same nanosecond."""
    assert moment_ns(value, "x") == JUNE_NS


def test_microseconds_are_kept_whole() -> None:
    """A time keeps its microseconds exactly, where a float of seconds would lose them."""
    assert moment_ns("2025-06-01T00:00:00.000001Z", "x") == JUNE_NS + 1000
    assert moment_text(JUNE_NS + 1000) == "2025-06-01T00:00:00.000001Z"


@pytest.mark.parametrize("value", [datetime.datetime(2025, 6, 1), "2025-06-01T00:00:00"])
def test_no_zone_no_moment(value: object) -> None:
    """A time without a zone is refused with the name of its field and what to add, as text and as TOML's local time."""
    with pytest.raises(NaiveTimeError, match="fetched_at") as caught:
        moment_ns(value, "fetched_at")
    assert caught.value.next_step == "add one, for example Z for UTC"


@pytest.mark.parametrize("value", ["June 2025", "2025-02-30", "01/06/2025", "", 20250601, None])
def test_what_is_no_date_is_named(value: object) -> None:
    """Text that is no date, a day that does not exist, a number and nothing are refused with the field's name."""
    with pytest.raises(FormatError, match=r"effective_from = .* is not a date"):
        moment_ns(value, "effective_from")


@pytest.mark.parametrize("t_ns", [JUNE_NS + 1, JUNE_NS + 123_456_789, JUNE_NS + 123_456_780, JUNE_NS + 1000])
def test_nanoseconds_survive_text(t_ns: int) -> None:
    """A time of a clock is read back to the nanosecond: the hash of a fetch hangs on it."""
    assert moment_ns(moment_text(t_ns), "x") == t_ns
    assert moment_ns(moment_text(t_ns).replace("Z", "+00:00"), "x") == t_ns
