"""A recorded trace as `replay` plays it: CSV, one row per reading, whole numbers, the unit in the header.

```
t_ns,power_milliwatt,energy_millijoule
0,91200,0
100000000,91350,9128
```

`t_ns` grows from row to row; only differences matter. Every other column is a meter: `power_` or `energy_`, then the spelled-out
prefix and unit, as `MeterInfo.value_column`; a name before a dot tells channels of one quantity apart (`outlet2.power_watt`). An empty
cell is a gap.
"""

from __future__ import annotations

import csv
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.errors import FormatError
from joulemark.readings import Quantity
from joulemark.units import SI_PREFIX

TIME_COLUMN: Final = "t_ns"
MAX_COLUMNS: Final = 1000
LIMIT: Final = 2**62
"""Times and values lie below in size: they fit 64 bits, and so do their differences."""

WHOLE: Final = re.compile(r"-?\d{1,19}", re.ASCII)
"""Python also takes `1_0` and digits of other scripts, which no recorder means."""
CHANNEL: Final = re.compile(r"[\w -]{1,64}", re.ASCII)

COLUMNS: Final[dict[str, tuple[Quantity, int]]] = {
    f"{name}_{prefix}{quantity.unit}": (quantity, exponent)
    for name, quantity in (("power", Quantity.POWER), ("energy", Quantity.ENERGY_COUNTER))
    for exponent, prefix in SI_PREFIX.items()
}
"""Header of a value column to its quantity and power of ten."""


@dataclass(frozen=True, slots=True)
class Column:
    """One recorded meter: `values[i]` is at `Trace.t_ns[i]`, None for a gap."""

    channel: str
    quantity: Quantity
    exponent: int
    values: list[int | None]

    @property
    def first(self) -> int:
        """First recorded value, 0 where all are gaps."""
        return next((value for value in self.values if value is not None), 0)

    @property
    def last(self) -> int:
        """Last recorded value, 0 where all are gaps."""
        return next((value for value in reversed(self.values) if value is not None), 0)


@dataclass(frozen=True, slots=True)
class Trace:
    """At least two rows; `t_ns` begins at 0."""

    t_ns: array[int]
    columns: tuple[Column, ...]

    @property
    def duration_ns(self) -> int:
        return self.t_ns[-1]

    def row_at(self, t_ns: int) -> int:
        """The last row not after `t_ns`, which must not be negative."""
        return bisect_right(self.t_ns, t_ns) - 1


def load(path: Path) -> Trace:
    """The trace in `path`. Raises FormatError with the file and the line when it is not one."""
    try:
        return parse(csv.reader(foreign.text(path, errors="strict").splitlines()), str(path))
    except csv.Error as error:
        raise FormatError(f"cannot read the trace {path}: {error}", "give a CSV file whose header begins with t_ns") from error


def parse(rows: Iterator[list[str]], where: str) -> Trace:
    """The trace that `rows` spell, the first of them the header; `where` is for messages."""
    columns = header(next(rows, []), where)
    t_ns = array("q")
    for line, row in enumerate(rows, start=2):
        try:
            moment, *cells = row
            t_ns.append(whole(moment))
            for column, cell in zip(columns, cells, strict=True):
                column.values.append(whole(cell) if cell else None)
        except ValueError as error:
            raise FormatError(f"{where} line {line}: {error}", f"write {len(columns) + 1} whole numbers") from error
        if len(t_ns) > 1 and t_ns[-1] <= t_ns[-2]:
            raise FormatError(f"{where} line {line}: t_ns does not grow", "sort the rows by time and drop the repeated ones")
    if len(t_ns) < 2:
        raise FormatError(f"{where} has fewer than two rows", "record for longer")
    return Trace(array("q", (t - t_ns[0] for t in t_ns)), columns)


def whole(printed: str) -> int:
    """The number `printed`. Raises ValueError when it is no whole number below LIMIT."""
    if not WHOLE.fullmatch(printed) or abs(int(printed)) >= LIMIT:
        raise ValueError(f"{printed[:30]!r} is no whole number below 2^62")
    return int(printed)


def header(names: list[str], where: str) -> tuple[Column, ...]:
    """The value columns that the first line announces."""
    if names[:1] != [TIME_COLUMN] or len(names) < 2:
        raise FormatError(f"{where}: the header is not t_ns and value columns", "write for example t_ns,power_milliwatt")
    if len(names) > MAX_COLUMNS:
        raise FormatError(f"{where}: {len(names)} columns, at most {MAX_COLUMNS} are played", "split the trace")
    columns = tuple(column(name, where) for name in names[1:])
    if len({column.channel for column in columns}) < len(columns):
        raise FormatError(f"{where}: two columns are one channel", "tell them apart, for example outlet1.power_watt and outlet2.power_watt")
    return columns


def column(name: str, where: str) -> Column:
    """`[CHANNEL.]QUANTITY_UNIT` as an empty column; without a channel it is called by its quantity."""
    channel, _, spelled = name.rpartition(".")
    if spelled not in COLUMNS or (channel and not CHANNEL.fullmatch(channel)):
        raise FormatError(
            f"{where}: column {name!r} is no quantity and unit", "write for example power_milliwatt or gpu0.energy_millijoule"
        )
    quantity, exponent = COLUMNS[spelled]
    return Column(channel or spelled.partition("_")[0], quantity, exponent, [])
