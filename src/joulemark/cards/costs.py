"""The cost block of a card: market and energy cost apart, each with the whole price record it comes from, or the reason why not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.errors import FormatError
from joulemark.pricing import cost, money
from joulemark.runs import Tokens
from joulemark.units import NS_PER_S

WALL_SCOPES: Final = ("NODE_AC", "RACK_AC")
"""PUE multiplies only energy taken at the wall."""

STALE_AFTER_S: Final = 30 * 86_400
"""A price read longer before the run is marked stale (Energy Standard v1, PRC-2)."""

DENOMINATORS: Final = ("output", "input", "total")


@dataclass(frozen=True, slots=True)
class Work:
    """What one phase, or several together, took and did. Energy and tokens are None where unknown; `unc_ns` is of each edge."""

    begin_ns: int
    duration_ns: int
    energy_j: float | None
    u_energy_j: float | None
    tokens: Tokens
    requests: int | None
    unc_ns: int = 0


def block(work: Work, evidence: Evidence, *, scope: str | None) -> dict[str, Any]:
    """`{"basis", "market", "energy", "fx"}`; the two costs are never summed, because rent contains electricity.

    `fx`: the exchange rate between their currencies, null where there is one currency, or no rate is known (PRC-5).
    """
    return {
        "basis": "measured_window",
        "market": market(work, evidence),
        "energy": energy(work, evidence, scope=scope),
        "fx": evidence.rate.record() if evidence.rate else None,
    }


def market(work: Work, evidence: Evidence) -> dict[str, Any]:
    """Rent of the whole instance for the window, pro rata: `measured_s` of it. `billed_s`: seconds that the bill counts (PRC-3)."""
    answer = evidence.price
    measured_s = money.decimal(work.duration_ns).scaleb(-9)
    head: dict[str, Any] = {"status": str(answer.status), "price": answer.price.record() if answer.price else None}
    head |= {"measured_s": float(measured_s), "billed_s": None}
    if answer.price is None:
        return {**head, "age_s": None, "stale": None, **absent(answer.reason)}
    billed_s = answer.price.billed_s(measured_s)
    age_s = (work.begin_ns - answer.price.fetched_at_ns) // NS_PER_S
    head |= {"age_s": age_s, "stale": age_s > STALE_AFTER_S, "billed_s": None if billed_s is None else float(billed_s)}
    try:
        per_hour = answer.price.per_instance_hour()
    except FormatError as error:
        return {**head, **absent(str(error))}
    rent = cost.market(
        per_hour,
        measured_s,
        currency=answer.price.currency,
        duration_u_s=math.sqrt(2.0 / 3.0) * work.unc_ns / NS_PER_S,
    )
    return {**head, **figures(rent, work.tokens)}


def energy(work: Work, evidence: Evidence, *, scope: str | None) -> dict[str, Any]:
    """Electricity of the window at the tariff; PUE enters only for energy taken at the wall."""
    tariff = evidence.tariff
    at_wall = scope in WALL_SCOPES
    head: dict[str, Any] = {"tariff": tariff.record() if tariff else None, "pue_applied": None if tariff is None else at_wall}
    if tariff is None:
        return {**head, **absent("no tariff is known for the time and place of the run")}
    if work.energy_j is None:
        return {**head, **absent("the energy is not known")}
    u_rel = work.u_energy_j / work.energy_j if work.u_energy_j is not None and work.energy_j > 0 else None
    more = {"pue": tariff.pue} if at_wall else {}
    spent = cost.energy(work.energy_j, tariff_per_kwh=tariff.amount, currency=tariff.currency, energy_u_rel=u_rel, **more)
    return {**head, **figures(spent, work.tokens)}


def figures(spent: cost.Cost, tokens: Tokens) -> dict[str, Any]:
    """Amount and cost per 1k tokens as text with 18 digits; null where the tokens are not known. `u_rel` is of the amount."""
    out: dict[str, Any] = {"amount": money.stored(spent.amount), "currency": spent.currency, "u_rel": spent.u_rel}
    for name in DENOMINATORS:
        count = getattr(tokens, name)
        known = count is not None and count > 0
        out[f"per_1k_{name}_tokens"] = money.stored(spent.per_1k(count)) if known else None
        out[f"per_1k_{name}_u_rel"] = cost.per_1k_u_rel(spent.u_rel, count, disagreement=tokens.disagreement) if known else None
    return {**out, "reason": ""}


def absent(reason: str) -> dict[str, Any]:
    """The figures of a cost that is not known, with the reason."""
    names = ("amount", "currency", "u_rel", *(f"per_1k_{n}_{w}" for n in DENOMINATORS for w in ("tokens", "u_rel")))
    return {**dict.fromkeys(names), "reason": reason}
