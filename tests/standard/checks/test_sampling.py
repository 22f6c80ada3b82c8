"""Rules SMP at their limits: just inside passes, just outside fails, and what cannot be told is not passed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.readings import Averaging, Boundary, Quality
from joulemark.runs import Run
from joulemark.standard.case import Case
from joulemark.standard.checks.sampling import CHECKS
from tests.kit.small import COUNTER, NS, POWER, at, case, judged, moving, shown, verdict
from tests.kit.spoil import good
from tests.kit.spoils.sampling import of_another_workload

DAY_NS = 86_400 * NS
Seconds = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
GPU = replace(POWER, meter_id="nvml:node-1:GPU-1:power", kind="nvml", boundary=Boundary.GPU)


def each(every_s: float, *, until_s: float = 130.0) -> Seconds:
    """Seconds of regular readings from 20 s before the phase on."""
    return np.arange(-20.0, until_s + every_s / 2, every_s)


def without(
    at_s: np.ndarray[tuple[int], np.dtype[np.float64]], *holes: tuple[float, float]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The times that lie strictly inside no hole."""
    return at_s[~np.any([(at_s > a) & (at_s < b) for a, b in holes], axis=0)]


@pytest.mark.parametrize("rule_id", CHECKS)
@pytest.mark.parametrize("grade", ["ES1", "ES2"])
def test_nothing_is_passed_without_evidence(rule_id: str, grade: str) -> None:
    """Without a phase, without readings and without any evidence nothing can be told."""
    found = moving(each(1.0))
    for nothing in (case(), Case(Path(), None), Case(Path(), Evidence(Run((), run_id="r"), (found,)))):
        assert verdict(rule_id, grade, nothing) == "cannot_tell"


@pytest.mark.parametrize(
    ("every_s", "window_s", "grade", "expected"),
    [
        (1.0, 0.1, "ES1", "pass"),
        (1.01, 0.1, "ES1", "pass"),
        (1.02, 0.1, "ES1", "fail"),
        (5.0, 5.0, "ES1", "pass"),
        (5.0, 4.9, "ES1", "fail"),
        (5.1, 5.0, "ES1", "fail"),
        (1.0, 5.1, "ES1", "fail"),
        (1.01, 2.0, "ES2", "pass"),
        (1.0, 2.1, "ES2", "fail"),
        (2.0, 2.0, "ES2", "fail"),
    ],
)
def test_interval_and_window(every_s: float, window_s: float, grade: str, expected: str) -> None:
    """SMP-1: one second, five at ES1 for what averages over them; the window itself at most 5 s, 2 s at ES2."""
    meter = replace(POWER, averaging_window_s=window_s)
    assert verdict("SMP-1", grade, case(moving(each(every_s, until_s=700.0), meter), phase_s=(0.0, 600.0))) == expected


def test_an_exponential_average_is_longer_than_its_time_constant() -> None:
    """SMP-1: a time constant of 2 s blurs like a plain average of 6 s, which is too long at ES1."""
    meter = replace(POWER, averaging=Averaging.EXPONENTIAL, averaging_window_s=2.0)
    assert verdict("SMP-1", "ES1", case(moving(each(1.0), meter))) == "fail"


@pytest.mark.parametrize(("first_s", "expected"), [(-5.0, "pass"), (-5.1, "fail")])
def test_a_slow_counter_has_to_be_read_near_the_edges(first_s: float, expected: str) -> None:
    """SMP-1 and SMP-2: a counter every ten seconds will do where it is read within 5 s of each edge, and ten times inside."""
    at_s = np.array([first_s - 10.0, first_s, *np.arange(5.0, 120.0, 10.0), 124.0, 134.0])
    found = case(shown(at_s, 1000.0 * (at_s + 50.0), replace(COUNTER, update_period_s=10.0)))
    assert [verdict("SMP-1", grade, found) for grade in ("ES1", "ES2")] == [expected, expected]
    assert verdict("SMP-2", "ES2", found) == expected
    assert verdict("SMP-2", "ES1", found) == "pass"


@pytest.mark.parametrize(("count", "expected"), [(10, "pass"), (9, "fail")])
def test_a_counter_has_ten_readings(count: int, expected: str) -> None:
    """SMP-2: ten readings of a counter inside the phase, not nine."""
    at_s = np.array([-10.0, -4.0, *np.linspace(1.0, 119.0, count), 124.0, 134.0])
    found = case(shown(at_s, 1000.0 * (at_s + 50.0), COUNTER))
    assert verdict("SMP-2", "ES1", found) == expected


@pytest.mark.parametrize(("phase_s", "expected"), [(59.0, "pass"), (58.9, "fail")])
def test_sixty_readings(phase_s: float, expected: str) -> None:
    """SMP-2 at ES1: readings at second 0 to 59 are sixty."""
    assert verdict("SMP-2", "ES1", case(moving(each(1.0)), phase_s=(0.0, phase_s))) == expected


@pytest.mark.parametrize(("lost", "expected"), [(3, "pass"), (4, "fail")])
def test_two_in_a_hundred_may_lack(lost: int, expected: str) -> None:
    """SMP-2 at ES2: of 100 readings wanted in 100 s, and 101 possible, 98 have to be there."""
    at_s = without(each(1.0), *((20.5 + 10 * k, 21.5 + 10 * k) for k in range(lost)))
    assert verdict("SMP-2", "ES2", case(moving(at_s), phase_s=(0.0, 100.0))) == expected


def test_the_worst_phase_and_stream_decides_and_is_named() -> None:
    """Of two devices the one with the hole is named."""
    sound = moving(each(1.0))
    holed = moving(without(each(1.0), (30.0, 40.0)), replace(POWER, meter_id="redfish:node-1:CN2:power"))
    outcome = judged("SMP-3", "ES1", case(sound, holed))
    assert outcome.verdict == "fail"
    assert isinstance(outcome.measured, dict)
    assert outcome.measured["stream"] == "redfish:node-1:CN2:power in measured-1"
    assert outcome.measured["gap_s"] == 10.0


@pytest.mark.parametrize(
    ("gap_s", "every_s", "grade", "expected"),
    [
        (3.0, 1.0, "ES1", "pass"),
        (3.1, 1.0, "ES1", "fail"),
        (4.0, 2.0, "ES1", "pass"),
        (4.2, 2.0, "ES1", "fail"),
        (2.1, 1.0, "ES2", "pass"),
        (2.2, 1.0, "ES2", "fail"),
    ],
)
def test_the_largest_gap(gap_s: float, every_s: float, grade: str, expected: str) -> None:
    """SMP-3: three seconds or two intervals at ES1, 2.1 s at ES2."""
    at_s = each(every_s, until_s=1000.0)
    at_s = np.where(at_s >= 100.0, at_s + gap_s - every_s, at_s)
    meter = replace(POWER, update_period_s=every_s)
    assert verdict("SMP-3", grade, case(moving(at_s, meter), phase_s=(0.0, 900.0))) == expected


@pytest.mark.parametrize(("holes", "grade", "expected"), [(6, "ES1", "pass"), (7, "ES1", "fail"), (1, "ES2", "pass"), (2, "ES2", "fail")])
def test_the_missing_time(holes: int, grade: str, expected: str) -> None:
    """SMP-3: of 600 s one reading lost is one second missing; 1 % are six of them, 0.2 % one."""
    at_s = without(each(1.0, until_s=620.0), *((20.5 + 20 * k, 21.5 + 20 * k) for k in range(holes)))
    assert verdict("SMP-3", grade, case(moving(at_s), phase_s=(0.0, 600.0))) == expected


def test_a_slow_phase_does_not_hide_in_a_fast_stream() -> None:
    """SMP-1 and SMP-3: readings every second before, every four in the phase: slow, and full of gaps."""
    at_s = np.concatenate([np.arange(-300.0, 0.0, 1.0), np.arange(0.0, 130.0, 4.0)])
    assert [verdict(rule_id, "ES1", case(moving(at_s))) for rule_id in ("SMP-1", "SMP-3")] == ["fail", "fail"]


@pytest.mark.parametrize(("first_s", "last_s", "expected"), [(0.0, 120.0, "pass"), (1e-9, 120.0, "fail"), (0.0, 120.0 - 1e-6, "fail")])
def test_a_reading_on_the_edge_is_enough(first_s: float, last_s: float, expected: str) -> None:
    """SMP-4: at begin and at end, not a nanosecond later or a microsecond earlier."""
    at_s = np.concatenate([[first_s], np.arange(1.0, 120.0), [last_s]])
    assert verdict("SMP-4", "ES2", case(moving(at_s))) == expected


@pytest.mark.parametrize(
    ("lasted_s", "period_s", "swing_w", "expected"),
    [
        (30.0, 1.0, 500.0, "pass"),
        (31.0, 1.0, 500.0, "fail"),
        (40.0, 4.0, 500.0, "pass"),
        (44.0, 4.0, 500.0, "fail"),
        (60.0, 1.0, 2.0, "pass"),
    ],
)
def test_a_value_may_stand_while_nothing_moves(lasted_s: float, period_s: float, swing_w: float, expected: str) -> None:
    """SMP-6: ten update periods or 30 s of one value, longer only while no other stream moves by more than three steps (of 1 W)."""
    at_s = each(period_s)
    still = (at_s >= 20.0) & (at_s <= 20.0 + lasted_s)
    value = np.where(still, 1000.0, 1000.0 + np.arange(len(at_s)) % 2 * 1.0 + 1.0)
    one = shown(at_s, value, replace(POWER, update_period_s=period_s, averaging_window_s=period_s, exponent=0))
    other = shown(each(1.0), np.where(each(1.0) > 35.0, 300.0 + swing_w, 300.0), GPU)
    assert verdict("SMP-6", "ES1", case(one, other)) == expected


@pytest.mark.parametrize(
    ("window_s", "phase_s", "expected"), [(0.99, 5.0, "pass"), (0.98, 5.0, "fail"), (1.0, 4.99, "fail"), (None, 120.0, "fail")]
)
def test_duty(window_s: float | None, phase_s: float, expected: str) -> None:
    """SMP-7: all of the time within the jitter, for five seconds at least; an unknown window counts as none."""
    found = case(moving(each(1.0), replace(POWER, averaging_window_s=window_s)), phase_s=(0.0, phase_s))
    assert verdict("SMP-7", "ES2", found) == expected


@pytest.mark.parametrize(("poll_s", "expected"), [(5.0, "pass"), (5.1, "fail")])
def test_a_counter_is_polled_twice_in_a_wrap(poll_s: float, expected: str) -> None:
    """SMP-8: at 1.2 x 2000 W a range of 24 kJ wraps in ten seconds."""
    meter = replace(COUNTER, modulus=24_000_000)
    at_s = each(poll_s, until_s=140.0)
    series = shown(at_s, 1000.0 * (at_s + 50.0), meter)
    assert verdict("SMP-8", "ES1", case(replace(series, value=series.value % 24_000_000))) == expected


@pytest.mark.parametrize(("jump_j", "expected"), [(4_700, "pass"), (4_900, "fail")])
def test_a_wrap_has_to_be_believable(jump_j: int, expected: str) -> None:
    """SMP-8: in a second and the update period a 2000 W node cannot take more than 4.8 kJ; a larger fall is a reset."""
    meter = replace(COUNTER, modulus=1_000_000_000)
    at_s = each(1.0)
    count = 1000.0 * (at_s + 50.0) + np.where(at_s >= 60.0, jump_j - 1000.0, 0.0)
    series = shown(at_s, count, meter)
    shift = 1_000_000_000 - int(series.value[int(np.searchsorted(at_s, 60.0))])
    assert verdict("SMP-8", "ES2", case(replace(series, value=(series.value + shift) % 1_000_000_000))) == expected


@pytest.mark.parametrize(
    ("excess", "grade", "expected"),
    [(0.029, "ES1", "pass"), (0.032, "ES1", "fail"), (0.0058, "ES2", "pass"), (0.0064, "ES2", "fail")],
)
def test_the_mean_of_the_samples(excess: float, grade: str, expected: str) -> None:
    """SMP-10: half of the phase sampled twice as often, at a power higher by x, parts mean and integral by x / 6."""
    at_s = np.concatenate([np.arange(-2.0, 50.0, 1.0), np.arange(50.0, 102.0, 0.5)])
    found = case(shown(at_s, np.where(at_s < 50.0, 1000.0, 1000.0 * (1.0 + excess)), POWER), phase_s=(0.25, 99.75))
    assert verdict("SMP-10", grade, found) == expected


@pytest.mark.parametrize(("count", "expected"), [(1, "pass"), (2, "fail")])
def test_one_in_a_thousand_may_be_no_measurement(count: int, expected: str) -> None:
    """SMP-11 at ES1: 1 of 1000 reads, not 2; at ES2 each of them is a gap, however many."""
    series = moving(each(1.0, until_s=1010.0))
    quality = series.quality.copy()
    rows = np.searchsorted(series.t_ns, [at(100.0 + 50 * k) for k in range(count)])
    quality[rows] = Quality.SENTINEL
    found = case(replace(series, quality=quality), phase_s=(0.0, 999.0))
    assert verdict("SMP-11", "ES1", found) == expected
    assert verdict("SMP-11", "ES2", found) == "pass"


@pytest.mark.parametrize("value", [0, -5_000])
def test_no_power_is_no_measurement(value: int) -> None:
    """SMP-11: zero and negative powers that pass for good readings are counted."""
    series = moving(each(1.0))
    values = series.value.copy()
    values[np.searchsorted(series.t_ns, at(30.0))] = value
    assert verdict("SMP-11", "ES1", case(replace(series, value=values))) == "fail"
    assert verdict("SMP-3", "ES1", case(replace(series, value=values))) == "pass"


@pytest.mark.parametrize(("reason", "expected"), [("overflow", "fail"), ("BMC did not answer", "pass")])
def test_a_read_that_brought_nothing_is_no_invalid_sample(reason: str, expected: str) -> None:
    """SMP-11: a gap counts where something was printed that is no power; silence is missing time."""
    series = moving(each(1.0))
    row = int(np.searchsorted(series.t_ns, at(30.0)))
    quality = series.quality.copy()
    quality[row] = Quality.GAP
    assert verdict("SMP-11", "ES1", case(replace(series, quality=quality, reasons={row: reason}))) == expected


@pytest.mark.parametrize("grade", ["ES1", "ES2"])
def test_a_phase_in_which_nothing_was_read_has_no_share_of_valid_samples(grade: str) -> None:
    """Without a read inside the phase nobody can say how many samples were invalid (SMP-11)."""
    assert verdict("SMP-11", grade, case(moving(np.concatenate((np.arange(-20.0, 0.0), np.arange(121.0, 140.0)))))) == "cannot_tell"


@pytest.mark.parametrize("rule_id", ["SMP-1", "SMP-5", "SMP-6", "SMP-7", "SMP-11"])
@pytest.mark.parametrize("at_s", [[], [5.0]])
def test_a_stream_that_was_hardly_read_passes_nothing(rule_id: str, at_s: list[float]) -> None:
    """No reading, or a single one, has no interval and no fault: what the meter says of itself does not stand in for it."""
    assert verdict(rule_id, "ES1", case(shown(at_s, 1000.0, POWER))) == "cannot_tell"


@pytest.mark.parametrize(("rated_w", "expected"), [(2000.0, "pass"), (None, "cannot_tell")])
def test_a_counter_that_moved_once_has_no_power_of_its_own(rated_w: float | None, expected: str) -> None:
    """With a single refresh the power that would wrap the counter is the rated one, or is not known (SMP-8)."""
    at_s = np.arange(-130.0, 131.0)
    once = shown(at_s, np.where(at_s < 60.0, 5000.0, 9000.0), replace(COUNTER, modulus=2**40, rated_w=rated_w))
    assert verdict("SMP-8", "ES1", case(once)) == expected


def test_only_the_alignment_in_use_stands_for_the_workload() -> None:
    """SMP-7: an expired alignment on the very workload does not stand for the one in force, made on another load."""

    def spoilt(evidence: Evidence) -> Evidence:
        blind = of_another_workload(evidence)
        record = evidence.alignments[0].record
        past = replace(record, alignment_id="long-ago", made_ns=record.made_ns - 400 * DAY_NS, expires_ns=record.made_ns - 300 * DAY_NS)
        return replace(blind, alignments=(replace(evidence.alignments[0], record=past), *blind.alignments))

    assert verdict("SMP-7", "ES1", Case(Path(), spoilt(good("ES1")))) == "fail"
