"""A single channel of a meter with what else it shows: voltage, current and power factor, which have to give its power.

The channels of a sum are looked at one by one: a sum carries means of voltage and power factor, by which no power is proven (MET-7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from joulemark.energy.series import Series
from joulemark.readings import Current, MeterInfo, Quantity
from joulemark.runs import Window
from joulemark.standard.case import Case, inside

NOMINAL_V: Final = (100.0, 120.0, 200.0, 208.0, 230.0, 240.0, 277.0, 347.0, 400.0, 480.0)
"""Nominal voltages of supply (IEC 60038, ANSI C84.1, and 100/200 V of Japan); the nearest one is meant where nobody states it."""
NOMINAL_LABEL: Final = "nominal_voltage_v"
"""The run's label that states it."""


@dataclass(frozen=True, slots=True)
class Supply:
    """One channel: its power, and the witnesses at the same place, None where there is none."""

    power: Series | None
    voltage: Series | None
    current: Series | None
    power_factor: Series | None
    name: str
    crest_factor: float | None = None
    direct: bool = False

    def witnesses(self) -> dict[str, Series | None]:
        """Name of each witness -> its readings; direct current has no power factor."""
        found = {"voltage": self.voltage, "current": self.current, "power_factor": self.power_factor}
        return {name: one for name, one in found.items() if not (self.direct and name == "power_factor")}

    def streams(self) -> list[Series]:
        """Its power and witnesses, as far as there are any."""
        return [one for one in (self.power, *self.witnesses().values()) if one is not None]

    def absences(self, windows: Sequence[Window]) -> Iterator[str]:
        """The witnesses that show nothing in some phase."""
        for name, one in {"power": self.power, **self.witnesses()}.items():
            if one is None or not all(len(inside(one, w.begin_ns, w.end_ns)[1]) for w in windows):
                yield name

    def figures(self, windows: Sequence[Window], *, nominal_v: float | None = None) -> dict[str, float]:
        """The worst of each figure over the phases, by its name and the channel; what is not known is not in it.

        `voltage_rel`: distance of the mean voltage from the nominal one, by default the nearest. `product_rel`: of V I PF from the
        power, at the times of the current. `power_factor`: the least mean.
        """
        found: dict[str, float] = {}
        for window in windows:
            if self.voltage is not None and len(volts := inside(self.voltage, window.begin_ns, window.end_ns)[1]):
                mean_v = float(volts.mean())
                far = min(abs(mean_v / one_v - 1.0) for one_v in (NOMINAL_V if nominal_v is None else (nominal_v,)))
                if not self.direct:
                    found[f"voltage_rel {self.name}"] = max(far, found.get(f"voltage_rel {self.name}", 0.0))
            if self.power_factor is not None and len(shown := inside(self.power_factor, window.begin_ns, window.end_ns)[1]):
                found[f"power_factor {self.name}"] = min(float(shown.mean()), found.get(f"power_factor {self.name}", np.inf))
            if (off := self.product_rel(window)) is not None:
                found[f"product_rel {self.name}"] = max(off, found.get(f"product_rel {self.name}", 0.0))
        return found

    def product_rel(self, window: Window) -> float | None:
        """|P - V I PF| / P of the means over one phase; None where one of them is not known."""
        streams = [self.power, *self.witnesses().values()]
        good = [one.integrable() for one in streams if one is not None]
        if len(good) < len(streams) or not all(len(one) for one in good):
            return None
        power, volts, current, *factor = good
        at_ns = current.t_ns[(current.t_ns >= window.begin_ns) & (current.t_ns <= window.end_ns)]
        if not len(at_ns):
            return None
        shown = [np.interp(at_ns - window.begin_ns, one.t_ns - window.begin_ns, one.si()) for one in (power, volts, current, *factor)]
        power_w = float(shown[0].mean())
        return abs(float(np.prod(shown[1:], axis=0).mean()) / power_w - 1.0) if power_w > 0.0 else None

    def faults(self, windows: Sequence[Window], limits: Mapping[str, float], *, nominal_v: float | None = None) -> Iterator[str]:
        """What is beyond `limits`, as sentences. A low power factor is none where the crest factor is noted."""
        for key, value in self.figures(windows, nominal_v=nominal_v).items():
            name = key.partition(" ")[0]
            if name == "power_factor":
                if value < limits[name] and self.crest_factor is None:
                    yield f"power factor {value:.3f} of {self.name}, and no crest factor is noted"
            elif value > limits[name]:
                yield f"{name} of {self.name} is {value:.2%}"


def nominal_of(case: Case) -> float | None:
    """The nominal voltage that the run's label states; None where it states none, or no number above 0."""
    try:
        stated_v = float("" if case.run is None else case.run.labels.get(NOMINAL_LABEL, ""))
    except ValueError:
        return None
    return stated_v if 0.0 < stated_v < np.inf else None


def supplies(case: Case, meter: MeterInfo) -> list[Supply]:
    """The single channels of a meter of the headline: itself, or of a sum those of its device that cover one of its cords each."""
    every = () if case.evidence is None else case.evidence.series
    of_device = [one for one in every if one.meter.device_id == meter.device_id]
    if len(meter.covers) <= 1:
        return [supply(of_device, meter.meter_id, meter)]
    found = []
    for cord in meter.covers:
        alone = [one.meter for one in of_device if one.meter.quantity is Quantity.POWER and one.meter.covers == (cord,)]
        found.append(supply(of_device, f"{meter.device_id} {cord}", alone[0]) if alone else Supply(None, None, None, None, cord))
    return found


def supply(of_device: Sequence[Series], name: str, meter: MeterInfo) -> Supply:
    """The channel `meter` among the streams of its device: witnesses that cover the same thing."""
    same = [one for one in of_device if one.meter.covers == meter.covers]
    at = {q: next((one for one in same if one.meter.quantity is q), None) for q in Quantity}
    power = next(
        (one for one in of_device if one.meter.meter_id == meter.meter_id and one.meter.quantity is Quantity.POWER), at[Quantity.POWER]
    )
    crest_factor = None if meter.range is None else meter.range.crest_factor
    witnesses = (at[Quantity.VOLTAGE], at[Quantity.CURRENT], at[Quantity.POWER_FACTOR])
    return Supply(power, *witnesses, name, crest_factor, meter.current is Current.DC)
