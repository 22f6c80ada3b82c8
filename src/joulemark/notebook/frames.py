"""Readings and runs as tables of pandas, which is loaded when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from joulemark.errors import EnvironmentFailed
from joulemark.readings import MeterInfo, Quality

if TYPE_CHECKING:
    import numpy
    import pandas
    from numpy.typing import NDArray

    from joulemark.energy.series import Int64, Series

SYMBOLS: Final = {
    "watt": "W",
    "joule": "J",
    "volt": "V",
    "ampere": "A",
    "celsius": "\N{DEGREE SIGN}C",
    "second": "s",
    "count": "count",
    "ratio": "ratio",
}
"""Unit of a quantity -> how it stands in the name of a column."""


TIME: Final = "datetime64[ns, UTC]"


def required() -> None:
    """Raises EnvironmentFailed where pandas is not installed."""
    try:
        import pandas  # noqa: F401 - it is loaded, or says what is missing
    except ModuleNotFoundError as error:
        raise EnvironmentFailed(f"a table needs the package {error.name}", "pip install 'joulemark[notebook]'") from error


def column(meter: MeterInfo) -> str:
    """The name of a meter's column, with its unit: `nvml:n1:GPU-0:power [W]`."""
    return f"{meter.meter_id} [{SYMBOLS[meter.quantity.unit]}]"


def readings(series: Mapping[str, Series], *, quality: bool = False) -> pandas.DataFrame:
    """A row for each time at which one of the meters was read, UTC; a column for each meter, in SI units.

    NaN where the meter has no value at that time, and where it has one that may not enter an energy, such as a gap: never 0. Of several
    readings of one time the first that may be used stands. `quality`: a second column for each meter with the word for what its value
    is worth, missing where it was not read. Raises EnvironmentFailed.
    """
    required()
    import numpy as np
    import pandas

    from joulemark.energy.series import INTEGRABLE

    words = np.array([Quality(code).name.lower() if code in list(Quality) else "" for code in range(256)])
    columns = {}
    for one in series.values():
        good = INTEGRABLE[one.quality]
        keep = first_of_each_time(one.t_ns, good)
        index = pandas.to_datetime(one.t_ns[keep], unit="ns", utc=True)
        columns[column(one.meter)] = pandas.Series(np.where(good, one.si(), np.nan)[keep], index=index)
        if quality:
            columns[f"{one.meter.meter_id} quality"] = pandas.Series(words[one.quality[keep]], index=index, dtype="category")
    found = pandas.DataFrame(columns, index=None if columns else moments([]))
    found.index.name = "time"
    return found


def first_of_each_time(t_ns: Int64, good: NDArray[numpy.bool_]) -> Int64:
    """Row numbers, one for each distinct time in order: its first good row, else its first."""
    import numpy as np

    order = np.lexsort((np.arange(len(t_ns)), ~good, t_ns))
    _, first = np.unique(t_ns[order], return_index=True)
    return order[first].astype(np.int64)


def moments(t_ns: Sequence[int | None]) -> pandas.DatetimeIndex:
    """Nanoseconds as moments in UTC; None is no moment."""
    import pandas

    return pandas.DatetimeIndex([pandas.NaT if t is None else pandas.Timestamp(t, unit="ns", tz="UTC") for t in t_ns], dtype=TIME)


def runs(records: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """A row for each run, by its id: `benchmark`, `created` and `stopped` (UTC, NaT while it goes on), then a column `label.NAME` for each
    label that one of them has. Raises EnvironmentFailed.
    """
    required()
    import pandas

    labels = sorted({name for record in records for name in record["labels"]})
    return pandas.DataFrame(
        {
            "benchmark": [record["benchmark"] for record in records],
            "created": moments([record["created_ns"] for record in records]),
            "stopped": moments([record["stopped_ns"] for record in records]),
            **{f"label.{name}": [record["labels"].get(name) for record in records] for name in labels},
        },
        index=pandas.Index([record["run_id"] for record in records], name="run_id"),
    )
