"""Judges what a meter said against what it said before: wrapped, reset, frozen. Pure, and nothing is ever dropped."""

from __future__ import annotations

from typing import Final

from joulemark.readings import MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.units import NS_PER_S

FROZEN_PERIODS: Final = 10
FROZEN_S: Final = 30.0
"""A value is frozen after the longer of ten update periods and 30 s (Energy Standard v1, SMP-6)."""

WRAP_MARGIN: Final = 1.2
"""A fall of a counter is a wrap only when the power it implies is at most this times the rated power (SMP-8)."""

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Verdict = tuple[Quality, str]


class MeterWatch:
    """Memory of one meter: the last value and since when it has not moved."""

    def __init__(self, meter: MeterInfo) -> None:
        self.meter = meter
        period_s = meter.update_period_measured_s or meter.update_period_s or 0.0
        self.frozen_after_ns = round(max(FROZEN_PERIODS * period_s, FROZEN_S) * NS_PER_S)
        self._value: int | None = None
        self._t_device_ns: int | None = None
        self._read_ns = 0
        self._moved_ns = 0

    def judge(self, value: int, t_ns: int, t_device_ns: int | None) -> Verdict:
        """What `value`, read at the monotonic time `t_ns`, is worth after the ones before it."""
        previous, self._value = self._value, value
        elapsed_ns, self._read_ns = t_ns - self._read_ns, t_ns
        if self.meter.timestamp_source is TimestampSource.READ_BRACKET:
            t_device_ns = None  # a clock that is kept as information only, as a BMC's, moves while the value is stuck
        if previous is None:
            self._t_device_ns, self._moved_ns = t_device_ns, t_ns
            return Quality.OK, ""
        moved = value != previous or t_device_ns != self._t_device_ns
        self._t_device_ns = t_device_ns
        if moved:
            self._moved_ns = t_ns
            return self._judge_counter(previous, value, elapsed_ns) if self.meter.quantity is Quantity.ENERGY_COUNTER else (Quality.OK, "")
        return self._judge_frozen(t_ns, t_device_ns)

    def _judge_counter(self, previous: int, value: int, elapsed_ns: int) -> Verdict:
        """A counter that fell has wrapped where its modulus makes that believable, else it was reset."""
        modulus, rated_w = self.meter.modulus, self.meter.rated_w
        if modulus is not None and rated_w is not None and self._could_wrap_twice(modulus, rated_w, elapsed_ns):
            return Quality.RESET, f"{elapsed_ns / NS_PER_S:.0f} s between reads: the counter may have wrapped more than once"
        if value >= previous:
            return Quality.OK, ""
        if modulus is None:
            return Quality.RESET, "the counter fell and does not wrap"
        if rated_w is None:
            return Quality.RESET, "the counter fell, and without a rated power a wrap cannot be told from a reset"
        implied_w = self.meter.si(value + modulus - previous) / max(elapsed_ns / NS_PER_S, 1e-9)
        if implied_w <= WRAP_MARGIN * rated_w:
            return Quality.WRAPPED, ""
        return Quality.RESET, f"the counter fell; a wrap would mean {implied_w:.0f} W on a meter rated {rated_w:.0f} W"

    def _could_wrap_twice(self, modulus: int, rated_w: float, elapsed_ns: int) -> bool:
        """Whether a whole modulus fits into the time between two reads at the highest believable power."""
        return WRAP_MARGIN * rated_w * elapsed_ns / NS_PER_S >= self.meter.si(modulus)

    def _judge_frozen(self, t_ns: int, t_device_ns: int | None) -> Verdict:
        """An unmoved value is stale after a while where the meter itself shows that it stands still.

        That is a device time that does not advance, or a counter that does not. A power without a device time may be steady;
        only other streams of the node can tell, and the validator has them.
        """
        tells = t_device_ns is not None or self.meter.quantity is Quantity.ENERGY_COUNTER
        still_ns = t_ns - self._moved_ns
        if tells and still_ns > self.frozen_after_ns:
            return Quality.STALE, f"unchanged for {still_ns / NS_PER_S:.0f} s"
        return Quality.OK, ""


def watched(sample: Sample, watches: list[MeterWatch]) -> Sample:
    """`sample` with the verdicts of `watches` where the driver found nothing wrong; its values are left as read.

    A value that does not fit int64 becomes a gap, since neither wire nor store can hold it; a device time that does not is none.
    """
    t_ns = (sample.t_read0_ns + sample.t_read1_ns) // 2
    values, qualities, reasons = list(sample.values), list(sample.qualities), list(sample.reasons)
    stamps = tuple(None if t is None or not 0 <= t <= INT64_MAX else t for t in sample.t_device_ns)
    changed = stamps != sample.t_device_ns
    for i, watch in enumerate(watches):
        value = values[i]
        if value is None or qualities[i] is not Quality.OK:
            continue
        if INT64_MIN <= value <= INT64_MAX:
            verdict = watch.judge(value, t_ns, stamps[i])
        else:
            values[i], verdict = None, (Quality.GAP, f"{value} does not fit 64 bits")
        if verdict[0] is not Quality.OK:
            (qualities[i], reasons[i]), changed = verdict, True
    if not changed:
        return sample
    return Sample(
        sample.device_id,
        sample.t_read0_ns,
        sample.t_read1_ns,
        sample.utc_minus_mono_ns,
        tuple(values),
        stamps,
        tuple(qualities),
        tuple(reasons),
    )
