"""What a GPU was like while its power was measured: temperature, how busy it was, and whether heat held its clocks back.

A device of its own beside that of the power, asked now and then: the three calls cost more than the one that brings the power, and
what they tell changes slowly. What the driver of a GPU cannot tell is found out once and left out.

Source: NVML reference manual (nvmlDeviceGetTemperature, nvmlDeviceGetUtilizationRates, nvmlClocksEventReasons).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import pynvml

from joulemark.readings import Averaging, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import Clock

SUFFIX: Final = "-conditions"
"""Behind the uuid in the id of the device."""

THERMAL: Final = pynvml.nvmlClocksEventReasonSwThermalSlowdown | pynvml.nvmlClocksEventReasonHwThermalSlowdown
"""Reasons of slow clocks that are heat; a cap of power and an idle GPU are none."""

HOTTEST_C: Final = 200
"""From here up a temperature is a mark of a missing one."""


class Thermometer:
    """Temperature of one GPU in whole C, asked into a number that is kept: nvidia-ml-py makes what a call needs anew each time."""

    def __init__(self, handle: Any) -> None:
        self._celsius = ctypes.c_uint()
        self._call = getattr(pynvml.nvmlLib, "nvmlDeviceGetTemperature", None)
        self._arguments = handle, ctypes.c_uint(pynvml.NVML_TEMPERATURE_GPU), ctypes.byref(self._celsius)

    def __call__(self) -> int:
        """What it is now. Raises pynvml.NVMLError."""
        code = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND if self._call is None else self._call(*self._arguments)
        if code:
            raise pynvml.NVMLError(code)
        return self._celsius.value


def busy_percent(handle: Any) -> int:
    """Share of the last sample period in which a kernel ran, in percent."""
    return int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def held_back(handle: Any) -> int:
    """1 where heat holds the clocks back now, else 0. The older name of the call is asked where a driver lacks the newer."""
    try:
        reasons = pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except pynvml.NVMLError_FunctionNotFound:
        reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return int(bool(reasons & THERMAL))


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing to be asked. `asker`: makes of a GPU what asks it; `beyond`: from here up an answer is no measurement."""

    quantity: Quantity
    exponent: int
    asker: Callable[[Any], Callable[[], int]]
    beyond: int


CONDITIONS: Final = (
    Condition(Quantity.TEMPERATURE, 0, Thermometer, HOTTEST_C),
    Condition(Quantity.UTILIZATION, -2, lambda handle: partial(busy_percent, handle), 101),
    Condition(Quantity.THROTTLE, 0, lambda handle: partial(held_back, handle), 2),
)


class Glance(NamedTuple):
    """What one look brought, not taken apart yet."""

    t_read0_ns: int
    t_read1_ns: int
    answers: list[int | pynvml.NVMLError]


@dataclass(frozen=True, slots=True)
class Witness:
    """The conditions of one GPU that its driver tells, and what asks for each."""

    info: DeviceInfo
    conditions: tuple[Condition, ...]
    asks: tuple[Callable[[], int], ...]

    @classmethod
    def of(cls, handle: Any, power: MeterInfo, *, interval_s: float) -> Witness | None:
        """The witness beside the meter `power` of the same GPU, asked each `interval_s`; None where its driver tells nothing."""
        asks = {condition: ask for condition in CONDITIONS if is_told(ask := condition.asker(handle))}
        if not asks:
            return None
        device_id = f"{power.device_id}{SUFFIX}"
        meters = tuple(
            replace(
                power,
                meter_id=f"{device_id}:{condition.quantity}",
                quantity=condition.quantity,
                exponent=condition.exponent,
                averaging=Averaging.UNKNOWN,
                averaging_window_s=None,
                update_period_s=interval_s,
                coverage=None,
                rated_w=None,
                timestamp_source=TimestampSource.READ_BRACKET,
                note="",
            )
            for condition in asks
        )
        return cls(DeviceInfo(device_id, meters, seldom=True), tuple(asks), tuple(asks.values()))

    def look(self, clock: Clock) -> Glance:
        """One look at it."""
        t_read0_ns = clock.mono_ns()
        answers = [answer(ask) for ask in self.asks]
        return Glance(t_read0_ns, clock.mono_ns(), answers)

    def told(self, glance: Glance, offset_ns: int) -> Sample:
        """`glance`, taken apart. A question that failed is a gap with the driver's own words."""
        t_read0_ns, t_read1_ns, answers = glance
        values, qualities, reasons = zip(*map(judged, self.conditions, answers), strict=True)
        stamps = (None,) * len(answers)
        return Sample(self.info.device_id, t_read0_ns, t_read1_ns, offset_ns, values, stamps, qualities, reasons)


def answer(ask: Callable[[], int]) -> int | pynvml.NVMLError:
    """What the driver says, or why not."""
    try:
        return ask()
    except pynvml.NVMLError as error:
        return error


def is_told(ask: Callable[[], int]) -> bool:
    """Whether the driver knows the question for this GPU; one that only fails for the moment counts as known."""
    return not isinstance(answer(ask), pynvml.NVMLError_FunctionNotFound | pynvml.NVMLError_NotSupported | pynvml.NVMLError_NoPermission)


def judged(condition: Condition, value: int | pynvml.NVMLError) -> tuple[int | None, Quality, str]:
    """Value, quality and reason of one answer."""
    if isinstance(value, pynvml.NVMLError):
        return None, Quality.GAP, f"driver: {value}"
    if not 0 <= value < condition.beyond:
        return None, Quality.SENTINEL, f"the driver answered {value}, which is no {condition.quantity}"
    return value, Quality.OK, ""
