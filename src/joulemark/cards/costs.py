"""The cost block of a card: market and energy cost apart, each with the whole price record it comes from, or the reason why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.cards.shares import Part
from joulemark.errors import FormatError
from joulemark.pricing import cost, money
from joulemark.pricing.answer import Answer, Status, record
from joulemark.pricing.dates import LAST_NS
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
    """Rent of the whole instance for the window, pro rata: `measured_s` of it. `billed_s`: seconds that the bill counts (PRC-3).

    `price`: the record that counted at the begin, with what the look-up says of it; where another counted before the end, `prices` and
    `parts` have what was rented at which, and what that cost.
    """
    rented = rented_at(work, evidence)
    answer, price = rented[0].answer, rented[0].answer.price
    measured_s = money.decimal(work.duration_ns).scaleb(-9)
    billed_s = None if price is None else price.billed_s(measured_s)
    age_s = None if answer.seen_ns is None else (work.begin_ns - answer.seen_ns) // NS_PER_S
    head: dict[str, Any] = {
        "status": str(answer.status),
        "price": record(price),
        "after": record(answer.after),
        "stated": record(answer.stated),
        "age_s": age_s,
        "stale": None if age_s is None else answer.status is Status.STALE or age_s > STALE_AFTER_S,
        "trace": list(answer.trace),
        "candidates": [one.record() for one in answer.candidates] if answer.status is Status.AMBIGUOUS else [],
        "prices": [],
        "parts": [],
        "measured_s": float(measured_s),
        "billed_s": None if billed_s is None else float(billed_s),
    }
    try:
        hourly = [per_hour(one.answer) for one in rented]
    except FormatError as error:
        return {**head, **absent(str(error))}
    if missing := [one.answer.reason for one in rented if one.answer.price is None]:
        return {**head, **absent(missing[0])}
    prices = list(dict.fromkeys(one.answer.price for one in rented if one.answer.price is not None))
    if len({one.currency for one in prices}) > 1:
        return {**head, **absent(f"the prices are in {' and '.join(sorted({one.currency for one in prices}))}: they are not summed")}
    duration_u_s = math.sqrt(2.0 / 3.0) * work.unc_ns / NS_PER_S
    if len(prices) == 1:
        rent = cost.market(hourly[0], measured_s, currency=prices[0].currency, duration_u_s=duration_u_s)
        return {**head, **figures(rent, work.tokens)}
    head["prices"] = [one.record() for one in prices]
    each = [cost.market_piecewise([(rate, one.seconds)], currency=prices[0].currency) for rate, one in zip(hourly, rented, strict=True)]
    head["parts"] = [
        {
            "begin_ns": one.begin_ns,
            "end_ns": one.end_ns,
            "price": prices.index(one.answer.price) if one.answer.price else None,
            "status": str(one.answer.status),
            "amount": money.stored(spent.amount),
        }
        for one, spent in zip(rented, each, strict=True)
    ]
    rent = cost.market_piecewise([(rate, one.seconds) for rate, one in zip(hourly, rented, strict=True)], currency=prices[0].currency)
    u_rel = float(max(hourly)) * duration_u_s / cost.S_PER_HOUR / float(rent.amount) if rent.amount else None
    return {**head, **figures(replace(rent, u_rel=u_rel), work.tokens)}


@dataclass(frozen=True, slots=True)
class Rented:
    """A stretch of some work at one price."""

    begin_ns: int
    end_ns: int
    answer: Answer

    @property
    def seconds(self) -> Decimal:
        """Its length."""
        return money.decimal(self.end_ns - self.begin_ns).scaleb(-9)


def rented_at(work: Work, evidence: Evidence) -> list[Rented]:
    """The stretches of `work` with the price that counted in each, in order; neighbours at one price are one."""
    froms = [0, *(step.from_ns for step in evidence.changes), LAST_NS]
    answers = [evidence.price, *(step.answer for step in evidence.changes)]
    found: list[Rented] = []
    for part in work.pieces:
        for answer, (first_ns, last_ns) in zip(answers, pairwise(froms), strict=True):
            begin_ns, end_ns = max(part.begin_ns, first_ns), min(part.end_ns, last_ns)
            if begin_ns >= end_ns:
                continue
            if found and found[-1].end_ns == begin_ns and found[-1].answer == answer:
                begin_ns = found.pop().begin_ns
            found.append(Rented(begin_ns, end_ns, answer))
    return found


def per_hour(answer: Answer) -> Decimal:
    """Amount per hour of the whole instance, 0 where there is no price. Raises what `Price.per_instance_hour` does."""
    return Decimal(0) if answer.price is None else answer.price.per_instance_hour()


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
