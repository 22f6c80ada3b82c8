"""Two runs held against each other: by how much they differ in joules and money per token, whether that is more than the uncertainty, and
what differs in the systems. No ranking: one pair, and everything that stands between them.

Uncertainties are combined as independent. Where both rest on the same meter or alignment, part of the error is the same in both and leaves
the difference, which is then known better than is said; so what is said to differ does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from joulemark.cards.measured import Measured
from joulemark.cards.system import differences, shared
from joulemark.energy.uncertainty import displayed
from joulemark.pricing import cost, money
from joulemark.pricing.money import CONTEXT

COMPARISON_SCHEMA: Final = "joulemark.comparison/1"
TOKENS: Final = ("output", "input", "total")
FAMILIES: Final = ("market", "energy")
WHOLE: Final = {"energy": "J", "mean_power": "W"}
"""Figures of all that counts, whatever work was done in it: they make no two runs comparable."""


def compared(one: Measured, other: Measured, *, levels: tuple[str | None, str | None] = (None, None)) -> dict[str, Any]:
    """`joulemark.comparison/1`: A is `one`, B is `other`, every difference is B minus A. `levels`: by the validator, None where it was not
    asked. Where runs do not fit together the figures are null with the reasons.
    """
    bars = barriers(one, other)
    per_token = bars["energy"] + bars["tokens"]
    whole = [total_figure(one, other, name, bars["energy"]) for name in WHOLE]
    figures = [energy_figure(one, other, f"joules_per_1k_{name}_tokens", per_token) for name in TOKENS]
    figures.append(energy_figure(one, other, "joules_per_request", bars["energy"]))
    figures.append(score_figure(one, other, per_token))
    for family in FAMILIES:
        stops = (bars["energy"] if family == "energy" else []) + bars["tokens"]
        figures += [cost_figure(one, other, family, name, stops) for name in TOKENS]
    return {
        "schema": COMPARISON_SCHEMA,
        "a": {**head(one), "level": levels[0]},
        "b": {**head(other), "level": levels[1]},
        "figures": [*figures, *whole],
        "comparable": any(figure["difference"] is not None for figure in figures),
        "refused_because": list(dict.fromkeys([*bars["energy"], *bars["tokens"]])),
        "correlated": shared(one, other),
        "differs": [*at_levels(*levels), *differences(one, other)],
    }


def at_levels(a: str | None, b: str | None) -> list[dict[str, Any]]:
    """Their levels, where those differ."""
    return [{"what": "level", "a": a, "b": b}] if a != b else []


def head(run: Measured) -> dict[str, Any]:
    """What a run is, in a few words."""
    names = ("scope", "simulated", "complete", "rule_set")
    counts = {"tokens": {name: getattr(run.tokens, name) for name in TOKENS}, "token_source": run.tokens.source}
    missing = run.headline["uncertainty_missing"]
    return {"run_id": run.card["run_id"], **{name: run.card[name] for name in names}, **counts, "uncertainty_missing": missing}


def barriers(one: Measured, other: Measured) -> dict[str, list[str]]:
    """Why energies, and why figures per token, must not be held against each other; empty where they may be."""
    energy = [
        f"{what} differs: {a or 'not known'} and {b or 'not known'}"
        for what, a, b in (
            ("scope", one.card["scope"], other.card["scope"]),
            ("boundary", one.headline["boundary"], other.headline["boundary"]),
        )
        if a != b
    ]
    if one.card["scope"] is None and other.card["scope"] is None:
        energy.append("scope is not defined for either")
    tokens = []
    if one.tokens.source != other.tokens.source:
        tokens.append(f"tokens were counted by {one.tokens.source or 'nobody known'} and by {other.tokens.source or 'nobody known'}")
    works = one.evidence.workload, other.evidence.workload
    digests = [None if work is None else work.tokenizer_sha256 for work in works]
    if all(digests) and digests[0] != digests[1]:
        tokens.append("the tokenizers differ: their tokens are not the same unit")
    ends = [None if work is None else work.end_of_sequence for work in works]
    if None not in ends and ends[0] != ends[1]:
        tokens.append("one counts the mark at the end of a sequence, the other does not")
    return {"energy": energy, "tokens": tokens}


def energy_figure(one: Measured, other: Measured, name: str, stops: list[str]) -> dict[str, Any]:
    """One ratio of the headline in both, and the difference."""
    a, b = ({"value": run.headline[name], "u": half(run.headline[f"{name}_u95"], run.k)} for run in (one, other))
    return figure(name, "J", a, b, stops=stops, k=max(one.k, other.k), missing=missing(one, other))


def total_figure(one: Measured, other: Measured, name: str, stops: list[str]) -> dict[str, Any]:
    """The energy of the phases that count, or their mean power, in both, and the difference."""
    sides = []
    for run in (one, other):
        share = 1.0 if name == "energy" else 1.0 / run.duration_s
        value, u = run.headline["energy_j"], half(run.headline["u95_j"], run.k)
        sides.append({"value": None if value is None else value * share, "u": None if u is None else u * share})
    return figure(name, WHOLE[name], *sides, stops=stops, k=max(one.k, other.k), missing=missing(one, other))


def score_figure(one: Measured, other: Measured, stops: list[str]) -> dict[str, Any]:
    """The score of both, which has the scatter of the repetitions in its uncertainty."""
    scores = [run.card["score"] for run in (one, other)]
    a, b = ({"value": s and s["joules_per_1k_output_tokens"], "u": s and s["u95_j"] / s["k"]} for s in scores)
    lacking = sorted({name for score in scores if score for name in score["missing"]})
    return figure("score", "J", a, b, stops=stops, k=max([score["k"] for score in scores if score], default=2.0), missing=lacking)


def cost_figure(one: Measured, other: Measured, family: str, name: str, stops: list[str]) -> dict[str, Any]:
    """Rent or electricity per 1000 tokens in both, and the difference; none between two currencies."""
    blocks = [run.headline["cost"][family] for run in (one, other)]
    sides = [money_of(block, name) for block in blocks]
    reasons = [block["reason"] for block in blocks if block["reason"]]
    currencies = {block["currency"] for block in blocks if block["currency"]}
    if len(currencies) > 1:
        reasons.append(f"the currencies differ: {' and '.join(sorted(currencies))}")
    lacking = missing(one, other) if family == "energy" else []
    unit = " and ".join(sorted(currencies))
    k = max(one.k, other.k) if family == "energy" else cost.K95
    return figure(f"{family}_per_1k_{name}_tokens", unit, *sides, stops=[*stops, *reasons], k=k, missing=lacking, exact=True)


def money_of(block: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A cost per 1000 tokens with its standard uncertainty."""
    amount, u_rel = block[f"per_1k_{name}_tokens"], block[f"per_1k_{name}_u_rel"]
    value = None if amount is None else Decimal(amount)
    return {"value": value, "u": None if value is None or u_rel is None else abs(float(value)) * u_rel}


def figure(
    name: str,
    unit: str,
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    stops: list[str],
    k: float,
    missing: list[str],
    exact: bool = False,
) -> dict[str, Any]:
    """One figure of both runs: `difference` is B minus A, `u95` its expanded uncertainty, `resolved` whether it is larger than that.

    `resolved` is null where it cannot be told: an uncertainty, or a part of one that would widen it, is not known. `exact`: amounts of
    money, which are text.
    """
    printed = (lambda value: None if value is None else money.stored(value)) if exact else (lambda value: value)
    sides = {"a": printed(a["value"]), "b": printed(b["value"])}
    us = {"a_u95": half(a["u"], 1.0 / k), "b_u95": half(b["u"], 1.0 / k)}
    out = {"name": name, "unit": unit, **sides, **us}
    none = dict.fromkeys(("difference", "u95", "ratio", "u95_ratio", "resolved", "display"))
    if a["value"] is None or b["value"] is None:
        stops = stops or ["it is not known of both"]
    if stops:
        return {**out, **none, "reason": "; ".join(dict.fromkeys(stops))}
    difference = CONTEXT.subtract(b["value"], a["value"]) if exact else b["value"] - a["value"]
    found = {**none, "difference": printed(difference), "reason": ""}
    ratio = float(b["value"]) / float(a["value"]) if a["value"] else None
    found["ratio"] = ratio
    if a["u"] is None or b["u"] is None:
        return {**out, **found, "reason": "an uncertainty is not known"}
    u95 = k * math.hypot(a["u"], b["u"])
    found |= {"u95": u95, "display": dict(zip(("difference", "u95"), displayed(float(difference), u95), strict=True))}
    if ratio and b["value"]:
        found["u95_ratio"] = k * abs(ratio) * math.hypot(a["u"] / float(a["value"]), b["u"] / float(b["value"]))
    beyond = abs(float(difference)) > u95
    if beyond and missing:
        return {**out, **found, "reason": f"the uncertainty misses {', '.join(missing)}, which is not known"}
    return {**out, **found, "resolved": beyond}


def half(u95: float | None, k: float) -> float | None:
    """An expanded uncertainty over its factor, None where it is not known."""
    return None if u95 is None else u95 / k


def missing(one: Measured, other: Measured) -> list[str]:
    """Parts of the uncertainty that one of two runs does not know."""
    return sorted({*one.headline["uncertainty_missing"], *other.headline["uncertainty_missing"]})
