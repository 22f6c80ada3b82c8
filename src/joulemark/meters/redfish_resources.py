"""What Redfish resources say of power, energy and temperature: where it stands, what it is worth, and what the sensors tell. Pure.

Source: DMTF DSP0268 (Redfish data model), schemas EnvironmentMetrics 1.3, PowerSupplyMetrics 1.1, Power 1.7, Sensor 1.8, Chassis 1.25.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from joulemark import timebase
from joulemark.config import INT64_END
from joulemark.errors import UsageError
from joulemark.meters.descriptions import legible
from joulemark.readings import Accuracy, Averaging, Boundary, Current, Quality, Quantity
from joulemark.units import J_PER_KWH, scaled

EXPONENT: Final = -3
"""Values are kept in mW, mJ and mC: BMCs print at most a few decimals."""

AIR_C: Final = (-40, 100)
"""Air at a machine is never so cold or so hot; -128, 127 and 255 are what firmware shows where a sensor is missing."""

LARGEST_SI: Final = Decimal(10**15)
"""No meter shows more watts or joules; also bounds what a number like 1e999999999 can cost."""

MOST_PARTS: Final = 64
"""More entries of PowerControl, or power supplies, are no machine's, but a broken list."""

LONGEST_PATH: Final = 1000

DECIMALS: Final = 6
"""Decimals beyond these are how a float is printed, not what a meter resolves."""

ABSENT: Final = frozenset({"Absent", "UnavailableOffline", "Disabled"})
"""Status.State of a resource that measures nothing now."""

SPARE: Final = frozenset({"StandbySpare", "StandbyOffline"})
"""Status.State of a power supply that may truly take 0 W."""

WHOLE: Final = frozenset(
    {"", "RackMount", "StandAlone", "Tower", "Desktop", "Blade", "Sled", "Enclosure", "Drawer", "Shelf", "Sidecar", "Other", "IPBasedDrive"}
)
"""ChassisType of what holds a whole server; "" where the BMC does not tell."""

DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
NO_SERIAL: Final = re.compile(
    r"(?i)|0+|n/?a|none|null|unknown|not (?:specified|available|set)|default string|to be filled by o\.?e\.?m\.?|(.)\1*"
)

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One value: it stands under `keys` of the resource that is read, times `unit_si` W, J or C.

    `averaging`, `window_s`, `note`, `rated_w`: what its resource tells. `metrics`: its names in metric reports.
    """

    channel: str
    quantity: Quantity
    keys: Keys
    unit_si: int = 1
    averaging: Averaging = Averaging.UNKNOWN
    window_s: float | None = None
    rated_w: float | None = None
    boundary: Boundary | None = None
    note: str = ""
    metrics: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Value:
    """What a resource says at a point: an integer at 10**EXPONENT, or None with quality and reason. `t_ns`: its own date, UTC."""

    value: int | None
    quality: Quality = Quality.OK
    reason: str = ""
    t_ns: int | None = None


def environment_points(resource: Mapping[str, Any]) -> tuple[Point, ...]:
    """Power, and energy in the finer of its two units, of an EnvironmentMetrics."""
    return _excerpts(resource, "PowerWatts", prefix="")


def supply_points(resource: Mapping[str, Any], supply: str) -> tuple[Point, ...]:
    """Input power, and energy, of the PowerSupplyMetrics of `supply`."""
    return _excerpts(resource, "InputPowerWatts", prefix=f"{supply}-")


def _excerpts(resource: Mapping[str, Any], power: str, *, prefix: str) -> tuple[Point, ...]:
    found = []
    if "Reading" in mapping(resource, power):
        found.append(Point(f"{prefix}power", Quantity.POWER, (power, "Reading")))
    for name, unit_si in (("EnergyJoules", 1), ("EnergykWh", J_PER_KWH)):
        if "Reading" in mapping(resource, name):
            found.append(Point(f"{prefix}energy", Quantity.ENERGY_COUNTER, (name, "Reading"), unit_si))
            break
    return tuple(found)


def control_points(resource: Mapping[str, Any]) -> tuple[Point, ...]:
    """One point per entry of the deprecated Power#/PowerControl.

    `IntervalInMin` is the window of its statistics, not of PowerConsumedWatts; it is taken where only the average is there.
    """
    found = []
    for i, entry in enumerate(sequence(resource, "PowerControl")[:MOST_PARTS]):
        if not isinstance(entry, Mapping):
            continue
        metrics = mapping(entry, "PowerMetrics")
        minutes = plain(metrics.get("IntervalInMin"))
        channel = "power" if i == 0 else f"power-{i}"
        shared: dict[str, Any] = {"rated_w": positive(entry.get("PowerCapacityWatts")), "boundary": _of_part(entry)}
        if entry.get("PowerConsumedWatts") is None and metrics.get("AverageConsumedWatts") is not None and minutes:
            keys: Keys = ("PowerControl", i, "PowerMetrics", "AverageConsumedWatts")
            shared |= {"averaging": Averaging.BOXCAR, "window_s": 60.0 * minutes, "note": f"average of {minutes:g} min"}
            found.append(Point(channel, Quantity.POWER, keys, **shared))
        elif "PowerConsumedWatts" in entry:
            note = f"statistics of the BMC cover {minutes:g} min" if minutes else ""
            found.append(Point(channel, Quantity.POWER, ("PowerControl", i, "PowerConsumedWatts"), note=note, **shared))
    return tuple(found)


def _of_part(entry: Mapping[str, Any]) -> Boundary | None:
    """MODULE for an entry that a BMC keeps of its processors, memory or such; None for the whole."""
    return None if entry.get("PhysicalContext") in (None, "Chassis", "PowerSupply", "Intake", "Room", "SystemBoard") else Boundary.MODULE


def value_at(resource: Mapping[str, Any], point: Point) -> Value:
    """What `resource` says at `point`. Never raises: what is no number is a gap, and 0 W or less from a machine that answers a sentinel."""
    at: Any = resource
    states, t_ns = [], None
    for key in point.keys:
        if isinstance(at, Mapping):
            states.append(mapping(at, "Status").get("State"))
            t_ns = utc_ns(at.get("ReadingTime")) or t_ns
        at = inner(at, key)
    where = "/".join(str(key) for key in point.keys)
    if absent := next((state for state in ABSENT if state in states), None):
        return Value(None, Quality.GAP, f"{where}: the BMC says {absent}", t_ns)
    spare = any(state in states for state in SPARE)
    return judged(at, point, where=where, t_ns=t_ns, spare=spare)


def judged(raw: Any, point: Point, *, where: str, t_ns: int | None = None, spare: bool = False) -> Value:
    """The value that `raw` spells, a number or, as in metric reports, text. `spare`: 0 W is believed."""
    if raw is None:
        return Value(None, Quality.GAP, f"{where} is null", t_ns)
    value = number(raw)
    if value is None:
        return Value(None, Quality.GAP, f"{where} is {str(raw)[:40]!r}, which is no number", t_ns)
    if point.quantity is Quantity.TEMPERATURE:
        if not AIR_C[0] < value < AIR_C[1]:
            return Value(None, Quality.SENTINEL, f"{where} is {str(value)[:40]} C, which is no air", t_ns)
    elif point.quantity is Quantity.POWER and (value < 0 or (value == 0 and not spare)):
        return Value(None, Quality.SENTINEL, f"{where} is {str(value)[:40]} W, which is no measurement of a machine that answers", t_ns)
    elif value < 0:
        return Value(None, Quality.SENTINEL, f"{where} is {str(value)[:40]}, which is no energy", t_ns)
    return Value(scaled(value * point.unit_si, EXPONENT), t_ns=t_ns)


def step_of(raw: Any, point: Point) -> int:
    """Smallest change that the printed decimals of `raw` can show, at 10**EXPONENT; 1 where there are more than a meter resolves."""
    value = number(raw)
    exponent = value.as_tuple().exponent if value is not None else None
    if not isinstance(exponent, int) or -exponent > DECIMALS:
        return 1
    return max(1, scaled(Decimal(1).scaleb(min(exponent, 0)) * point.unit_si, EXPONENT))


def sensor_facts(sensor: Mapping[str, Any], point: Point, *, path: str) -> dict[str, Any]:
    """Fields of MeterInfo that a Sensor resource tells of the value at `point`.

    `Accuracy` is percent, `ReadingAccuracy` the unit of the reading, so it is taken for power and temperature only. `SensingInterval`
    is the time between two readings: the update period, not an averaging window.
    """
    facts: dict[str, Any] = {}
    percent, absolute = plain(sensor.get("Accuracy")), plain(sensor.get("ReadingAccuracy"))
    is_power = point.quantity is Quantity.POWER
    if absolute and (is_power or point.quantity is Quantity.TEMPERATURE):
        facts["accuracy"] = Accuracy(abs_w=absolute, source=f"ReadingAccuracy of {path}")
    elif percent:
        facts["accuracy"] = Accuracy(pct_reading=percent, source=f"Accuracy of {path}")
    if (period_s := duration_s(sensor.get("SensingInterval"))) is not None:
        facts["update_period_s"] = period_s
    if is_power and (rated_w := positive(sensor.get("ReadingRangeMax"))) is not None:
        facts["rated_w"] = rated_w
    if sensor.get("VoltageType") in ("AC", "DC"):
        facts["current"] = Current(sensor["VoltageType"].lower())
    return facts


def serial_of(*resources: Mapping[str, Any]) -> str:
    """The first UUID or SerialNumber of `resources` that is one: firmware fills both with zeros and phrases. "" where none is."""
    for resource in resources:
        for key in ("UUID", "SerialNumber"):
            said = text(resource, key).replace(":", "-")
            if not NO_SERIAL.fullmatch(said.replace("-", "")) and not NO_SERIAL.fullmatch(said):
                return said
    return ""


def number(raw: Any) -> Decimal | None:
    """The number that JSON or text spells; None for anything else, for NaN, and beyond what a meter can show."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        return None
    if isinstance(raw, str) and (not raw.isascii() or "_" in raw):
        return None
    try:
        value = raw if isinstance(raw, Decimal) else Decimal(str(raw).strip() if not isinstance(raw, int) else raw)
    except InvalidOperation:
        return None
    return value if value.is_finite() and -LARGEST_SI < value < LARGEST_SI else None


def plain(raw: Any) -> float | None:
    """The number as a float, None unless it is zero or more."""
    value = number(raw)
    return float(value) if value is not None and value >= 0 else None


def positive(raw: Any) -> float | None:
    """The number as a float, None unless it is a believable power above zero."""
    value = plain(raw)
    return value if value and value < 1e9 else None


def duration_s(raw: Any) -> float | None:
    """Seconds of an ISO 8601 duration like PT0.25S; None for what is none, and for zero."""
    match = DURATION.fullmatch(raw) if isinstance(raw, str) and len(raw) < 40 else None
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    total_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return total_s if 0 < total_s <= 1e6 else None


def utc_ns(raw: Any) -> int | None:
    """UTC of a date with its zone, as "2019-01-31T23:40:11+06:00"; None for a date without one, which is not guessed."""
    if not isinstance(raw, str):
        return None
    try:
        t_ns = timebase.datetime_ns(datetime.fromisoformat(raw), None, where="Redfish")
    except (ValueError, OverflowError, UsageError):
        return None
    return t_ns if 0 <= t_ns < INT64_END else None


def inner(at: Any, key: str | int) -> Any:
    """What stands under `key`; None where nothing does."""
    if isinstance(at, Mapping):
        return at.get(key)
    return at[key] if isinstance(at, list) and isinstance(key, int) and key < len(at) else None


def mapping(resource: Any, *names: str) -> Mapping[str, Any]:
    """The object under `names`; empty where there is none."""
    for name in names:
        resource = resource.get(name) if isinstance(resource, Mapping) else None
    return resource if isinstance(resource, Mapping) else {}


def sequence(resource: Mapping[str, Any], name: str) -> Sequence[Any]:
    """The list under `name`; empty where there is none."""
    found = resource.get(name)
    return found if isinstance(found, list) else []


def text(resource: Mapping[str, Any], name: str) -> str:
    """The printable text under `name`, at most 200 characters; "" where there is none."""
    found = resource.get(name)
    return legible(found) if isinstance(found, str) and found.isprintable() else ""


def link(resource: Any, *names: str) -> str:
    """The path that a reference under `names` points to; "" where there is none.

    Only a path on the same service is one: what a BMC says must not send its own credentials to another host.
    """
    return path_of(mapping(resource, *names).get("@odata.id"))


def path_of(raw: Any) -> str:
    """`raw` without its fragment, if it is a path of this service; "" else."""
    if not isinstance(raw, str) or len(raw) > LONGEST_PATH or not raw.startswith("/") or not raw.isprintable() or " " in raw:
        return ""
    return raw.partition("#")[0]


def links(resource: Mapping[str, Any], name: str) -> list[str]:
    """The paths in a list of references, like Members, each once."""
    found = (path_of(mapping(entry).get("@odata.id")) for entry in sequence(resource, name))
    return list(dict.fromkeys(path for path in found if path))


def last_part(path: str) -> str:
    """The last part of a path: the Id of a member, without ':', which separates the parts of a meter id."""
    return path.rstrip("/").rpartition("/")[2].replace(":", "-")
