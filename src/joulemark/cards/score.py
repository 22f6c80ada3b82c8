"""The score of a run: what its repetitions come to in J per 1k output tokens, and how well that is known (REP-2, UNC-3).

The score is the median of three or four repetitions and the Olympic mean of five and more. What is systematic is in every repetition
alike and is not made smaller by repeating; of each component the largest of the repetitions that count enters once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from joulemark.energy import attribute
from joulemark.energy.uncertainty import NAMES, coverage_factor, displayed, effective_dof, u_tokens

FEWEST: Final = 3
"""Two repetitions have no score."""

UNIT: Final = "J per 1k output tokens"


def scored(phases: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    """(the block `score` of a card, why there is none) of the measured phases of `joulemark.compute/1`, in order.

    Figures named `_j` are joules per 1000 output tokens. A repetition without figure leaves none to the score: the others were chosen.
    """
    unknown = [phase["name"] for phase in phases if not phase["joules_per_1k_output_tokens"] or phase["uncertainty"] is None]
    if unknown:
        return None, f"the joules per 1k output tokens of {', '.join(unknown)} are not known"
    if len(phases) < FEWEST:
        return None, f"{len(phases)} measured phases carry no score: it takes {FEWEST}"
    values = [phase["joules_per_1k_output_tokens"] for phase in phases]
    found = attribute.score(values)
    kept = counting(values, found.method)
    lines = budget([phases[place] for place in kept], found)
    known = [(line["u_rel"], math.inf if line["dof"] is None else line["dof"]) for line in lines if line["u_rel"] is not None]
    u_c_rel, nu_eff = math.hypot(*(u_rel for u_rel, _ in known)), effective_dof(known)
    k = coverage_factor(nu_eff)
    u95_j = k * u_c_rel * abs(found.value)
    value_text, u95_text = displayed(found.value, u95_j)
    return {
        "method": found.method,
        "count": found.count,
        "joules_per_1k_output_tokens": found.value,
        "mean_j": found.mean,
        "sd_j": found.sd,
        "cv_rel": found.cv,
        "u_rep_j": found.u_rep,
        "u_c_rel": u_c_rel,
        "nu_eff": None if math.isinf(nu_eff) else nu_eff,
        "k": k,
        "u95_j": u95_j,
        "u95_rel": k * u_c_rel,
        "missing": [line["name"] for line in lines if line["u_rel"] is None],
        "components": lines,
        "repetitions": [
            {"phase": phase["name"], "joules_per_1k_output_tokens": value, "kept": place in kept}
            for place, (phase, value) in enumerate(zip(phases, values, strict=True))
        ],
        "display": {"value": value_text, "u95": u95_text, "unit": UNIT},
    }, ""


def counting(values: Sequence[float], method: str) -> list[int]:
    """Places of the repetitions that the score is made of: all for a median, all but the lowest and the highest for an Olympic mean."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    return sorted(order[1:-1] if method == "olympic" else order)


def budget(phases: Sequence[Mapping[str, Any]], found: attribute.Score) -> list[dict[str, Any]]:
    """The components of the score, relative standard uncertainties in the order of `uncertainty.NAMES`."""
    return [repeats(found) if name == "repeat" else largest([line_of(phase, name) for phase in phases]) for name in NAMES]


def largest(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The component of the phase where it is largest; unknown where one phase does not know it."""
    return max(lines, key=lambda line: math.inf if line["u_rel"] is None else line["u_rel"])


def line_of(phase: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One component of one phase, relative to its energy or its tokens."""
    if name == "tokens":
        disagreement, output = phase["tokens"]["disagreement"], phase["tokens"]["output"]
        source = f"largest difference of two counts: {disagreement:.6g} of {output:.6g} tokens in {phase['name']}"
        return entry(name, u_tokens(disagreement) / output, "rectangular", None, source)
    (line,) = (line for line in phase["uncertainty"]["components"] if line["name"] == name)
    u_rel = None if line["u_j"] is None else line["u_j"] / abs(phase["energy_j"])
    return entry(name, u_rel, line["distribution"], line["dof"], f"{phase['name']}: {line['source']}")


def repeats(found: attribute.Score) -> dict[str, Any]:
    """The component of the scatter of the repetitions."""
    source = f"scatter of {found.count} repetitions, {found.method}"
    return entry("repeat", found.u_rep / abs(found.value), "normal", found.count - 1, source)


def entry(name: str, u_rel: float | None, distribution: str, dof: float | None, source: str) -> dict[str, Any]:
    """A component as the card holds it; infinite degrees of freedom are null."""
    return {"name": name, "u_rel": u_rel, "distribution": distribution, "dof": dof, "source": source}
