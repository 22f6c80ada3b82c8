"""The energy card: one JSON object that says what a run took, how well that is known, and everything it was computed from."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joulemark.cards import costs, emitted
from joulemark.cards.compute import compute, levels
from joulemark.cards.contents import contents
from joulemark.cards.costs import Work
from joulemark.cards.evidence import Evidence, counted
from joulemark.cards.score import scored
from joulemark.cards.shares import Shares, shares
from joulemark.energy.attribute import Ratio, joules_per, joules_per_1k
from joulemark.energy.cords import named, proven, uncovered
from joulemark.energy.idle import above_idle
from joulemark.energy.uncertainty import displayed
from joulemark.readings import Boundary, Current, Quality
from joulemark.runs import IdleKind, PhaseKind, Run, Tokens, Window

CARD_SCHEMA: Final = "joulemark.card/1"

SCOPES: Final = {
    Boundary.GPU: ("GPU", "GPU"),
    Boundary.MODULE: ("GPU", "GPU"),
    Boundary.PACKAGE: ("GPU", "GPU"),
    Boundary.PSU_INPUT: ("NODE_AC", "NODE_DC"),
    Boundary.SERVER_INPUT: ("NODE_AC", "NODE_DC"),
    Boundary.OUTLET: ("NODE_AC", "NODE_DC"),
    Boundary.WALL_ANALYZER: ("NODE_AC", "NODE_DC"),
    Boundary.PDU_INLET: ("RACK_AC", None),
    Boundary.RACK: ("RACK_AC", None),
}
"""Scope of the standard by boundary, on the AC and on the DC side. A sum of component sensors is scope GPU (SCO-1)."""

RATIOS: Final = {
    "joules_per_1k_output_tokens": "J per 1k output tokens",
    "joules_per_1k_input_tokens": "J per 1k input tokens",
    "joules_per_1k_total_tokens": "J per 1k tokens, input and output",
    "joules_per_request": "J per request",
}


def build(evidence: Evidence, *, files: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    """The card of `evidence`, schema `joulemark.card/1`: unrounded figures, null where unknown, and a `display` block for people.

    `files`: what `contents.contents` makes of the same evidence, if that is at hand; an empty mapping leaves the hashes out, which take
    as long as the figures. Raises InsufficientData when the readings cover no measured phase, UsageError when the run has no phase or
    there is no meter.
    """
    computed = compute(
        evidence.series,
        evidence.run,
        alignments=[one.record for one in evidence.alignments],
        upper_bounds_w=evidence.nodes.upper_bounds_w,
    )
    scope, scope_reason = scope_of(evidence, computed["power"]["boundary"])
    windows = {(w.name, w.begin_ns): w for w in counted(evidence.run)}
    idle = idle_phases(evidence.run, computed["phases"])
    split = shares(evidence, computed["phases"], computed["power"]["boundary"])
    phases = []
    for figures in computed["phases"]:
        window = windows.get((figures["name"], figures["begin_ns"]))
        more = {}
        if window is not None:
            work = work_of(window, figures, split[window.name, window.begin_ns])
            more = {**per_work(work, figures, evidence, scope), **dynamic(figures, idle)}
        phases.append({**figures, **more})
    told = [phase for phase in phases if (phase["name"], phase["begin_ns"]) in windows]
    laps = overlaps(counted(evidence.run))
    score, score_reason = (None, "its phases overlap") if laps else scored(told if evidence.run.measured else [])
    incomplete = [*laps, *gaps_and_losses(evidence, told)]
    simulated = any(one.meter.simulated for one in evidence.series)
    return {
        "schema": CARD_SCHEMA,
        "run_id": evidence.run.run_id,
        "benchmark": evidence.run.benchmark,
        "labels": dict(evidence.run.labels),
        "simulated": simulated,
        "scope": scope,
        "scope_reason": scope_reason,
        "level": None,
        "level_reason": "not_validated",
        "rule_set": evidence.rule_set,
        "complete": not incomplete,
        "incomplete_because": incomplete,
        "headline": headline(told, list(windows.values()), evidence, scope, split, apart=not laps),
        "score": score,
        "score_reason": score_reason,
        "phases": phases,
        "idle": idle,
        "aborted": aborted_phases(evidence.run, phases),
        "closure": computed["closure"],
        "meters": computed["power"]["meters"],
        "clock": str(evidence.run.clock),
        "clocks": {host: dict(state) for host, state in evidence.clocks.items()},
        "clock_steps": [dict(step) for step in evidence.clock_steps],
        "losses": [dict(loss) for loss in evidence.losses],
        "overhead": dict(evidence.overhead),
        "findings": computed["findings"],
        "produced_by": dict(evidence.produced_by),
        "hashes": hashes(contents(evidence) if files is None else files),
    }


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """Path -> SHA-256 of each file that a card is computed from, hexadecimal."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def scope_of(evidence: Evidence, boundary: str) -> tuple[str | None, str]:
    """(scope of the standard or None, what it rests on) of meters at `boundary`."""
    series = [one for one in evidence.series if one.meter.quantity.measures_energy]
    cords = named(series)
    group = levels(series, cords)[Boundary(boundary)]
    if bare := uncovered(group, cords):
        return None, f"no meter at {boundary} covers {', '.join(bare)}"
    currents = {one.meter.current for one in group}
    if len(currents) != 1:
        return None, f"the meters at {boundary} are on both sides of the power supply"
    ac, dc = SCOPES[Boundary(boundary)]
    current = currents.pop()
    scope = ac if current is Current.AC else dc
    if scope is None:
        return None, f"no scope is defined for {boundary} on the DC side"
    if covered := proven(group, series):
        return scope, f"boundary {boundary}, {current}, as the meters declare; they cover every cord of {', '.join(covered)}"
    return scope, f"boundary {boundary}, {current}, as the meters declare; that they cover every node and cord is not proven"


def idle_phases(run: Run, phases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mean power of each idle phase with its kind, null where one of them is not known. The kinds are never mixed (PHA-9)."""
    kinds = {(w.name, w.begin_ns): w.idle_kind for w in run.windows if w.kind in (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)}
    return [
        {
            "phase": phase["name"],
            "idle_kind": None if (kind := kinds[phase["name"], phase["begin_ns"]]) is None else str(kind),
            "duration_s": phase["duration_s"],
            "mean_power_w": phase["mean_power_w"],
        }
        for phase in phases
        if (phase["name"], phase["begin_ns"]) in kinds
    ]


def dynamic(figures: Mapping[str, Any], idle: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`energy_dynamic_j`: what a phase took above idle with the engine loaded. It stands beside the gross figure (SCO-6).

    Null where no such idle phase was measured, or where the power of one of them is not known.
    """
    idle_w = ready_power_w(idle)
    if idle_w is None or figures["energy_j"] is None:
        return {"energy_dynamic_j": None}
    found = above_idle(figures["energy_j"], figures["duration_s"], idle_power_w=idle_w, idle_kind=IdleKind.READY)
    return {"energy_dynamic_j": found.energy_dynamic_j}


def ready_power_w(idle: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean power of the idle phases with the engine loaded; None without one, or where the power of one of them is not known."""
    ready = [phase for phase in idle if phase["idle_kind"] == IdleKind.READY]
    if not ready or any(phase["mean_power_w"] is None for phase in ready):
        return None
    return math.fsum(phase["mean_power_w"] * phase["duration_s"] for phase in ready) / math.fsum(phase["duration_s"] for phase in ready)


def aborted_phases(run: Run, phases: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The repetitions that do not count, with the reason and what they took (REP-2)."""
    energies = {(phase["name"], phase["begin_ns"]): phase["energy_j"] for phase in phases}
    stopped = [window for window in run.windows if window.aborted]
    return [{"phase": w.name, "reason": w.aborted, "energy_j": energies[w.name, w.begin_ns]} for w in stopped]


def work_of(window: Window, figures: Mapping[str, Any], split: Shares) -> Work:
    """What one phase took and did."""
    budget = figures["uncertainty"]
    return Work(
        begin_ns=window.begin_ns,
        duration_ns=window.end_ns - window.begin_ns,
        energy_j=figures["energy_j"],
        u_energy_j=None if budget is None else budget["u_c_j"],
        tokens=window.tokens,
        requests=window.requests,
        unc_ns=window.unc_ns,
        parts=split.parts,
        note=split.note,
    )


def per_work(work: Work, figures: Mapping[str, Any], evidence: Evidence, scope: str | None) -> dict[str, Any]:
    """What a measured phase has beyond its energy: uncertainties per token, costs, and the figures as printed."""
    k = 2.0 if figures["uncertainty"] is None else figures["uncertainty"]["k"]
    ratios = ratios_of(work)
    out: dict[str, Any] = {f"{name}_u95": None if r is None else k * r.u_j for name, r in ratios.items()}
    out["cost"] = costs.block(work, evidence, scope=scope)
    out["carbon"] = emitted.block(work, evidence, scope=scope)
    out["display"] = display(work, ratios, k, figures["u95_j"])
    return out


def headline(
    phases: list[dict[str, Any]],
    windows: list[Window],
    evidence: Evidence,
    scope: str | None,
    split: Mapping[tuple[str, int], Shares],
    *,
    apart: bool,
) -> dict[str, Any]:
    """The counted phases together: energies and tokens add up; uncertainties add linearly, the safe way for one meter used twice.

    `apart`: no two share time; else there is no energy of all of them, since their joules are in part the same.
    """
    each = [split[window.name, window.begin_ns] for window in windows]
    u_each = [None if p["uncertainty"] is None else p["uncertainty"]["u_c_j"] for p in phases]
    work = Work(
        begin_ns=windows[0].begin_ns,
        duration_ns=sum(w.end_ns - w.begin_ns for w in windows),
        energy_j=total([p["energy_j"] for p in phases]) if apart else None,
        u_energy_j=total(u_each) if apart else None,
        tokens=Tokens(
            input=total([w.tokens.input for w in windows]),
            output=total([w.tokens.output for w in windows]),
            disagreement=math.fsum(w.tokens.disagreement for w in windows),
        ),
        requests=total([w.requests for w in windows]),
        unc_ns=sum(w.unc_ns for w in windows),
        parts=tuple(part for one in each for part in one.parts),
        note="; ".join(dict.fromkeys(one.note for one in each if one.note)),
    )
    k = max((p["uncertainty"]["k"] for p in phases if p["uncertainty"]), default=2.0)
    u95_j = None if work.u_energy_j is None else k * work.u_energy_j
    ratios = ratios_of(work)
    missing = sorted({name for p in phases if p["uncertainty"] for name in p["uncertainty"]["missing"]})
    out: dict[str, Any] = {
        "phases": [p["name"] for p in phases],
        "boundary": phases[0]["boundary"],
        "energy_j": work.energy_j,
        "u95_j": u95_j,
        "u95_rel": u95_j / work.energy_j if u95_j is not None and work.energy_j else None,
        "uncertainty_missing": missing,
        "tokens": {"input": work.tokens.input, "output": work.tokens.output},
        "requests": work.requests,
        "coverage": min((p["coverage"] for p in phases if p["coverage"] is not None), default=None),
    }
    for name, ratio in ratios.items():
        out[name] = None if ratio is None else ratio.value_j
        out[f"{name}_u95"] = None if ratio is None else k * ratio.u_j
    both = {"cost": costs.block(work, evidence, scope=scope), "carbon": emitted.block(work, evidence, scope=scope)}
    return {**out, **both, "display": display(work, ratios, k, u95_j)}


def ratios_of(work: Work) -> dict[str, Ratio | None]:
    """Energy per 1000 tokens of each kind and per request; None where unknown."""
    if work.energy_j is None or work.u_energy_j is None:
        return dict.fromkeys(RATIOS)
    counts = {"output": work.tokens.output, "input": work.tokens.input, "total": work.tokens.total}
    ratios = {
        f"joules_per_1k_{name}_tokens": joules_per_1k(
            work.energy_j, count, u_energy_j=work.u_energy_j, disagreement=work.tokens.disagreement
        )
        for name, count in counts.items()
    }
    per_request = None if work.requests is None else joules_per(work.energy_j, work.requests, u_energy_j=work.u_energy_j)
    return {**ratios, "joules_per_request": per_request}


def display(work: Work, ratios: Mapping[str, Ratio | None], k: float, u95_j: float | None) -> dict[str, dict[str, str]]:
    """Figures for people: the expanded uncertainty with two digits and the value to its place (UNC-5)."""
    shown = {"energy_j": (work.energy_j, u95_j, "J")}
    shown |= {name: (r.value_j, k * r.u_j, RATIOS[name]) for name, r in ratios.items() if r is not None}
    out = {}
    for name, (value, u95, unit) in shown.items():
        if value is not None and u95 is not None:
            text, u95_text = displayed(value, u95)
            out[name] = {"value": text, "u95": u95_text, "unit": unit}
    return out


def overlaps(windows: Sequence[Window]) -> list[str]:
    """Phases that share more time than both may be off, as a reason each: the same joules would be in both."""
    if not windows:
        return []
    first, *later = sorted(windows, key=lambda window: window.begin_ns)
    found = []
    for window in later:
        if first.end_ns - window.begin_ns > first.unc_ns + window.unc_ns:
            found.append(f"{first.name} and {window.name} overlap: their energies hold the same joules and must not be added")
        first = max(first, window, key=lambda one: one.end_ns)
    return found


def gaps_and_losses(evidence: Evidence, phases: list[dict[str, Any]]) -> list[str]:
    """Why the card is not complete: energies that are missing, time without readings, gaps and losses. Empty when it is.

    What the counters of an engine lack stands with the tokens: a model that is no longer served has gaps for ever.
    """
    reasons = [f"{p['name']}: the energy is not known" for p in phases if p["energy_j"] is None]
    reasons += [
        f"{p['name']}: {p['coverage']:.4%} of the time has readings, largest gap {p['max_gap_s']:.3f} s"
        for p in phases
        if p["coverage"] is not None and p["coverage"] < 1.0
    ]
    for one in (one for one in evidence.series if not one.meter.quantity.of_engine):
        for window in counted(evidence.run):
            inside = (one.t_ns >= window.begin_ns) & (one.t_ns <= window.end_ns) & (one.quality == Quality.GAP)
            if lost := int(inside.sum()):
                reasons.append(f"{window.name}: {lost} failed readings of {one.meter.meter_id}")
    if evidence.losses:
        reasons.append(f"{len(evidence.losses)} losses of readings are recorded; see losses")
    return reasons


def total(values: list[Any]) -> Any:
    """Sum of `values`; None when one of them is not known."""
    return None if any(value is None for value in values) else sum(values)
