"""Printed times to UTC nanoseconds: exact, in the zone given, refused where they are none."""

from __future__ import annotations

from datetime import UTC

import pytest

from joulemark.errors import FormatError, NaiveTimeError, UsageError
from joulemark.timebase import zone
from joulemark.traces.stamps import epoch_ns, moment_ns, wall_ns

T_NS = 1_704_164_645_678_000_000


def test_fraction_is_exact_to_the_nanosecond() -> None:
    """Nine digits of a second are kept, with a dot or a comma."""
    assert wall_ns("2024-01-02 03:04:05.678000001", UTC, where="x") == T_NS + 1
    assert wall_ns("2024-01-02 03:04:05,678", UTC, where="x") == T_NS


def test_own_zone_goes_before_the_given_one() -> None:
    """A time with its zone is read in it, whatever zone is given."""
    assert wall_ns("2024-01-02T05:04:05.678+02:00", zone("America/Los_Angeles"), where="x") == T_NS


def test_bare_time_without_a_zone_is_refused() -> None:
    """No zone is guessed."""
    with pytest.raises(NaiveTimeError, match="row 7"):
        wall_ns("2024-01-02 03:04:05", None, where="row 7")


def test_hour_that_a_clock_change_repeats_is_refused() -> None:
    """01:30 on the night the clocks go back is two moments: UsageError."""
    with pytest.raises(UsageError, match="skipped or repeated"):
        wall_ns("2024-11-03 01:30:00", zone("America/Los_Angeles"), where="x")


@pytest.mark.parametrize(
    "printed", ["yesterday", "13-45-2024 00:00:00", "2024-01-02 25:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59", ":"]
)
def test_what_is_no_time_is_refused(printed: str) -> None:
    """A text that is no date, or no believable one, raises FormatError that names the place."""
    with pytest.raises(FormatError, match="row 7"):
        moment_ns(printed, UTC, where="row 7")


@pytest.mark.parametrize("printed", ["1704164645.678", "1704164645678", "1704164645678000", str(T_NS)])
def test_unix_time_is_told_by_its_size(printed: str) -> None:
    """Seconds, ms, us and ns give the same moment."""
    assert epoch_ns(printed, where="x") == T_NS


@pytest.mark.parametrize("printed", ["-5", "NaN", "1e30", "", "x", "1_700_000_000", "\u0661" * 10, "9" * 50])
def test_what_is_no_unix_time_is_refused(printed: str) -> None:
    """Negative, endless and empty numbers raise FormatError."""
    with pytest.raises(FormatError):
        epoch_ns(printed, where="x")
