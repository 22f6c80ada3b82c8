"""Rules CAL at their limits: just inside passes, just outside fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.calibration.alignment import Alignment
from joulemark.standard.case import Case
from joulemark.standard.checks.alignment import CHECKS, DAY_NS
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import good_case
from tests.kit.spoils.alignment import moved_w

GOOD = good_case("ES1")


def asked(rule_id: str, record: Alignment, grade: str = "ES1", case: Case = GOOD) -> Verdict:
    """What a rule says of the short run with another record; the figures that were computed stay."""
    assert case.evidence is not None
    (one,) = case.evidence.alignments
    changed = replace(case, evidence=replace(case.evidence, alignments=(replace(one, record=record),)))
    changed.__dict__["rebuilt"] = case.rebuilt
    return CHECKS[rule_id](changed, edition().rule(rule_id), grade).verdict


def record() -> Alignment:
    """Of the short run."""
    assert GOOD.evidence is not None
    return GOOD.evidence.alignments[0].record


@pytest.mark.parametrize(
    ("grade", "gain", "good"),
    [
        ("ES1", 0.9001, True),
        ("ES1", 0.8999, False),
        ("ES1", 1.0999, True),
        ("ES1", 1.1001, False),
        ("ES2", 1.0499, True),
        ("ES2", 1.0501, False),
        ("ES2", 0.9501, True),
        ("ES2", 0.9499, False),
    ],
)
def test_gain(grade: str, gain: float, good: bool) -> None:
    """CAL-5: 0.90 to 1.10, and 0.95 to 1.05 for a cross-check."""
    assert asked("CAL-5", replace(record(), gain=gain), grade) is (Verdict.PASS if good else Verdict.FAIL)


@pytest.mark.parametrize(("days", "good"), [(89.99, True), (90.01, False), (-0.01, False)])
def test_age(days: float, good: bool) -> None:
    """CAL-6: at most 90 days before the run, and never after it."""
    begin_ns = GOOD.measured[0].begin_ns
    made_ns = begin_ns - round(days * DAY_NS)
    aged = replace(moved(record(), made_ns - record().made_ns), made_ns=made_ns, expires_ns=begin_ns + DAY_NS)
    assert asked("CAL-6", aged) is (Verdict.PASS if good else Verdict.FAIL)


def moved(made: Alignment, by_ns: int) -> Alignment:
    """The record as if its readings were of another time."""
    held = made.held_out
    assert held is not None
    plateaus = tuple(
        replace(one, windows=tuple(replace(w, begin_ns=w.begin_ns + by_ns, end_ns=w.end_ns + by_ns) for w in one.windows))
        for one in made.plateaus
    )
    return replace(made, plateaus=plateaus, held_out=replace(held, begin_ns=held.begin_ns + by_ns, end_ns=held.end_ns + by_ns))


def test_an_alignment_of_the_first_phase_comes_too_late() -> None:
    """CAL-6: what was made after the run began corrected none of it, even where it was made before the first measured phase."""
    assert GOOD.run is not None
    begin_ns = min(window.begin_ns for window in GOOD.run.windows)
    made = record()
    for made_ns, verdict in ((begin_ns, Verdict.PASS), (begin_ns + 1, Verdict.FAIL)):
        late = replace(moved(made, made_ns - made.made_ns), made_ns=made_ns, expires_ns=begin_ns + DAY_NS)
        assert asked("CAL-6", late) is verdict


@pytest.mark.parametrize(("days", "good"), [(0.9, True), (1.1, False), (-0.01, False)])
def test_a_record_is_of_the_day_of_its_readings(days: float, good: bool) -> None:
    """CAL-6: a date long after the readings, or before them, makes no old alignment young and no later one early."""
    made = record()
    assert made.held_out is not None
    begin_ns = GOOD.measured[0].begin_ns
    dated = moved(made, begin_ns - 10 * DAY_NS - made.held_out.end_ns)
    dated = replace(dated, made_ns=begin_ns - 10 * DAY_NS + round(days * DAY_NS), expires_ns=begin_ns + DAY_NS)
    assert asked("CAL-6", dated) is (Verdict.PASS if good else Verdict.FAIL)


def test_a_reference_that_shows_nothing_is_no_crash() -> None:
    """CAL-1 and CAL-4: windows of no length, and a reference at 0 W, fail with their reason."""
    made = record()
    still = tuple(replace(one, windows=tuple(replace(w, end_ns=w.begin_ns) for w in one.windows)) for one in made.plateaus)
    dark = tuple(replace(one, windows=tuple(replace(w, reference_w=0.0) for w in one.windows)) for one in made.plateaus)
    assert asked("CAL-1", replace(made, plateaus=still)) is Verdict.FAIL
    assert asked("CAL-4", replace(made, plateaus=dark)) is Verdict.FAIL


@pytest.mark.parametrize(("grade", "limit"), [("ES1", 0.02), ("ES2", 0.01)])
def test_held_out(grade: str, limit: float) -> None:
    """CAL-4: the run held out is off by at most 2 %, 1 % for ES2, on either side."""
    made = record()
    held = made.held_out
    assert held is not None
    aligned_j = made.gain * held.sensor_j + made.offset_w * (held.end_ns - held.begin_ns) / 1e9
    for error, verdict in ((limit * 0.999, Verdict.PASS), (limit * 1.001, Verdict.FAIL), (-limit * 1.001, Verdict.FAIL)):
        off = replace(made, held_out=replace(held, reference_j=aligned_j / (1.0 + error)))
        assert asked("CAL-4", off, grade) is verdict


@pytest.mark.parametrize(("share", "verdict"), [(0.0195, Verdict.PASS), (0.0215, Verdict.FAIL)])
def test_residual(share: float, verdict: Verdict) -> None:
    """CAL-4: a plateau at most 2 % of the reference from the line."""
    assert GOOD.evidence is not None
    changed = moved_w("mid", share)(GOOD.evidence)
    assert asked("CAL-4", changed.alignments[0].record) is verdict


@pytest.mark.parametrize(("windows", "settle_s", "good"), [(5, 60.0, True), (4, 60.0, False), (5, 59.9, False)])
def test_plateaus(windows: int, settle_s: float, good: bool) -> None:
    """CAL-2: five windows after a minute."""
    made = record()
    plateaus = tuple(replace(one, windows=one.windows[:windows], settle_s=settle_s) for one in made.plateaus)
    assert asked("CAL-2", replace(made, plateaus=plateaus)) is (Verdict.PASS if good else Verdict.FAIL)


def badged(**values: object) -> Case:
    """The short run with a badge of a ring test."""
    badge = {"schema": "joulemark.ring-badge/1", "date": "2026-06-01", "z": 0.4, "z_prime": None, "en": 0.2, **values}
    return replace(GOOD, documents={**GOOD.documents, "energy/ring.json": badge})


def test_the_badge_is_optional_and_never_in_the_way() -> None:
    """CAL-8: none is not applicable, a good one passes, a bad one fails."""
    rule = edition().rule("CAL-8")
    assert CHECKS["CAL-8"](GOOD, rule, "ES1").verdict is Verdict.NOT_APPLICABLE
    assert CHECKS["CAL-8"](badged(), rule, "ES1").verdict is Verdict.PASS
    assert CHECKS["CAL-8"](badged(z=2.1), rule, "ES2").verdict is Verdict.FAIL
    assert CHECKS["CAL-8"](badged(date="2025-06-01"), rule, "ES2").verdict is Verdict.FAIL
