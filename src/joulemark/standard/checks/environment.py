"""Rules ENV: under which conditions it was measured, and whether they stayed the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import numpy as np

from joulemark.cards.evidence import Aligned
from joulemark.energy.cords import hosts, named
from joulemark.energy.series import Float64, Series
from joulemark.node import Node
from joulemark.readings import Quantity
from joulemark.runs import Window
from joulemark.standard.case import Case, inside
from joulemark.standard.checks.base import Check, of_headline
from joulemark.standard.edition import Rule
from joulemark.standard.names import nothing
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged, not_applicable
from joulemark.units import NS_PER_S

DESCRIBED: Final = ("bmc_firmware", "kernel", "dimms", "nics", "cooling", "fans")
OF_ACCELERATORS: Final = ("driver", "cuda")
DISCLOSED: Final = "disclosed_inlet_temperature"
"""The run's label that tells readers of an inlet outside of the usual range."""
AMBIENT: Final = "meter_ambient_c"
"""The run's label that bounds the temperature around the meter, where nothing records it: `20..26`."""

BOUND: Final = re.compile(r"\s*(-?\d{1,3}(?:\.\d{1,3})?)\s*\.\.\s*(-?\d{1,3}(?:\.\d{1,3})?)\s*", re.ASCII)


def description(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-1: each node that did the work is described."""
    source = f"nodes.json: nodes[].{{psus,gpus,{','.join((*DESCRIBED, *OF_ACCELERATORS))}}}"
    nodes = case.nodes
    if not nodes.nodes:
        return cannot_tell("no node is described", source=source, limit=rule.wanted(grade))
    told = {f"{name} of {node.host}": text for node in nodes.nodes for name, text in texts(node)}
    if strange := [f"{name} is {text!r}" for name, text in told.items() if text and nothing(text)]:
        return judged(False, measured=len(strange), limit=rule.wanted(grade), source=source, detail="; ".join(strange))
    if absent := [name for name, text in told.items() if not text]:
        return cannot_tell(f"not recorded: {', '.join(absent)}", source=source, limit=rule.wanted(grade))
    values = {"described": len(nodes.nodes), "participating": nodes.participating}
    good = nodes.extrapolated or nodes.participating is None or nodes.participating <= len(nodes.nodes)
    detail = "" if good else f"{nodes.participating} nodes did the work, {len(nodes.nodes)} are described"
    return judged(good, measured=values, limit=rule.wanted(grade), source=source, detail=detail)


def texts(node: Node) -> Iterator[tuple[str, str]]:
    """What ENV-1 asks of a node, by name; an empty text is not known. Without accelerators nothing is asked of them."""
    for name in DESCRIBED:
        yield name, getattr(node, name)
    yield "psus", str(len(node.psus)) if node.psus else ""
    for psu in node.psus or ():
        yield f"rated_w of {psu.name}", "" if psu.rated_w is None else str(psu.rated_w)
    if node.gpus is None:
        yield "gpus", ""
    if node.gpus or node.gpus is None:
        for name in OF_ACCELERATORS:
            yield name, getattr(node, name)
    for gpu in node.gpus or ():
        yield f"vbios of {gpu.uuid}", gpu.vbios


def settings(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-2: power settings are the same before and after, and those that an alignment was made at."""
    source = "nodes.json: nodes[].settings; calibration.json: alignments[].binding.settings_sha256"
    run, nodes = case.run, case.nodes
    if run is None or not run.windows or not nodes.nodes:
        return cannot_tell("no node is described", source=source, limit=rule.wanted(grade))
    begin_ns, end_ns = min(w.begin_ns for w in run.windows), max(w.end_ns for w in run.windows)
    changed = [f"{node.host}: {', '.join(changes(node))} changed" for node in nodes.nodes if changes(node)]
    foreign = [what for node in nodes.nodes for what in other_alignments(case, node)]
    if changed or foreign:
        measured = {"changed": len(changed), "not_of_alignment": len(foreign)}
        return judged(False, measured=measured, limit=rule.wanted(grade), source=source, detail="; ".join([*changed, *foreign]))
    if unbound := [one for node in nodes.nodes for one in alignments_of(case, node) if not one.record.binding.settings_sha256]:
        what = f"the alignment {unbound[0].record.alignment_id} does not tell the settings that it was made at"
        return cannot_tell(what, source=source, limit=rule.wanted(grade))
    for node in nodes.nodes:
        times = [one.t_ns for one in node.settings]
        if not any(t_ns <= begin_ns for t_ns in times) or not any(t_ns >= end_ns for t_ns in times):
            what = f"the settings of {node.host} were not read before the first phase and after the last"
            return cannot_tell(what, source=source, limit=rule.wanted(grade))
        if missing := node.settings[0].missing():
            return cannot_tell(f"{node.host} does not tell {', '.join(missing)}", source=source, limit=rule.wanted(grade))
    digests: dict[str, float | int | str | None] = {node.host: node.settings[0].sha256 for node in nodes.nodes}
    return judged(True, measured=digests, limit=rule.wanted(grade), source=source)


def changes(node: Node) -> list[str]:
    """The settings that had more than one value, or were there only at times."""
    names = {name for one in node.settings for name in one.values}
    return sorted(name for name in names if len({one.values.get(name) for one in node.settings}) > 1)


def other_alignments(case: Case, node: Node) -> Iterator[str]:
    """The alignments of this node's meters that were made at other settings than it has."""
    for one in alignments_of(case, node):
        digest = one.record.binding.settings_sha256
        if digest and any(read.sha256 != digest for read in node.settings):
            yield f"the alignment {one.record.alignment_id} was made at other settings of {node.host}"


def alignments_of(case: Case, node: Node) -> Iterator[Aligned]:
    """The alignments of this node's meters."""
    for one in () if case.evidence is None else case.evidence.alignments:
        serial = one.record.binding.node_serial
        if serial == node.serial if serial else node.host in hosts([one.sensor], named([one.sensor])):
            yield one


@of_headline
def temperature(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-3: the air that the node takes in, and around the meter, is recorded and steady; at ES1 only warned of."""
    source = "readings of temperature; phases.json: labels"
    measured_hosts = sorted(node.host for node in case.nodes.nodes)
    if not measured_hosts:
        return softened(cannot_tell("no node is described", source=source, limit=rule.wanted(grade)), rule, grade)
    values: dict[str, float | int | str | None] = {}
    absent, wrong = [], []
    for host in measured_hosts:
        found = inlet(case, host)
        values |= {f"{key} {host}": value for key, value in found.items()}
        absent += [f"{key} of the inlet of {host}" for key, value in found.items() if value is None]
        wrong += list(inlet_faults(case, host, found, rule.limits[grade]))
    meters = sorted({one.meter.device_id for one in case.headline})
    absent += [f"temperature around {device}" for device in meters if not ambient(case, device)]
    detail = "; ".join([*wrong, *([f"not recorded: {', '.join(absent)}"] if absent else [])])
    if wrong:
        return softened(judged(False, measured=values, limit=rule.wanted(grade), source=source, detail=detail), rule, grade)
    if absent:
        return softened(cannot_tell(detail, source=source, limit=rule.wanted(grade)), rule, grade)
    return judged(True, measured=values, limit=rule.wanted(grade), source=source)


def softened(outcome: Outcome, rule: Rule, grade: str) -> Outcome:
    """A warning in place of a verdict that counts against the level, where the rule is not required."""
    if rule.limit(grade, "required") > 0.0:
        return outcome
    return Outcome(Verdict.WARN, outcome.measured, outcome.limit, outcome.source, outcome.detail)


def inlet(case: Case, host: str) -> dict[str, float | None]:
    """Of the air that `host` takes in over the measured phases: extremes in C, longest time without a reading in s, accuracy in K."""
    names = ("lowest_c", "highest_c", "interval_s", "accuracy_k")
    series = next(iter(case.witnesses(Quantity.TEMPERATURE, covers=host)), None)
    if series is None:
        return dict.fromkeys(names)
    shown = [inside(series, w.begin_ns, w.end_ns)[1] for w in case.measured]
    if not all(len(values) for values in shown):
        return dict.fromkeys(names)
    shown_c = np.concatenate(shown)
    stated = series.meter.accuracy
    accuracy_k = None if stated is None else stated.limit_w(float(np.abs(shown_c).max()))
    interval_s = max(longest_s(series, window) for window in case.measured)
    return dict(zip(names, (float(shown_c.min()), float(shown_c.max()), interval_s, accuracy_k), strict=True))


def longest_s(series: Series, window: Window) -> float:
    """The longest time inside `window` without a reading, in s."""
    at_s: Float64 = inside(series, window.begin_ns, window.end_ns)[0]
    return float(np.diff(np.concatenate(([0.0], at_s, [window.duration_s]))).max())


def inlet_faults(case: Case, host: str, found: Mapping[str, float | None], limits: Mapping[str, float]) -> Iterator[str]:
    """What is wrong with the air that `host` takes in, as sentences."""
    lowest_c, highest_c, interval_s, accuracy_k = (found[name] for name in ("lowest_c", "highest_c", "interval_s", "accuracy_k"))
    if interval_s is not None and interval_s > limits["interval_s"]:
        yield f"{interval_s:.0f} s without a reading at the inlet of {host}"
    if accuracy_k is not None and accuracy_k > limits["accuracy_k"]:
        yield f"the sensor at the inlet of {host} is good to {accuracy_k:g} K"
    if lowest_c is None or highest_c is None:
        return
    labels = {} if case.run is None else case.run.labels
    if (lowest_c < limits["lowest_c"] or highest_c > limits["highest_c"]) and not labels.get(DISCLOSED):
        yield f"the inlet of {host} was between {lowest_c:.1f} and {highest_c:.1f} C, which is not disclosed"
    if highest_c - lowest_c > limits["drift_k"]:
        yield f"the inlet of {host} drifted by {highest_c - lowest_c:.1f} K"


def ambient(case: Case, device: str) -> bool:
    """Whether the temperature around a meter is known in each measured phase, from a stream or by a bound."""
    stated = BOUND.fullmatch("" if case.run is None else case.run.labels.get(AMBIENT, ""))
    if stated is not None and float(stated[1]) <= float(stated[2]):
        return True
    streams = case.witnesses(Quantity.TEMPERATURE, covers=device)
    return any(all(len(inside(one, w.begin_ns, w.end_ns)[1]) for w in case.measured) for one in streams)


def throttling(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-4: heat held no accelerator back; the worst one in the worst phase counts."""
    source = "readings of throttle; nodes.json: nodes[].gpus"
    nodes = case.nodes
    if not case.measured or not nodes.nodes or any(node.gpus is None for node in nodes.nodes):
        return cannot_tell("measured phases or the inventory of accelerators are not recorded", source=source, limit=rule.wanted(grade))
    uuids = [gpu.uuid for node in nodes.nodes for gpu in node.gpus or ()]
    if not uuids:
        return not_applicable("the nodes have no accelerator", source=source)
    shares: dict[str, float] = {}
    for uuid in uuids:
        streams = case.witnesses(Quantity.THROTTLE, covers=uuid)[:1]
        shown = [inside(one, w.begin_ns, w.end_ns)[1] for one in streams for w in case.measured]
        seldom_s = max((longest_s(one, w) for one in streams for w in case.measured), default=0.0)
        if shown and seldom_s > rule.limit(grade, "interval_s"):
            what = f"nobody looked for {seldom_s:.0f} s whether {uuid} is throttled"
            return cannot_tell(what, source=source, limit=rule.wanted(grade))
        if not shown or not all(len(values) for values in shown):
            return cannot_tell(f"throttling of {uuid} was not recorded in each measured phase", source=source, limit=rule.wanted(grade))
        shares[uuid] = max(float(values.mean()) for values in shown)
    worst = max(shares, key=lambda uuid: shares[uuid])
    values: dict[str, float | int | str | None] = {"share_rel": shares[worst], "gpu": worst}
    return judged(shares[worst] <= rule.limit(grade, "share_rel"), measured=values, limit=rule.wanted(grade), source=source)


def exclusive(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-5: nothing else ran on the nodes, which somebody looked at in each measured phase."""
    source = "nodes.json: nodes[].surveys"
    run, nodes = case.run, case.nodes
    if run is None or not case.measured or not nodes.nodes:
        return cannot_tell("no measured phase or no node is recorded", source=source, limit=rule.wanted(grade))
    begin_ns, end_ns = min(w.begin_ns for w in run.windows), max(w.end_ns for w in run.windows)
    foreign: set[str] = set()
    looked, unseen = 0, []
    for node in nodes.nodes:
        during = [one for one in node.surveys if begin_ns <= one.t_ns <= end_ns and one.foreign_processes is not None]
        looked += len(during)
        foreign |= {f"{name} on {node.host}" for one in during for name in one.foreign_processes or ()}
        unseen += [f"{node.host} in {w.name}" for w in case.measured if not any(w.begin_ns <= one.t_ns <= w.end_ns for one in during)]
    values = {"surveys": looked, "foreign": len(foreign)}
    if foreign:
        return judged(False, measured=values, limit=rule.wanted(grade), source=source, detail=", ".join(sorted(foreign)))
    if unseen:
        return cannot_tell(f"nobody looked at the processes of {', '.join(unseen)}", source=source, limit=rule.wanted(grade))
    return judged(True, measured=values, limit=rule.wanted(grade), source=source)


def overhead(case: Case, rule: Rule, grade: str) -> Outcome:
    """ENV-6: what monitoring costs was measured for the build of each agent, not long ago, in pairs of runs."""
    source = "nodes.json: overheads[], builds[]"
    nodes = case.nodes
    digests = sorted({one.source_sha256 for one in nodes.builds if one.role == "agent" and one.source_sha256})
    if not case.measured or not digests:
        return cannot_tell("the build of the agent is not recorded", source=source, limit=rule.wanted(grade))
    at_ns = case.measured[0].begin_ns
    found: dict[str, float | int | str | None] = {}
    for digest in digests:
        known = [one for one in nodes.overheads if one.agent_build == digest and one.node_type and one.loss_rel]
        if not known:
            return cannot_tell(f"the overhead of the agent's build {digest[:12]} was not measured", source=source, limit=rule.wanted(grade))
        latest = max(known, key=lambda one: one.measured_ns)
        loss_rel, pairs, limits = float(np.mean(latest.loss_rel)), len(latest.loss_rel), rule.limits[grade]
        age_d = (at_ns - latest.measured_ns) / NS_PER_S / timedelta(days=1).total_seconds()
        found = {"loss_rel": loss_rel, "pairs": pairs, "age_d": age_d, "node_type": latest.node_type}
        if not loss_rel <= limits["loss_rel"] or pairs < limits["pairs"] or not 0.0 <= age_d <= limits["age_d"]:
            return judged(False, measured=found, limit=rule.wanted(grade), source=source)
    return judged(True, measured=found, limit=rule.wanted(grade), source=source)


CHECKS: Final[Mapping[str, Check]] = {
    "ENV-1": description,
    "ENV-2": settings,
    "ENV-3": temperature,
    "ENV-4": throttling,
    "ENV-5": exclusive,
    "ENV-6": overhead,
}
