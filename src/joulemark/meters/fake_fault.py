"""What a sick meter answers: the faults of real devices and drivers, for the fake one."""

from __future__ import annotations

import enum
import threading
from typing import Any, Final

from joulemark.errors import MeterFault, MeterGone
from joulemark.readings import Quality, Sample


class Fault(enum.StrEnum):
    """One thing that goes wrong. `reset` begins the counter anew; every other fault is over without a trace."""

    NONE = "none"
    FROZEN = "frozen"
    """The last healthy answer again and again, with its device time."""
    STUCK = "stuck"
    """The last healthy power again and again, while the device time and the counter go on."""
    ZERO = "zero"
    """A power of 0 W; the counter goes on."""
    NEGATIVE = "negative"
    """A power below 0; the counter goes on."""
    SENTINEL = "sentinel"
    """The driver meets the mark of a missing value in both channels."""
    OVER_RANGE = "over_range"
    """The driver says that the power is beyond its range."""
    SQUELCHED = "squelched"
    """The driver says that the power is below what it shows."""
    RESET = "reset"
    """The counter begins at 0 anew, and goes on from there for good."""
    NOISE = "noise"
    """The counter falls back by 1 J at every second read."""
    LEAP = "leap"
    """The counter shows a number far above any that it can have reached."""
    GARBAGE = "garbage"
    """Answers that are no integers of 64 bits: text, nothing, true, not a number, 2^70."""
    ERROR = "error"
    """The driver raises an error that nobody foresaw."""
    FAULTY = "faulty"
    """The driver says that the meter cannot recover."""
    GONE = "gone"
    """The device leaves, and cannot be opened until the fault is over."""
    HANG = "hang"
    """The read never comes back."""


RAISED: Final[dict[Fault, Exception]] = {
    Fault.ERROR: RuntimeError("an error on demand"),
    Fault.FAULTY: MeterFault("a fault on demand"),
    Fault.GONE: MeterGone("the fake device left on demand"),
}
GARBAGE: Final[tuple[Any, ...]] = ("300 W", None, True, float("nan"), 300.5, 2**70, -(2**70), b"\x00")
LEAP: Final = 2**55
MILLIJOULE_PER_JOULE: Final = 1000


def begun(fault: Fault) -> None:
    """Raise, or hang, where `fault` is one that leaves no answer."""
    if fault is Fault.HANG:
        threading.Event().wait()
    if fault in RAISED:
        raise RAISED[fault]


def struck(sample: Sample, fault: Fault, healthy: Sample, *, number: int) -> Sample:
    """`sample` (power, counter) as a device with `fault` gives it at read `number`; `healthy`: the last one before the fault."""
    power, counter = sample.values
    match fault:
        case Fault.FROZEN:
            return sample._replace(values=healthy.values, t_device_ns=healthy.t_device_ns)
        case Fault.STUCK:
            return sample._replace(values=(healthy.values[0], counter))
        case Fault.ZERO:
            return sample._replace(values=(0, counter))
        case Fault.NEGATIVE:
            return sample._replace(values=(-1, counter))
        case Fault.SENTINEL:
            return sample._replace(values=(None, None), qualities=(Quality.SENTINEL,) * 2, reasons=("a sentinel on demand",) * 2)
        case Fault.OVER_RANGE | Fault.SQUELCHED:
            quality = Quality[fault.name]
            return sample._replace(qualities=(quality, Quality.OK), reasons=(f"{fault} on demand", ""))
        case Fault.NOISE:
            return sample._replace(values=(power, (counter or 0) - MILLIJOULE_PER_JOULE * (number % 2)))
        case Fault.LEAP:
            return sample._replace(values=(power, (counter or 0) + LEAP))
        case Fault.GARBAGE:
            garbage = GARBAGE[number % len(GARBAGE)]
            return sample._replace(values=(garbage, garbage))
    return sample
