"""How often a meter's value is renewed, measured from the reads that are made anyway.

A declared update period is what a data sheet says; what counts is what the firmware in the rack does. Reads show it only where they are
more frequent than the renewals: else, and where a value may be renewed without changing, nothing is claimed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from joulemark.readings import DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.units import NS_PER_S

FEWEST: Final = 8
"""So many intervals between renewals make a first figure."""

KEPT: Final = 64
"""So many are looked at."""

REPEATS_SHARE: Final = 0.2
"""Above this share of reads without news the renewals are slower than the reads."""

DISTINCT_SHARE: Final = 0.5
"""Of the values of a power at least this share must differ: a load that jumps between few levels says nothing of the sensor."""

CHANGED: Final = 2.0
"""A figure is told anew when it has changed by more than this factor ..."""

LOOK_S: Final = 10.0
"""How often the figures are worked out: the reads between cost a few microseconds."""

AGAIN_S: Final = 600.0
"""... and at the earliest after this time."""


class RefreshWatch:
    """The renewals of one meter: moments at which its device time moved, else its value."""

    def __init__(self, meter: MeterInfo) -> None:
        self._meter = meter
        self._stamped = meter.timestamp_source is not TimestampSource.READ_BRACKET
        self._last: tuple[int, int | None, int] | None = None
        self._renewed_ns: int | None = None
        self._intervals_ns: deque[int] = deque(maxlen=KEPT)
        self._values: deque[int] = deque(maxlen=KEPT)
        self._reads: deque[tuple[int, bool]] = deque(maxlen=KEPT * 8)
        self._smallest_step = 0

    def see(self, t_ns: int, value: int, t_device_ns: int | None) -> None:
        """One good reading at the monotonic time `t_ns`."""
        last, self._last = self._last, (value, t_device_ns, t_ns)
        if last is None:
            return
        stamped = self._stamped and t_device_ns is not None and last[1] is not None
        renewed = t_device_ns != last[1] if stamped else value != last[0]
        self._reads.append((t_ns - last[2], renewed))
        if not renewed:
            return
        at_ns = t_device_ns if stamped and t_device_ns is not None else t_ns
        if self._renewed_ns is not None and at_ns > self._renewed_ns:
            self._intervals_ns.append(at_ns - self._renewed_ns)
            self._values.append(value)
            step = abs(value - last[0])
            self._smallest_step = min(self._smallest_step or step, step)
        self._renewed_ns = at_ns

    def lost(self) -> None:
        """A reading failed: what lies between its neighbours is no interval."""
        self._last = self._renewed_ns = None

    @property
    def period_s(self) -> float | None:
        """The update period, None while it is not known: from the intervals close to the short ones, since a renewal may go unseen."""
        if len(self._intervals_ns) < FEWEST or not self._shows_renewals():
            return None
        reads_ns = sorted(spacing for spacing, _ in self._reads)
        poll_ns, found = reads_ns[len(reads_ns) // 2], sorted(self._intervals_ns)
        longest_ns = 1.25 * found[len(found) // 10] + 0.75 * poll_ns
        close = [interval for interval in found if interval <= longest_ns]
        period_ns = sum(close) / len(close)
        if not self._stamped and period_ns < (1.0 + REPEATS_SHARE) * poll_ns:
            return None  # each read brought news, but for stretches of a steady load
        return period_ns / NS_PER_S

    def _shows_renewals(self) -> bool:
        """Whether changes are renewals: slower than the reads, and no steps of a coarse counter or of the load."""
        repeated = sum(not renewed for _, renewed in self._reads) / len(self._reads)
        if repeated <= REPEATS_SHARE:
            return False
        if self._stamped:
            return True
        if self._meter.quantity is Quantity.ENERGY_COUNTER:
            return self._smallest_step > self._meter.step
        return len(set(self._values)) >= DISTINCT_SHARE * len(self._values)


class DeviceRefresh:
    """The renewals of all meters of one device: `given` is its description by the driver, `device` with what was measured since."""

    def __init__(self, device: DeviceInfo) -> None:
        self.given = self.device = device
        # What a witness shows may stay the same for hours: it says nothing of how often it is renewed.
        self._watches = [RefreshWatch(meter) if meter.quantity.measures_energy else None for meter in device.meters]
        self._is_watched = any(watch is not None for watch in self._watches)
        self._look_after_ns: int | None = None

    def see(self, sample: Sample) -> DeviceInfo | None:
        """Take `sample`; the description if it is to be told anew, with every period that is known, at most every AGAIN_S."""
        if not self._is_watched:
            return None
        t_ns = (sample.t_read0_ns + sample.t_read1_ns) // 2
        for watch, value, t_device_ns, quality in zip(self._watches, sample.values, sample.t_device_ns, sample.qualities, strict=True):
            if watch is None:
                continue
            if value is None or not (quality is Quality.OK or quality.integrable):
                watch.lost()
            else:
                watch.see(t_ns, value, t_device_ns)
        if self._look_after_ns is None:
            self._look_after_ns = t_ns + round(LOOK_S * NS_PER_S)
        if t_ns < self._look_after_ns:
            return None
        periods_s = [None if watch is None else watch.period_s for watch in self._watches]
        anew = described(self.device, periods_s)
        self._look_after_ns = t_ns + round((LOOK_S if anew == self.device else AGAIN_S) * NS_PER_S)
        if anew == self.device:
            return None
        self.device = anew
        return anew


def described(device: DeviceInfo, periods_s: Sequence[float | None]) -> DeviceInfo:
    """`device` with the measured update periods; those that are not known stay as they were."""
    pairs = zip(device.meters, periods_s, strict=True)
    meters = (replace(meter, update_period_measured_s=news(meter.update_period_measured_s, period_s)) for meter, period_s in pairs)
    return replace(device, meters=tuple(meters))


def news(told_s: float | None, period_s: float | None) -> float | None:
    """What is to be told: `period_s` where nothing was told before or it has changed by more than CHANGED, else what was told."""
    if period_s is None or (told_s and told_s / CHANGED <= period_s <= told_s * CHANGED):
        return told_s
    return round(period_s, 3)
