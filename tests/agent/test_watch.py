from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulemark.agent.watch import MeterWatch, watched
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity, Sample, TimestampSource

S = 1_000_000_000
RAPL = MeterInfo(
    "rapl:h:0:energy", "rapl", Quantity.ENERGY_COUNTER, -6, Boundary.PACKAGE, modulus=262_143_328_850, rated_w=350.0, update_period_s=0.001
)
POWER = replace(
    RAPL,
    meter_id="x:h:0:power",
    quantity=Quantity.POWER,
    modulus=None,
    update_period_s=0.1,
    timestamp_source=TimestampSource.DEVICE,
)


def test_believable_fall_is_a_wrap() -> None:
    """A counter that falls as 300 W over a second would make it is wrapped, not reset."""
    watch = MeterWatch(RAPL)
    watch.judge(262_143_000_000, 0, None)
    assert watch.judge(299_671_150, 1 * S, None)[0] is Quality.WRAPPED


def test_unbelievable_fall_is_a_reset() -> None:
    """A fall that would mean more than 1.2 times the rated power is a reset, and the reason says which power."""
    watch = MeterWatch(RAPL)
    watch.judge(100_000_000_000, 0, None)
    quality, reason = watch.judge(0, 1 * S, None)
    assert quality is Quality.RESET
    assert "162143 W" in reason


def test_fall_without_modulus_or_rating_is_a_reset() -> None:
    """Where a wrap cannot be proved it is not assumed."""
    for meter in (replace(RAPL, modulus=None), replace(RAPL, rated_w=None)):
        watch = MeterWatch(meter)
        watch.judge(262_143_000_000, 0, None)
        assert watch.judge(299_671_150, 1 * S, None)[0] is Quality.RESET


def test_gap_longer_than_a_wrap_is_a_reset() -> None:
    """After more time than one wrap takes at full power a counter proves nothing, even if it did not fall."""
    watch = MeterWatch(RAPL)
    watch.judge(5, 0, None)
    assert watch.judge(6, 700 * S, None)[0] is Quality.RESET


def test_value_between_refreshes_is_not_stale() -> None:
    """The same value and device time for less than 30 s is a meter that has nothing new, not a frozen one."""
    watch = MeterWatch(POWER)
    watch.judge(5, 0, 100)
    assert watch.judge(5, 29 * S, 100) == (Quality.OK, "")


def test_a_clock_kept_as_information_does_not_hide_a_stuck_counter() -> None:
    """Where the read bracket dates a reading, a device clock that runs on does not make a frozen counter look alive."""
    watch = MeterWatch(replace(RAPL, timestamp_source=TimestampSource.READ_BRACKET))
    watch.judge(5, 0, 100)
    assert watch.judge(5, 31 * S, 131)[0] is Quality.STALE


def test_frozen_device_time_is_stale_after_thirty_seconds() -> None:
    """Value and device time standing for more than 30 s make a reading stale, until one of them moves."""
    watch = MeterWatch(POWER)
    watch.judge(5, 0, 100)
    assert watch.judge(5, 31 * S, 100)[0] is Quality.STALE
    assert watch.judge(5, 32 * S, 101)[0] is Quality.OK


def test_slow_meter_has_ten_periods() -> None:
    """A meter that refreshes every 10 s is frozen after 100 s, not after 30."""
    watch = MeterWatch(replace(POWER, update_period_s=10.0))
    watch.judge(5, 0, 100)
    assert watch.judge(5, 99 * S, 100)[0] is Quality.OK
    assert watch.judge(5, 101 * S, 100)[0] is Quality.STALE


def test_steady_power_without_device_time_is_believed() -> None:
    """A power that stays the same is not called frozen where the meter gives no time of its own."""
    watch = MeterWatch(POWER)
    watch.judge(5, 0, None)
    assert watch.judge(5, 3600 * S, None)[0] is Quality.OK


def test_counter_that_stands_is_stale() -> None:
    """An energy counter that has not moved for more than 30 s is frozen: nothing draws exactly 0 W."""
    watch = MeterWatch(replace(RAPL, modulus=None))
    watch.judge(5, 0, None)
    assert watch.judge(5, 31 * S, None)[0] is Quality.STALE


def test_driver_verdict_and_values_stay() -> None:
    """What the driver already flagged is left alone, and a flagged value keeps its integer."""
    sample = Sample("rapl:h:0", 0, 10, 0, (7, None), (None, None), (Quality.SENTINEL, Quality.GAP), ("blank", "lost"))
    assert watched(sample, [MeterWatch(RAPL), MeterWatch(RAPL)]) is sample


def test_value_beyond_64_bits_is_a_gap() -> None:
    """A number that neither wire nor store can hold becomes a gap with the number as the reason."""
    sample = Sample("rapl:h:0", 0, 10, 0, (2**63,), (None,), (Quality.OK,), ("",))
    judged = watched(sample, [MeterWatch(RAPL)])
    assert judged.values == (None,)
    assert judged.qualities == (Quality.GAP,)
    assert str(2**63) in judged.reasons[0]


def test_device_time_beyond_64_bits_is_none() -> None:
    """A stamp that no wire can hold is dropped, and the value is dated by its read."""
    for stamp in (2**63, -1):
        sample = watched(Sample("x:h:0", 0, 2, 0, (5,), (stamp,), (Quality.OK,), ("",)), [MeterWatch(POWER)])
        assert (sample.values, sample.t_device_ns, sample.qualities) == ((5,), (None,), (Quality.OK,))


GARBAGE = ["300 W", True, 300.5, float("nan"), float("inf"), 2**63, -(2**63) - 1, b"7", [7], None]


@pytest.mark.parametrize("answer", GARBAGE)
def test_what_is_no_integer_is_a_gap(answer: Any) -> None:
    """Text, truth, fractions, not-a-numbers, integers beyond 64 bits and nothing at all become gaps with a reason, never numbers."""
    ok = Sample("rapl:h:0", 0, 10, 5, (answer,), (None,), (Quality.OK,), ("",))
    got = watched(ok, [MeterWatch(RAPL)])
    assert (got.values, got.qualities) == ((None,), (Quality.GAP,))
    assert got.reasons[0]


@pytest.mark.parametrize(("quality", "reason"), [(1, ""), (None, ""), (Quality.GAP, None), (Quality.GAP, ""), (Quality.OK, "fine")])
def test_a_quality_that_is_none_is_a_gap(quality: Any, reason: Any) -> None:
    """A driver that gives a bare number for a quality, no reason for a gap, or calls a missing value good is not believed."""
    got = watched(Sample("rapl:h:0", 0, 10, 5, (None,), (None,), (quality,), (reason,)), [MeterWatch(RAPL)])
    assert (got.values, got.qualities) == ((None,), (Quality.GAP,))
    assert got.reasons[0]


@pytest.mark.parametrize("stamp", ["now", 1.5, True, -1, 2**63])
def test_a_device_time_that_is_none_is_left_out(stamp: Any) -> None:
    """A device time that is no integer of 63 bits is dropped; the value stays, dated by its read."""
    got = watched(Sample("x:h:0", 0, 10, 5, (7,), (stamp,), (Quality.OK,), ("",)), [MeterWatch(POWER)])
    assert (got.values, got.t_device_ns, got.qualities) == ((7,), (None,), (Quality.OK,))


@pytest.mark.parametrize(("rise_j", "quality"), [(1.19 * 350 * 2, Quality.OK), (1.21 * 350 * 2, Quality.RESET), (2.0**40, Quality.RESET)])
def test_a_counter_that_leaps_was_reset(rise_j: float, quality: Quality) -> None:
    """A rise within a second by what a rated meter makes in two is believed, a higher one joins nothing; the next one goes on."""
    watch = MeterWatch(RAPL)
    watch.judge(7, 0, None)
    assert watch.judge(7 + round(rise_j * 1e6), S, None)[0] is quality
    assert watch.judge(7 + round(rise_j * 1e6) + 10**6, 2 * S, None)[0] is Quality.OK


def test_a_read_that_took_long_has_longer_to_rise() -> None:
    """A counter read somewhere within ten seconds, and at once after it, may have risen for all of them."""
    watch = MeterWatch(RAPL)
    watch.judge(7, 5 * S, None, unc_ns=5 * S)
    assert watch.judge(7 + 3500 * 10**6, 10 * S, None)[0] is Quality.OK


def test_a_counter_that_caught_up_did_not_leap() -> None:
    """A counter that stood still for a minute and then shows the whole minute is believed: its energy had gathered."""
    watch = MeterWatch(RAPL)
    for second in range(61):
        watch.judge(7, second * S, None)
    assert watch.judge(7 + 60 * 300 * 10**6, 61 * S, None)[0] is Quality.OK


def test_a_counter_stands_still_whatever_its_clock_does() -> None:
    """A counter that does not move is stale after 30 s even where its device time goes on; a power with such a time is not."""
    counter = MeterWatch(replace(RAPL, timestamp_source=TimestampSource.DRIVER))
    power = MeterWatch(POWER)
    seen = [(counter.judge(7, t * S, t * S)[0], power.judge(7, t * S, t * S)[0]) for t in range(40)]
    assert seen[30] == (Quality.OK, Quality.OK)
    assert seen[31] == seen[39] == (Quality.STALE, Quality.OK)


COARSE = replace(RAPL, meter_id="snmp:h:pdu:energy", exponent=2, modulus=None, rated_w=3680.0, update_period_s=1.0, step=3600)


@pytest.mark.parametrize(("still_s", "quality"), [(17_000, Quality.OK), (19_000, Quality.STALE)])
def test_a_counter_of_coarse_steps_may_rest_between_them(still_s: int, quality: Quality) -> None:
    """A counter of 0.1 kWh rests five hours at 20 W: only after that is it called stale."""
    watch = MeterWatch(COARSE)
    watch.judge(7200, 0, None)
    assert watch.judge(7200, still_s * S, None)[0] is quality


def test_a_coarse_step_is_no_leap() -> None:
    """One step right after another read brings what gathered before; two at once on the same meter are a leap."""
    watch = MeterWatch(COARSE)
    watch.judge(7200, 0, None)
    assert watch.judge(10800, 1 * S, None)[0] is Quality.OK
    assert watch.judge(18000, 2 * S, None)[0] is Quality.RESET


def test_a_reason_that_cannot_be_printed_is_made_a_line() -> None:
    """A reason with half a surrogate, control characters or a megabyte is cut to one line: the spool of all meters must take it."""
    reasons = ("power_meter\ud800\nx", "y" * 1_000_000)
    sample = Sample("d", 0, 1, 0, (None, None), (None, None), (Quality.GAP, Quality.GAP), reasons)
    shown = watched(sample, [MeterWatch(POWER), MeterWatch(RAPL)]).reasons
    assert shown[0] == "power_meter? x"
    assert shown[1] == "y" * 500


def test_a_reset_that_a_driver_tells_is_remembered() -> None:
    """A count that its driver marks as begun anew is one reset: the next one is held against it, and not against what was before."""
    meter = MeterInfo("serving:h:s:output_tokens", "serving", Quantity.OUTPUT_TOKENS, 0, Boundary.SERVER_INPUT)
    watches, seen = [MeterWatch(meter)], []
    for n, (value, quality) in enumerate([(1000, Quality.OK), (10, Quality.RESET), (20, Quality.OK), (20, Quality.OK), (5, Quality.OK)]):
        reason = "told" if quality is Quality.RESET else ""
        sample = Sample(meter.device_id, n * S, n * S + 1, 0, (value,), (None,), (quality,), (reason,))
        seen.append(watched(sample, watches).qualities[0])
    assert seen == [Quality.OK, Quality.RESET, Quality.OK, Quality.OK, Quality.RESET]
    assert watches[0].judge(5, 3600 * S, None) == (Quality.OK, "")  # who serves nobody counts nothing
