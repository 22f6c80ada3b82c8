"""Rules MET: what it was measured with, how well that is known, and whether it measured what it should."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Final

import numpy as np

from joulemark.cards import compute
from joulemark.energy.series import Series
from joulemark.meter_log import Complaint
from joulemark.readings import MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard import certificate
from joulemark.standard.accuracy import formula, has_ranges, independent, limit_rel, unknown_because
from joulemark.standard.case import Case, inside
from joulemark.standard.checks.base import Check, of_headline
from joulemark.standard.edition import Rule
from joulemark.standard.names import nothing
from joulemark.standard.supply import nominal_of, supplies
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged, not_applicable

IDENTITY: Final = ("vendor", "model", "serial", "firmware", "interface", "covers")
"""What names a meter and what it is wired to; its channel is part of its id."""
IDLE: Final = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)


@of_headline
def identity(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-1: each meter of the headline names itself, and what its channels are wired to."""
    source = f"meters.json: meters[].{{{','.join(IDENTITY)}}}"
    meters = [one.meter for one in case.headline]
    empty = [f"{name} of {one.meter_id}" for one in meters for name in IDENTITY if not getattr(one, name)]
    texts = {f"{name} of {one.meter_id}": str(getattr(one, name)) for one in meters for name in IDENTITY[:-1]}
    nameless = [f"{what} is {text!r}" for what, text in texts.items() if nothing(text)]
    if parts := [*nameless, *contradicting(meters)]:
        return judged(False, measured=len(parts), limit=rule.wanted(grade), source=source, detail="; ".join(parts))
    if empty:
        return cannot_tell(f"not recorded: {', '.join(empty)}", source=source, limit=rule.wanted(grade))
    names = {one.meter_id: f"{one.vendor} {one.model} {one.serial} {one.firmware}" for one in meters}
    return judged(True, measured=names, limit=rule.wanted(grade), source=source)


def contradicting(meters: list[MeterInfo]) -> list[str]:
    """Channels of one device that name it differently."""
    named: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for one in meters:
        named[one.device_id].add((one.vendor, one.model, one.serial, one.firmware))
    return [f"the channels of {device} name it in {len(names)} ways" for device, names in named.items() if len(names) > 1]


@of_headline
def accuracy(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-2: the limit of error of all channels together, at what they measured; at ES1 an alignment stands for it."""
    source = "meters.json: meters[].accuracy, certificate, range; calibration.json"
    points = [Point(window.name, tuple(led.values())) for window in case.measured if (led := leaders(case, window))]
    either = rule.limit(grade, "aligned_or_certified") > 0.0
    if either:
        points = [Point(one.phase, bare) for one in points if (bare := tuple(led for led in one.led if not led.alignment_id))]
    if not points:
        return judged(True, measured="aligned", limit=rule.wanted(grade), source=source, detail="aligned; the rules CAL say whether well")
    if unknown := list(dict.fromkeys(what for one in points for what in one.unknown(grade, certified=either))):
        return cannot_tell("; ".join(unknown), source=source, limit=rule.wanted(grade))
    limit, phase = max((one.limit_rel(grade, each_rel=rule.limit(grade, "each_rel")), one.phase) for one in points)
    values: dict[str, float | int | str | None] = {"limit_rel": limit, "phase": phase}
    return judged(limit <= rule.limit(grade, "limit_rel"), measured=values, limit=rule.wanted(grade), source=source)


@dataclass(frozen=True, slots=True)
class Led:
    """A meter of the headline in one phase: its mean power, and the alignment that was applied to it, or none."""

    meter: MeterInfo
    power_w: float
    alignment_id: str


@dataclass(frozen=True, slots=True)
class Point:
    """The operating point of one phase: the meters that count there."""

    phase: str
    led: tuple[Led, ...]

    def unknown(self, grade: str, *, certified: bool) -> Iterator[str]:
        """What is not known of the accuracy of these meters, or not proven where they have to be `certified`."""
        for one in self.led:
            name = one.meter.meter_id
            if formula(one.meter, grade) is None:
                yield unknown_because(one.meter, grade)
            elif certified and not certificate.names(one.meter):
                yield f"{name} has no alignment, and no certificate or mark of legal metrology that names who gave it and its serial"
            if one.power_w <= 0.0:
                yield f"{name} saw no power in {self.phase}, so there is no operating point"

    def limit_rel(self, grade: str, *, each_rel: float) -> float:
        """Limit of error of the sum; as of independent errors where each is at most `each_rel` and each has a certificate of its own."""
        parts = [(stated, one.power_w) for one in self.led if (stated := formula(one.meter, grade)) is not None]
        small = all(limit_rel([part]) <= each_rel for part in parts)
        return limit_rel(parts, at_random=small and independent([one.meter for one in self.led]))


def leaders(case: Case, window: Window) -> Mapping[str, Led]:
    """The meters of the headline that led in a phase, by their ids."""
    meters = {one.meter.meter_id: one.meter for one in case.headline}
    found = {}
    for device in case.figures(window).get("devices", ()):
        if device["energy_j"] is not None and device["meter_id"] in meters:
            power_w = device["energy_j"] / window.duration_s
            found[device["meter_id"]] = Led(meters[device["meter_id"]], power_w, device.get("alignment_id") or "")
    return found


@of_headline
def listing(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-3: the card records whether the whitelist knows each meter."""
    source = "card.json: meters[].whitelist.status"
    told = {} if case.card is None else {one.get("meter_id"): one.get("whitelist") for one in case.card.get("meters", ())}
    status = {one.meter.meter_id: (told.get(one.meter.meter_id) or {}).get("status") for one in case.headline}
    if silent := [meter_id for meter_id, found in status.items() if found is None]:
        return cannot_tell(f"not recorded of {', '.join(silent)}", source=source, limit=rule.wanted(grade))
    wrong = [one.meter.meter_id for one in case.headline if status[one.meter.meter_id] != compute.listing(one.meter)["status"]]
    detail = f"the whitelist says otherwise of {', '.join(wrong)}: make the card again from the evidence" if wrong else ""
    return judged(not wrong, measured=status, limit=rule.wanted(grade), source=source, detail=detail)


@of_headline
def ranges(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-4: ranges are fixed, wide enough for the largest current, and never exceeded."""
    source = "meters.json: meters[].range; readings; meter_log.json"
    if not rule.limits[grade]:
        return not_applicable("not asked at this level", source=source)
    ranged = [one for one in case.headline if has_ranges(one.meter)]
    if not ranged:
        return not_applicable("no meter of the headline has ranges", source=source)
    failed = [fault for one in ranged for fault in range_faults(case, one, rule, grade)]
    if failed:
        return judged(False, measured=len(failed), limit=rule.wanted(grade), source=source, detail="; ".join(failed))
    if absent := [what for one in ranged for what in range_absences(case, one)]:
        return cannot_tell(f"not recorded: {', '.join(absent)}", source=source, limit=rule.wanted(grade))
    shares: dict[str, float | int | str | None] = {
        one.meter.meter_id: current / one.meter.range.amps
        for one in ranged
        if one.meter.range and one.meter.range.amps and (current := largest_a(case, one)) is not None
    }
    return judged(True, measured=shares, limit=rule.wanted(grade), source=source)


def range_faults(case: Case, one: Series, rule: Rule, grade: str) -> Iterator[str]:
    """What is wrong with the range of one meter."""
    name, at = one.meter.meter_id, one.meter.range
    streams = {id(each): each for each in (one, *(s for channel in supplies(case, one.meter) for s in channel.streams()))}.values()
    if over := sum(over_range(each, window) for each in streams for window in case.measured):
        yield f"{over} readings of {name} are over range"
    if count := complaints(case, one.meter, Complaint.OVER_RANGE):
        yield f"{name} complained {count} times of its range"
    if at is None:
        return
    if at.auto:
        yield f"{name} changes range by itself"
    if at.crest_factor is not None and at.crest_factor < rule.limit(grade, "crest_factor"):
        yield f"{name} stands at crest factor {at.crest_factor:g}"
    current = largest_a(case, one)
    if at.amps is not None and current is not None and current * rule.limit(grade, "range_over_current") > at.amps:
        yield f"{current:.4g} A on the {at.amps:g} A range of {name}"


def over_range(one: Series, window: Window) -> int:
    """How many readings of a stream were over range in a phase: of a current or a voltage as much as of their power."""
    return int(np.sum((one.t_ns >= window.begin_ns) & (one.t_ns <= window.end_ns) & (one.quality == Quality.OVER_RANGE)))


def range_absences(case: Case, one: Series) -> Iterator[str]:
    """What is not known of the range of one meter."""
    name, at = one.meter.meter_id, one.meter.range
    if at is None:
        yield f"range of {name}"
        return
    for field, value in (("auto", at.auto), ("amps", at.amps), ("crest_factor", at.crest_factor)):
        if value is None:
            yield f"range.{field} of {name}"
    if largest_a(case, one) is None:
        yield f"current at {name}"


def largest_a(case: Case, one: Series) -> float | None:
    """Largest current of any channel of a meter over the measured phases; None where it is not known of each."""
    found = []
    for channel in supplies(case, one.meter):
        shown = [] if channel.current is None else [inside(channel.current, w.begin_ns, w.end_ns)[1] for w in case.measured]
        if not shown or not all(len(values) for values in shown):
            return None
        found.append(max(float(values.max()) for values in shown))
    return max(found, default=None)


def complaints(case: Case, meter: MeterInfo, *kinds: Complaint) -> int:
    """How often a meter, or its device, complained inside the measured phases."""
    log = None if case.evidence is None else case.evidence.meter_log
    messages = () if log is None else log.messages
    own = (m for m in messages if m.complaint in kinds and m.meter_id in (meter.meter_id, meter.device_id))
    return sum(any(w.begin_ns <= m.t_ns <= w.end_ns for w in case.measured) for m in own)


@of_headline
def samples(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-5: the limit of error of every single reading."""
    source = "readings; meters.json: meters[].accuracy; meter_log.json"
    if not rule.limits[grade]:
        return not_applicable("not asked at this level", source=source)
    if without := [unknown_because(one.meter, grade) for one in case.headline if formula(one.meter, grade) is None]:
        return cannot_tell("; ".join(without), source=source, limit=rule.wanted(grade))
    unknown = sum(complaints(case, one.meter, Complaint.UNCERTAINTY) for one in case.headline)
    worst, over, count = 0.0, 0, 0
    for one in case.headline:
        stated = formula(one.meter, grade)
        for window in case.measured:
            shown = [power_w for power_w in readings_w(case, one, window) if power_w > 0.0]
            limits = [] if stated is None else [stated.limit_w(power_w) / power_w for power_w in shown]
            worst, count = max([worst, *limits]), count + len(limits)
            over += sum(found > rule.limit(grade, "u_rel") for found in limits)
    values = {"largest_u_rel": worst, "samples": count, "over": over, "unknown": unknown}
    if not count:
        return cannot_tell("there is no reading in a measured phase", source=source, limit=rule.wanted(grade))
    return judged(not over and not unknown, measured=values, limit=rule.wanted(grade), source=source)


def readings_w(case: Case, one: Series, window: Window) -> list[float]:
    """The powers that a meter showed in a phase, W; of a counter the mean that it comes to."""
    if one.meter.quantity is Quantity.POWER:
        values: list[float] = inside(one, window.begin_ns, window.end_ns)[1].tolist()
        return values
    led = leaders(case, window).get(one.meter.meter_id)
    return [] if led is None else [led.power_w]


@of_headline
def certificates(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-6: each meter has a certificate of its own, traceable and young enough at the run."""
    source = "meters.json: meters[].certificate, serial"
    if not rule.limits[grade]:
        return not_applicable("not asked at this level", source=source)
    begin_ns, meters = case.measured[0].begin_ns, [one.meter for one in case.headline]
    max_age_d = rule.limit(grade, "age_d")
    ages: dict[str, float | int | str | None] = {
        one.meter_id: None if one.certificate is None else certificate.age_d(one.certificate, begin_ns) for one in meters
    }
    wrong = [f"{one.meter_id}: {fault}" for one in meters for fault in certificate.faults(one, begin_ns, max_age_d=max_age_d)]
    if wrong:
        return judged(False, measured=ages, limit=rule.wanted(grade), source=source, detail="; ".join(wrong))
    if absent := [f"{what} of {one.meter_id}" for one in meters for what in certificate.absences(one)]:
        return cannot_tell(f"not recorded: {', '.join(absent)}", source=source, limit=rule.wanted(grade))
    return judged(True, measured=ages, limit=rule.wanted(grade), source=source)


@of_headline
def plausibility(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-7: what flows in holds what flows out, and voltage, current and power factor of each channel give its power."""
    source = "readings; meters.json: meters[].boundary, covers"
    named = {w.name for w in (*case.measured, *case.phases(*IDLE))}
    assert case.rebuilt is not None
    closed = [one for one in case.rebuilt["closure"] if one["phase"] in named]
    broken = [f"{one['phase']}: {one['reason']}" for one in closed if one["holds"] is False]
    channels, nominal_v = [channel for one in case.headline for channel in supplies(case, one.meter)], nominal_of(case)
    out = [fault for channel in channels for fault in channel.faults(case.measured, rule.limits[grade], nominal_v=nominal_v)]
    absent = [f"{what} of {channel.name}" for channel in channels for what in channel.absences(case.measured)]
    excess = [one["inner_j"] / one["outer_j"] - 1.0 for one in closed if one["outer_j"]]
    values: dict[str, float | int | str | None] = {"closures": len(closed), "excess_rel": max(excess, default=None)}
    values |= {key: value for channel in channels for key, value in channel.figures(case.measured, nominal_v=nominal_v).items()}
    required = rule.limit(grade, "required") > 0.0
    if broken or (required and out):
        return judged(False, measured=values, limit=rule.wanted(grade), source=source, detail="; ".join([*broken, *out]))
    if open_ := [f"{one['phase']}: {one['reason']}" for one in closed if one["holds"] is None]:
        return cannot_tell("; ".join(dict.fromkeys(open_)), source=source, limit=rule.wanted(grade))
    if alone := sorted(named - {one["phase"] for one in closed}) if divisible(case) else []:
        what = f"nothing inside or around the meters of the headline was read in {', '.join(alone)}: record the power of each GPU too"
        return cannot_tell(what, source=source, limit=rule.wanted(grade))
    if absent and required:
        return cannot_tell(f"not recorded: {', '.join(absent)}", source=source, limit=rule.wanted(grade))
    if out or absent:
        detail = "; ".join([*out, *([f"not recorded: {', '.join(absent)}"] if absent else [])])
        return Outcome(Verdict.WARN, values, rule.wanted(grade), source, detail)
    return judged(True, measured=values, limit=rule.wanted(grade), source=source)


def divisible(case: Case) -> bool:
    """Whether there is a part to hold against the whole: not where every node is said to have no accelerator."""
    nodes = case.nodes.nodes
    return not nodes or any(node.gpus != () for node in nodes)


@of_headline
def skew(case: Case, rule: Rule, grade: str) -> Outcome:
    """MET-8: channels that are added up were read at the same time."""
    source = "readings: t_ns of each channel"
    if len(case.headline) < 2:
        return not_applicable("the headline has one channel", source=source)
    worst_s, allowed_s = 0.0, rule.limit(grade, "skew_s")
    for one, other in permutations(case.headline, 2):
        for window in case.measured:
            apart = skew_s(one, other, window)
            if apart is None:
                what = f"{one.meter.meter_id} or {other.meter.meter_id} has no reading in {window.name}"
                return cannot_tell(what, source=source, limit=rule.wanted(grade))
            worst_s = max(worst_s, apart)
    intervals_s = [float(np.median(np.diff(one.integrable().t_ns))) / 1e9 for one in case.headline if len(one.integrable()) > 1]
    allowed_s = max(allowed_s, rule.limit(grade, "skew_intervals") * min(intervals_s, default=0.0))
    return judged(worst_s <= allowed_s, measured={"skew_s": worst_s, "allowed_s": allowed_s}, limit=rule.wanted(grade), source=source)


def skew_s(one: Series, other: Series, window: Window) -> float | None:
    """How far the readings of `one` in a phase are from the nearest of `other` at most; None without any.

    Where `other` has a gap (more than 1.5 of its intervals) nothing is compared: a missing channel is a gap, not a skew.
    """
    mine = one.integrable().t_ns
    mine = mine[(mine >= window.begin_ns) & (mine <= window.end_ns)]
    theirs = other.integrable().t_ns
    if not len(mine) or len(theirs) < 2:
        return None
    interval_ns = float(np.median(np.diff(theirs)))
    after = np.clip(np.searchsorted(theirs, mine), 1, len(theirs) - 1)
    before_ns, after_ns = theirs[after - 1], theirs[after]
    nearest_ns = np.minimum(np.abs(mine - before_ns), np.abs(after_ns - mine))
    whole = after_ns - before_ns <= 1.5 * interval_ns
    return float(nearest_ns[whole].max()) / 1e9 if whole.any() else None


CHECKS: Final[Mapping[str, Check]] = {
    "MET-1": identity,
    "MET-2": accuracy,
    "MET-3": listing,
    "MET-4": ranges,
    "MET-5": samples,
    "MET-6": certificates,
    "MET-7": plausibility,
    "MET-8": skew,
}
