"""CSV of `nvidia-smi --query-gpu=timestamp,...,power.draw --format=csv`: column names carry units, times are local and bare.

`power.draw` is the mean over one second on GA10x and later and the present value before; newer drivers also print
`power.draw.instant` and `power.draw.average`, other views of the same power. One view makes the meter: `power.draw`, which
every driver has and published comparisons use, else the next. Record only `power.draw.instant` to compute from that.
"""

from __future__ import annotations

from typing import Final

from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Averaging, Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording, fields, header
from joulemark.traces.rows import Rows, watts
from joulemark.traces.stamps import wall_ns
from joulemark.units import NS_PER_MS

POWER_COLUMNS: Final = {
    "power.draw": ("power", Averaging.UNKNOWN),
    "power.draw.instant": ("power_instant", Averaging.INSTANT),
    "power.draw.average": ("power_average", Averaging.BOXCAR),
}
"""Column to channel and averaging, in order of use."""

IDENTITY_COLUMNS: Final = ("uuid", "gpu_uuid", "pci.bus_id", "index", "gpu_bus_id")
T_UNC_NS: Final = NS_PER_MS // 2


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` is nvidia-smi's query output."""
    return "power.draw" in head and "timestamp" in head


def read(recording: Recording) -> list[Series]:
    """One series of power in W per GPU. Raises FormatError, and NaiveTimeError without a zone."""
    lines = recording.lines()
    where, head = next(lines)
    names = header(head, where=where)
    columns = {_bare(name, where=where): number for number, name in enumerate(names)}
    power = next((name for name in POWER_COLUMNS if name in columns), None)
    if power is None or "timestamp" not in columns:
        raise FormatError(f"{where}: no timestamp or power.draw column", "query timestamp,index,uuid,power.draw with --format=csv")
    identity = next((columns[name] for name in IDENTITY_COLUMNS if name in columns), None)
    model = columns.get("name")
    rows: dict[str, Rows] = {}
    models: dict[str, str] = {}
    for where, line in lines:
        if line == head:
            continue
        row = fields(line, len(names), where=where)
        t_ns = wall_ns(row[columns["timestamp"]], recording.tz, where=where)
        gpu = row[identity] if identity is not None else ""
        models[gpu] = row[model] if model is not None else ""
        rows.setdefault(gpu, Rows()).add(t_ns, *watts(row[columns[power]]))
    return [gpu_rows.series(_meter(recording, gpu, power, models[gpu]), t_unc_ns=T_UNC_NS) for gpu, gpu_rows in rows.items()]


def _bare(column: str, *, where: str) -> str:
    """Name of a column without its unit, `power.draw [W]` -> `power.draw`. Raises FormatError for power in another unit."""
    name, _, unit = column.partition(" [")
    if name in POWER_COLUMNS and unit not in ("", "W]"):
        raise FormatError(f"{where}: {column} is not in watts", "record it with nvidia-smi --format=csv")
    return name


def _meter(recording: Recording, gpu: str, column: str, model: str) -> MeterInfo:
    channel, averaging = POWER_COLUMNS[column]
    return MeterInfo(
        meter_id=recording.meter_id("nvidia-smi", channel, serial=gpu),
        kind="nvidia-smi",
        quantity=Quantity.POWER,
        exponent=-3,
        boundary=Boundary.GPU,
        current=Current.DC,
        vendor="NVIDIA",
        model=model,
        serial=gpu,
        averaging=averaging,
        accuracy=recording.accuracy,
        covers=(gpu or recording.path.name,),
        note="" if gpu else f"{recording.path.name} has no index or uuid column: taken as one GPU",
    )
