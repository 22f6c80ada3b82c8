"""Judges what a meter said: no number at all, wrapped, reset, frozen. Pure, and nothing is ever dropped."""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from joulemark.meters.descriptions import LONGEST_REASON, legible
from joulemark.readings import MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.units import NS_PER_S

FROZEN_PERIODS: Final = 10
FROZEN_S: Final = 30.0
"""A value is frozen after the longer of ten update periods and 30 s (Energy Standard v1, SMP-6)."""

LEAST_W: Final = 20.0
"""A counter of coarse steps is given the time that one takes at this power, which is less than any machine draws."""

WRAP_MARGIN: Final = 1.2
"""A fall of a counter is a wrap only when the power it implies is at most this times the rated power (SMP-8)."""

LATE_REFRESH_S: Final = 1.0
"""How late a counter may bring energy, where its update period is not known or shorter: bounds the power that a step implies."""

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Verdict = tuple[Quality, str]
SOUND: Final[Verdict] = Quality.OK, ""


class MeterWatch:
    """Memory of one meter: the last value and since when it has not moved."""

    def __init__(self, meter: MeterInfo) -> None:
        self.describe(meter)
        self._value: int | None = None
        self._t_device_ns: int | None = None
        self._moved_ns = 0

    def describe(self, meter: MeterInfo) -> None:
        """Judge by another description of the same meter from now on; what it said is remembered."""
        self.meter = meter
        period_s = meter.update_period_measured_s or meter.update_period_s or 0.0
        step_s = meter.si(meter.step) / LEAST_W if meter.quantity is Quantity.ENERGY_COUNTER else 0.0
        self.frozen_after_ns = round(max(FROZEN_PERIODS * period_s, FROZEN_S, step_s) * NS_PER_S)
        self._counts = meter.quantity.cumulative
        self._dated = meter.timestamp_source is not TimestampSource.READ_BRACKET
        self._late_s = max(period_s, LATE_REFRESH_S)

    def judge(self, value: int, t_ns: int, t_device_ns: int | None, *, unc_ns: int = 0) -> Verdict:
        """What `value`, read at the monotonic time `t_ns` give or take `unc_ns`, is worth after the ones before it.

        A counter moves with its value alone; a power also with its device time, which says that it was measured anew.
        """
        if not self._dated:
            t_device_ns = None  # a clock that is kept as information only, as a BMC's, moves while the value is stuck
        previous, self._value = self._value, value
        before_ns, self._t_device_ns = self._t_device_ns, t_device_ns
        if previous is None or value != previous or (t_device_ns != before_ns and not self._counts):
            still_ns, self._moved_ns = t_ns + unc_ns - self._moved_ns, t_ns - unc_ns
            return self._judge_counter(previous, value, still_ns) if self._counts and previous is not None else SOUND
        return self._judge_frozen(t_ns, t_device_ns)

    def _judge_counter(self, previous: int, value: int, elapsed_ns: int) -> Verdict:
        """What the step to `value` is worth, `elapsed_ns` after the one before it: energy may have gathered all that time.

        A counter that fell has wrapped where its modulus makes that believable, else it was reset; so it was when it leapt.
        """
        modulus, rated_w = self.meter.modulus, self.meter.rated_w
        if modulus is not None and rated_w is not None and self._could_wrap_twice(modulus, rated_w, elapsed_ns):
            return Quality.RESET, f"{elapsed_ns / NS_PER_S:.0f} s between two steps: the counter may have wrapped more than once"
        if value >= previous:
            return self._judge_rise(value - previous, elapsed_ns)
        if modulus is None:
            return Quality.RESET, "the counter fell and does not wrap"
        if rated_w is None:
            return Quality.RESET, "the counter fell, and without a rated power a wrap cannot be told from a reset"
        implied_w = self.meter.si(value + modulus - previous) / max(elapsed_ns / NS_PER_S, 1e-9)
        if implied_w <= WRAP_MARGIN * rated_w:
            return Quality.WRAPPED, ""
        return Quality.RESET, f"the counter fell; a wrap would mean {implied_w:.0f} W on a meter rated {rated_w:.0f} W"

    def _judge_rise(self, step: int, elapsed_ns: int) -> Verdict:
        """A step that no power of this meter can have made, as after a garbled answer, joins nothing on its two sides."""
        rated_w = self.meter.rated_w
        if rated_w is None:
            return SOUND
        gathered = max(0, step - self.meter.step)  # up to one step may have been there before, unseen
        implied_w = self.meter.si(gathered) / (elapsed_ns / NS_PER_S + self._late_s)
        if implied_w <= WRAP_MARGIN * rated_w:
            return SOUND
        return Quality.RESET, f"the counter leapt: {implied_w:.3g} W on a meter rated {rated_w:.0f} W"

    def _could_wrap_twice(self, modulus: int, rated_w: float, elapsed_ns: int) -> bool:
        """Whether a whole modulus fits into the time between two reads at the highest believable power."""
        return WRAP_MARGIN * rated_w * elapsed_ns / NS_PER_S >= self.meter.si(modulus)

    def _judge_frozen(self, t_ns: int, t_device_ns: int | None) -> Verdict:
        """An unmoved value is stale after a while where the meter itself shows that it stands still.

        That is a device time that does not advance, or a counter that does not. A power without a device time may be steady;
        only other streams of the node can tell, and the validator has them.
        """
        still_ns = t_ns - self._moved_ns
        if still_ns > self.frozen_after_ns and (t_device_ns is not None or self.meter.quantity is Quantity.ENERGY_COUNTER):
            return Quality.STALE, f"unchanged for {still_ns / NS_PER_S:.0f} s"
        return SOUND


def watched(sample: Sample, watches: list[MeterWatch]) -> Sample:
    """`sample` with the verdicts of `watches` where the driver found nothing wrong; its values are left as read.

    What is no integer, or does not fit int64, becomes a gap, since neither wire nor store can hold it; a device time of that kind
    is none. A reason is cut to a line that can be printed.
    """
    _, t_read0_ns, t_read1_ns, _, values, stamps, qualities, reasons, _, _ = sample
    t_ns, unc_ns = (t_read0_ns + t_read1_ns) // 2, (t_read1_ns - t_read0_ns + 1) // 2
    for t in stamps:
        if t is not None and not (type(t) is int and 0 <= t <= INT64_MAX):
            stamps = tuple(t if _is_whole(t) and 0 <= t <= INT64_MAX else None for t in stamps)
            break
    changes: dict[int, tuple[int | None, Quality, str]] = {}
    for i, (watch, value, quality, reason, stamp) in enumerate(zip(watches, values, qualities, reasons, stamps, strict=True)):
        if type(value) is int and quality is Quality.OK and reason == "" and INT64_MIN <= value <= INT64_MAX:
            if (judged := watch.judge(value, t_ns, stamp, unc_ns=unc_ns)) is not SOUND:
                changes[i] = (value, *judged)
        elif (judgement := _scrutinised(watch, (value, quality, reason), t_ns, stamp, unc_ns=unc_ns)) != (value, quality, reason):
            changes[i] = judgement
    if not changes and stamps is sample.t_device_ns:
        return sample
    judgements = [changes.get(i, (values[i], qualities[i], reasons[i])) for i in range(len(watches))]
    values, qualities, reasons = zip(*judgements, strict=True)
    return Sample(sample.device_id, sample.t_read0_ns, sample.t_read1_ns, sample.utc_minus_mono_ns, values, stamps, qualities, reasons)


def _scrutinised(
    watch: MeterWatch, answer: tuple[int | None, Quality, str], t_ns: int, t_device_ns: int | None, *, unc_ns: int
) -> tuple[int | None, Quality, str]:
    """What becomes of an answer with which something is wrong, or said to be."""
    value, quality, reason = answer
    verdict = unusable(value, quality, reason)
    if verdict is not None:
        value = None
    elif quality in (Quality.OK, Quality.RESET) and value is not None:
        judged = watch.judge(value, t_ns, t_device_ns, unc_ns=unc_ns)
        verdict = judged if quality is Quality.OK else None  # what a driver calls a reset is one, and remembered
    if verdict is not None and verdict[0] is not Quality.OK:
        quality, reason = verdict
    return value, quality, legible(reason, longest=LONGEST_REASON) if reason else ""


def unusable(value: Any, quality: Any, reason: Any) -> Verdict | None:
    """The gap that a broken answer of a driver comes to; None for an answer as the meter interface wants it."""
    if not isinstance(quality, Quality) or not isinstance(reason, str):
        return Quality.GAP, f"the driver gave {value!r:.60} without a quality and a reason"
    if value is None:
        return None if not quality.integrable and reason else (Quality.GAP, reason or "the driver gave no value and no reason")
    if not _is_whole(value):
        return Quality.GAP, f"the driver gave {value!r:.60}, which is no integer"
    if not INT64_MIN <= value <= INT64_MAX:
        return Quality.GAP, f"{value!r:.60} does not fit 64 bits"
    return None


def _is_whole(number: object) -> TypeGuard[int]:
    """Whether it is an int, and no bool."""
    return type(number) is int
