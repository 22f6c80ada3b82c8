"""The lifecycle that every driver keeps, as checks on an unopened meter whose device is alive.

A new kind only adds itself to `live.LIVE`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from joulemark.errors import MeterError
from joulemark.meters.base import Isolation, Meter
from joulemark.readings import Quality
from joulemark.timebase import SystemClock

SHIFT_NS = 7_000_000_000_000


class ShiftedClock(SystemClock):
    """The system's clock, far enough off that a driver which reads another one is found out."""

    def mono_ns(self) -> int:
        return super().mono_ns() + SHIFT_NS

    def utc_ns(self) -> int:
        return super().utc_ns() + 3 * SHIFT_NS


def describes_itself_after_open(meter: Meter) -> None:
    """`info` is empty before `open()`, and afterwards every meter says who, where, what, and in which unit."""
    assert meter.info == ()
    meter.open()
    assert meter.info
    for device in meter.info:
        assert device.meters
        for info in device.meters:
            kind, host, serial, channel = info.meter_id.split(":")
            assert (kind, host) == (meter.kind, "node1")
            assert serial
            assert channel
            assert info.kind == meter.kind
            assert info.value_column
    assert len({info.meter_id for device in meter.info for info in device.meters}) == sum(len(device.meters) for device in meter.info)


def opens_and_closes_at_any_time(meter: Meter) -> None:
    """`close()` is safe before `open()` and twice, `open()` is idempotent, and a closed meter opens again."""
    meter.close()
    meter.open()
    first = meter.info
    meter.open()
    assert meter.info == first
    meter.close()
    meter.close()
    meter.open()
    assert [device.device_id for device in meter.info] == [device.device_id for device in first]
    assert meter.read(SystemClock())


def answers_in_order(meter: Meter) -> None:
    """A read brings one unnumbered sample per device, in the order of `info`, with one entry per meter in every column."""
    meter.open()
    samples = meter.read(SystemClock())
    assert [sample.device_id for sample in samples] == [device.device_id for device in meter.info]
    for sample, device in zip(samples, meter.info, strict=True):
        assert sample.seq == -1
        assert not sample.pinned
        columns = (sample.values, sample.t_device_ns, sample.qualities, sample.reasons)
        assert {len(column) for column in columns} == {len(device.meters)}


def never_a_number_for_a_missing_one(meter: Meter) -> None:
    """A value is an int that may be integrated; a missing one is None, not integrable, and has a reason."""
    meter.open()
    for sample in meter.read(SystemClock()):
        for value, quality, reason in zip(sample.values, sample.qualities, sample.reasons, strict=True):
            if value is None:
                assert not quality.integrable
                assert reason
            else:
                assert type(value) is int
                assert quality is Quality.OK
                assert reason == ""


def uses_the_clock_it_is_given(meter: Meter) -> None:
    """The read bracket lies inside the call, on the clock that was handed in, and never runs backwards."""
    clock = ShiftedClock()
    meter.open()
    before = clock.mono_ns()
    samples = meter.read(clock) + meter.read(clock)
    after = clock.mono_ns()
    edges = [edge for sample in samples for edge in (sample.t_read0_ns, sample.t_read1_ns)]
    assert [before, *edges, after] == sorted([before, *edges, after])
    offset_ns = clock.utc_ns() - clock.mono_ns()
    assert all(abs(sample.utc_minus_mono_ns - offset_ns) < 50_000_000 for sample in samples)


def answers_nothing_when_closed(meter: Meter) -> None:
    """A meter that is not open raises one of the meter errors."""
    with pytest.raises(MeterError):
        meter.read(SystemClock())
    meter.open()
    meter.close()
    with pytest.raises(MeterError):
        meter.read(SystemClock())


def declares_its_isolation(meter: Meter) -> None:
    """The runner can tell from the class where `read` may be called."""
    assert isinstance(type(meter).isolation, Isolation)


CHECKS: tuple[Callable[[Meter], None], ...] = (
    describes_itself_after_open,
    opens_and_closes_at_any_time,
    answers_in_order,
    never_a_number_for_a_missing_one,
    uses_the_clock_it_is_given,
    answers_nothing_when_closed,
    declares_its_isolation,
)
