"""Time-of-use schedules: which price period holds in which hour of which month, on weekdays and at weekends, in local time."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.timebase import zone as time_zone_named
from joulemark.units import NS_PER_S

MONTHS: Final = 12
HOURS: Final = 24
HOUR_S: Final = 3600
SATURDAY: Final = 5

Table = tuple[tuple[int, ...], ...]
"""Price period by month (12) and hour of the local day (24)."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Money per kWh by local time. `amounts`: by price period; `weekdays` and `weekends` say which period holds when.

    `begin_ns`, `end_ns`: from when until before when the schedule is in force; None where nothing is said. `time_zone`: IANA name. Public
    holidays are not known here: they are priced as the day of the week they fall on. The other fields as in `Tariff`.
    """

    zone: str
    time_zone: str
    currency: str
    amounts: tuple[Decimal, ...]
    weekdays: Table
    weekends: Table
    fetched_at_ns: int
    source_url: str
    feed: str
    begin_ns: int | None = None
    end_ns: int | None = None
    pue: Decimal = Decimal(1)
    pue_basis: Basis = Basis.ASSUMED
    note: str = ""
    _tz: datetime.tzinfo = field(init=False, repr=False, compare=False, default=datetime.UTC)

    def __post_init__(self) -> None:
        for name, table in (("weekdays", self.weekdays), ("weekends", self.weekends)):
            if len(table) != MONTHS or any(len(row) != HOURS for row in table):
                raise FormatError(f"schedule {self.zone}: {name} is no table of {MONTHS} months and {HOURS} hours", "correct it")
            if strange := sorted({period for row in table for period in row} - set(range(len(self.amounts)))):
                raise FormatError(
                    f"schedule {self.zone}: {name} names period {strange[0]}, and there are {len(self.amounts)}", "correct it"
                )
        object.__setattr__(self, "_tz", time_zone_named(self.time_zone))

    def between(self, begin_ns: int, end_ns: int) -> tuple[Tariff, ...]:
        """The tariffs that hold somewhere in [begin_ns, end_ns), in order and without a hole while the schedule is in force.

        Each is a stretch of one local day at one price period, whole where the window cuts it: so the same stretch comes out equal
        whichever window is asked for. A day with a change of clocks has 23 or 25 hours, and a repeated hour is priced as it says.
        """
        first_ns = max(begin_ns, begin_ns if self.begin_ns is None else self.begin_ns)
        last_ns = min(end_ns, end_ns if self.end_ns is None else self.end_ns)
        if first_ns >= last_ns:
            return ()
        out = []
        for _, hours in groupby(self._hours(first_ns // NS_PER_S, -(-last_ns // NS_PER_S)), key=lambda hour: hour[2:]):
            stretch = list(hours)
            from_ns, to_ns = stretch[0][0] * NS_PER_S, stretch[-1][1] * NS_PER_S
            from_ns, to_ns = max(from_ns, self.begin_ns or 0), to_ns if self.end_ns is None else min(to_ns, self.end_ns)
            if from_ns < last_ns and to_ns > first_ns:
                out.append(self._tariff(stretch[0][3], from_ns, to_ns))
        return tuple(out)

    def _hours(self, begin_s: int, end_s: int) -> Iterator[tuple[int, int, datetime.date, int]]:
        """(begin, end, local day, period) of every local hour of the days that [begin_s, end_s) touches, in seconds since 1970."""
        day = datetime.datetime.fromtimestamp(begin_s, self._tz).date()
        last = datetime.datetime.fromtimestamp(end_s - 1, self._tz).date()
        at_s = round(datetime.datetime(day.year, day.month, day.day, tzinfo=self._tz).timestamp())
        while (local := datetime.datetime.fromtimestamp(at_s, self._tz)).date() <= last:
            table = self.weekends if local.weekday() >= SATURDAY else self.weekdays
            until_s = at_s + HOUR_S - local.minute * 60 - local.second
            yield at_s, until_s, local.date(), table[local.month - 1][local.hour]
            at_s = until_s

    def _tariff(self, period: int, from_ns: int, to_ns: int) -> Tariff:
        """The tariff of one stretch."""
        return Tariff(
            zone=self.zone,
            amount=self.amounts[period],
            currency=self.currency,
            amount_basis=Basis.ASSUMED,
            effective_from_ns=from_ns,
            effective_to_ns=to_ns,
            fetched_at_ns=self.fetched_at_ns,
            source_url=self.source_url,
            feed=self.feed,
            pue=self.pue,
            pue_basis=self.pue_basis,
            note=self.note,
        )


def table(rows: Sequence[Sequence[int]]) -> Table:
    """`rows` as a Table."""
    return tuple(tuple(row) for row in rows)


FLAT: Final[Table] = ((0,) * HOURS,) * MONTHS
"""The only period, always."""
