"""Rules SCO: what the figure is the energy of, and whether all of that was measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from joulemark.energy.cords import hosts, named, seen
from joulemark.node import Component, Psu
from joulemark.readings import LARGEST_W, Boundary, Current
from joulemark.standard.aligned import IN_BAND
from joulemark.standard.case import Case, inside
from joulemark.standard.checks.base import Check, of_headline
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged, not_applicable

SUPPLIES: Final = "nodes.json: nodes[].psus"
LOSS_MODELS: Final = ("manufacturer_curve", "alignment")
METHODS: Final = ("measured", "absent", "upper_bound", "estimated")


@of_headline
def scope_declared(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-1: the scope that the meters show is one of the level, and the one that the card declares."""
    source = "meters.json: meters[].boundary, current, covers; card.json: scope"
    assert case.rebuilt is not None
    scope, declared = case.rebuilt["scope"], None if case.card is None else case.card.get("scope")
    if scope is None:
        return cannot_tell(case.rebuilt["scope_reason"], source=source, limit=rule.wanted(grade))
    if not isinstance(declared, str):
        return cannot_tell("the card declares no scope", source=source, limit=rule.wanted(grade))
    good = declared == scope and rule.limits[grade].get(scope, 0.0) > 0.0
    detail = "" if declared == scope else f"the card declares {declared}, the meters show {scope}"
    return judged(good, measured={"scope": scope, "declared": declared}, limit=rule.wanted(grade), source=source, detail=detail)


@of_headline
def nodes_measured(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-2: every node that did the work was measured, or as many as stand for the others."""
    source = "nodes.json: participating, nodes; meters.json: meters[].covers"
    nodes = case.nodes
    if nodes.participating is None or not nodes.nodes:
        return cannot_tell("nobody said how many nodes did the work, or which", source=source, limit=rule.wanted(grade))
    known = {node.host for node in nodes.nodes}
    measured = hosts(case.headline, named(case.series)) & known
    count, n = nodes.participating, len(measured)
    values = {"participating": count, "measured": n, "fraction": n / count if count else None}
    if count < len(known):
        detail = f"{len(known)} nodes are described and only {count} called participating: describe those that did the work, and no other"
        return judged(False, measured=values, limit=rule.wanted(grade), source=source, detail=detail)
    if count == n:
        return judged(True, measured=values, limit=rule.wanted(grade), source=source)
    detail = f"the meters of the headline cover {', '.join(sorted(measured)) or 'none of the nodes'}"
    least = extrapolated_from(rule, grade, count)
    if not nodes.extrapolated or least is None or n == 0:
        return judged(False, measured=values, limit=rule.wanted(grade), source=source, detail=detail)
    if nodes.chosen_at_random is None:
        return cannot_tell(f"{detail}; nobody said whether they were chosen at random", source=source, limit=rule.wanted(grade))
    mean_w = metered_w(case) / n
    good = least <= n < count and nodes.chosen_at_random and mean_w >= rule.limit(grade, "extrapolated_mean_w")
    return judged(good, measured={**values, "mean_w": mean_w}, limit=rule.wanted(grade), source=source, detail=detail)


def extrapolated_from(rule: Rule, grade: str, participating: int) -> float | None:
    """How many nodes have to be measured where the others are extrapolated; None where that is not allowed."""
    limits = rule.limits[grade]
    if "extrapolated_share" not in limits:
        return None
    return min(participating, max(participating * limits["extrapolated_share"], limits["extrapolated_nodes"]))


def inventory(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-3: the accelerators that were read are those of the inventory, each once."""
    source = "nodes.json: nodes[].gpus; meters.json: meters[].covers"
    nodes = case.nodes
    if twins := twice(case):
        values = {"devices": len(twins)}
        return Outcome(Verdict.FAIL, values, rule.wanted(grade), source, f"two devices with one identity: {', '.join(twins)}", True)
    if not nodes.nodes or any(node.gpus is None for node in nodes.nodes):
        return cannot_tell("the inventory of accelerators is not recorded for every node", source=source, limit=rule.wanted(grade))
    listed = {gpu.uuid for node in nodes.nodes for gpu in node.gpus or ()}
    known = {uuid for uuids in readers(case, witnesses=True).values() for uuid in uuids}
    read = {uuid for uuids in readers(case, witnesses=True, silent=False).values() for uuid in uuids}
    if listed and not read:
        return cannot_tell("no accelerator was read, so none is known to be there", source=source, limit=rule.wanted(grade))
    unread, unlisted, used = sorted(listed - read), sorted(known - listed), used_gpus(case)
    parts = [f"not read: {', '.join(unread)}"] if unread else []
    parts += [f"not in the inventory: {', '.join(unlisted)}"] if unlisted else []
    parts += [f"the workload used {used} accelerators, and {len(listed)} are listed"] if used > len(listed) else []
    values = {"listed": len(listed), "observed": len(read)}
    return judged(not parts, measured=values, limit=rule.wanted(grade), source=source, detail="; ".join(parts))


def readers(case: Case, *, witnesses: bool, silent: bool = True) -> Mapping[str, set[str]]:
    """Device id -> uuids that it covers, of all that measures energy at the boundary of accelerators, and with their `witnesses`.

    Without the `silent` ones: only what has a reading in each measured phase.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for one in () if case.evidence is None else case.evidence.series:
        told = silent or all(len(inside(one, window.begin_ns, window.end_ns)[1]) for window in case.measured)
        if one.meter.boundary is Boundary.GPU and told and (witnesses or one.meter.quantity.measures_energy):
            found[one.meter.device_id] |= set(one.meter.covers)
    return found


def used_gpus(case: Case) -> int:
    """How many accelerators the workload says that it used, 0 where it does not say."""
    workload = None if case.evidence is None else case.evidence.workload
    return 0 if workload is None else workload.gpu_count or 0


def twice(case: Case) -> list[str]:
    """Identities that stand for two things: a uuid in the inventory twice, or read by one kind of driver as two devices."""
    nodes = case.nodes.nodes
    listed = Counter(gpu.uuid for node in nodes for gpu in node.gpus or ())
    machines = Counter(node.serial for node in nodes if node.serial)
    read = Counter((device.partition(":")[0], uuid) for device, uuids in readers(case, witnesses=False).items() for uuid in uuids)
    several = [uuid for uuid, count in listed.items() if count > 1] + [serial for serial, count in machines.items() if count > 1]
    return sorted({*several, *(uuid for (_, uuid), count in read.items() if count > 1)})


@of_headline
def inlets(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-4: every live inlet of a power supply has a channel of the headline."""
    source = f"{SUPPLIES}[].inlet, live; meters.json: meters[].covers"
    if why := undescribed(case):
        return cannot_tell(why, source=source, limit=rule.wanted(grade))
    supplies = [psu for node in case.nodes.nodes for psu in node.psus or ()]
    unknown = [psu.name for psu in supplies if psu.live is None or (psu.live and not psu.inlet)]
    if unknown:
        what = f"whether they are live, and on which inlet, is not recorded of {', '.join(unknown)}"
        return cannot_tell(what, source=source, limit=rule.wanted(grade))
    live = {psu.inlet for psu in supplies if psu.live}
    sums = rule.limit(grade, "bmc_sum_allowed") > 0.0
    if case.boundary in IN_BAND and not sums:
        detail = f"{case.boundary} is read by the BMC from its power supplies: put a channel of an external meter on each inlet"
        return judged(False, measured={"inlets": len(live), "channels": 0}, limit=rule.wanted(grade), source=source, detail=detail)
    cords = sorted(live)
    covered = {cord for one in case.headline for cord in (seen(one.meter, cords) if sums else one.meter.covers)}
    parts = [f"no channel: {', '.join(sorted(live - covered))}"] if live - covered else []
    parts += [f"no live inlet: {', '.join(sorted(covered - live))}"] if covered - live and not sums else []
    values = {"inlets": len(live), "channels": len(covered)}
    return judged(bool(live) and not parts, measured=values, limit=rule.wanted(grade), source=source, detail="; ".join(parts))


@of_headline
def components(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-5: interconnect, CDU and front-end hosts are measured, or an upper bound for them is part of the energy."""
    source = "nodes.json: components[]"
    parts = case.nodes.components
    if not parts:
        return cannot_tell("components beside the nodes are not recorded, not even as absent", source=source, limit=rule.wanted(grade))
    if strange := [f"{part.name}: {part.method}" for part in parts if part.method not in METHODS]:
        return judged(False, measured=", ".join(strange), limit=rule.wanted(grade), source=source, detail="no method of the standard")
    if without := [part.name for part in parts if part.method in ("upper_bound", "estimated") and part.max_spec_w is None]:
        return cannot_tell(f"no max_spec_w of {', '.join(without)}", source=source, limit=rule.wanted(grade))
    if empty := [part.name for part in parts if part.max_spec_w is not None and not 0.0 < part.max_spec_w * part.provisioning < LARGEST_W]:
        detail = f"max_spec_w times provisioning of {', '.join(empty)} is no power above 0: state the most that it may take"
        return judged(False, measured=", ".join(empty), limit=rule.wanted(grade), source=source, detail=detail)
    used = {one.meter.meter_id for one in case.headline}
    unmeasured = [part.name for part in parts if part.method == "measured" and not (part.meter_ids and used.issuperset(part.meter_ids))]
    bound_rel, estimated_rel = share_rel(case, parts, "upper_bound"), share_rel(case, parts, "estimated")
    good = estimated_rel <= rule.limit(grade, "estimated_rel") and bound_rel + estimated_rel <= rule.limit(grade, "unmeasured_rel")
    detail = f"not among the meters of the headline: {', '.join(unmeasured)}" if unmeasured else ""
    values = {"upper_bound_rel": bound_rel, "estimated_rel": estimated_rel}
    return judged(good and not unmeasured, measured=values, limit=rule.wanted(grade), source=source, detail=detail)


def share_rel(case: Case, parts: tuple[Component, ...], method: str) -> float:
    """The power of the components of one method as a share of that of the headline with them."""
    added_w = sum((part.max_spec_w or 0.0) * part.provisioning for part in parts if part.method == method)
    bounds_w = sum(part.upper_bound_w or 0.0 for part in parts)
    not_in_it_w = added_w if method == "estimated" else 0.0
    return added_w / (metered_w(case) + bounds_w + not_in_it_w)


@of_headline
def gross(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-6: the energy that is claimed is all that the meters saw, nothing subtracted."""
    source = "card.json: headline.energy_j; readings"
    claimed = None if case.card is None else case.card.get("headline", {}).get("energy_j")
    assert case.rebuilt is not None
    whole_j = case.rebuilt["headline"]["energy_j"]
    if whole_j is None:
        return cannot_tell("the energy of a measured phase cannot be made of the readings", source=source, limit=rule.wanted(grade))
    if not isinstance(claimed, int | float):
        return cannot_tell("the card claims no energy", source=source, limit=rule.wanted(grade))
    values = {"claimed_j": float(claimed), "gross_j": whole_j}
    good = claimed >= whole_j * (1.0 - rule.limit(grade, "difference_rel"))
    detail = "" if good else f"{whole_j - claimed:.6g} J are missing in the card"
    return judged(good, measured=values, limit=rule.wanted(grade), source=source, detail=detail)


def storage(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-7: no battery, UPS or BBU stands between meter and load."""
    source = f"{SUPPLIES}[].storage_between"
    supplies = live_supplies(case)
    between = [psu.name for psu in supplies if psu.storage_between]
    if between:
        return judged(False, measured=len(between), limit=rule.wanted(grade), source=source, detail=f"storage before {', '.join(between)}")
    if why := undescribed(case):
        return cannot_tell(why, source=source, limit=rule.wanted(grade))
    if silent := [psu.name for psu in supplies if psu.storage_between is None]:
        what = f"whether storage stands before {', '.join(silent)} is not declared"
        return cannot_tell(what, source=source, limit=rule.wanted(grade))
    return judged(True, measured=0, limit=rule.wanted(grade), source=source)


@of_headline
def direct_current(case: Case, rule: Rule, grade: str) -> Outcome:
    """SCO-8: behind the power supply, how their loss is known is stated."""
    source = f"{SUPPLIES}[].loss_model; meters.json: meters[].current"
    behind = [one.meter.meter_id for one in case.headline if one.meter.current is Current.DC]
    assert case.rebuilt is not None
    if not behind:
        return not_applicable("the headline is measured before the power supplies", source=source)
    if case.rebuilt["scope"] == "GPU":
        return not_applicable("the headline is a sum of component sensors, which no loss model makes a node (SCO-1)", source=source)
    if rule.limit(grade, "dc_allowed") <= 0.0:
        detail = f"the headline is on the DC side: {', '.join(behind)}"
        return judged(False, measured=len(behind), limit=rule.wanted(grade), source=source, detail=detail)
    if why := undescribed(case):
        return cannot_tell(why, source=source, limit=rule.wanted(grade))
    models = {psu.name: psu.loss_model for psu in live_supplies(case)}
    if silent := [name for name, model in models.items() if not model]:
        return cannot_tell(f"no loss model of {', '.join(silent)} is stated", source=source, limit=rule.wanted(grade))
    return judged(set(models.values()) <= set(LOSS_MODELS), measured=models, limit=rule.wanted(grade), source=source)


def undescribed(case: Case) -> str:
    """What is not recorded of power supplies, in words; empty where each node lists its own."""
    nodes = case.nodes.nodes
    without = [node.host for node in nodes if not node.psus]
    return f"power supplies of {', '.join(without)} are not recorded" if without else "" if nodes else "no node is described"


def live_supplies(case: Case) -> list[Psu]:
    """Every power supply that is not known to be dead."""
    return [psu for node in case.nodes.nodes for psu in node.psus or () if psu.live is not False]


def metered_w(case: Case) -> float:
    """Mean power that the meters of the headline saw over the measured phases."""
    energies = [(case.figures(window), window.duration_s) for window in case.measured]
    known = [(sum(d["energy_j"] or 0.0 for d in figures["devices"]), seconds) for figures, seconds in energies if figures]
    return sum(energy_j for energy_j, _ in known) / sum(seconds for _, seconds in known)


CHECKS: Final[Mapping[str, Check]] = {
    "SCO-1": scope_declared,
    "SCO-2": nodes_measured,
    "SCO-3": inventory,
    "SCO-4": inlets,
    "SCO-5": components,
    "SCO-6": gross,
    "SCO-7": storage,
    "SCO-8": direct_current,
}
