"""The carbon block of a card: grams of CO2-equivalent for the energy of a phase, with the records they come from, or the reason why not.

An average intensity says what the grid emitted for each kilowatt-hour, a marginal one what one more would have added. The block names
which of the two it holds, and whether it was an estimate; the two are never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, Final

from joulemark.cards.costs import DENOMINATORS, WALL_SCOPES, Work
from joulemark.cards.evidence import Evidence
from joulemark.cards.shares import Part
from joulemark.pricing import cost, money
from joulemark.pricing.carbon import Carbon
from joulemark.pricing.snapshot import Snapshot

FIGURES: Final = ("kwh_facility", "g_co2e", "u_rel", *(f"g_per_1k_{name}_tokens" for name in DENOMINATORS))


def block(work: Work, evidence: Evidence, *, scope: str | None) -> dict[str, Any]:
    """Grams for the energy of `work`, times PUE where that was taken at the wall and a tariff says what it is.

    `kind`, `estimated`: of the intensities, which stand in `intensities`; `parts`: what was taken at which. `u_rel`: from the energy
    alone, since no source says how well it knows its intensities.
    """
    known = Snapshot(tariffs=evidence.tariffs, carbons=evidence.carbons)
    covers = [(part, known.carbon_over(part.begin_ns, part.end_ns)) for part in work.pieces]
    found = [(part, span.record) for part, cover in covers for span in cover.spans]
    records = list(dict.fromkeys(record for _, record in found))
    kinds = {record.kind for record in records}
    head: dict[str, Any] = {
        "kind": str(records[0].kind) if len(kinds) == 1 else None,
        "estimated": any(record.estimated for record in records) if records else None,
        "intensities": [record.record() for record in records],
        "parts": [],
        "pue_applied": None,
    }
    reason = next((cover.reason for _, cover in covers if cover.reason), "")
    if not reason and (work.energy_j is None or len(found) > len(covers) or any(part.energy_j is None for part, _ in found)):
        reason = "the energy is not known" if work.energy_j is None else "the energy at each intensity is not known"
    if reason:
        return {**head, **dict.fromkeys(FIGURES), "note": "", "reason": reason}
    factors = pues(work, known, scope=scope)
    head["pue_applied"] = factors is not None
    amounts = [kwh_and_g(part, record, pue) for (part, record), pue in zip(found, factors or [Decimal(1)] * len(found), strict=True)]
    with localcontext(money.CONTEXT):
        kwh, grams = (sum(column, Decimal(0)) for column in zip(*amounts, strict=True))
    head["parts"] = [
        {
            "begin_ns": part.begin_ns,
            "end_ns": part.end_ns,
            "energy_j": part.energy_j,
            "intensity": records.index(record),
            "g_co2e": money.stored(g),
        }
        for (part, record), (_, g) in zip(found, amounts, strict=True)
    ]
    head |= {"kwh_facility": money.stored(kwh), "g_co2e": money.stored(grams)}
    head["u_rel"] = work.u_energy_j / work.energy_j if work.u_energy_j is not None and work.energy_j else None
    return {**head, **per_1k(grams, work), "note": work.note if len(records) > 1 else "", "reason": ""}


def pues(work: Work, known: Snapshot, *, scope: str | None) -> Sequence[Decimal] | None:
    """PUE of each piece; None where the energy was not taken at the wall, or no tariff says what PUE is."""
    covers = [known.tariffs_over(part.begin_ns, part.end_ns) for part in work.pieces]
    values = [{tariff.pue for tariff in cover.records} for cover in covers]
    if scope not in WALL_SCOPES or any(cover.reason for cover in covers) or any(len(found) != 1 for found in values):
        return None
    return [found.pop() for found in values]


def kwh_and_g(part: Part, record: Carbon, pue: Decimal) -> tuple[Decimal, Decimal]:
    """Kilowatt-hours of the facility, and grams, of one piece whose energy is known."""
    with localcontext(money.CONTEXT):
        kwh = cost.kwh(part.energy_j or 0.0) * pue
        return kwh, kwh * record.g_per_kwh


def per_1k(grams: Decimal, work: Work) -> dict[str, str | None]:
    """Grams per 1000 tokens of each kind; None where they are not known or there were none."""
    out: dict[str, str | None] = {}
    for name in DENOMINATORS:
        count = getattr(work.tokens, name)
        with localcontext(money.CONTEXT):
            out[f"g_per_1k_{name}_tokens"] = money.stored(grams * 1000 / money.decimal(count)) if count else None
    return out
