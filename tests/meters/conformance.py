"""The lifecycle that every driver keeps, as checks on a kind and a living device of it.

A new kind only adds a module to `living/`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from joulemark.config import MeterTable
from joulemark.errors import MeterError, MeterUnavailable
from joulemark.meters import registry
from joulemark.meters.base import Isolation, Meter
from joulemark.readings import Quality, Sample
from joulemark.timebase import SystemClock
from tests.meters.living.base import Living, Options

SHIFT_NS = 7_000_000_000_000
SLACK_S = 4.0
"""What a busy machine may add to a deadline; a driver that has none waits for its library, half a minute and more."""

RETURN_S = 30.0
"""How long a device that came back may take to be read again; a BMC takes the longest."""

Check = Callable[[str, Living], None]


class ShiftedClock(SystemClock):
    """The system's clock, far enough off that a driver which reads another one is found out."""

    def mono_ns(self) -> int:
        return super().mono_ns() + SHIFT_NS

    def utc_ns(self) -> int:
        return super().utc_ns() + 3 * SHIFT_NS


@contextmanager
def built(kind: str, options: Options) -> Iterator[Meter]:
    """A meter of `options`, not open, and closed in the end."""
    [meter] = registry.build([MeterTable(kind, options)], host="node1")
    try:
        yield meter
    finally:
        meter.close()


def on_unopened(check: Callable[[Meter], None]) -> Check:
    """`check` of an unopened meter as a check of a kind."""

    def run(kind: str, living: Living) -> None:
        with built(kind, living.options) as meter:
            check(meter)

    run.__name__, run.__doc__ = check.__name__, check.__doc__
    return run


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
    first, second = meter.read(clock), meter.read(clock)
    after = clock.mono_ns()
    later = {sample.device_id: sample for sample in second}
    again = [(one, later[one.device_id]) for one in first if one.device_id in later]
    assert again, "some device is read each time; a driver reads others less often"
    for one, next_one in again:
        edges = [before, one.t_read0_ns, one.t_read1_ns, next_one.t_read0_ns, next_one.t_read1_ns, after]
        assert edges == sorted(edges)
    samples = first + second
    offset_ns = clock.utc_ns() - clock.mono_ns()
    assert all(abs(sample.utc_minus_mono_ns - offset_ns) < SHIFT_NS // 100 for sample in samples)


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


def polled(meter: Meter) -> list[Sample] | None:
    """What a poll brings, None when it fails; a meter that asks for it is opened again, as the runner does."""
    try:
        meter.open()
        return meter.read(SystemClock())
    except MeterError:
        meter.close()
        return None


def good(samples: list[Sample] | None) -> bool:
    """Whether every value of a poll may be integrated."""
    return bool(samples) and all(quality.integrable for sample in samples or () for quality in sample.qualities)


def in_time(meter: Meter, living: Living) -> bool:
    """Whether a read answers, or fails, within the deadline; and whether it says that there is nothing, never a number."""
    begin_s = time.monotonic()
    samples, told = None, "samples"
    try:
        samples = meter.read(SystemClock())
    except MeterError as error:
        told = error.what
    assert told
    assert time.monotonic() - begin_s <= living.deadline_s + SLACK_S
    return not good(samples)


def a_hung_device_is_a_gap_within_the_deadline(kind: str, living: Living) -> None:
    """A device that takes the question and never answers costs no more than the deadline, and leaves no number."""
    assert living.hang
    assert living.resume
    with built(kind, living.options) as meter:
        meter.open()
        assert good(meter.read(SystemClock()))
        living.hang()
        try:
            assert in_time(meter, living)
            assert in_time(meter, living)
        finally:
            living.resume()
        returned(meter)


def an_unplugged_device_is_a_gap_and_returns(kind: str, living: Living) -> None:
    """A device that is taken away leaves gaps or errors with reasons, and is read again when it is back."""
    assert living.unplug
    assert living.replug
    with built(kind, living.options) as meter:
        meter.open()
        first = meter.info
        assert good(meter.read(SystemClock()))
        living.unplug()
        assert in_time(meter, living)
        assert in_time(meter, living)
        living.replug()
        returned(meter)
        assert [device.device_id for device in meter.info] == [device.device_id for device in first]


def returned(meter: Meter) -> None:
    """Wait until every value of a poll is good again."""
    give_up_s = time.monotonic() + RETURN_S
    while not good(polled(meter)):
        assert time.monotonic() < give_up_s, "the device is back, and not read again"
        time.sleep(0.2)


def an_absent_device_is_unavailable(kind: str, living: Living) -> None:
    """`open()` of a device that is not there raises MeterUnavailable in time and says what to do."""
    assert living.unplug
    living.unplug()
    with built(kind, living.options) as meter:
        begin_s = time.monotonic()
        with pytest.raises(MeterUnavailable) as raised:
            meter.open()
        assert time.monotonic() - begin_s <= 2 * living.deadline_s + 2 * SLACK_S
        assert raised.value.next_step


def a_refused_credential_is_told(kind: str, living: Living) -> None:
    """`open()` with a credential that the device refuses raises MeterUnavailable, says what to do, and never says the credential."""
    assert living.wrong is not None
    with built(kind, living.wrong) as meter:
        with pytest.raises(MeterUnavailable) as raised:
            meter.open()
        assert raised.value.next_step
        assert WRONG_SECRET not in str(raised.value)


WRONG_SECRET = "not-the-secret"
"""What stages put into the file of a credential that is refused."""

DISTURBING: tuple[Check, ...] = (
    a_hung_device_is_a_gap_within_the_deadline,
    an_unplugged_device_is_a_gap_and_returns,
    an_absent_device_is_unavailable,
)
"""Checks that do something to the device, and need one of their own."""

CHECKS: tuple[Check, ...] = (
    on_unopened(describes_itself_after_open),
    on_unopened(opens_and_closes_at_any_time),
    on_unopened(answers_in_order),
    on_unopened(never_a_number_for_a_missing_one),
    on_unopened(uses_the_clock_it_is_given),
    on_unopened(answers_nothing_when_closed),
    on_unopened(declares_its_isolation),
    a_refused_credential_is_told,
    *DISTURBING,
)
