"""The air that a chassis takes in, as its BMC tells: the intake among the thermal metrics, the temperatures, or the sensors.

A BMC knows many temperatures. Only one that its own words call the inlet, the intake or the ambient is taken, never one of a power
supply, a liquid or a processor; where no such one gives a number now there is none.

Source: DMTF DSP0268 (Redfish data model), schemas ThermalSubsystem 1.3, ThermalMetrics 1.3, Thermal 1.7, Sensor 1.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joulemark.meters.redfish_resources import Keys, Point, last_part, link, links, mapping, sequence, text, value_at
from joulemark.meters.redfish_service import Service
from joulemark.readings import Quantity

CHANNEL: Final = "inlet"

MOST_TEMPERATURES: Final = 256
"""More temperatures, or sensors, are no machine's, but a broken list."""

MOST_SENSORS: Final = 4
"""Sensors with such a name that are looked at."""

INLET: Final = re.compile(r"(?i)(?<![a-z])(inlet|intake|ambient)(?![a-z])")
OF_PARTS: Final = re.compile(r"(?i)psu|ps ?\d|power.?supply|liquid|coolant|water|cpu|gpu|dimm|nic|drive|disk|card|outlet|exhaust")
"""Names of air, or of liquid, that is not taken in by the chassis as a whole."""


@dataclass(frozen=True, slots=True)
class Inlet:
    """Where a temperature stands: in `resource` at `path`, which is read each time."""

    path: str
    resource: Mapping[str, Any]
    point: Point


async def inlet_of(service: Service, chassis: Mapping[str, Any]) -> Inlet | None:
    """The temperature of the air that `chassis` takes in; None where none is told now. Raises MeterTransient for a busy service."""
    metrics = link(await service.find(link(chassis, "ThermalSubsystem")), "ThermalMetrics")
    for path in (metrics, link(chassis, "Thermal")):
        resource = await service.find(path)
        if (found := first(path, resource, of_resource(resource))) is not None:
            return found
    sensors = links(await service.find(link(chassis, "Sensors")), "Members")[:MOST_TEMPERATURES]
    for path in [path for path in sensors if is_inlet(last_part(path))][:MOST_SENSORS]:
        resource = await service.find(path)
        if (found := first(path, resource, of_sensor(resource))) is not None:
            return found
    return None


def first(path: str, resource: Mapping[str, Any], places: Iterator[Keys]) -> Inlet | None:
    """The first of `places` in `resource` that holds a temperature now."""
    for keys in places:
        point = Point(CHANNEL, Quantity.TEMPERATURE, keys)
        if value_at(resource, point).value is not None:
            return Inlet(path, resource, point)
    return None


def of_resource(resource: Mapping[str, Any]) -> Iterator[Keys]:
    """Where ThermalMetrics, or the older Thermal, hold it: the summary first, then what is placed there, then what is called so."""
    for name in ("Intake", "Ambient"):
        if mapping(resource, "TemperatureSummaryCelsius", name):
            yield "TemperatureSummaryCelsius", name, "Reading"
    for array, value in (("TemperatureReadingsCelsius", "Reading"), ("Temperatures", "ReadingCelsius")):
        entries = [(i, mapping({"of": one}, "of")) for i, one in enumerate(sequence(resource, array)[:MOST_TEMPERATURES])]
        for told in (is_intake, is_named):
            yield from ((array, i, value) for i, entry in entries if told(entry))


def of_sensor(sensor: Mapping[str, Any]) -> Iterator[Keys]:
    """Where a Sensor holds it; nowhere in one of humidity, pressure or flow."""
    if sensor.get("ReadingType", "Temperature") == "Temperature" and sensor.get("ReadingUnits", "Cel") == "Cel":
        yield ("Reading",)


def is_intake(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is placed at the intake of the whole."""
    return entry.get("PhysicalContext") == "Intake" and not OF_PARTS.search(named(entry))


def is_named(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is called the inlet of the whole, and not placed elsewhere."""
    return entry.get("PhysicalContext") in (None, "Intake", "Room", "Chassis", "SystemBoard", "Front") and is_inlet(named(entry))


def named(entry: Mapping[str, Any]) -> str:
    """What an entry is called."""
    return text(entry, "DeviceName") or text(entry, "Name")


def is_inlet(name: str) -> bool:
    """Whether `name` is one of the air that the whole takes in; `_` and `-` part words as blanks do, and so do capitals."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", name)
    return bool(INLET.search(words)) and not OF_PARTS.search(words)
