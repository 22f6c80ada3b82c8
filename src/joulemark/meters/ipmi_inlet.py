"""The air that a server takes in, as its BMC tells: DCMI Get Temperature Readings of the air inlet, in whole degrees.

Beside the power it is a witness on a device of its own, read seldom. A BMC that does not know the command, or tells no inlet, has none.

Source: DCMI specification 1.5, section 6.7 (Get Temperature Readings); IPMI specification 2.0, table 43-13 (entity ids).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from joulemark.errors import MeterTransient
from joulemark.readings import DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock

CHANNEL: Final = "inlet"

DCMI_GROUP: Final = 0xDC
TEMPERATURE_SENSOR: Final = 0x01
AIR_INLETS: Final = (0x40, 0x37)
"""Two numbers of the same entity; firmware knows the one, the other or both."""
EVERY_INSTANCE, FIRST_INSTANCE = 0x00, 0x01
HEADER_SIZE: Final = 3
NEGATIVE_BIT: Final = 0x80

HOTTEST_C: Final = 100
"""No air that a server takes in is as far from 0 C: firmware without a reading says 127 or -127."""

Ask = Callable[[Mapping[str, Any]], bytes]
"""Asks the BMC, and raises MeterTransient for a refusal or no answer."""


def temperature_readings(entity: int) -> dict[str, Any]:
    """The request for all temperatures of `entity`."""
    return {"netfn": 0x2C, "command": 0x10, "data": [DCMI_GROUP, TEMPERATURE_SENSOR, entity, EVERY_INSTANCE, FIRST_INSTANCE]}


def parse_temperatures(data: bytes) -> dict[int, int]:
    """Instance -> degrees Celsius in the bytes after the completion code. Raises MeterTransient when they are no DCMI temperatures."""
    if len(data) < HEADER_SIZE or data[0] != DCMI_GROUP or len(data) < HEADER_SIZE + 2 * data[2]:
        raise MeterTransient(f"BMC answered {data.hex() or 'nothing'} instead of DCMI temperatures")
    sets = data[HEADER_SIZE : HEADER_SIZE + 2 * data[2]]
    return {instance: signed(byte) for byte, instance in zip(sets[::2], sets[1::2], strict=True)}


def signed(byte: int) -> int:
    """Sign and magnitude as a number."""
    magnitude = byte & ~NEGATIVE_BIT
    return -magnitude if byte & NEGATIVE_BIT else magnitude


@dataclass(frozen=True, slots=True)
class Inlet:
    """One inlet of a BMC and its device."""

    entity: int
    instance: int
    device: DeviceInfo

    def read(self, ask: Ask, clock: Clock, shift_ns: int) -> Sample:
        """One sample: degrees, or a gap with the reason."""
        t_read0_ns = clock.mono_ns()
        try:
            found = parse_temperatures(ask(temperature_readings(self.entity)))
        except MeterTransient as error:
            return Sample.gap(self.device, t_read0_ns, clock.mono_ns(), shift_ns, error.what)
        t_read1_ns = clock.mono_ns()
        value, quality, reason = judged(found.get(self.instance))
        return Sample(self.device.device_id, t_read0_ns, t_read1_ns, shift_ns, (value,), (None,), (quality,), (reason,))


def judged(celsius: int | None) -> tuple[int | None, Quality, str]:
    """Value in degrees, quality and reason."""
    if celsius is None:
        return None, Quality.GAP, "BMC tells no temperature of its inlet now"
    if abs(celsius) >= HOTTEST_C:
        return None, Quality.SENTINEL, f"BMC answered {celsius} C, which is no air"
    return celsius, Quality.OK, ""


def inlet_of(ask: Ask, power: MeterInfo, interval_s: float) -> Inlet | None:
    """The first inlet that the BMC tells, beside its `power`, to be read every `interval_s`; None where it tells none, or that is 0."""
    for entity in AIR_INLETS if interval_s else ():
        try:
            instances = parse_temperatures(ask(temperature_readings(entity)))
        except MeterTransient:
            continue
        for instance in instances:
            return Inlet(entity, instance, beside(power, interval_s))
    return None


def beside(power: MeterInfo, interval_s: float) -> DeviceInfo:
    """The device of the inlet. It has no serial: what is said of the one of `power` is not said of a thermometer."""
    device_id = f"{power.device_id}-{CHANNEL}"
    meter = replace(
        power,
        meter_id=f"{device_id}:{CHANNEL}",
        quantity=Quantity.TEMPERATURE,
        serial="",
        update_period_s=interval_s,
        covers=(power.host,),
        note="whole degrees; how good its sensor is, is not told",
    )
    return DeviceInfo(device_id, (meter,), seldom=True)
