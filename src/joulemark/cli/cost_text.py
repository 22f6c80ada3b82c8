"""What `joulemark cost` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from joulemark.cards.text import day

PRINTED: Final = Context(prec=4, rounding=ROUND_HALF_EVEN)
"""Digits of an amount whose uncertainty is not known, or is nothing."""

DENOMINATORS: Final = {
    "output": "output tokens",
    "input": "input tokens",
    "total": "tokens, input and output",
    "uncached_input": "input tokens, those from a cache apart",
    "uncached_total": "tokens, those from a cache apart",
}


def cost_text(result: Mapping[str, Any]) -> str:
    """Each cost with its price and its denominators, or why it is not known."""
    simulated = " [simulated]" if result["simulated"] else ""
    window = f"{result['basis']} {result['duration_s']:.6g} s, at {result['valid_at']}"
    lines = [f"Cost of run {result['run_id'] or '(no id)'}{simulated}, {window}"]
    lines += ["rent", *block(result["market"], result["tokens"]), *market_lines(result["market"])]
    if result["utilisation_tax"] is not None:
        lines.append(f"  the uptime makes it {rounded(result['utilisation_tax'])} times dearer than the measured window")
    before = result["before"]
    if before["ratio"] not in (None, "1"):
        was = f"{rounded(before['amount'])} {before['currency']} for the measured window at the price in the bundle"
        lines.append(f"  {rounded(before['ratio'])} times {was}")
    lines += ["electricity", *block(result["energy"], result["tokens"]), *tariff_lines(result["energy"])]
    if result["on_prem"] is not None:
        lines += own_lines(result["on_prem"], result["tokens"])
    if result["split"] is not None:
        lines += split_lines(result["split"], result["market"]["currency"])
    if result["uncertainty_missing"]:
        lines.append(f"not in the uncertainty, because not known: {', '.join(result['uncertainty_missing'])}")
    return "\n".join([*lines, f"prices from: {', '.join(result['prices_from'])}"])


def block(cost: Mapping[str, Any], tokens: Mapping[str, Any]) -> list[str]:
    """A cost, and the same by every denominator that is known; those without a cache where one gave tokens."""
    if cost["amount"] is None:
        return [f"  not known: {cost['reason']}"]
    lines = [f"  {shown(cost, cost['currency'])}"]
    told = [name for name in DENOMINATORS if cost["per_1k"][name] and (tokens["cached_input"] or not name.startswith("uncached"))]
    lines += [f"  {shown(cost['per_1k'][name], cost['currency'])} per 1k {DENOMINATORS[name]}" for name in told]
    good = cost["goodput"]
    if good["wasted"] not in (None, "0"):
        lines.append(f"  of it {rounded(good['wasted'])} {cost['currency']} for requests that failed")
    return lines


def market_lines(rent: Mapping[str, Any]) -> list[str]:
    """The price that the rent comes from, and what of it is charged."""
    price = rent["price"]
    if price is None:
        return []
    what = f"{price['provider']} {price['instance_type']} {price['region']} {price['price_model']}"
    lines = [f"  {rent['status']}: {price['amount']} {price['currency']}/{price['unit']} ({what}), {seen(price)}{age(rent['age_s'])}"]
    lines += [f"  {name}: {other['amount']} {other['currency']}/{other['unit']}" for name, other in others(rent)]
    if share := rent["share"]:
        known = {True: "linear", False: "not linear", None: "not known to be linear"}[share["linear"]]
        lines.append(f"  {share['used']} of {share['rented']} GPUs, the price list is {known}")
    return [*lines, f"  {price['source_url']}"]


def others(rent: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Other prices that must not be overlooked: as it was seen after the run, as the newest list states it, and within the run."""
    known = [("seen after the run", rent["after"]), ("by the newest list that was known", rent["stated"])]
    found = [(name, price) for name, price in known if price is not None and price["amount"] != rent["price"]["amount"]]
    return found + [("within the run", price) for price in rent["prices"][1:]]


def tariff_lines(spent: Mapping[str, Any]) -> list[str]:
    """The tariff, and whether PUE is in the figure."""
    tariff = spent["tariff"]
    if tariff is None:
        return []
    pue = f"PUE {tariff['pue']} {tariff['pue_basis']}" if spent["pue_applied"] else "PUE not applied: not measured at the wall"
    return [f"  {tariff['amount']} {tariff['currency']}/kWh {tariff['amount_basis']} ({tariff['zone']}), {pue}"]


def own_lines(own: Mapping[str, Any], tokens: Mapping[str, Any]) -> list[str]:
    """A machine of one's own, with the knobs that decide it."""
    knobs = own["profile"]
    stated = f"{knobs['capex']} {knobs['currency']} over {knobs['years']} years, {knobs['utilisation']} used, {knobs['residual']} left"
    return [
        f"own machine: {stated}, {rounded(knobs['delivered_per_hour'])} {knobs['currency']} per hour of work",
        "  amortisation plus opex",
        *(f"  {line}" for line in block(own["amortisation_plus_opex"], tokens)),
        "  amortisation plus opex plus energy",
        *(f"  {line}" for line in block(own["amortisation_plus_opex_plus_energy"], tokens)),
    ]


def split_lines(parts: Mapping[str, Any], currency: str | None) -> list[str]:
    """The parts of the rent by a method, which is named."""
    if parts["input"] is None:
        return [f"split by {parts['method']}: not known: {parts['reason']}"]
    each = {"per_1k_input_tokens": "per 1k input", "per_1k_output_tokens": "per 1k output", "blended_3_1": "blended_3_1"}
    prices = ", ".join(f"{rounded(parts[name])} {label}" for name, label in each.items())
    return [f"split by {parts['method']}, a model: {rounded(parts['input'])} + {rounded(parts['output'])} {currency}; {prices}"]


def shown(figure: Mapping[str, Any], unit: str) -> str:
    """An amount with its half-width of 95 %, to two digits of that."""
    from joulemark.energy.uncertainty import displayed

    amount, interval = Decimal(figure["amount"]), figure["interval95"]
    if interval is None or interval[0] == interval[1]:
        return f"{rounded(figure['amount'])} {unit}"
    value, u95 = displayed(float(amount), float((Decimal(interval[1]) - Decimal(interval[0])) / 2))
    return f"{value} +- {u95} {unit}"


def rounded(amount: str) -> str:
    """An amount to four digits."""
    return f"{PRINTED.plus(Decimal(amount)):f}"


def seen(price: Mapping[str, Any]) -> str:
    """When a price was listed, or read where its list has no date."""
    return f"read {day(price['fetched_at'])}" if price["published_at"] is None else f"listed {day(price['published_at'])}"


def age(age_s: int | None) -> str:
    """How old a price was when the run began, or how long after that it was seen."""
    if age_s is None:
        return ""
    return f", {abs(age_s) / 86_400:.1f} days {'old' if age_s >= 0 else 'after the begin of the run'}"
