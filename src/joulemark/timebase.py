"""Time: the only module that reads a clock.

Times are integer nanoseconds: UTC (`*_ns`, since 1970) at every border, monotonic (`*_mono_ns`) for durations and deadlines. A clock
is handed to whoever needs one, so tests hand in their own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Protocol, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from joulemark.errors import NaiveTimeError, UsageError
from joulemark.units import NS_PER_S


class Clock(Protocol):
    """What a meter, the sampler and the collector see of time."""

    def utc_ns(self) -> int:
        """Nanoseconds since 1970, UTC, as the host believes it (CLOCK_REALTIME)."""
        ...

    def mono_ns(self) -> int:
        """Nanoseconds on a clock that never steps and counts suspended time too (CLOCK_BOOTTIME); meaningless across boots."""
        ...


class SystemClock:
    """The host's clocks."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One moment by both clocks of a host."""

    utc_ns: int
    mono_ns: int

    @classmethod
    def now(cls, clock: Clock) -> Self:
        """This moment; the two clocks are read less than a microsecond apart."""
        return cls(clock.utc_ns(), clock.mono_ns())


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to `end` on one host. `unc_ns`: half-width of where each edge may be."""

    begin: Stamp
    end: Stamp
    unc_ns: int = 0

    @property
    def duration_s(self) -> float:
        """By the monotonic clock, which no step of the other changes."""
        return (self.end.mono_ns - self.begin.mono_ns) / NS_PER_S

    @property
    def step_ns(self) -> int:
        """What the wall clock was stepped by in between; 0 where it moved less than two reads of both clocks may differ."""
        moved_ns = (self.end.utc_ns - self.begin.utc_ns) - (self.end.mono_ns - self.begin.mono_ns)
        return moved_ns if abs(moved_ns) > STEP_NS else 0


class AxisClock:
    """The collector's time axis: the monotonic time of `clock` plus a constant, so that a step of the host's UTC moves nothing on it.

    NTP slews monotonic time as it slews UTC, so the axis keeps its rate and parts from UTC by steps alone.
    """

    def __init__(self, clock: Clock, minus_mono_ns: int) -> None:
        self._clock, self.minus_mono_ns = clock, minus_mono_ns

    def utc_ns(self) -> int:
        return self._clock.mono_ns() + self.minus_mono_ns

    def mono_ns(self) -> int:
        return self._clock.mono_ns()


class HeldClock:
    """The clocks of a host, whose relation is held until a reading of both excludes it: the kernel slews both alike and parts them by
    steps alone, so what readings scatter by is no news. From any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: tuple[int, int, int] | None = None
        """Nothing read so far excludes a relation from the first to the second; the third is what is told."""

    def utc_ns(self) -> int:
        return self._clock.utc_ns()

    def mono_ns(self) -> int:
        return self._clock.mono_ns()

    def utc_minus_mono_ns(self, tries: int) -> int:
        """UTC minus monotonic time: what was told before, where the narrowest of `tries` brackets contains it."""
        held = self._held  # once: another thread may replace it meanwhile
        low, high = relation_bounds(self._clock, tries)
        if held is not None:
            low, high = max(low, held[0]), min(high, held[1])
            if low > high:
                low, high = relation_bounds(self._clock, tries)
                held = None
        told = held[2] if held is not None and low <= held[2] <= high else (low + high) // 2
        self._held = low, high, told
        return told


STEP_NS: Final = 1_000_000
"""A change of UTC minus monotonic above this is a step of the host's clock, not the noise of reading two clocks."""


def utc_minus_mono_ns(clock: Clock, tries: int = 5) -> int:
    """UTC minus monotonic time, from the narrowest of `tries` bracketed reads (about 100 ns); exact for an axis, held by a HeldClock."""
    if isinstance(clock, AxisClock):
        return clock.minus_mono_ns
    if isinstance(clock, HeldClock):
        return clock.utc_minus_mono_ns(tries)
    return sum(relation_bounds(clock, tries)) // 2


def relation_bounds(clock: Clock, tries: int) -> tuple[int, int]:
    """Between which two numbers UTC minus monotonic time lies, by the narrowest of `tries` bracketed reads."""
    best: tuple[int, int] | None = None
    for _ in range(tries):
        before = clock.mono_ns()
        utc = clock.utc_ns()
        after = clock.mono_ns()
        if best is None or after - before < best[1] - best[0]:
            best = utc - after, utc - before
    if best is None:
        raise ValueError("two clocks are related by one read of both at least")
    return best


def boot_id() -> str:
    """The kernel's id of this boot: monotonic times compare only inside one. Empty where the kernel has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def zone(name: str) -> tzinfo:
    """The time zone called `name` (IANA name, or UTC). Raises UsageError for an unknown one."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"unknown time zone {name!r}", "use an IANA name such as America/Los_Angeles, or UTC") from error


def datetime_ns(moment: datetime, tz: tzinfo | None, *, where: str) -> int:
    """UTC nanoseconds of `moment`; a naive one is read in `tz`.

    Raises NaiveTimeError when `moment` is naive and `tz` is None: a zone is never guessed. Raises UsageError for a wall
    time that the zone skipped or repeated at a clock change, since two readings of it are possible. `where` names the
    file or field for the message.
    """
    if moment.tzinfo is None:
        if tz is None:
            raise NaiveTimeError(f"{where}: {moment.isoformat(' ')} has no time zone", "say which one with --tz ZONE, for example --tz UTC")
        first, second = moment.replace(tzinfo=tz, fold=0), moment.replace(tzinfo=tz, fold=1)
        if first.utcoffset() != second.utcoffset():
            raise UsageError(
                f"{where}: {moment.isoformat(' ')} is skipped or repeated by a clock change in {tz}",
                "give the zone as the recorder saw it, for example --tz UTC",
            )
        moment = first
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta // timedelta(microseconds=1)) * 1000


def iso_utc(t_ns: int) -> str:
    """ISO 8601 with nanoseconds and Z, for people; machines get the integer."""
    seconds, ns = divmod(t_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
