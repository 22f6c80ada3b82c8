"""The cost block of a card: market and energy cost apart, each with the whole price record it comes from, or the reason why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.cards.shares import Part
from joulemark.errors import FormatError
from joulemark.pricing import cost, money
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Tariff
from joulemark.runs import Tokens
from joulemark.units import NS_PER_S

WALL_SCOPES: Final = ("NODE_AC", "RACK_AC")
"""PUE multiplies only energy taken at the wall."""

STALE_AFTER_S: Final = 30 * 86_400
"""A price read longer before the run is marked stale (Energy Standard v1, PRC-2)."""

DENOMINATORS: Final = ("output", "input", "total")


@dataclass(frozen=True, slots=True)
class Work:
    """What one phase, or several together, took and did. Energy and tokens are None where unknown; `unc_ns` is of each edge.

    `parts`: where tariff or carbon intensity change, each stretch with its energy; the whole when empty. `note`: how they were found.
    """

    begin_ns: int
    duration_ns: int
    energy_j: float | None
    u_energy_j: float | None
    tokens: Tokens
    requests: int | None
    unc_ns: int = 0
    parts: tuple[Part, ...] = ()
    note: str = ""

    @property
    def pieces(self) -> tuple[Part, ...]:
        """The parts, or the whole as the only one."""
        return self.parts or (Part(self.begin_ns, self.begin_ns + self.duration_ns, self.energy_j),)


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
    """Electricity of the window at the tariff; PUE enters only for energy taken at the wall.

    `tariff`: the record, where one held throughout; else `tariffs` and `parts` have what was taken at which, and what that cost, and
    `note` how the energy of the parts was found.
    """
    found = at_tariffs(work, evidence)
    records = found.tariffs
    at_wall = scope in WALL_SCOPES
    head: dict[str, Any] = {"tariff": records[0].record() if len(records) == 1 else None, "pue_applied": at_wall if records else None}
    head |= {"tariffs": [], "parts": [], "note": ""}
    if len(records) > 1:
        head |= {"tariffs": [tariff.record() for tariff in records], "note": work.note}
    if found.reason:
        return {**head, **absent(found.reason)}
    taken = found.priced if len(records) > 1 else ((replace(found.priced[0][0], energy_j=work.energy_j), records[0]),)
    spent = [bill(part.energy_j or 0.0, tariff, at_wall=at_wall) for part, tariff in taken]
    if len(records) > 1:
        head["parts"] = [
            {
                "begin_ns": part.begin_ns,
                "end_ns": part.end_ns,
                "energy_j": part.energy_j,
                "tariff": records.index(tariff),
                "amount": money.stored(one.amount),
            }
            for (part, tariff), one in zip(taken, spent, strict=True)
        ]
    u_rel = work.u_energy_j / work.energy_j if work.u_energy_j is not None and work.energy_j else None
    return {**head, **figures(together(spent, energy_u_rel=u_rel), work.tokens)}


@dataclass(frozen=True, slots=True)
class AtTariffs:
    """The pieces of some work with the tariff of each. `reason`: why they have no cost together; empty where they have."""

    priced: tuple[tuple[Part, Tariff], ...] = ()
    reason: str = ""

    @property
    def tariffs(self) -> list[Tariff]:
        """The tariffs in order of time, each once."""
        return list(dict.fromkeys(tariff for _, tariff in self.priced))


def at_tariffs(work: Work, evidence: Evidence) -> AtTariffs:
    """The tariff of each piece of `work`."""
    known = Snapshot(tariffs=evidence.tariffs)
    covers = [(part, known.tariffs_over(part.begin_ns, part.end_ns)) for part in work.pieces]
    priced = tuple((part, span.record) for part, found in covers for span in found.spans)
    currencies = sorted({tariff.currency for _, tariff in priced})
    if reason := next((found.reason for _, found in covers if found.reason), ""):
        return AtTariffs(priced, reason)
    if work.energy_j is None:
        return AtTariffs(priced, "the energy is not known")
    apart = len({tariff for _, tariff in priced}) > 1
    if apart and (len(priced) > len(covers) or any(part.energy_j is None for part, _ in priced)):
        return AtTariffs(priced, f"the tariff changes, and the energy of each part is not known: {work.note or 'it was not cut there'}")
    if len(currencies) > 1:
        return AtTariffs(priced, f"the tariffs are in {' and '.join(currencies)}, and costs in two currencies are not summed")
    return AtTariffs(priced)


def bill(energy_j: float, tariff: Tariff, *, at_wall: bool) -> cost.Cost:
    """What `energy_j` cost at `tariff`."""
    pue = tariff.pue if at_wall else Decimal(1)
    return cost.energy(energy_j, tariff_per_kwh=tariff.amount, currency=tariff.currency, pue=pue)


def together(spent: Sequence[cost.Cost], *, energy_u_rel: float | None) -> cost.Cost:
    """The sum of bills of one energy, whose parts are as uncertain as it is, all in one direction at worst.

    So a bill below zero makes the sum smaller and not its uncertainty.
    """
    with localcontext(money.CONTEXT):
        amount, size = sum((one.amount for one in spent), Decimal(0)), sum((abs(one.amount) for one in spent), Decimal(0))
    u_rel = energy_u_rel
    if u_rel is not None and size != abs(amount):
        u_rel = u_rel * float(size / abs(amount)) if amount else None
    return cost.Cost(spent[0].family, amount, spent[0].currency, u_rel)


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
