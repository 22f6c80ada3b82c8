"""What the rules MET come to at their limits and on odd evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.meter_log import Complaint, Message, MeterLog
from joulemark.readings import Accuracy, Quantity
from joulemark.standard.checks.meter import CHECKS
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Outcome, Verdict
from tests.kit.change import chained, each_series, is_headline, is_quantity, labelled, meters, scaled, unaligned, without
from tests.kit.sensors import CORDS
from tests.kit.spoil import good, good_case, unwritten
from tests.kit.spoils.meter import PAPER, certified, complained, is_second, of_percent, ranged, second_moved, two_supplies


def asked(rule_id: str, evidence: Evidence, grade: str) -> Outcome:
    """One rule over a bundle of `evidence`."""
    return CHECKS[rule_id](unwritten(evidence), edition().rule(rule_id), grade)


@pytest.mark.parametrize(
    ("level", "percent", "grade", "verdict"),
    [
        ("ES1", 3.99, "ES1", Verdict.PASS),
        ("ES1", 4.01, "ES1", Verdict.FAIL),
        ("ES2", 0.999, "ES2", Verdict.PASS),
        ("ES2", 1.001, "ES2", Verdict.FAIL),
    ],
)
def test_the_limit_of_error_at_the_operating_point(level: str, percent: float, grade: str, verdict: Verdict) -> None:
    """Four per cent at ES1, one at ES2, where it has no share of a range."""
    assert asked("MET-2", of_percent(percent)(good(level)), grade).verdict is verdict


def test_the_range_counts_with_all_its_channels() -> None:
    """The limit is (r P + f R)/P with R the sum of the ranges: 0.1 % of reading and 0.05 % of 2 x 3 kW at 1.8 kW."""
    case = good_case("ES2")
    outcome = CHECKS["MET-2"](case, edition().rule("MET-2"), "ES2")
    assert isinstance(outcome.measured, dict)
    least_w = min(case.figures(w)["energy_j"] / w.duration_s for w in case.measured)
    assert outcome.measured["limit_rel"] == pytest.approx(0.001 + 0.0005 * 6000.0 / least_w, rel=1e-9)


SECOND_PAPER = meters(where=is_second, serial="other", certificate=replace(PAPER, serial="other", sha256="cd" * 32))


def test_errors_of_two_meters_are_independent_only_with_two_certificates() -> None:
    """The rule of the root of n lowers the limit at ES1 for certificates that differ, and never at ES2."""
    two = chained(of_percent(2.0), SECOND_PAPER)(good("ES2"))

    def limit_rel(evidence: Evidence, grade: str) -> float:
        measured = asked("MET-2", evidence, grade).measured
        assert isinstance(measured, dict)
        return float(measured["limit_rel"])

    assert limit_rel(two, "ES1") == pytest.approx(0.02 * np.hypot(0.52, 0.48), rel=1e-3)
    assert limit_rel(two, "ES2") == pytest.approx(0.02)
    assert limit_rel(of_percent(2.0)(good("ES2")), "ES1") == pytest.approx(0.02)
    above = chained(of_percent(3.1), SECOND_PAPER)(good("ES2"))
    assert limit_rel(above, "ES1") == pytest.approx(0.031)


def test_an_accuracy_without_a_certificate_is_not_enough_for_es1() -> None:
    """A statement of the maker needs a certificate or mark of the meter, or an alignment."""
    bare = chained(unaligned, meters(accuracy=Accuracy(1.0, source="data sheet")))(good("ES1"))
    assert asked("MET-2", bare, "ES1").verdict is Verdict.CANNOT_TELL


def test_an_alignment_is_not_enough_for_es2() -> None:
    """At ES2 the meter itself has to be good."""
    assert asked("MET-2", good("ES1"), "ES2").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("amps", "verdict"), [(4.218 * 1.1 + 0.001, Verdict.PASS), (4.218 * 1.1 - 0.001, Verdict.FAIL)])
def test_a_range_is_wider_than_the_largest_current(amps: float, verdict: Verdict) -> None:
    """The largest current is at most the range divided by 1.1."""
    assert asked("MET-4", ranged(amps=amps)(good("ES2")), "ES2").verdict is verdict


@pytest.mark.parametrize(("crest_factor", "verdict"), [(3.0, Verdict.PASS), (6.0, Verdict.PASS), (2.9, Verdict.FAIL)])
def test_the_crest_factor_is_three_at_least(crest_factor: float, verdict: Verdict) -> None:
    """A setting below three cuts the peaks of power supplies off."""
    assert asked("MET-4", ranged(crest_factor=crest_factor)(good("ES2")), "ES2").verdict is verdict


@pytest.mark.parametrize("field", ["auto", "crest_factor", "amps"])
def test_a_range_that_is_half_known(field: str) -> None:
    """What the instrument does not tell of its range is not taken for good."""
    assert asked("MET-4", ranged(**{field: None})(good("ES2")), "ES2").verdict is Verdict.CANNOT_TELL


def test_a_complaint_outside_of_the_measured_phases_does_not_count() -> None:
    """Only what was said while it was measured says anything of the measurement, to the nanosecond."""
    evidence = complained(Complaint.UNCERTAINTY)(good("ES2"))
    assert evidence.meter_log is not None
    (message,) = evidence.meter_log.messages
    window = evidence.run.measured[0]
    for t_ns, verdict in ((window.end_ns, Verdict.FAIL), (window.end_ns + 1, Verdict.PASS), (window.begin_ns - 1, Verdict.PASS)):
        moved = replace(evidence, meter_log=MeterLog((), (replace(message, t_ns=t_ns),)))
        assert asked("MET-5", moved, "ES2").verdict is verdict


def test_a_complaint_of_another_meter_is_none_of_this_one() -> None:
    """A message counts for its own meter, or for all channels of its device."""
    evidence, window = good("ES2"), good("ES2").run.measured[0]
    for meter_id, verdict in (("scpi:bench-1:other:ch1", Verdict.PASS), ("scpi:bench-1:C2XL24034V", Verdict.FAIL)):
        said = Message(meter_id, window.begin_ns + 1, Complaint.OVER_RANGE)
        assert asked("MET-4", replace(evidence, meter_log=MeterLog((), (said,))), "ES2").verdict is verdict


@pytest.mark.parametrize(("watts", "verdict"), [(170.0, Verdict.PASS), (165.0, Verdict.FAIL), (0.0, Verdict.PASS), (-5.0, Verdict.PASS)])
def test_one_sample_is_judged_at_its_own_reading(watts: float, verdict: Verdict) -> None:
    """0.1 % of reading and 1.5 W are 1 % at 166.7 W; a reading of nothing is a gap and no sample."""
    evidence = good("ES2")
    at_ns = evidence.run.measured[0].begin_ns + 10**10

    def low(one: Series) -> Series:
        value = one.value.copy()
        value[np.searchsorted(one.t_ns, at_ns)] = round(watts * 100)
        return replace(one, value=value)

    assert asked("MET-5", each_series(low)(evidence), "ES2").verdict is verdict


@pytest.mark.parametrize(("date", "verdict"), [("2025-11-02", Verdict.PASS), ("2025-11-01", Verdict.FAIL), ("2026-11-02", Verdict.PASS)])
def test_a_certificate_counts_for_a_year(date: str, verdict: Verdict) -> None:
    """365 days before the run is young enough, 366 is not."""
    assert asked("MET-6", certified(date=date)(good("ES2")), "ES2").verdict is verdict


def test_a_certificate_without_a_day_cannot_be_told() -> None:
    """A date that is none tells no age."""
    assert asked("MET-6", certified(date="March")(good("ES2")), "ES2").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("factor", "verdict"), [(1.015, Verdict.PASS), (1.027, Verdict.FAIL), (0.985, Verdict.PASS)])
def test_voltage_current_and_power_factor_give_the_power(factor: float, verdict: Verdict) -> None:
    """They may be 2 % apart at ES2; at ES1 that is a warning."""
    evidence = each_series(scaled(factor), where=is_quantity(Quantity.CURRENT))(good("ES2"))
    assert asked("MET-7", evidence, "ES2").verdict is verdict
    assert asked("MET-7", evidence, "ES1").verdict is (Verdict.PASS if verdict is Verdict.PASS else Verdict.WARN)


def test_a_low_power_factor_is_allowed_where_the_crest_factor_is_noted() -> None:
    """Below 0.9 the crest factor has to be known, and is."""
    low = chained(
        each_series(scaled(0.85), where=is_quantity(Quantity.POWER_FACTOR)),
        each_series(scaled(1 / 0.85), where=is_quantity(Quantity.CURRENT)),
    )
    assert asked("MET-7", low(good("ES2")), "ES2").verdict is Verdict.PASS


@pytest.mark.parametrize(("label", "verdict"), [("240", Verdict.PASS), ("245", Verdict.FAIL), ("none", Verdict.PASS)])
def test_the_nominal_voltage_is_the_stated_one(label: str, verdict: Verdict) -> None:
    """230.4 V are within 5 % of 240 V and not of 245 V; a label that is no number states nothing."""
    assert asked("MET-7", labelled(nominal_voltage_v=label)(good("ES2")), "ES2").verdict is verdict


def test_a_sum_is_never_held_against_its_mean_voltage() -> None:
    """Of a channel that adds two cords up the channels of each are looked at; without them nothing is told."""
    evidence = good("ES2")
    first, second = (one for one in evidence.series if is_headline(one))
    meter = replace(first.meter, meter_id=f"{first.meter.device_id}:sum", covers=CORDS)
    whole = replace(first, meter=meter, value=first.value + second.value)
    summed = replace(evidence, series=(whole, *evidence.series))
    assert asked("MET-7", summed, "ES2").verdict is Verdict.PASS
    alone = replace(evidence, series=(whole, *(one for one in evidence.series if not is_headline(one))))
    assert asked("MET-7", alone, "ES2").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("late_s", "verdict"), [(0.25, Verdict.PASS), (0.26, Verdict.FAIL), (-0.26, Verdict.FAIL)])
def test_channels_are_read_together(late_s: float, verdict: Verdict) -> None:
    """A quarter of a second is allowed at ES2, either way."""
    assert asked("MET-8", second_moved(late_s)(good("ES2")), "ES2").verdict is verdict


def test_a_missing_channel_is_a_gap_and_no_skew() -> None:
    """Three readings that one channel lacks are judged as a gap elsewhere; what is left was read together."""
    at_ns = good("ES2").run.measured[0].begin_ns + 10**11

    def holed(one: Series) -> Series:
        return one.rows((one.t_ns < at_ns) | (one.t_ns > at_ns + 3 * 10**9))

    assert asked("MET-8", each_series(holed, where=is_second)(good("ES2")), "ES2").verdict is Verdict.PASS


def test_channels_are_matched_by_time_and_not_by_row() -> None:
    """A channel that lacks its first ten readings is not moved by ten rows against the other."""
    shorter = each_series(lambda one: one.rows(slice(10, None)), where=is_second)
    outcome = asked("MET-8", shorter(good("ES2")), "ES2")
    assert outcome.measured == {"skew_s": 0.0, "allowed_s": 0.25}


def test_two_supplies_half_a_second_apart() -> None:
    """At ES1 a second is allowed."""
    assert asked("MET-8", two_supplies(apart_s=0.5)(good("ES1")), "ES1").verdict is Verdict.PASS


def test_without_readings_nothing_is_told() -> None:
    """No rule takes absent readings for a pass."""
    empty = replace(good_case("ES1"), evidence=None)
    for rule_id in CHECKS:
        assert CHECKS[rule_id](empty, edition().rule(rule_id), "ES2").verdict is Verdict.CANNOT_TELL, rule_id


def test_without_current_the_range_cannot_be_told() -> None:
    """A range is judged by the largest current, which somebody has to have read in each phase."""
    assert asked("MET-4", without(is_quantity(Quantity.CURRENT, covers=CORDS[1:]))(good("ES2")), "ES2").verdict is Verdict.CANNOT_TELL
