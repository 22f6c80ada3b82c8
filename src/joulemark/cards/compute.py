"""The offline path put together: recorded power and a benchmark's run become one object of schema `joulemark.compute/1`."""

from __future__ import annotations

import functools
import types
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from joulemark import whitelist
from joulemark.calibration.alignment import Alignment
from joulemark.calibration.in_force import in_force
from joulemark.energy.alignment import Applied
from joulemark.energy.closure import closures
from joulemark.energy.cords import counting, hosts, named, uncovered, whole_of
from joulemark.energy.device import devices
from joulemark.energy.frozen import marked
from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.energy.series import INTEGRABLE, Int64, Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.meters import quality, registry
from joulemark.meters.quality import Tier
from joulemark.readings import Accuracy, Boundary, MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Run, ToolReported, Window

COMPUTE_SCHEMA: Final = "joulemark.compute/1"

WIDEST_FIRST: Final = (
    Boundary.RACK,
    Boundary.PDU_INLET,
    Boundary.WALL_ANALYZER,
    Boundary.OUTLET,
    Boundary.SERVER_INPUT,
    Boundary.PSU_INPUT,
    Boundary.PACKAGE,
    Boundary.MODULE,
    Boundary.GPU,
)
"""The headline is the widest boundary that has meters; the others stand beside it and are never added. `levels` has the exceptions."""

SHARED: Final = (Boundary.RACK, Boundary.PDU_INLET)
"""What feeds several machines unless its meters cover the cords of the named ones."""

COMPARABLE: Final = {
    "gpu_energy": "energy_j",
    "total_gpu_energy": "energy_j",
    "total_gpu_power": "mean_power_w",
    "average_gpu_power": "mean_power_w",
    "energy_per_output_token": "joules_per_1k_output_tokens",
    "energy_per_total_token": "joules_per_1k_total_tokens",
    "energy_per_request": "joules_per_request",
}
"""A tool's figure and ours for the same thing; mJ per token and J per 1k tokens are the same number."""

BESIDE: Final = ("boundary", "energy_j", "energy_method", "u95_j", "mean_power_w", "coverage", "joules_per_1k_output_tokens")


MOST_REASONS: Final = 3

PHASE_FIGURES: Final = (
    "energy_j",
    "energy_upper_bound_j",
    "energy_method",
    "energy_counter_j",
    "energy_trapezoid_j",
    "disagreement_rel",
    "u95_j",
    "energy_mean_j",
    "mean_power_w",
    "mean_of_samples_w",
    "coverage",
    "max_gap_s",
    "joules_per_1k_output_tokens",
    "joules_per_1k_input_tokens",
    "joules_per_1k_total_tokens",
    "joules_per_request",
    "uncertainty",
)
"""What is null in a phase whose power was not recorded."""


def compute(
    series: Sequence[Series],
    run: Run,
    *,
    accuracy: Accuracy | None = None,
    power_idle_w: float | None = None,
    clock_bound_ns: int = 0,
    alignments: Sequence[Alignment] = (),
    upper_bounds_w: Mapping[str, float] = types.MappingProxyType({}),
) -> dict[str, Any]:
    """Energy of every phase of `run` from `series`, at the widest boundary among them.

    `accuracy` goes before what the meters say of themselves; `power_idle_w` and `clock_bound_ns` as in `energy.phase.measure`.
    `alignments`: those in force when the run begins correct their meters. `upper_bounds_w`: of parts that no meter sees; they are added
    to the headline of the measured phases.
    A phase that the readings do not cover has null for its energy and a finding. Raises InsufficientData, naming the missing
    seconds, when that is so for every measured phase; UsageError for no phase, no series, or the same readings twice.
    """
    if not run.windows:
        raise UsageError("the benchmark has no phase", "give the folder of a finished run")
    _refuse_twice(series)
    climate = [one for one in series if one.meter.quantity is Quantity.TEMPERATURE]
    series = marked([one for one in series if one.meter.quantity.measures_energy])
    cords = named(series)
    by_boundary = levels(series, cords)
    if not by_boundary:
        raise UsageError("there is no power to compute from", "give at least one power log with --power")
    headline = next(iter(by_boundary))
    hosts_of = {boundary: hosts(group, cords) for boundary, group in by_boundary.items()}
    applied, not_applied = in_force(alignments, at_ns=min(window.begin_ns for window in run.windows))
    phases, errors, closed = [], [], []
    for window in run.windows:
        measured: dict[Boundary, PhaseEnergy | InsufficientData] = {}
        for boundary, group in by_boundary.items():
            counts = boundary is headline and window.kind is PhaseKind.MEASURED
            try:
                measured[boundary] = measure(
                    window,
                    group,
                    power_idle_w=power_idle_w,
                    accuracy=accuracy,
                    clock_bound_ns=clock_bound_ns,
                    uncovered=uncovered(group, cords),
                    alignments=applied,
                    upper_bounds_w=upper_bounds_w if counts else {},
                    climate=climate,
                )
            except InsufficientData as error:
                measured[boundary] = error
        phases.append(_phase(window, run, measured))
        known = {boundary: found for boundary, found in measured.items() if isinstance(found, PhaseEnergy)}
        closed += [{"phase": window.name, **found.to_json()} for found in closures(known, hosts_of)]
        leads = measured[headline]
        if isinstance(leads, InsufficientData) and window in (run.measured or run.windows):
            errors.append(leads)
    if len(errors) == len(run.measured or run.windows):
        raise InsufficientData(
            errors[0].what, "give a power log from before the phase until after it; if both were recorded together, check --tz"
        )
    return {
        "schema": COMPUTE_SCHEMA,
        "power": _power(series, by_boundary, applied),
        "benchmark": {key: value for key, value in run.to_json().items() if key in ("run_id", "benchmark", "clock", "labels")},
        "phases": phases,
        "closure": closed,
        "findings": list(
            dict.fromkeys(
                [
                    *run.findings,
                    *not_applied,
                    *_power_findings(by_boundary),
                    *_uncounted(series, by_boundary),
                    *_phase_findings(phases),
                    *_closure_findings(closed),
                ]
            )
        ),
    }


def levels(series: Sequence[Series], cords: Sequence[str]) -> dict[Boundary, list[Series]]:
    """The meters that count at each boundary, the widest first; but those that miss a cord behind the whole ones.

    An inlet or a rack also feeds other machines: where cords are named it stands behind the meters that see all of them, unless
    its own are said to feed nothing else.
    """
    found = {b: counting(group, cords) for b in WIDEST_FIRST if (group := [one for one in series if one.meter.boundary is b])}
    whole = any(whole_of(group, cords) for group in found.values())
    shared = {b: whole and b in SHARED and not whole_of(group, cords) for b, group in found.items()}
    return dict(sorted(found.items(), key=lambda level: (bool(uncovered(level[1], cords)), shared[level[0]])))


def _refuse_twice(series: Sequence[Series]) -> None:
    twice = [meter_id for meter_id, count in Counter(one.meter.meter_id for one in series).items() if count > 1]
    if twice:
        raise UsageError(f"the readings of {twice[0]} were given twice", "name each power log once: they are added up")


def _phase(window: Window, run: Run, measured: dict[Boundary, PhaseEnergy | InsufficientData]) -> dict[str, Any]:
    """One phase: the widest boundary's figures, the other boundaries and the tool's own figures beside them."""
    shown = {boundary: _figures(window, boundary, found) for boundary, found in measured.items()}
    headline = next(iter(shown.values()))
    others = [{key: figures[key] for key in BESIDE} for figures in list(shown.values())[1:]]
    reported = [_beside(figure, shown.get(Boundary.GPU, {})) for figure in run.tool_reported if figure.window in ("", window.name)]
    return {**headline, "other_boundaries": others, "tool_reported": reported}


def _figures(window: Window, boundary: Boundary, found: PhaseEnergy | InsufficientData) -> dict[str, Any]:
    if isinstance(found, PhaseEnergy):
        figures = found.to_json()
    else:
        figures = dict.fromkeys(PHASE_FIGURES) | {
            "name": window.name,
            "kind": str(window.kind),
            "boundary": str(boundary),
            "begin_ns": window.begin_ns,
            "end_ns": window.end_ns,
            "duration_s": window.duration_s,
            "sample_count": 0,
            "requests": window.requests,
            "devices": [],
            "findings": [str(found)],
        }
    return {**figures, "tokens": _tokens(window), "requests_failed": window.requests_failed, "unc_ns": window.unc_ns}


def _tokens(window: Window) -> dict[str, Any]:
    tokens = window.tokens
    return {"input": tokens.input, "output": tokens.output, "source": tokens.source, "disagreement": tokens.disagreement}


def _beside(figure: ToolReported, ours: dict[str, Any]) -> dict[str, Any]:
    """The tool's figure, ours for the same thing at the same boundary, and how far the tool is from us."""
    own = ours.get(COMPARABLE.get(figure.name.removeprefix("nvidia_").removeprefix("amd_"), ""))
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "source": figure.source,
        "ours": own,
        "difference_rel": figure.value / own - 1.0 if own else None,
    }


def _power(series: Sequence[Series], by_boundary: dict[Boundary, list[Series]], applied: Mapping[str, Applied]) -> dict[str, Any]:
    used = {one.meter.meter_id for one in _used(by_boundary)}
    return {
        "boundary": str(next(iter(by_boundary))),
        "boundaries": [str(boundary) for boundary in by_boundary],
        "meters": [_meter(one, used=one.meter.meter_id in used, alignment=applied.get(one.meter.meter_id)) for one in series],
    }


def _used(by_boundary: dict[Boundary, list[Series]]) -> list[Series]:
    """The series an energy is taken from: not the parts of what another one measures whole."""
    return [one for group in by_boundary.values() for part in devices(group).values() for one in part]


def _meter(one: Series, *, used: bool, alignment: Applied | None) -> dict[str, Any]:
    return {
        **one.meter.to_json(),
        "readings": len(one),
        "gaps": len(one) - len(one.integrable()),
        "used": used,
        "alignment": None if alignment is None else alignment.to_json(),
        "whitelist": listing(one.meter),
    }


def listing(meter: MeterInfo) -> dict[str, Any]:
    """What the whitelist knows of the meter, by what it calls itself (MET-3), and how far its driver is proven.

    `usable_for`: the levels that may rest on both. `rejected` says why a model is good for none.
    """
    entry, tier = whitelist.find(meter.vendor, meter.model), tier_of(meter.kind)
    if entry is None:
        return {"status": "unlisted", "driver_tier": tier}
    return {
        "status": "listed",
        "driver_tier": tier,
        "id": entry.id,
        "listed_by": list(entry.listed_by),
        "date_checked": entry.date_checked,
        "verified": entry.verified,
        "rejected": entry.rejected,
        "usable_for": [level for level in whitelist.LEVELS if whitelist.usable(entry, level, tier=tier)],
    }


@functools.cache
def tier_of(kind: str) -> str:
    """The tier of the driver of a kind; `none` for one that is not installed, or has no quality file."""
    entry = registry.kinds().get(kind)
    found = None if entry is None else quality.of(entry.module)
    return str(Tier.NONE if found is None else found.tier)


def _power_findings(by_boundary: dict[Boundary, list[Series]]) -> list[str]:
    findings = []
    for one in _used(by_boundary):
        if kept_out := refused(one):
            count = sum(len(rows) for rows in kept_out.values())
            said = ", ".join(f"{len(rows)} {name}{why(one, rows)}" for name, rows in kept_out.items())
            findings.append(f"{one.meter.meter_id}: {count} of {len(one)} readings are not integrated: {said}.")
        if "taken as" in one.meter.note:
            findings.append(f"{one.meter.note}.")
    if len(by_boundary) > 1:
        first, *rest = by_boundary
        findings.append(f"Headline energy is at {first}; {', '.join(rest)} stand beside it and are not added.")
    return findings


def refused(series: Series) -> dict[str, Int64]:
    """Quality -> rows of the readings that may not be integrated, the most frequent quality first."""
    codes = np.unique(series.quality[~INTEGRABLE[series.quality]]).tolist()
    rows = {Quality(code).name.lower(): np.flatnonzero(series.quality == code) for code in codes}
    return dict(sorted(rows.items(), key=lambda item: -len(item[1])))


def why(series: Series, rows: Int64) -> str:
    """The commonest reasons of `rows` in brackets, three at most."""
    counts = Counter(reason for row in rows.tolist() if (reason := series.reasons.get(row)))
    more = "; ..." if len(counts) > MOST_REASONS else ""
    return f" ({'; '.join(reason for reason, _ in counts.most_common(MOST_REASONS))}{more})" if counts else ""


def _uncounted(series: Sequence[Series], by_boundary: dict[Boundary, list[Series]]) -> list[str]:
    """The meters of other machines' cords, in a line for each boundary."""
    findings = []
    for boundary, group in by_boundary.items():
        count = {one.meter.meter_id for one in group}
        if others := [one.meter.meter_id for one in series if one.meter.boundary is boundary and one.meter.meter_id not in count]:
            findings.append(f"Not added at {boundary}, since they cover no cord that was named: {', '.join(others)}.")
    return findings


def _closure_findings(closed: list[dict[str, Any]]) -> list[str]:
    """What does not close in which phase, and once what cannot be told."""
    return [one["reason"] if one["holds"] is None else f"{one['phase']}: {one['reason']}" for one in closed if one["reason"]]


def _phase_findings(phases: list[dict[str, Any]]) -> list[str]:
    return [f"{phase['name']}: {finding}" for phase in phases for finding in phase["findings"]]
