from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterFault, MeterGone
from joulemark.meters.base import Meter
from joulemark.meters.fake import DRIVER
from joulemark.meters.fake_fault import GARBAGE, Fault
from joulemark.readings import Quality, Sample
from tests.conftest import ManualClock

NS = 1_000_000_000


def read(fault: Fault, clock: ManualClock, **options: Any) -> list[Sample]:
    """Eight reads a second apart, the fault from the fourth to the sixth."""
    meter = DRIVER.build(MeterTable("fake", {"fault": str(fault), "fault_after": 3, "fault_for": 3, **options}), host="node1")
    meter.open()
    samples = []
    for _ in range(8):
        samples += meter.read(clock)
        clock.advance(NS)
    return samples


def values(samples: list[Sample], channel: int) -> list[Any]:
    return [sample.values[channel] for sample in samples]


@pytest.mark.parametrize(
    ("fault", "power", "counter"),
    [
        (Fault.NONE, (True,) * 8, (True,) * 8),
        (Fault.FROZEN, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 3 + (False,) * 3 + (True,) * 2),
        (Fault.STUCK, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 8),
        (Fault.ZERO, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 8),
        (Fault.NEGATIVE, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 8),
        (Fault.SENTINEL, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 3 + (False,) * 3 + (True,) * 2),
        (Fault.OVER_RANGE, (True,) * 8, (True,) * 8),
        (Fault.RESET, (True,) * 8, (True,) * 3 + (False,) * 5),
        (Fault.NOISE, (True,) * 8, (True,) * 4 + (False,) + (True,) * 3),
        (Fault.LEAP, (True,) * 8, (True,) * 3 + (False,) * 3 + (True,) * 2),
        (Fault.GARBAGE, (True,) * 3 + (False,) * 3 + (True,) * 2, (True,) * 3 + (False,) * 3 + (True,) * 2),
    ],
)
def test_a_fault_strikes_its_reads(fault: Fault, power: tuple[bool, ...], counter: tuple[bool, ...], manual_clock: ManualClock) -> None:
    """From the read on that is named, for as many as are named, the channels of the fault differ from a healthy twin's, and no others."""
    twin = ManualClock(manual_clock.utc, manual_clock.mono)
    sick, healthy = read(fault, manual_clock, period_s=7.3, waveform="sine"), read(Fault.NONE, twin, period_s=7.3, waveform="sine")
    assert tuple(a == b for a, b in zip(values(sick, 0), values(healthy, 0), strict=True)) == power
    assert tuple(a == b for a, b in zip(values(sick, 1), values(healthy, 1), strict=True)) == counter


def test_frozen_and_stuck_differ_in_their_time(manual_clock: ManualClock) -> None:
    """A frozen device repeats its time with its values; a stuck one dates the same power anew, and counts on."""
    frozen, stuck = read(Fault.FROZEN, manual_clock), read(Fault.STUCK, manual_clock)
    assert len({s.t_device_ns for s in frozen[2:6]}) == 1
    assert len({s.t_device_ns for s in stuck[2:6]}) == 4
    assert len(set(values(frozen, 1)[2:6])) == 1


def test_a_reset_counter_goes_on_from_zero(manual_clock: ManualClock) -> None:
    """The counter shows 0 once and then what came since, for good."""
    counter = values(read(Fault.RESET, manual_clock, waveform="constant"), 1)
    assert counter[3:] == [300_000 * i for i in range(5)]


def test_a_counter_wraps_at_its_range(manual_clock: ManualClock) -> None:
    """With a range the count stays below it, and the description says so."""
    counter = values(read(Fault.NONE, manual_clock, counter_range_j=1000.0, waveform="constant"), 1)
    assert max(counter) < 1_000_000
    assert {(b - a) % 1_000_000 for a, b in pairwise(counter)} == {300_000}
    meter = DRIVER.build(MeterTable("fake", {"counter_range_j": 1000.0}), host="node1")
    meter.open()
    assert [info.modulus for info in meter.info[0].meters] == [None, 1_000_000]


@pytest.mark.parametrize(("fault", "quality"), [(Fault.OVER_RANGE, Quality.OVER_RANGE), (Fault.SQUELCHED, Quality.SQUELCHED)])
def test_flags_come_from_the_driver(fault: Fault, quality: Quality, manual_clock: ManualClock) -> None:
    """Over range and squelched readings keep their value and carry flag and reason."""
    sample = read(fault, manual_clock)[4]
    assert sample.qualities == (quality, Quality.OK)
    assert sample.values[0] is not None
    assert sample.reasons[0]


def test_garbage_is_of_every_kind(manual_clock: ManualClock) -> None:
    """Each kind of garbage has its turn."""
    meter = DRIVER.build(MeterTable("fake", {"fault": "garbage"}), host="node1")
    meter.open()
    seen = [meter.read(manual_clock)[0].values[0] for _ in range(2 * len(GARBAGE))]
    assert {repr(value) for value in seen} == {repr(value) for value in GARBAGE}


def raised(meter: Meter, clock: ManualClock) -> str:
    try:
        meter.open()
        meter.read(clock)
    except (RuntimeError, MeterFault, MeterGone) as error:
        meter.close()
        return type(error).__name__
    return ""


@pytest.mark.parametrize(("fault", "error"), [(Fault.ERROR, RuntimeError), (Fault.FAULTY, MeterFault), (Fault.GONE, MeterGone)])
def test_faults_without_an_answer(fault: Fault, error: type[Exception], manual_clock: ManualClock) -> None:
    """An unforeseen error, a fault and a device that left are raised; the last cannot be opened either until the fault is over."""
    meter = DRIVER.build(MeterTable("fake", {"fault": str(fault), "fault_after": 1, "fault_for": 3}), host="node1")
    assert [raised(meter, manual_clock) for _ in range(5)] == ["", *[error.__name__] * 3, ""]


def test_an_unknown_fault_is_refused() -> None:
    """A fault that does not exist, and a negative place of one, are configuration errors."""
    for options in ({"fault": "flu"}, {"fault_after": -1}, {"fault_for": -1}, {"counter_range_j": -1.0}):
        with pytest.raises(ConfigError):
            DRIVER.build(MeterTable("fake", options), host="node1")
