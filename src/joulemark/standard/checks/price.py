"""Rules PRC: what a cost card rests on. They decide the cost card alone, never the level of the energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.tariffs import Basis
from joulemark.standard.case import Case
from joulemark.standard.checks.base import Check
from joulemark.standard.claims import number, part, phase
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Measured, Outcome, cannot_tell, judged, not_applicable
from joulemark.units import J_PER_KWH, NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S
PRICES: Final = "energy/prices.json price[]"
TERMED: Final = (PriceModel.RESERVED, PriceModel.SAVINGS_PLAN, PriceModel.COMMITTED_USE)
"""Models that commit for a term, which then belongs to the price."""

OPTIONAL: Final = ("sku_id", "tax", "payload_sha256")
"""Fields of a price that its source may have left out; the others no price can be without."""


def recorded(case: Case, rule: Rule, grade: str) -> Outcome:
    """PRC-1: the price is a record of what, where, for how long bound, with tax or without, when, and read from which bytes."""
    price = price_of(case)
    if price is None:
        return no_price(case)
    absent = [name for name in OPTIONAL if not getattr(price, name)]
    if price.price_model in TERMED and price.term_months is None:
        absent.append("term_months")
    if absent:
        return cannot_tell(f"the price lacks {', '.join(absent)}", source=PRICES, limit=rule.text)
    digits = int(rule.limit(grade, "sha256_digits"))
    whole = len(price.payload_sha256) == digits and set(price.payload_sha256) <= set("0123456789abcdef")
    detail = "" if whole else f"payload_sha256 is no SHA-256 of {digits} hexadecimal digits"
    measured = {"price": price.point_id, "payload_sha256": price.payload_sha256}
    return judged(whole, measured=measured, limit=rule.text, source=PRICES, detail=detail)


def fresh(case: Case, rule: Rule, grade: str) -> Outcome:
    """PRC-2: the price was last seen not long before the run, or every cost made of it says that it is stale."""
    most_d = rule.limit(grade, "age_d_max")
    seen_ns = None if case.evidence is None else case.evidence.price.seen_ns
    limit = f"<= {most_d:g} d at the start of the run, else stale = true"
    if seen_ns is None or case.run is None:
        return no_price(case)
    age_d = (min(window.begin_ns for window in case.run.windows) - seen_ns) / DAY_NS
    flags = [market.get("stale") for _, market, _ in costs(case)]
    if not flags:
        return cannot_tell("the card holds no cost", source="energy/card.json cost.market.stale", limit=limit)
    good = age_d <= most_d or all(flag is True for flag in flags)
    measured = {"age_d": age_d, "stale": all(flag is True for flag in flags)}
    return judged(good, measured=measured, limit=limit, source=f"{PRICES}.fetched_at and energy/card.json cost.market.stale")


def allocated(case: Case, rule: Rule, grade: str) -> Outcome:
    """PRC-3: each rent says the seconds it is of and the seconds that a bill counts, and both are right."""
    price = price_of(case)
    source, limit = "energy/card.json cost.market.measured_s, billed_s", "both, as phases and the steps of billing give them"
    if price is None:
        return no_price(case)
    most = rule.limit(grade, "within_rel")
    worst: dict[str, float] = {"measured_rel": 0.0, "billed_rel": 0.0}
    found = list(costs(case))
    for what, market, duration_s in found:
        billed_s = price.billed_s(duration_s)
        if billed_s is None:
            return cannot_tell("the price does not say in which steps it is billed: no billing_step_s", source=PRICES, limit=limit)
        for key, ours in (("measured", duration_s), ("billed", billed_s)):
            stated = number(market.get(f"{key}_s"))
            if stated is None:
                return cannot_tell(f"{what}: {key}_s is not stated", source=source, limit=limit)
            worst[f"{key}_rel"] = max(worst[f"{key}_rel"], relative(stated, float(ours)))
    if not found:
        return cannot_tell("the card holds no cost", source=source, limit=limit)
    return judged(max(worst.values()) <= most, measured=worst, limit=limit, source=source)


def apart(case: Case, rule: Rule, grade: str) -> Outcome:
    """PRC-4: tariff and PUE stand apart, each labelled measured or assumed, and PUE is in the cost of the energy, never in the energy."""
    source, limit = "energy/card.json cost.energy, energy_j", "tariff and PUE labelled; E x PUE x tariff is the cost; E is without PUE"
    if case.card is None or case.rebuilt is None:
        return cannot_tell("there is no card" if case.card is None else case.unbuildable, source=source, limit=limit)
    spent = part(part(part(case.card, "headline"), "cost"), "energy")
    tariffs = tariffs_of(spent)
    if not tariffs:
        return cannot_tell("no tariff is known for the time and place of the run", source="energy/prices.json tariff[]", limit=limit)
    bare = sorted({name for tariff in tariffs for name in ("amount_basis", "pue_basis") if tariff.get(name) not in list(Basis)})
    if bare:
        return judged(False, measured={"unlabelled": ", ".join(bare)}, limit=limit, source=source, detail=f"no label: {', '.join(bare)}")
    true_j = case.rebuilt["headline"]["energy_j"]
    expected = expected_cost(
        tariffs, part(part(part(case.rebuilt, "headline"), "cost"), "energy"), true_j, pue_applied=spent.get("pue_applied")
    )
    amount, energy_j = number(spent.get("amount")), number(part(case.card, "headline").get("energy_j"))
    if true_j is None or expected is None or amount is None or energy_j is None:
        return cannot_tell("the cost of the energy, or the energy, is not stated", source=source, limit=limit)
    off = {"energy_rel": relative(energy_j, true_j), "cost_rel": relative(amount, expected)}
    measured: Measured = {"pue": ", ".join(dict.fromkeys(str(tariff.get("pue")) for tariff in tariffs)), **off}
    return judged(max(off.values()) <= rule.limit(grade, "within_rel"), measured=measured, limit=limit, source=source)


def tariffs_of(spent: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tariffs that the cost of an energy names: the one that held throughout, or those of its parts in their order."""
    if one := part(spent, "tariff"):
        return [one]
    several = spent.get("tariffs")
    return [tariff for tariff in several if isinstance(tariff, Mapping)] if isinstance(several, list) else []


def expected_cost(
    tariffs: list[Mapping[str, Any]], rebuilt: Mapping[str, Any], true_j: float | None, *, pue_applied: object
) -> float | None:
    """What the true energy costs at the stated `tariffs`, shared out over them as the readings say; None where a figure is missing.

    `rebuilt`: the cost of the energy as it comes out of the readings.
    """
    if len(tariffs) == 1:
        taken = {0: true_j}
    else:
        taken = {}
        for one in rebuilt.get("parts") or ():
            taken[one["tariff"]] = taken.get(one["tariff"], 0.0) + one["energy_j"]
    total = 0.0
    for place, energy_j in taken.items():
        pue, rate = (number(tariffs[place].get(name)) for name in ("pue", "amount")) if place < len(tariffs) else (None, None)
        if energy_j is None or pue is None or rate is None:
            return None
        total += energy_j / J_PER_KWH * (pue if pue_applied else 1.0) * rate
    return total if taken else None


def converted(case: Case, rule: Rule, grade: str) -> Outcome:
    """PRC-5: where rent and electricity are in two currencies, the exchange rate between them stands beside, dated."""
    source, limit = "energy/card.json cost.fx", "a rate between the two currencies, with date and source"
    cost = part(part(case.card, "headline"), "cost")
    currencies = {str(code) for key in ("market", "energy") if (code := part(cost, key).get("currency"))}
    if not currencies:
        return cannot_tell("the card holds no cost", source=source, limit=limit)
    if len(currencies) == 1:
        return not_applicable(f"every cost is in {currencies.pop()}", source=source)
    rate = part(cost, "fx")
    if not rate:
        return cannot_tell(f"no exchange rate between {' and '.join(sorted(currencies))}", source=source, limit=limit)
    known = case.evidence.rate.record() if case.evidence is not None and case.evidence.rate is not None else None
    good = {rate.get("base"), rate.get("quote")} == currencies and dict(rate) == known
    measured = {"base": str(rate.get("base")), "quote": str(rate.get("quote")), "rate": str(rate.get("rate"))}
    detail = "" if good else "the rate on the card is not the one of energy/prices.json fx[] between these currencies"
    return judged(good, measured=measured, limit=limit, source=source, detail=detail)


def relative(stated: float, ours: float) -> float:
    """How far a claim is from what comes out, of that; 1.0 where nothing comes out, and something is claimed."""
    return abs(stated / ours - 1.0) if ours else float(stated != 0.0)


def price_of(case: Case) -> Price | None:
    """The price of what was rented, None where none was recorded."""
    return None if case.evidence is None else case.evidence.price.price


def no_price(case: Case) -> Outcome:
    """There is nothing to judge, with the reason."""
    why = "the bundle holds no run, or no readings" if case.evidence is None else case.evidence.price.reason
    return cannot_tell(why or "no price of what was rented", source=PRICES)


def costs(case: Case) -> Iterator[tuple[str, Mapping[str, Any], Decimal]]:
    """(what, rent on the card, seconds of it by the phases) of the headline and of every measured phase that has one."""
    if case.card is None or not case.measured:
        return
    total_ns = sum(window.end_ns - window.begin_ns for window in case.measured)
    market = part(part(part(case.card, "headline"), "cost"), "market")
    if market:
        yield "headline", market, Decimal(total_ns).scaleb(-9)
    for window in case.measured:
        market = part(part(phase(case.card, window.name, window.begin_ns), "cost"), "market")
        if market:
            yield window.name, market, Decimal(window.end_ns - window.begin_ns).scaleb(-9)


CHECKS: Final[Mapping[str, Check]] = {"PRC-1": recorded, "PRC-2": fresh, "PRC-3": allocated, "PRC-4": apart, "PRC-5": converted}
