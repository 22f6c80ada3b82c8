"""Rules PHA: the order of the phases, how still idle and how steady load was, and that no window was chosen after the fact."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from joulemark.energy.series import Series
from joulemark.energy.steady import Stretch, power_of, together
from joulemark.readings import Boundary, Quantity
from joulemark.request_log import tallies
from joulemark.runs import ClockKind, IdleKind, PhaseKind, Window
from joulemark.standard import marks
from joulemark.standard.aligned import in_use
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome, cannot_tell, judged, not_applicable
from joulemark.units import NS_PER_S

PHASES: Final = "phases.json: phases"
IDLE: Final = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)
LETTERS: Final = {
    PhaseKind.IDLE_BEFORE: "i",
    PhaseKind.WARMUP: "W",
    PhaseKind.MEASURED: "M",
    PhaseKind.COOLDOWN: "C",
    PhaseKind.IDLE_AFTER: "A",
}
IN_ORDER: Final = re.compile(r"b?i(?:WMC|WxC?)+A")
"""idle_bare, idle_before, repetitions, idle_after. An aborted repetition (x) may lack its cooldown."""

NO_PHASES: Final = "the bundle holds no run"
NO_POWER: Final = "no headline energy can be computed, so there is no power to look at"


def in_order(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-1: every phase is there, one after the other."""
    limit = "[idle_bare], idle_before, (warmup, measured, cooldown) x n, idle_after; no overlap"
    if case.run is None:
        return cannot_tell(NO_PHASES, source=PHASES, limit=limit)
    windows = case.phases(*PhaseKind)
    order = "".join(letter(window) for window in windows if window.kind in LETTERS)
    laps = [f"{b.name} begins before {a.name} ends" for a, b in pairwise(windows) if b.begin_ns < a.end_ns]
    good = IN_ORDER.fullmatch(order) is not None
    reasons = laps + ([] if good else [f"the phases stand as {', '.join(w.name for w in windows)}"])
    measured = {"phases": len(windows), "overlaps": len(laps), "out_of_order": int(not good)}
    return judged(not reasons, measured=measured, limit=limit, source=PHASES, detail="; ".join(reasons))


def letter(window: Window) -> str:
    """A phase as one letter; idle without engine and an aborted repetition have their own."""
    if window.aborted:
        return "x"
    bare = window.kind is PhaseKind.IDLE_BEFORE and window.idle_kind is IdleKind.BARE
    return "b" if bare else LETTERS[window.kind]


def long_enough(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-2: each phase lasts as long as it has to."""
    least = {kind: rule.limit(grade, f"{kind}_s") for kind in LETTERS}
    limit = ", ".join(f"{kind} >= {seconds:g} s" for kind, seconds in least.items())
    source = f"{PHASES}[].begin_ns, end_ns"
    found = {kind: [w for w in case.phases(kind) if letter(w) in LETTERS.values()] for kind in LETTERS}
    absent = [str(kind) for kind, windows in found.items() if not windows]
    if absent:
        return cannot_tell(f"there is no phase of kind {', '.join(absent)}", source=source, limit=limit)
    measured = {f"{kind}_s": min(w.duration_s for w in windows) for kind, windows in found.items()}
    short = [f"{w.name} {w.duration_s:.6g} s" for kind, windows in found.items() for w in windows if w.duration_s < least[kind]]
    return judged(not short, measured=measured, limit=limit, source=source, detail=f"too short: {', '.join(short)}" if short else "")


def still(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-3: idle is idle: power and temperature neither scatter nor drift, no GPU works, and nothing else runs."""
    names = ("cv_rel", "slope_rel_per_min", "utilization_share", "temperature_k_per_min")
    limits = {name: rule.limit(grade, name) for name in names}
    limit = ", ".join(f"{name} <= {value:g}" for name, value in limits.items()) + ", no foreign process"
    source = "readings of the headline, of utilization and temperature of each GPU; nodes.json: surveys"
    idles = case.phases(*IDLE)
    if not idles or not case.headline:
        return cannot_tell(NO_POWER if idles else "there is no idle phase", source=source, limit=limit)
    worst: dict[str, float] = {}
    lacking: list[str] = []
    foreign: list[str] = []
    for window in idles:
        whole = window.kind is PhaseKind.IDLE_AFTER and bool(rule.limit(grade, "whole_idle_after"))
        begin_ns = window.begin_ns if whole else max(window.begin_ns, window.end_ns - round(rule.limit(grade, "last_s") * NS_PER_S))
        power = unbroken(case.headline, begin_ns, window.end_ns, hole_share=rule.limit(grade, "hole_share"))
        figures = {"cv_rel": None, "slope_rel_per_min": None} if power is None else of_power(power)
        figures |= of_gpus(case, begin_ns, window.end_ns)
        lacking += [f"{name} in {window.name}" for name, value in figures.items() if value is None]
        worst |= {name: max(value, worst.get(name, 0.0)) for name, value in figures.items() if value is not None}
        unseen, seen = strangers(case, window)
        lacking, foreign = lacking + unseen, foreign + seen
    beyond = [name for name, value in worst.items() if value > limits[name]]
    if lacking and not beyond and not foreign:
        return cannot_tell(f"not known: {'; '.join(lacking)}", source=source, limit=limit)
    reasons = beyond + ([f"foreign processes: {', '.join(sorted(set(foreign)))}"] if foreign else [])
    measured = {**worst, "foreign_processes": len(set(foreign))}
    return judged(not reasons, measured=measured, limit=limit, source=source, detail="; ".join(reasons))


def unbroken(series: Sequence[Series], begin_ns: int, end_ns: int, *, hole_share: float) -> Stretch | None:
    """The power of all `series` together; None where for more than a share of the stretch nothing was read: the restless part may lack."""
    found = together(series, begin_ns, end_ns)
    length_s = (end_ns - begin_ns) / NS_PER_S
    holes_s = () if found is None else np.diff(np.concatenate(([0.0], found.t_s, [length_s])))
    return None if found is None or max(holes_s) > hole_share * length_s else found


def of_power(power: Stretch) -> dict[str, float | None]:
    """Scatter, and slope beyond twice its uncertainty."""
    return {"cv_rel": power.cv, "slope_rel_per_min": power.drift_rel_per_min}


def of_gpus(case: Case, begin_ns: int, end_ns: int) -> dict[str, float | None]:
    """The busiest GPU and the one whose temperature moves most, None where one GPU does not tell; nothing for a node without GPUs."""
    if gpus(case) == ():
        return {}
    used = of_each_gpu(case, Quantity.UTILIZATION, begin_ns, end_ns)
    warm = of_each_gpu(case, Quantity.TEMPERATURE, begin_ns, end_ns)
    return {
        "utilization_share": None if used is None else max(one.mean for one in used),
        "temperature_k_per_min": None if warm is None else max(abs(one.slope_per_min) for one in warm),
    }


def gpus(case: Case) -> tuple[str, ...] | None:
    """Ids of all GPUs; None where one node does not name its own."""
    nodes = case.nodes.nodes
    if not nodes or any(node.gpus is None for node in nodes):
        return None
    return tuple(gpu.uuid for node in nodes for gpu in node.gpus or ())


def of_each_gpu(case: Case, quantity: Quantity, begin_ns: int, end_ns: int) -> list[Stretch] | None:
    """What the sensors of each GPU show; None where one GPU has none, or fewer than three readings."""
    on_gpus = [one for one in case.witnesses(quantity) if one.meter.boundary in (Boundary.GPU, Boundary.MODULE)]
    found = [within(one, begin_ns, end_ns) for one in on_gpus]
    named, covered = gpus(case), {what for one in on_gpus for what in one.meter.covers}
    stretches = [one for one in found if one is not None]
    if named is None or len(stretches) < len(found) or not set(named) <= covered:
        return None
    return stretches


def within(series: Series, begin_ns: int, end_ns: int) -> Stretch | None:
    """A witness's readings in a stretch of time, zeros too."""
    good = series.integrable()
    return Stretch.of(good.t_ns, good.si(), begin_ns=begin_ns, end_ns=end_ns)


def strangers(case: Case, window: Window) -> tuple[list[str], list[str]]:
    """(nodes whose processes nobody looked at in a phase, processes that do not belong to the benchmark)."""
    unseen, seen = [], []
    for node in case.nodes.nodes:
        surveys = [one for one in node.surveys if window.begin_ns <= one.t_ns <= window.end_ns]
        told = [one.foreign_processes for one in surveys if one.foreign_processes is not None]
        if not told or len(told) < len(surveys):
            unseen.append(f"processes of {node.host} in {window.name}")
        seen += [name for names in told for name in names]
    return unseen, seen


def back_to_idle(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-4: idle draws the same before and after, the same kind of idle on both sides."""
    share, source = rule.limit(grade, "change_rel"), "mean power of idle_before and idle_after; phases.json: phases[].idle_kind"
    limit = f"|P_idle_after/P_idle_before - 1| <= {share:g}, same kind"
    idles = [(w, case.figures(w).get("mean_power_w")) for w in case.phases(*IDLE) if w.idle_kind is not None]
    pairs = [
        (before, after)
        for first, before in idles
        for last, after in idles
        if first.kind is PhaseKind.IDLE_BEFORE and last.kind is PhaseKind.IDLE_AFTER and first.idle_kind is last.idle_kind
    ]
    if not pairs:
        return cannot_tell("no kind of idle was measured both before and after", source=source, limit=limit)
    changes = [abs(after / before - 1.0) for before, after in pairs if before and after is not None]
    if len(changes) < len(pairs):
        return cannot_tell("the mean power of an idle phase is not known", source=source, limit=limit)
    return judged(max(changes) <= share, measured={"change_rel": max(changes)}, limit=limit, source=source)


def idle_declared(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-9: every idle phase says what idle meant, the one that counts is ready and without request."""
    bare, source = rule.limit(grade, "bare_phases"), f"{PHASES}[].idle_kind; requests.csv"
    limit = "each kind declared; idle_ready without requests" + (f"; >= {bare:g} idle_bare" if bare else "")
    idles = case.phases(*IDLE)
    silent = [window.name for window in idles if window.idle_kind is None]
    if silent or not idles:
        return cannot_tell(f"the kind of idle is not declared: {', '.join(silent) or 'no idle phase'}", source=source, limit=limit)
    counts = {kind: sum(window.idle_kind is kind for window in idles) for kind in IdleKind}
    requests = None if case.evidence is None else case.evidence.requests
    if requests is None:
        return cannot_tell("requests.csv is missing: whether idle was without requests cannot be seen", source=source, limit=limit)
    busy = [w.name for w in idles if any(r.begin_ns < w.end_ns and (r.end_ns or r.begin_ns) > w.begin_ns for r in requests)]
    reasons = [] if counts[IdleKind.READY] else ["no idle phase is idle_ready, which is the idle that counts"]
    reasons += [] if counts[IdleKind.BARE] >= bare else ["no idle phase is idle_bare"]
    reasons += [f"requests were under way in {', '.join(busy)}"] if busy else []
    measured = {**{str(kind): count for kind, count in counts.items()}, "with_requests": len(busy)}
    return judged(not reasons, measured=measured, limit=limit, source=source, detail="; ".join(reasons))


def steady(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-5: when a repetition begins, power and GPUs have settled under its load."""
    limits = {name: value for name, value in rule.limits[grade].items() if name.endswith("_per_min")}
    limit = ", ".join(f"{name} <= {value:g}" for name, value in limits.items())
    source = "readings of the headline and of the GPUs' temperature before each measured phase"
    if not case.measured or not case.headline:
        return cannot_tell(NO_POWER if case.measured else "there is no measured phase", source=source, limit=limit)
    worst: dict[str, float] = {}
    lacking: list[str] = []
    for window in case.measured:
        span = settled_span(case, window, rule, grade)
        power = None if span is None else unbroken(case.headline, *span, hole_share=rule.limit(grade, "hole_share"))
        figures = {"slope_rel_per_min": None if power is None else power.drift_rel_per_min}
        if "temperature_k_per_min" in limits and span is not None:
            figures |= {name: value for name, value in of_gpus(case, *span).items() if name in limits}
        lacking += [f"{name} at {window.name}" for name, value in figures.items() if value is None]
        worst |= {name: max(value, worst.get(name, 0.0)) for name, value in figures.items() if value is not None}
    beyond = [name for name, value in worst.items() if value > limits[name]]
    if lacking and not beyond:
        return cannot_tell(f"not known: {'; '.join(lacking)}", source=source, limit=limit)
    return judged(not beyond, measured=worst, limit=limit, source=source, detail="; ".join(beyond))


def settled_span(case: Case, window: Window, rule: Rule, grade: str) -> tuple[int, int] | None:
    """What is looked at: the last seconds of load before a phase, or the first of the phase where load starts with it; in ns.

    Load is what lies nearer to the power of the phase than to that of idle. None where either is not known.
    """
    names = ("before_s", "lapse_s", "skip_s", "until_s")
    before_ns, lapse_ns, skip_ns, until_ns = (round(rule.limit(grade, name) * NS_PER_S) for name in names)
    idles = [case.figures(w).get("mean_power_w") for w in case.phases(*IDLE) if w.idle_kind is not IdleKind.BARE]
    load_w, idle_w = case.figures(window).get("mean_power_w"), next((power for power in idles if power is not None), None)
    from_ns = window.begin_ns - lapse_ns - before_ns
    found = together(case.headline, from_ns, window.begin_ns)
    if load_w is None or idle_w is None or found is None:
        return None
    loaded = found.value > (load_w + idle_w) / 2.0
    last_s = float(found.t_s[loaded][-1]) if loaded.any() else 0.0
    last_ns = from_ns + round(last_s * NS_PER_S)
    stretch = (found.t_s >= last_s - before_ns / NS_PER_S) & (found.t_s <= last_s)
    if window.begin_ns - last_ns <= lapse_ns and loaded[stretch].mean() >= rule.limit(grade, "loaded_share"):
        return last_ns - before_ns, last_ns
    return window.begin_ns + skip_ns, min(window.begin_ns + until_ns, window.end_ns)


def same_window(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-6: energy is counted from the first request to the last answer, of this run and no other."""
    edge_s, source = rule.limit(grade, "edge_s"), f"{PHASES}[].begin_ns, end_ns; requests.csv; chain.json: events[kind=run]"
    limit = f"edges within {edge_s:g} s of the first request and the last answer; one run id"
    if case.run is None or case.evidence is None or not case.measured:
        return cannot_tell("there is no measured phase", source=source, limit=limit)
    if case.evidence.requests is None:
        return cannot_tell("requests.csv is missing: when the work was done is not known", source=source, limit=limit)
    if case.run.clock is not ClockKind.UTC:
        return cannot_tell(f"the phases were dated by a {case.run.clock} clock, not in UTC", source=source, limit=limit)
    work = tallies(case.evidence.requests)
    idle = [w.name for w in case.measured if w.name not in work or work[w.name].end_ns is None]
    if idle:
        return cannot_tell(f"no request with an end in {', '.join(idle)}", source=source, limit=limit)
    early = {w.name: (work[w.name].begin_ns - w.begin_ns) / NS_PER_S for w in case.measured}
    late = {w.name: (w.end_ns - (work[w.name].end_ns or 0)) / NS_PER_S for w in case.measured}
    off = [name for name in early if max(abs(early[name]), abs(late[name])) > edge_s]
    told = {str(event.data.get("run_id")) for event in case.evidence.chain.of_kind("run")}
    ids = told | {case.run.run_id}
    reasons = [f"the window of {', '.join(off)} is not that of its requests"] if off else []
    reasons += ["the chain is of another run"] if len(ids) > 1 else []
    if not reasons and not (told and case.run.run_id):
        return cannot_tell("the run has no id, or the chain does not say of which run it is", source=source, limit=limit)
    measured = {"begin_s": max(early.values(), key=abs), "end_s": max(late.values(), key=abs), "run_ids": len(ids)}
    return judged(not reasons, measured=measured, limit=limit, source=source, detail="; ".join(reasons))


def marked(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-7: each edge was marked as it happened, in a chain that holds, and at ES2 an authority saw it in time."""
    most_s, within_s, apart_s = (rule.limit(grade, name) for name in ("mark_delay_s", "receipt_s", "placed_s"))
    demanded, source = bool(rule.limit(grade, "receipts_per_mark")), "chain.json: events[kind=mark], receipts; phases.json"
    limit = f"chain holds; each edge marked within {most_s:g} s, moved by <= {apart_s:g} s" + (
        f", receipted within {within_s:g} s" if demanded else ""
    )
    chain = None if case.evidence is None else case.evidence.chain
    if case.run is None or chain is None or not chain.events:
        return cannot_tell("chain.json is missing: nothing shows that the phases were marked as they happened", source=source, limit=limit)
    told = marks.marked(chain)
    delays = [marks.delay_s(edge, event) for edge, event in told.items()]
    largest = max(delays, key=abs, default=0.0)
    bare = marks.unreceipted(chain, case.measured, case.trust, within_s=within_s, early_s=rule.limit(grade, "receipt_early_s"))
    reasons = chain.broken() + marks.unlike(chain, case.run)
    reasons += [f"a mark came {largest:.6g} s after what it marks"] if abs(largest) > most_s else []
    placed_s = marks.farthest_s(chain)
    reasons += [f"a mark was moved by {placed_s:.6g} s after it was hashed: keep the clock of whoever marks"] if placed_s > apart_s else []
    measured = {"marks": len(told), "mark_delay_s": largest, "placed_s": placed_s, "unreceipted": len(bare)}
    if demanded and bare:
        reasons.append(f"no valid receipt in time of {', '.join(bare)}")
        if not chain.receipts and len(reasons) == 1:
            return cannot_tell("there is no receipt: the marks are self-attested", source=source, limit=limit)
    if not reasons and bare:
        return judged(True, measured=measured, limit=limit, source=source, detail="self-attested: no authority saw every mark in time")
    return judged(not reasons, measured=measured, limit=limit, source=source, detail="; ".join(reasons))


def in_span(case: Case, rule: Rule, grade: str) -> Outcome:
    """PHA-8: an aligned sensor is used where it was aligned."""
    beyond, source = rule.limit(grade, "beyond_span"), "calibration.json: alignments[].span_w; readings of the headline"
    limit = f"S_min <= mean raw reading <= S_max + {beyond:g} (S_max - S_min)"
    if not case.headline or case.evidence is None:
        return cannot_tell(NO_POWER, source=source, limit=limit)
    used = {one.meter.meter_id: in_use(case, one.meter.meter_id) for one in case.headline}
    records = {meter_id: one.record for meter_id, one in used.items() if one is not None}
    aligned = [one for one in case.evidence.series if one.meter.meter_id in records]
    if not aligned:
        return not_applicable("no meter of the headline is aligned", source=source)
    outside: list[str] = []
    means: list[float] = []
    for raw in aligned:
        span = records[raw.meter.meter_id].span_w
        t_ns, watts = power_of(raw)
        stretches = [Stretch.of(t_ns, watts, begin_ns=window.begin_ns, end_ns=window.end_ns) for window in case.measured]
        known = [one.mean for one in stretches if one is not None]
        if not span or not known or len(known) < len(stretches):
            return cannot_tell(f"the span of {raw.meter.meter_id}, or its mean reading, is not known", source=source, limit=limit)
        low, high = min(span), max(span) + beyond * (max(span) - min(span))
        outside += [raw.meter.meter_id] if min(known) < low or max(known) > high else []
        means += known
    measured = {"lowest_w": min(means), "highest_w": max(means)}
    return judged(not outside, measured=measured, limit=limit, source=source, detail=f"outside: {', '.join(outside)}" if outside else "")


CHECKS: Final[Mapping[str, Check]] = {
    "PHA-1": in_order,
    "PHA-2": long_enough,
    "PHA-3": still,
    "PHA-4": back_to_idle,
    "PHA-9": idle_declared,
    "PHA-5": steady,
    "PHA-6": same_window,
    "PHA-7": marked,
    "PHA-8": in_span,
}
