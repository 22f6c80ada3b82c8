"""Rules CAL: whether a sensor was held against a reference, well enough, of late, and with nothing changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from joulemark.calibration import acceptance, figures
from joulemark.calibration.acceptance import Limits, binding_of
from joulemark.calibration.alignment import Binding
from joulemark.cards.evidence import Aligned
from joulemark.energy.integrate import reading_interval_s
from joulemark.errors import JoulemarkError
from joulemark.node import Node
from joulemark.standard import badge, certificate, realign
from joulemark.standard.accuracy import formula, limit_rel, unknown_because
from joulemark.standard.aligned import Held, began_ns, held
from joulemark.standard.case import Case, means
from joulemark.standard.checks.base import Check, of_headline
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Measured, Outcome, Verdict, cannot_tell, judged, not_applicable
from joulemark.units import NS_PER_S

SOURCE: Final = "calibration.json: alignments"
DAY_NS: Final = 86_400 * NS_PER_S
BOUND: Final = ("sensor_serial", "reference_serial", "node_serial", "bmc_firmware", "vbios", "driver_major", "psus", "interval_s")
"""What CAL-6 asks about; the power settings are a matter of ENV-2."""
NEEDED: Final = ("sensor_serial", "node_serial", "psus", "interval_s")
"""Of these, what every alignment has to be bound to; BMC, VBIOS and driver only where the node has them."""

Judge = Callable[[Case, Rule, str, Aligned], Outcome]


def each(judge: Judge) -> Check:
    """A check of every alignment that the case needs: the worst outcome of them stands for all."""

    @of_headline
    def check(case: Case, rule: Rule, grade: str) -> Outcome:
        needed: Held = held(case, own_limit_rel=rule.limit(grade, "own_limit_rel"))
        if not needed.sensors:
            return not_applicable("no stream needs an alignment: certified meters, and no sensor beside them", source=SOURCE)
        if needed.without:
            return cannot_tell(f"no alignment of {', '.join(needed.without)} with its readings", source=SOURCE, limit=rule.wanted(grade))
        outcomes = [judge(case, rule, grade, one) for one in needed.alignments]
        order = (Verdict.FAIL, Verdict.CANNOT_TELL, Verdict.WARN, Verdict.PASS, Verdict.NOT_APPLICABLE)
        return min(outcomes, key=lambda outcome: order.index(outcome.verdict))

    check.__doc__ = judge.__doc__
    return check


def told(rule: Rule, grade: str, faults: list[str], measured: Measured, key: str) -> Outcome:
    """Pass without faults, else fail with all of them."""
    return judged(not faults, measured=measured, limit=rule.wanted(grade), source=f"{SOURCE}[].{key}", detail="; ".join(faults))


@each
def recomputed(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-1: windows, line, lag and held-out run of the record come out of its raw readings again."""
    record = one.record
    if record.transferred:
        return told(rule, grade, [f"alignment {record.alignment_id} was taken from another node"], True, "transferred")
    try:
        found = realign.differences(one)
    except (JoulemarkError, ValueError, ZeroDivisionError) as error:
        detail = f"alignment {record.alignment_id} does not come out of its readings: {error}"
        return judged(False, measured=None, limit=rule.wanted(grade), source=SOURCE, detail=detail)
    limits = {name: rule.limit(grade, name) for name in found}
    faults = [f"{name} is {value:.3g}, {limits[name]:g} is allowed" for name, value in found.items() if not value <= limits[name]]
    return told(rule, grade, faults, found, "{plateaus,gain,offset_w,lag_s,held_out}")


@each
def plateaus(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-2: idle, mid and full, long enough, in enough windows, read as the run was."""
    record, wanted = one.record, limits_of(rule, grade)
    faults = acceptance.plateau_faults(record, wanted)
    reference_s, sensor_s = reading_interval_s(one.reference), reading_interval_s(one.sensor)
    slack = 1.0 + rule.limit(grade, "interval_rel")
    if reference_s > rule.limit(grade, "reference_interval_s") * slack:
        faults.append(f"the reference was read every {reference_s:g} s")
    streams = [stream for stream in case.series if stream.meter.meter_id == record.sensor]
    run_s = reading_interval_s(streams[0]) if streams else None
    if run_s and not run_s / slack <= sensor_s <= run_s * slack:
        faults.append(f"the sensor was aligned at an interval of {sensor_s:g} s, and read every {run_s:g} s in the run")
    full_w = figures.level_w(record, figures.FULL)
    largest_w = max((mean for window in case.measured for mean in means(streams, window.begin_ns, window.end_ns)), default=None)
    share = None if full_w is None or not largest_w else full_w / largest_w
    if share is not None and share < rule.limit(grade, "full_share"):
        faults.append(f"full load reached {share:.1%} of the largest mean of the run")
    measured = {"mid_share": figures.mid_share(record), "full_share": share, "reference_interval_s": reference_s, "interval_s": sensor_s}
    return told(rule, grade, faults, measured, "plateaus")


@each
def method(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-3: errors in both variables, on plateau means."""
    record = one.record
    levels = len({plateau.name for plateau in record.plateaus if plateau.windows})
    least = figures.LINES.get(record.method)
    faults = [f"the fit {record.method!r} is none of {', '.join(figures.LINES)}"] if least is None else []
    if least is not None and levels < least:
        faults.append(f"{record.method} wants {least} plateaus, there are {levels}")
    shortest_s = min(((w.end_ns - w.begin_ns) / NS_PER_S for plateau in record.plateaus for w in plateau.windows), default=0.0)
    if shortest_s < rule.limit(grade, "window_s"):
        faults.append(f"a point of the fit is {shortest_s:g} s long: pairs of readings are no plateaus")
    return told(rule, grade, faults, {"method": record.method, "plateaus": levels, "shortest_window_s": shortest_s}, "method")


@each
def residuals(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-4: every plateau near the line, and a run that was not in the fit."""
    record = one.record
    worst, error = figures.residual_rel(record), figures.held_out_rel(record)
    if worst is None or error is None or record.held_out is None or not record.held_out.workload:
        absent = "plateaus" if worst is None else "held_out" if error is None else "held_out.workload"
        return cannot_tell(f"alignment {record.alignment_id} has no {absent}", source=SOURCE, limit=rule.wanted(grade))
    faults = []
    if not worst <= rule.limit(grade, "residual_rel"):
        faults.append(f"a plateau lies {worst:.2%} from the line")
    if not abs(error) <= rule.limit(grade, "held_out_rel"):
        faults.append(f"the run held out is off by {error:+.2%}")
    if not figures.held_apart(record):
        faults.append("the run held out is part of the fit")
    if not same_class(case, record.held_out.workload):
        faults.append(f"the run held out was {record.held_out.workload!r}, which is not the workload of this one")
    return told(rule, grade, faults, {"residual_rel": worst, "held_out_rel": error, "workload": record.held_out.workload}, "held_out")


def same_class(case: Case, workload: str) -> bool:
    """Whether `workload` names the model, the dataset, the engine or the benchmark of the run."""
    evidence = case.evidence
    assert evidence is not None
    run = evidence.workload
    names = [evidence.run.benchmark] if run is None else [evidence.run.benchmark, run.model, run.dataset, run.engine]
    return any(name and name.casefold() in workload.casefold() for name in names)


@each
def gain(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-5: a gain near one, or a model across a boundary that two workloads confirm."""
    record = one.record
    faults = acceptance.gain_faults(record, limits_of(rule, grade))
    if record.modelled and not rule.limit(grade, "modelled_allowed"):
        faults.append("a modelled alignment is no cross-check")
    if one.sensor.meter.current is not one.reference.meter.current and not record.modelled:
        faults.append("the meters stand on both sides of the power supply, and the alignment does not say that it is modelled")
    return told(rule, grade, faults, {"gain": record.gain, "modelled": record.modelled}, "gain")


def limits_of(rule: Rule, grade: str) -> Limits:
    """What the edition sets in the column of a rule; the others do not matter to it."""
    known = rule.limits[grade]
    named: dict[str, Any] = {one.name: known[one.name] for one in fields(Limits) if one.name in known}
    return Limits(**{**named, "reverse": bool(known.get("reverse", 0.0))})


@each
def age(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-6: young enough at the run, and nothing changed that it holds for."""
    record, begin_ns = one.record, began_ns(case)
    read_ns = figures.read_until_ns(record)
    age_d = (begin_ns - record.made_ns) / DAY_NS
    faults = [] if read_ns is None else list(misdated(record.made_ns - read_ns, most_d=rule.limit(grade, "dated_d")))
    if not 0.0 <= age_d <= rule.limit(grade, "age_d"):
        faults.append(f"the alignment is {age_d:.1f} d old at the run")
    if record.expires_ns < begin_ns:
        faults.append("it had expired by its own date")
    now = now_of(case, one)
    absent = [name for name in NEEDED if unknown(record.binding, name)]
    absent += [f"{name} now" for name in BOUND if not unknown(record.binding, name) and unknown(now, name)]
    absent += [name for name in BOUND if name not in NEEDED and unknown(record.binding, name) and not unknown(now, name)]
    compared = {name for name in BOUND if not unknown(now, name)}
    then = Binding(**{name: getattr(record.binding, name) for name in compared})
    faults += acceptance.voided(then, now)
    if not faults and absent:
        return cannot_tell(f"not recorded: binding.{', '.join(absent)}", source=SOURCE, limit=rule.wanted(grade))
    return told(rule, grade, faults, {"age_d": age_d, "changed": len(faults)}, "made_ns, binding; nodes.json; meters.json")


def misdated(after_ns: int, *, most_d: float) -> Iterator[str]:
    """What is wrong with the date of a record that was made `after_ns` after the last of its readings."""
    if after_ns < 0:
        yield f"it is dated {-after_ns / DAY_NS:.1f} d before its own readings end"
    elif after_ns > most_d * DAY_NS:
        yield f"it is dated {after_ns / DAY_NS:.1f} d after its readings"


def unknown(binding: Binding, name: str) -> bool:
    """Whether a binding does not tell `name`."""
    return getattr(binding, name) in ("", (), None)


def now_of(case: Case, one: Aligned) -> Binding:
    """What the sensor, its node and the reference are at the run."""
    streams = [stream for stream in case.series if stream.meter.meter_id == one.record.sensor]
    meter = streams[0].meter if streams else one.sensor.meter
    interval_s = reading_interval_s(streams[0]) if streams else None
    hosts = {cord.split("/")[0] for cord in meter.covers} | {meter.host}
    assert case.evidence is not None
    node = next((found for found in case.evidence.nodes.nodes if found.host in hosts), Node(""))
    return binding_of(node, sensor_serial=meter.serial, reference_serial=one.reference.meter.serial, interval_s=interval_s)


@each
def reference(case: Case, rule: Rule, grade: str, one: Aligned) -> Outcome:
    """CAL-7: the reference is accurate at every plateau, and its certificate held when the alignment was made."""
    meter, record = one.reference.meter, one.record
    source = "calibration/meters.json: meters[].accuracy, certificate"
    if (stated := formula(meter, grade)) is None:
        return cannot_tell(unknown_because(meter, grade), source=source, limit=rule.wanted(grade))
    if absent := certificate.absences(meter):
        return cannot_tell(f"{meter.meter_id}: not recorded: {', '.join(absent)}", source=source, limit=rule.wanted(grade))
    powers_w = [figures.means_w(plateau)[1] for plateau in record.plateaus if plateau.windows]
    worst = max((limit_rel([(stated, power_w)]) for power_w in powers_w if power_w > 0.0), default=None)
    if worst is None:
        return cannot_tell(f"alignment {record.alignment_id} has no plateau", source=SOURCE, limit=rule.wanted(grade))
    faults = list(certificate.faults(meter, record.made_ns, max_age_d=rule.limit(grade, "certificate_age_d")))
    if not worst <= rule.limit(grade, "limit_rel"):
        faults.append(f"its limit of error is {worst:.2%} at a plateau")
    paper = meter.certificate
    measured = {"limit_rel": worst, "certificate_age_d": None if paper is None else certificate.age_d(paper, record.made_ns)}
    return judged(not faults, measured=measured, limit=rule.wanted(grade), source=source, detail="; ".join(faults))


def ring(case: Case, rule: Rule, grade: str) -> Outcome:
    """CAL-8: the badge of the last ring test, where the bundle carries one. It is never in the way of a level."""
    found = next((document for path, document in case.documents.items() if path.endswith("ring.json")), None)
    source = "ring.json"
    if found is None:
        return not_applicable("the bundle carries no badge of a ring test, which is optional", source=source)
    if not case.measured:
        return cannot_tell("the run has no measured phase", source=source)
    faults, measured = badge.judged(found, case.measured[0].begin_ns, {name: rule.limit(grade, name) for name in badge.LIMITS})
    return judged(not faults, measured=measured, limit=rule.wanted(grade), source=source, detail="; ".join(faults))


CHECKS: Final[Mapping[str, Check]] = {
    "CAL-1": recomputed,
    "CAL-2": plateaus,
    "CAL-3": method,
    "CAL-4": residuals,
    "CAL-5": gain,
    "CAL-6": age,
    "CAL-7": reference,
    "CAL-8": ring,
}
