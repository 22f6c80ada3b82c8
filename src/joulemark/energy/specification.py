"""What a meter's own specification brings to a budget: limit of error, certificate, and the temperature it stands in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from joulemark.certificate import Certificate
from joulemark.energy.series import Series
from joulemark.energy.uncertainty import Component, u_cert, u_spec, u_temp
from joulemark.readings import Accuracy, MeterInfo, Quantity
from joulemark.runs import Window
from joulemark.units import NS_PER_S

CERTIFIED_DAYS: Final = 365
"""Makers state an accuracy for a year after calibration; an older certificate widens the error of reading (MET-6)."""

EXPIRED_FACTOR: Final = 1.5
AROUND_S: Final = 60.0
"""A temperature read this long before or after a phase still tells of it: it is logged at least once a minute (ENV-3)."""


def components(
    meter: MeterInfo, energy_j: float, window: Window, *, accuracy: Accuracy | None = None, climate: Sequence[Series] = ()
) -> tuple[Component, ...]:
    """`spec`, `cert` and `temperature` of `meter` for `energy_j` in `window`.

    `accuracy` goes before what the meter says of itself. `climate`: thermometers; those that cover the meter's device tell its ambient.
    What is not known is None, never 0. Source: Energy Standard v1, section 5, and MET-6.
    """
    model = " ".join(part for part in (meter.kind, meter.vendor, meter.model) if part)
    stated = accuracy or meter.accuracy
    if stated is None:
        spec = Component("spec", None, f"the accuracy of {model} is not known", correlation_group=model)
    else:
        aged = in_force(stated, meter.certificate, at_ns=window.begin_ns)
        u_j = u_spec(energy_j, window.duration_s, accuracy=aged)
        spec = Component("spec", u_j, aged.source or "stated accuracy", correlation_group=model)
    return spec, certified(meter.certificate, energy_j), ambient(meter, stated, energy_j, window, climate)


def in_force(stated: Accuracy, certificate: Certificate | None, *, at_ns: int) -> Accuracy:
    """`stated`, its error of reading times 1.5 where the certificate is older than a year at `at_ns`, or its date is none."""
    if certificate is None:
        return stated
    try:
        age_d: int | None = (moment(at_ns) - datetime.date.fromisoformat(certificate.date)).days
    except ValueError:
        age_d = None
    if age_d is not None and age_d <= CERTIFIED_DAYS:
        return stated
    why = f"certificate {'of no known date' if age_d is None else f'{age_d} d old'}: error of reading x {EXPIRED_FACTOR:g}"
    return replace(stated, pct_reading=EXPIRED_FACTOR * stated.pct_reading, source="; ".join(filter(None, (stated.source, why))))


def moment(at_ns: int) -> datetime.date:
    """The day of a moment, UTC."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=at_ns // (86_400 * NS_PER_S))


def certified(certificate: Certificate | None, energy_j: float) -> Component:
    """The certificate's uncertainty; 0 where it states conformity with a guard band that holds it already."""
    if certificate is None:
        return Component("cert", 0.0, "no certificate: the specification stands alone", "normal")
    laboratory = certificate.laboratory or certificate.serial
    source = f"certificate of {certificate.date}, {laboratory}"
    guard = certificate.guard_band_rel
    if guard is not None and guard >= certificate.u95_rel:
        source += f": conformity with the specification, guard band {guard:.2%} >= U {certificate.u95_rel:.2%}"
        return Component("cert", 0.0, source, "normal", correlation_group=laboratory)
    u_j = u_cert(energy_j, u95_rel=certificate.u95_rel, k=certificate.k)
    return Component("cert", u_j, source, "normal", correlation_group=laboratory)


def ambient(meter: MeterInfo, stated: Accuracy | None, energy_j: float, window: Window, climate: Sequence[Series]) -> Component:
    """How far the meter stood outside the band its accuracy holds in. Meters of one device move together."""
    coefficient = None if stated is None else stated.temperature_coefficient_per_k
    if stated is None or coefficient is None:
        return Component("temperature", 0.0, "no temperature coefficient is stated for the meter")
    low_c, high_c = stated.ambient_low_c, stated.ambient_high_c
    if low_c is None or high_c is None:
        return Component("temperature", None, f"{meter.meter_id}: the ambient that its accuracy holds in is not stated")
    seen = [value for one in climate if meter.device_id in one.meter.covers for value in around(one, window)]
    if not seen:
        return Component("temperature", None, f"{meter.meter_id}: the temperature around it was not logged")
    outside_k = max(0.0, low_c - min(seen), max(seen) - high_c)
    where = f"{min(seen):.1f} to {max(seen):.1f} C around {meter.device_id}"
    if outside_k == 0.0:
        return Component("temperature", 0.0, f"{where}, inside the stated {low_c:g} to {high_c:g} C", correlation_group=meter.device_id)
    u_j = u_temp(energy_j, coefficient_per_k=coefficient, outside_k=outside_k)
    return Component("temperature", u_j, f"{where}, {outside_k:.3g} K outside {low_c:g} to {high_c:g} C", correlation_group=meter.device_id)


def around(one: Series, window: Window) -> list[float]:
    """Temperatures in C during `window` and shortly before and after; none of what is no thermometer."""
    if one.meter.quantity is not Quantity.TEMPERATURE:
        return []
    good, reach_ns = one.integrable(), round(AROUND_S * NS_PER_S)
    first, last = np.searchsorted(good.t_ns, [window.begin_ns - reach_ns, window.end_ns + reach_ns + 1])
    values: list[float] = good.si()[first:last].tolist()
    return values
