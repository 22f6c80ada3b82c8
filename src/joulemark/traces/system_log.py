"""Power in the `system.log` of an OpenAIPerf bundle: JSONL with `power_watts` (site), or CSV `timestamp,metric,value,unit` (docs).

The site's form does not say where its power was measured. In the docs' form `power_system_w` includes the power of CPU and accelerator;
they are series of other boundaries and never added.
"""

from __future__ import annotations

from typing import Any, Final

from joulemark import document
from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording, fields
from joulemark.traces.rows import Rows, watts
from joulemark.traces.stamps import moment_ns
from joulemark.units import NS_PER_S

HEAD: Final = "timestamp,metric,value,unit"
PLACES: Final = {
    "power_system_w": (Boundary.SERVER_INPUT, Current.AC),
    "power_cpu_w": (Boundary.PACKAGE, Current.DC),
    "power_accelerator_w": (Boundary.GPU, Current.DC),
}
SITE: Final = "power_watts"


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` is such a log with power in it."""
    return head.replace(" ", "") == HEAD or (head.startswith("{") and '"timestamp"' in head and f'"{SITE}"' in head)


def read(recording: Recording) -> list[Series]:
    """One series for each kind of power in the log. Raises FormatError, and NaiveTimeError for times without a zone."""
    found = of_docs(recording) if recording.head[:1] != "{" else of_site(recording)
    return [rows.series(meter(recording, name), t_unc_ns=unc_ns(rows)) for name, rows in found.items()]


def of_site(recording: Recording) -> dict[str, Rows]:
    """The power of each line; a line without a number is a gap."""
    rows = Rows()
    for where, line in recording.lines():
        entry = document.json_object(line, where=where)
        rows.add(moment_ns(str(entry.get("timestamp")), recording.tz, where=where), *watts(printed(entry.get(SITE))))
    return {SITE: rows}


def of_docs(recording: Recording) -> dict[str, Rows]:
    """The rows of each metric that is a power. Raises FormatError for two of one metric at one time: channels that nobody told apart."""
    found: dict[str, Rows] = {}
    lines = recording.lines()
    next(lines)
    for where, line in lines:
        stamp, metric, value, _ = fields(line, 4, where=where)
        if metric in PLACES:
            rows, t_ns = found.setdefault(metric, Rows()), moment_ns(stamp, recording.tz, where=where)
            if rows.t_ns and rows.t_ns[-1] == t_ns:
                raise FormatError(f"{where}: {metric} stands twice at {stamp}", "give a log of one device, or of the whole server")
            rows.add(t_ns, *watts(value))
    return found


def printed(value: Any) -> str:
    """A number as it was printed; nothing for anything else, which is no measurement."""
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def unc_ns(rows: Rows) -> int:
    """Half a second where all times are whole seconds: then nobody knows at which part of it the power was read."""
    return NS_PER_S // 2 if all(t_ns % NS_PER_S == 0 for t_ns in rows.t_ns) else 0


def meter(recording: Recording, name: str) -> MeterInfo:
    """What measured the power `name`."""
    boundary, current = PLACES.get(name, (recording.boundary or Boundary.SERVER_INPUT, Current.AC))
    if name == SITE and boundary in (Boundary.GPU, Boundary.MODULE, Boundary.PACKAGE):
        current = Current.DC
    said = name in PLACES or recording.boundary is not None
    return MeterInfo(
        meter_id=recording.meter_id("openaiperf", name),
        kind="openaiperf",
        quantity=Quantity.POWER,
        exponent=-3,
        boundary=boundary,
        current=current,
        accuracy=recording.accuracy,
        covers=(recording.path.name,),
        note="" if said else f"{recording.path.name} does not say where it was measured: taken as {boundary}",
    )
