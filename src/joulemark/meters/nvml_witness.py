"""What a GPU was like while its power was measured: temperature, how busy it was, and whether heat held its clocks back.

A device of its own beside that of the power, asked now and then: the three calls cost more than the one that brings the power, and
what they tell changes slowly. What the driver of a GPU cannot tell is found out once and left out.

Source: NVML reference manual (nvmlDeviceGetTemperature, nvmlDeviceGetUtilizationRates, nvmlClocksEventReasons).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pynvml

from joulemark.readings import Averaging, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import Clock

SUFFIX: Final = "-conditions"
"""Behind the uuid in the id of the device."""

THERMAL: Final = pynvml.nvmlClocksEventReasonSwThermalSlowdown | pynvml.nvmlClocksEventReasonHwThermalSlowdown
"""Reasons of slow clocks that are heat; a cap of power and an idle GPU are none."""

HOTTEST_C: Final = 200
"""From here up a temperature is a mark of a missing one."""


def celsius(handle: Any) -> int:
    """Temperature of the GPU in whole C."""
    return int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))


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
    """One thing to be asked. `beyond`: from here up an answer is no measurement."""

    quantity: Quantity
    exponent: int
    ask: Callable[[Any], int]
    beyond: int


CONDITIONS: Final = (
    Condition(Quantity.TEMPERATURE, 0, celsius, HOTTEST_C),
    Condition(Quantity.UTILIZATION, -2, busy_percent, 101),
    Condition(Quantity.THROTTLE, 0, held_back, 2),
)


@dataclass(frozen=True, slots=True)
class Witness:
    """The conditions of one GPU that its driver tells."""

    handle: Any
    info: DeviceInfo
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, handle: Any, power: MeterInfo, *, interval_s: float) -> Witness | None:
        """The witness beside the meter `power` of the same GPU, asked each `interval_s`; None where its driver tells nothing."""
        told = tuple(condition for condition in CONDITIONS if condition_told(condition, handle))
        if not told:
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
            for condition in told
        )
        return cls(handle, DeviceInfo(device_id, meters, seldom=True), told)

    def read(self, clock: Clock, offset_ns: int) -> Sample:
        """One look at it. A question that fails is a gap with the driver's own words."""
        t_read0_ns = clock.mono_ns()
        answers = [asked(condition, self.handle) for condition in self.conditions]
        t_read1_ns = clock.mono_ns()
        values, qualities, reasons = zip(*answers, strict=True)
        stamps = (None,) * len(answers)
        return Sample(self.info.device_id, t_read0_ns, t_read1_ns, offset_ns, values, stamps, qualities, reasons)


def condition_told(condition: Condition, handle: Any) -> bool:
    """Whether the driver knows the question for this GPU; one that only fails for the moment counts as known."""
    try:
        condition.ask(handle)
    except (pynvml.NVMLError_FunctionNotFound, pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission):
        return False
    except pynvml.NVMLError:
        return True
    return True


def asked(condition: Condition, handle: Any) -> tuple[int | None, Quality, str]:
    """Value, quality and reason of one answer."""
    try:
        value = condition.ask(handle)
    except pynvml.NVMLError as error:
        return None, Quality.GAP, f"driver: {error}"
    if not 0 <= value < condition.beyond:
        return None, Quality.SENTINEL, f"the driver answered {value}, which is no {condition.quantity}"
    return value, Quality.OK, ""
