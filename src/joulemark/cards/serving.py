"""Energy and money per token of a service over any window: joules from the meters, tokens from the counters of its engines.

A service is what shares machines: the agents whose engines serve a set of models. The energy is of the machines. With one model it is that
model's; with several it is given for all of them, and each one's part only as an estimate, in the proportion of its output tokens.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from joulemark.cards import costs
from joulemark.cards.card import scope_of
from joulemark.cards.compute import levels
from joulemark.cards.costs import Work
from joulemark.cards.evidence import Aligned, Evidence
from joulemark.cards.served import NOT_TOLD, TOKENS, Model, models_of
from joulemark.cards.shares import measured
from joulemark.energy.attribute import Ratio, joules_per, joules_per_1k
from joulemark.energy.cords import named
from joulemark.energy.counts import Count, counted, summed
from joulemark.energy.phase import PhaseEnergy
from joulemark.energy.series import Series
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.wanted import Limits
from joulemark.readings import Boundary, Quantity
from joulemark.runs import PhaseKind, Run, Tokens, Window

SERVING_SCHEMA: Final = "joulemark.serving/1"
SHARED: Final = "shared out by output tokens: an estimate, in which every model has the same joules per output token"


@dataclass(frozen=True, slots=True)
class Service:
    """Agents that serve models together, and all their readings around the time that is asked for."""

    agents: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What money and corrections are taken from: `labels` name what is rented and the zone of the tariff, as those of a run."""

    prices: Snapshot = field(default_factory=Snapshot)
    labels: Mapping[str, str] | None = None
    limits: Mapping[str, Limits] | None = None
    alignments: tuple[Aligned, ...] = ()


def service_json(service: Service, cuts: Sequence[int], known: Known, *, model: str | None = None) -> dict[str, Any]:
    """A service of `joulemark.serving/1`: one slice between each two neighbours of `cuts`; `model`: the only one to be listed."""
    models, findings = models_of(service.series)
    windows = [Window("service", PhaseKind.MEASURED, begin, end) for begin, end in itertools.pairwise(cuts)]
    evidence = Evidence.gathered(
        Run(tuple(windows), labels=dict(known.labels or {})), service.series, known.prices, limits=known.limits, alignments=known.alignments
    )
    energies = energies_of(evidence, windows)
    listed = [one for one in models if model in (None, one.name)]
    return {
        "agents": list(service.agents),
        "models": [one.name for one in models],
        "slices": [
            slice_json(window, models, listed, {b: each[i] for b, each in energies.items()}, evidence) for i, window in enumerate(windows)
        ],
        "findings": findings,
    }


def energies_of(evidence: Evidence, windows: Sequence[Window]) -> dict[Boundary, list[PhaseEnergy | None]]:
    """The energy of each window at each boundary, the widest boundary first."""
    power = [one for one in evidence.series if one.meter.quantity.measures_energy]
    return {boundary: measured(evidence, windows, boundary) for boundary in levels(power, named(power))}


def slice_json(
    window: Window,
    models: Sequence[Model],
    listed: Sequence[Model],
    energies: Mapping[Boundary, PhaseEnergy | None],
    evidence: Evidence,
) -> dict[str, Any]:
    """One slice: energy at every boundary, and at the widest that has one the figures of all models together and of each."""
    begin_ns, end_ns = window.begin_ns, window.end_ns
    counts = {one.name: one.counts(begin_ns, end_ns) for one in models}
    quantities = {quantity for each in counts.values() for quantity in each}
    whole = {
        q: summed([each[q] if q in each else Count.none(f"{name} does not tell {q}") for name, each in counts.items()]) for q in quantities
    }
    boundary, energy = next(((b, e) for b, e in energies.items() if e is not None and e.energy_j is not None), (None, None))
    joules = joules_of(energy)
    alone = len(models) == 1
    shares = {name: share_of(each, whole, alone=alone) for name, each in counts.items()}
    return {
        "begin_ns": begin_ns,
        "end_ns": end_ns,
        "duration_s": window.duration_s,
        "boundary": None if boundary is None else str(boundary),
        "energy": [energy_json(b, e) for b, e in energies.items()],
        "tool_reported": reported(evidence.series, begin_ns, end_ns, ours=energies.get(Boundary.GPU)),
        "total": {
            **figures(whole, joules),
            "in_flight": in_flight([one.under_way(begin_ns) for one in models], [one.under_way(end_ns) for one in models]),
            "cost": cost_of(window, whole, joules, evidence, boundary),
        },
        "models": [
            {
                "model": one.name,
                "engines": one.engines,
                "devices": list(one.devices),
                "energy_share": shares[one.name],
                "energy_share_method": "the only model" if alone else SHARED,
                "estimate": not alone,
                **figures(counts[one.name], part_of(joules, shares[one.name])),
                "in_flight": in_flight([one.under_way(begin_ns)], [one.under_way(end_ns)]),
            }
            for one in listed
        ],
    }


Joules = tuple[float, float] | None
"""Energy and its standard uncertainty, J."""


def joules_of(energy: PhaseEnergy | None) -> Joules:
    """The energy of a window, None where it or its uncertainty is not known."""
    if energy is None or energy.energy_j is None or energy.budget is None:
        return None
    return energy.energy_j, energy.budget.u_c_j


def share_of(counts: Mapping[Quantity, Count], whole: Mapping[Quantity, Count], *, alone: bool) -> float | None:
    """The part of the energy that a model is given; None where the output tokens of one model are not known, or there were none."""
    if alone:
        return 1.0
    own, total = counts.get(Quantity.OUTPUT_TOKENS), whole[Quantity.OUTPUT_TOKENS].value
    return own.value / total if own is not None and own.value is not None and total else None


def part_of(joules: Joules, share: float | None) -> Joules:
    """A part of an energy, as uncertain in proportion."""
    return None if joules is None or share is None else (joules[0] * share, joules[1] * share)


def figures(counts: Mapping[Quantity, Count], joules: Joules) -> dict[str, Any]:
    """Tokens, requests, and joules per 1000 tokens and per request, each with its U95; null with the reason where not known."""
    told = {name: counts.get(quantity) for name, quantity in TOKENS.items()}
    output, prompt = told["output"], told["input"]
    bases = {"output": output, "input": prompt, "total": both(prompt, output)}
    per_1k = {name: ratio_of(joules, count) for name, count in bases.items()}
    requests = counts.get(Quantity.REQUESTS)
    return {
        "energy_j": None if joules is None else joules[0],
        "energy_u95_j": None if joules is None else 2.0 * joules[1],
        "tokens": {name: count_json(count) for name, count in told.items()},
        "requests": count_json(requests),
        "requests_failed": count_json(counts.get(Quantity.FAILED_REQUESTS)),
        **{f"joules_per_1k_{name}_tokens": None if ratio is None else ratio.value_j for name, ratio in per_1k.items()},
        **{f"joules_per_1k_{name}_tokens_u95": u95_of(ratio) for name, ratio in per_1k.items()},
        "joules_per_request": None if (each := per_request(joules, requests)) is None else each.value_j,
    }


def ratio_of(joules: Joules, count: Count | None) -> Ratio | None:
    """Joules per 1000 tokens; None where energy or tokens are not known, or there were none."""
    if joules is None or count is None or not count.value:
        return None
    return joules_per_1k(joules[0], count.value, u_energy_j=joules[1], disagreement=count.half)


def u95_of(ratio: Ratio | None) -> float | None:
    """Its U95; None where that has no bound."""
    return ratio.u95_j if ratio is not None and math.isfinite(ratio.u95_j) else None


def both(prompt: Count | None, output: Count | None) -> Count:
    """Tokens in and out. The same requests lie across the edges, so that both are wrong in one direction at worst: half-widths add up."""
    each = [one or Count.none(NOT_TOLD) for one in (prompt, output)]
    return replace(summed(each), half=math.fsum(one.half for one in each))


def per_request(joules: Joules, requests: Count | None) -> Ratio | None:
    """Joules per request that was answered."""
    if joules is None or requests is None or not requests.value:
        return None
    return joules_per(joules[0], requests.value, u_energy_j=joules[1])


def count_json(count: Count | None) -> dict[str, Any]:
    """A count with its uncertainty and bounds; null with the reason where it is not known, and then `low` is what is known of it."""
    if count is None:
        return {"value": None, "u95": None, "low": None, "high": None, "reason": NOT_TOLD}
    u95 = None if count.value is None else count.u95
    return {"value": count.value, "u95": u95, "low": count.low, "high": count.high, "reason": count.reason}


def in_flight(begin: Sequence[int | None], end: Sequence[int | None]) -> dict[str, int | None]:
    """Requests under way at both edges."""
    each = {"begin": begin, "end": end}
    return {name: None if None in found or not found else sum(one or 0 for one in found) for name, found in each.items()}


def energy_json(boundary: Boundary, energy: PhaseEnergy | None) -> dict[str, Any]:
    """The energy at one boundary; null with the reason where the readings do not give it."""
    if energy is None:
        reason = "the readings of no meter there cover this time"
        return {"boundary": str(boundary), "energy_j": None, "u95_j": None, "mean_power_w": None, "method": None, "findings": [reason]}
    return {
        "boundary": str(boundary),
        "energy_j": energy.energy_j,
        "u95_j": energy.u95_j,
        "mean_power_w": energy.mean_power_w,
        "method": energy.energy_method,
        "findings": list(energy.findings),
    }


def reported(series: Sequence[Series], begin_ns: int, end_ns: int, *, ours: PhaseEnergy | None) -> list[dict[str, Any]]:
    """What engines say themselves that they took, beside ours of the GPUs, and never in its place."""
    out = []
    for one in series:
        if one.meter.quantity is Quantity.REPORTED_ENERGY:
            found = counted(one, begin_ns, end_ns)
            scale = 10.0**one.meter.exponent
            value_j = None if found.value is None else found.value * scale
            own_j = None if ours is None else ours.energy_j
            difference = value_j / own_j - 1.0 if value_j is not None and own_j else None
            source = one.meter.note
            out.append({"source": source, "energy_j": value_j, "ours_j": own_j, "difference_rel": difference, "reason": found.reason})
    return out


def cost_of(
    window: Window, counts: Mapping[Quantity, Count], joules: Joules, evidence: Evidence, boundary: Boundary | None
) -> dict[str, Any]:
    """Rent of the machines and electricity of the window, per 1000 tokens too: the cost block of a card."""
    output, prompt = counts.get(Quantity.OUTPUT_TOKENS), counts.get(Quantity.INPUT_TOKENS)
    work = Work(
        begin_ns=window.begin_ns,
        duration_ns=window.end_ns - window.begin_ns,
        energy_j=None if joules is None else joules[0],
        u_energy_j=None if joules is None else joules[1],
        tokens=Tokens(
            input=None if prompt is None else prompt.value,
            output=None if output is None else output.value,
            disagreement=sum(one.half for one in (prompt, output) if one is not None),
        ),
        requests=None,
    )
    return costs.block(work, evidence, scope=None if boundary is None else scope_of(evidence, boundary)[0])
