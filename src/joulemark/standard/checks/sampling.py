"""Rules SMP: how often, how completely and how honestly the streams of the headline were read. The worst one decides and is named."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np

from joulemark.calibration.alignment import Alignment
from joulemark.energy.counters import unwrap
from joulemark.energy.integrate import enclosing, samples_inside, trapezoid_j
from joulemark.errors import InsufficientData
from joulemark.standard.aligned import in_use
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.checks.dating import dated
from joulemark.standard.checks.estimates import estimates_agree
from joulemark.standard.edition import Rule
from joulemark.standard.stillness import Stillness, rank, stillness
from joulemark.standard.stretch import Stretch, watched
from joulemark.standard.verdict import Measured, Outcome, Verdict, cannot_tell, judged, not_applicable
from joulemark.units import NS_PER_S

SOURCE: Final = "energy/readings/*.csv"
METERS: Final = "energy/meters.json"


def absent(case: Case) -> Outcome:
    """Nothing to look at."""
    what = "no measured phase" if not case.measured else "no readings of power or energy"
    return cannot_tell(f"the bundle has {what}", source=SOURCE)


def shown(value: float) -> float | None:
    """A figure that JSON can hold: None for infinity."""
    return value if math.isfinite(value) else None


def if_read(check: Check) -> Check:
    """`check`, whose pass counts only where every stream was read in each phase, and twice at least: what is absent has no faults."""

    @functools.wraps(check)
    def asked(case: Case, rule: Rule, grade: str) -> Outcome:
        outcome = check(case, rule, grade)
        unread = [one.name for one in watched(case) if not one.reads() or not max(one.spacing_s)] if outcome.verdict.harmless else []
        return cannot_tell(f"{unread[0]} was not read", source=SOURCE, limit=outcome.limit) if unread else outcome

    return asked


def worst(stretches: Iterable[Stretch], badness: Callable[[Stretch], float]) -> tuple[Stretch, float]:
    """The stretch of the largest `badness`, which is 1 at the limit."""
    return max(((one, badness(one)) for one in stretches), key=lambda found: found[1])


def nominal_interval(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-1. A nominal interval holds within the jitter that the edition grants."""
    if not (found := watched(case)):
        return absent(case)
    limit = {name: rule.limit(grade, name) for name in ("interval_s", "integrating_interval_s", "bracket_s", "window_s", "jitter")}

    def interval(one: Stretch) -> float:
        if one.is_counter and one.interval_s > limit["interval_s"] * (1.0 + limit["jitter"]):
            return max(one.brackets_s()) / limit["bracket_s"] if counted(case, one) else math.inf
        averages = one.window_s is not None and one.window_s >= one.interval_s * (1.0 - limit["jitter"])
        allowed_s = limit["integrating_interval_s"] if averages else limit["interval_s"]
        return one.interval_s / (allowed_s * (1.0 + limit["jitter"])) if one.interval_s else math.inf

    def badness(one: Stretch) -> float:
        return max(interval(one), 0.0 if one.is_counter else (one.window_s or 0.0) / limit["window_s"])

    one, bad = worst(found, badness)
    said = f"<= {limit['interval_s']:g} s (<= {limit['integrating_interval_s']:g} s if it averages over its interval, or a counter with"
    said += f" readings <= {limit['bracket_s']:g} s from each edge), averaging window <= {limit['window_s']:g} s"
    measured: Measured = {"interval_s": one.interval_s, "averaging_window_s": one.window_s, "stream": one.name}
    unknown = [each for each in found if not each.is_counter and each.window_s is None]
    if bad > 1.0 or not unknown:
        return judged(bad <= 1.0, measured=measured, limit=said, source=SOURCE, detail=one.name if bad > 1.0 else "")
    detail = f"{unknown[0].meter.meter_id} does not say over how long it averages"
    if all(aligned_by(case, each) for each in unknown):
        return Outcome(Verdict.WARN, measured, said, METERS, f"{detail}; its alignment holds what that does to the energy")
    return cannot_tell(detail, source=f"{METERS}: averaging_window_s", limit=said)


def counted(case: Case, one: Stretch) -> bool:
    """Whether the budget of the phase counts the step and the refresh of its counter."""
    budget = case.figures(one.window).get("uncertainty") or {}
    return any(line["name"] == "counter" and (line["u_j"] or 0.0) > 0.0 for line in budget.get("components", ()))


def aligned_by(case: Case, one: Stretch) -> list[Alignment]:
    """The alignment that corrects the meter of a stretch; none where none is in force."""
    used = in_use(case, one.meter.meter_id)
    return [] if used is None else [used.record]


def distinct_readings(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-2."""
    if not (found := watched(case)):
        return absent(case)
    least, share = rule.limit(grade, "readings"), rule.limit(grade, "share")
    of_counter, bracket_s = rule.limit(grade, "counter_readings"), rule.limit(grade, "bracket_s")

    def wanted(one: Stretch) -> float:
        if one.is_counter:
            return of_counter
        return max(least, share * one.window.duration_s / one.interval_s if one.interval_s else math.inf)

    def badness(one: Stretch) -> float:
        few = wanted(one) / count if (count := one.distinct()) else math.inf
        return max(few, max(one.brackets_s()) / bracket_s) if one.is_counter and bracket_s else few

    one, bad = worst(found, badness)
    said = f">= {of_counter:g} readings of a counter, else >= {least:g}"
    said += f" and {share:.0%} of duration / interval; of a counter within {bracket_s:g} s of each edge" if share else ""
    measured: Measured = {"distinct": one.distinct(), "wanted": shown(wanted(one)), "interval_s": one.interval_s, "stream": one.name}
    return judged(bad <= 1.0, measured=measured, limit=said, source=SOURCE)


def gaps(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-3. A counter integrates across its gaps: SMP-2 looks at it."""
    if not (found := watched(case)):
        return absent(case)
    if not (powers := [one for one in found if not one.is_counter]):
        return not_applicable("the headline comes from counters, which SMP-2 looks at", source=SOURCE)
    longest_s, intervals = rule.limit(grade, "gap_s"), rule.limit(grade, "gap_intervals")
    missing = rule.limit(grade, "missing")

    def allowed_s(one: Stretch) -> float:
        return max(longest_s, intervals * one.gap_interval_s)

    def badness(one: Stretch) -> float:
        covered = one.covered()
        return math.inf if covered is None else max(covered.max_gap_s / allowed_s(one), covered.missing_s / covered.duration_s / missing)

    one, bad = worst(powers, badness)
    covered = one.covered()
    said = f"gap <= {allowed_s(one):g} s, missing time <= {missing:.2%}"
    if covered is None:
        return judged(good=False, measured={"stream": one.name}, limit=said, source=SOURCE, detail="no reading on each side of the phase")
    measured: Measured = {"gap_s": covered.max_gap_s, "missing": covered.missing_s / covered.duration_s, "stream": one.name}
    return judged(bad <= 1.0, measured=measured, limit=said, source=SOURCE)


def enclosed(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-4."""
    del rule, grade
    if not (found := watched(case)):
        return absent(case)
    one, bad = worst(found, lambda stretch: max(stretch.brackets_s()))
    before_s, after_s = one.brackets_s()
    measured: Measured = {"before_begin_s": shown(before_s), "after_end_s": shown(after_s), "stream": one.name}
    lacks = f"{one.name} has no reading {'at or before the begin' if math.isinf(before_s) else 'at or after the end'}"
    limit = "a reading at or before begin, and at or after end"
    return judged(math.isfinite(bad), measured=measured, limit=limit, source=SOURCE, detail="" if math.isfinite(bad) else lacks)


def times(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-5: of each stretch, what is wrong with its times; see `dating`."""
    if not (found := watched(case)):
        return absent(case)
    verdicts = [(one, *dated(one, rule, grade)) for one in found]
    said = "read bracket stored, own time of the device stored, half-width >= bracket / 2 + update / 2, times rise"
    source = f"{SOURCE}: t_read0_ns, t_read1_ns, t_device_ns, t_unc_ns"
    for wanted in (Verdict.FAIL, Verdict.CANNOT_TELL):
        if bad := next(((one, detail) for one, verdict, detail in verdicts if verdict is wanted), None):
            return Outcome(wanted, {"stream": bad[0].name}, said, source, f"{bad[0].name}: {bad[1]}")
    return judged(good=True, measured={"streams": len({one.meter.meter_id for one in found})}, limit=said, source=source)


def frozen(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-6."""
    if not (found := watched(case)):
        return absent(case)
    periods, least_s, steps = (rule.limit(grade, name) for name in ("periods", "still_s", "steps"))

    def seen(one: Stretch) -> Stillness:
        return stillness(one, limit_s=max(periods * one.update_s, least_s), steps=steps)

    one, still = max(((one, seen(one)) for one in found), key=lambda pair: rank(pair[1]))
    said = f"<= max({periods:g} update periods, {least_s:g} s) of one value while another stream moves by > {steps:g} steps"
    if still.frozen is None:
        return cannot_tell(f"{one.name}: {still.why}", source=SOURCE, limit=said)
    measured: Measured = {"still_s": still.lasted_s, "stream": one.name}
    return judged(not still.frozen, measured=measured, limit=said, source=SOURCE, detail=still.why)


def duty(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-7. A sensor that does not see all the time counts only with the workload itself among plateaus and held-out runs, if at all."""
    if not (found := watched(case)):
        return absent(case)
    full, may_align, phase_s = (rule.limit(grade, name) for name in ("duty", "aligned_may", "phase_s"))
    one = min(found, key=lambda stretch: (stretch.duty, stretch.window.duration_s))
    short = min(stretch.window.duration_s for stretch in found)
    said = f"c >= {full:g} (1 within jitter){', or the workload itself aligned and held out' if may_align else ''}; phase >= {phase_s:g} s"
    measured: Measured = {"duty": one.duty, "phase_s": short, "stream": one.name}
    blind = [stretch for stretch in found if stretch.duty < full]
    good = short >= phase_s and (not blind or (bool(may_align) and all(pinned(case, stretch) for stretch in blind)))
    detail = "" if not blind else f"{blind[0].meter.meter_id} sees {blind[0].duty:.2f} of the time"
    return judged(good, measured=measured, limit=said, source=f"{METERS}: averaging_window_s, update_period_s", detail=detail)


def pinned(case: Case, one: Stretch) -> bool:
    """Whether the workload of the run is a plateau of an alignment of the meter, and its held-out run."""
    workload = None if case.evidence is None else case.evidence.workload
    names = set() if workload is None else {workload.model, workload.dataset} - {""}
    return any(
        held.held_out is not None
        and held.held_out.workload in names
        and any(plateau.workload in names and plateau.name != "idle" for plateau in held.plateaus)
        for held in aligned_by(case, one)
    )


def counters(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-8."""
    if not (found := watched(case)):
        return absent(case)
    if not (counting := [one for one in found if one.is_counter]):
        return not_applicable("no counter is in the headline", source=METERS)
    margin, half = rule.limit(grade, "rated_margin"), rule.limit(grade, "poll_per_wrap")
    said = f"no reset; a wrap at <= {margin:g} x rated power; polls <= {half:g} of a wrap"
    polls: list[float] = []
    for one in counting:
        rows = one.valid.rows(slice(*around(one)))
        wraps = bool(np.any(np.diff(rows.value) < 0))
        if len(rows) < 2 or unwrap(rows).segment[-1]:
            return judged(good=False, measured={"stream": one.name}, limit=said, source=SOURCE, detail=f"{one.name} was reset, or not read")
        if wraps and one.meter.rated_w is None:
            return cannot_tell(
                f"the rated power of {one.meter.meter_id} is not stated, so a wrap cannot be told from a reset", source=METERS
            )
        if (share := poll_share(one, rows.t_ns, margin=margin)) is None:
            return cannot_tell(f"{one.name}: neither its rated power nor that of the phase is known", source=METERS, limit=said)
        polls.append(share)
        if share > half:
            return judged(good=False, measured={"poll_per_wrap": polls[-1], "stream": one.name}, limit=said, source=SOURCE)
    return judged(good=True, measured={"poll_per_wrap": max(polls), "counters": len(counting)}, limit=said, source=SOURCE)


def around(one: Stretch) -> tuple[int, int]:
    """First row and row after the last of what the counter of a phase is taken from; none where it does not enclose it."""
    try:
        rows = enclosing(one.valid.t_ns, one.window.begin_ns, one.window.end_ns)
    except InsufficientData:
        return 0, 0
    return rows.start, rows.stop


def poll_share(one: Stretch, t_ns: np.ndarray[tuple[int, ...], np.dtype[np.int64]], *, margin: float) -> float | None:
    """The longest poll as a share of the time in which the counter wraps at `margin` times its rated power, or at the phase's own.

    None where neither power is known.
    """
    if one.meter.modulus is None:
        return 0.0
    poll_s = float(np.diff(t_ns).max()) / NS_PER_S
    slopes_w = np.zeros(0) if one.points is None else one.points.slopes_w()
    shown_w = slopes_w[np.isfinite(slopes_w)]
    if one.meter.rated_w is None and not len(shown_w):
        return None
    power_w = float(shown_w.max()) if one.meter.rated_w is None else margin * one.meter.rated_w
    return poll_s * power_w / (one.meter.modulus * 10.0**one.meter.exponent)


def method(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-10: the trapezoid against the plain mean of the samples; the right-hand sum is printed beside them."""
    if not (found := watched(case)):
        return absent(case)
    if not (powers := [one for one in found if not one.is_counter]):
        return not_applicable("the headline comes from counters", source=METERS)
    limit = rule.limit(grade, "difference")
    sums = [(one, sums_j(one)) for one in powers]
    if lacking := next((one for one, energies in sums if energies is None), None):
        return cannot_tell(f"{lacking.name}: its readings do not enclose the phase", source=SOURCE, limit=f"<= {limit:.2%}")
    one, (trapezoid, mean, right) = max(((one, e) for one, e in sums if e is not None), key=lambda pair: abs(pair[1][0] / pair[1][1] - 1.0))
    difference = abs(trapezoid / mean - 1.0)
    measured: Measured = {"difference": difference, "trapezoid_j": trapezoid, "mean_j": mean, "right_sum_j": right, "stream": one.name}
    return judged(difference <= limit, measured=measured, limit=f"<= {limit:.2%}", source=SOURCE)


def sums_j(one: Stretch) -> tuple[float, float, float] | None:
    """Energy of a phase in J by the trapezoid, by mean x duration, and by the right-hand sum; None where readings lack."""
    good, window = one.valid, one.window
    count, mean_w = samples_inside(good, window.begin_ns, window.end_ns)
    try:
        trapezoid = trapezoid_j(good.t_ns, good.si(), window.begin_ns, window.end_ns)
    except InsufficientData:
        return None
    if not count or mean_w is None:
        return None
    first, last = around(one)
    t_ns = np.clip(good.t_ns[first:last], window.begin_ns, window.end_ns)
    right = float(np.dot(np.diff(t_ns) / NS_PER_S, good.si()[first + 1 : last]))
    return trapezoid, mean_w * window.duration_s, right


def invalid_samples(case: Case, rule: Rule, grade: str) -> Outcome:
    """SMP-11: answers that are no measurement are gaps, and few."""
    if not (found := watched(case)):
        return absent(case)
    limit, overflow_w = rule.limit(grade, "share"), rule.limit(grade, "overflow_w")
    seen = [(one, *one.invalid(overflow_w=overflow_w), one.reads()) for one in found]
    one, count, taken, reads = max(seen, key=lambda each: (each[2], each[1] / max(each[3], 1)))
    share = count / max(reads, 1)
    measured: Measured = {"share": share, "invalid": count, "integrated": taken, "stream": one.name}
    said = "none integrated" + (f", share <= {limit:.2%}" if limit < 1.0 else "; each is a gap of SMP-3")
    return judged(taken == 0 and share <= limit, measured=measured, limit=said, source=f"{SOURCE}: quality")


CHECKS: Final[Mapping[str, Check]] = {
    "SMP-1": if_read(nominal_interval),
    "SMP-2": distinct_readings,
    "SMP-3": gaps,
    "SMP-4": enclosed,
    "SMP-5": if_read(times),
    "SMP-6": if_read(frozen),
    "SMP-7": if_read(duty),
    "SMP-8": counters,
    "SMP-9": estimates_agree,
    "SMP-10": method,
    "SMP-11": if_read(invalid_samples),
}
