"""Clocks and the way a recorded time becomes UTC nanoseconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import NaiveTimeError, UsageError
from joulemark.timebase import HeldClock, Span, Stamp, SystemClock, boot_id, datetime_ns, iso_utc, utc_minus_mono_ns, zone
from joulemark.units import NS_PER_S


def test_system_clock_is_the_hosts() -> None:
    """Both clocks of the host lie between two plain reads of it."""
    clock = SystemClock()
    before = time.time_ns(), time.monotonic_ns()
    seen = clock.utc_ns(), clock.mono_ns()
    after = time.time_ns(), time.monotonic_ns()
    assert before[0] <= seen[0] <= after[0]
    assert before[1] <= seen[1] <= after[1]


class Jittery:
    """Monotonic reads that take 1000, 10 and 500 ns; the true difference is 7 s."""

    def __init__(self) -> None:
        self.costs = iter([1000, 0, 10, 0, 500, 0])
        self.mono = 0

    def mono_ns(self) -> int:
        now = self.mono
        self.mono += next(self.costs, 0)
        return now

    def utc_ns(self) -> int:
        return 7 * NS_PER_S + self.mono


def test_offset_comes_from_the_narrowest_bracket() -> None:
    """Of three brackets of 1000, 10 and 500 ns the middle one decides, so the error is at most half of 10 ns."""
    assert abs(utc_minus_mono_ns(Jittery(), tries=3) - 7 * NS_PER_S) <= 5


class Scattering:
    """Reads that take `cost_ns` after that of UTC only, so a bracket's middle is off by half; the true difference is `apart_ns`."""

    def __init__(self) -> None:
        self.mono, self.cost_ns, self.apart_ns = 0, 100, 7 * NS_PER_S

    def mono_ns(self) -> int:
        return self.mono

    def utc_ns(self) -> int:
        seen = self.mono + self.apart_ns
        self.mono += self.cost_ns
        return seen


def test_a_relation_is_held_while_readings_contain_it() -> None:
    """What the cost of a read moves the middle by is no news; a step is told at once, and then held; a narrower reading corrects."""
    host = Scattering()
    clock = HeldClock(host)
    assert utc_minus_mono_ns(clock) == 7 * NS_PER_S - 50
    host.cost_ns = 900
    assert utc_minus_mono_ns(host) == 7 * NS_PER_S - 450
    assert utc_minus_mono_ns(clock) == 7 * NS_PER_S - 50
    host.cost_ns = 20
    assert utc_minus_mono_ns(clock) == 7 * NS_PER_S - 10
    host.cost_ns = 900
    assert utc_minus_mono_ns(clock) == 7 * NS_PER_S - 10
    host.apart_ns += 5_000
    assert utc_minus_mono_ns(clock) == 7 * NS_PER_S + 5_000 - 450
    assert clock.utc_ns() - clock.mono_ns() == host.apart_ns - 900


def test_the_hosts_relation_is_one_number() -> None:
    """A thousand readings of this host's clocks tell at most three numbers: the first, and what narrower readings make of it."""
    clock = HeldClock(SystemClock())
    assert len({utc_minus_mono_ns(clock) for _ in range(1000)}) <= 3


def test_a_relation_needs_a_reading() -> None:
    """No try is a mistake of the caller."""
    with pytest.raises(ValueError, match="one read"):
        utc_minus_mono_ns(SystemClock(), tries=0)


def test_boot_id_is_the_kernels() -> None:
    """The id is what the kernel prints, without its newline."""
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_naive_time_is_refused_without_a_zone() -> None:
    """A naive time without a zone raises, names the file and the option that mends it, and exits 2."""
    with pytest.raises(NaiveTimeError, match=r"power\.csv.*--tz") as caught:
        datetime_ns(datetime(2026, 3, 1, 12), None, where="power.csv")
    assert caught.value.exit_code == 2


def test_naive_time_is_read_in_the_given_zone() -> None:
    """Noon in Los Angeles in July is 19:00 UTC; the zone of an aware time wins over the given one."""
    summer = datetime(2026, 7, 1, 12)
    assert datetime_ns(summer, zone("America/Los_Angeles"), where="x") == datetime_ns(datetime(2026, 7, 1, 19, tzinfo=UTC), None, where="x")
    aware = datetime(2026, 7, 1, 19, tzinfo=UTC)
    assert datetime_ns(aware, zone("Asia/Tokyo"), where="x") == datetime_ns(aware, None, where="x")


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 11, 1, 1, 30), datetime(2026, 3, 8, 2, 30)],
    ids=["repeated", "skipped"],
)
def test_wall_time_at_a_clock_change_is_refused(moment: datetime) -> None:
    """A wall time that a zone repeats in autumn or skips in spring has two readings, so neither is taken."""
    with pytest.raises(UsageError, match="skipped or repeated"):
        datetime_ns(moment, zone("America/Los_Angeles"), where="spl.txt")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", ""])
def test_unknown_zone_is_a_usage_error(name: str) -> None:
    """A zone that does not exist, or a path instead of a name, is refused with an example of a good one."""
    with pytest.raises(UsageError, match="America/Los_Angeles"):
        zone(name)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_microseconds_are_kept_exactly(moment: datetime) -> None:
    """No microsecond is lost on the way to integer nanoseconds, for any date up to 2200."""
    t_ns = datetime_ns(moment, UTC, where="x")
    assert t_ns % 1000 == 0
    assert iso_utc(t_ns) == f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}000Z"


def test_iso_keeps_nanoseconds_before_1970_too() -> None:
    """The printed time carries nine digits, also one nanosecond before the epoch."""
    assert iso_utc(1_790_000_000_123_456_789) == "2026-09-21T14:13:20.123456789Z"
    assert iso_utc(-1) == "1969-12-31T23:59:59.999999999Z"


def test_a_span_lasts_by_the_monotonic_clock() -> None:
    """A step of the wall clock in between is told and does not change the duration; what two reads may differ by is none."""
    begin = Stamp(1_000 * NS_PER_S, 5 * NS_PER_S)
    stepped = Span(begin, Stamp(1_007 * NS_PER_S, 15 * NS_PER_S))
    assert (stepped.duration_s, stepped.step_ns) == (10.0, -3 * NS_PER_S)
    assert Span(begin, Stamp(1_010 * NS_PER_S + 900_000, 15 * NS_PER_S)).step_ns == 0
    clock = SystemClock()
    before, now, after = clock.mono_ns(), Stamp.now(clock), clock.mono_ns()
    assert before <= now.mono_ns <= after
