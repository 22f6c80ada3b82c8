"""The card for people: a short block of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from joulemark.pricing import money

PRINTED: Final = Context(prec=4, rounding=ROUND_HALF_EVEN)


def render(card: Mapping[str, Any], *, level: str = "not validated") -> str:
    """The headline with its uncertainty, what was measured and with what, both costs with their dates, and what is missing."""
    head = card["headline"]
    title = f"Energy card of run {card['run_id'] or '(no id)'}"
    lines = [title + (" [simulated: the path was measured, not a machine]" if card["simulated"] else "")]
    for name in ("joules_per_1k_output_tokens", "joules_per_1k_total_tokens", "joules_per_request", "energy_j"):
        if shown := head["display"].get(name):
            lines.append(f"  {shown['value']} +- {shown['u95']} {shown['unit']}")
    lines += score_lines(card)
    if head["energy_j"] is None:
        lines.append("  energy not known")
    if head["uncertainty_missing"]:
        lines.append(f"  not in the uncertainty, because not known: {', '.join(head['uncertainty_missing'])}")
    lines.append(f"  scope {card['scope'] or 'undefined'} ({head['boundary']}), level {level}, phases: {', '.join(head['phases'])}")
    lines.append(f"  meters: {', '.join(m['meter_id'] for m in card['meters'] if m['used'])}")
    lines += idle_lines(card["idle"])
    lines += [f"  aborted: {one['phase']}, {one['reason']}" for one in card["aborted"]]
    lines += closure_lines(card.get("closure", ()))
    lines += [f"  rent: {market_line(head['cost']['market'])}", f"  electricity: {energy_line(head['cost']['energy'])}"]
    carbon = head.get("carbon") or {}
    lines += [f"  carbon: {carbon_line(carbon)}"] if carbon.get("intensities") else []
    lines += [f"  incomplete: {reason}" for reason in card["incomplete_because"]]
    return "\n".join(lines)


def score_lines(card: Mapping[str, Any]) -> list[str]:
    """The score of the repetitions, or why there is none where several were measured."""
    score = card["score"]
    if score is None:
        return [f"  no score: {card['score_reason']}"] if len(card["headline"]["phases"]) > 1 else []
    shown = score["display"]
    how = f"{score['method']} of {score['count']}, CV {score['cv_rel']:.2%}, k = {score['k']:.3g}"
    return [f"  score {shown['value']} +- {shown['u95']} {shown['unit']} ({how})"]


def idle_lines(idle: Sequence[Mapping[str, Any]]) -> list[str]:
    """The power of each idle phase with what idle meant, in one line."""
    shown = [
        f"{one['phase']} {'not known' if one['mean_power_w'] is None else format(one['mean_power_w'], '.1f') + ' W'}"
        f" ({one['idle_kind'] or 'kind not declared'})"
        for one in idle
    ]
    return [f"  idle: {', '.join(shown)}"] if shown else []


def closure_lines(closed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which levels hold which in every phase, in one line, then each two that do not."""
    pairs = dict.fromkeys((one["outer"], one["inner"]) for one in closed)
    good = [pair for pair in pairs if all(one["holds"] for one in closed if (one["outer"], one["inner"]) == pair)]
    lines = [f"  closure: {', '.join(f'{outer} >= {inner}' for outer, inner in good)}"] if good else []
    broken = [one for one in closed if one["holds"] is False]
    return lines + [f"  CLOSURE BROKEN in {one['phase']}: {one['reason']}" for one in broken]


def market_line(cost: Mapping[str, Any]) -> str:
    """Rent per 1k output tokens with the price it comes from."""
    if cost["reason"]:
        return f"not known: {cost['reason']}"
    price = cost["price"]
    what = f"{price['provider']} {price['instance_type']} {price['region']} {price['price_model']}"
    marks = [cost["status"]] if cost["status"] not in ("manual", "fresh", "bracketed", "stale") else []
    marks += ["stale"] if cost["stale"] else []
    if cost["status"] == "changed":
        marks.append(f"{cost['after']['amount']} when next seen")
    if cost["parts"]:
        marks.append(f"{len(cost['parts'])} parts at {len(cost['prices'])} prices")
    said = ", ".join([what, f"read {day(price['fetched_at'])}", *marks])
    return f"{per_1k(cost)} at {price['amount']} {price['currency']}/{price['unit']} ({said})"


def energy_line(cost: Mapping[str, Any]) -> str:
    """Electricity per 1k output tokens with the tariff it comes from, or how many there were and between what."""
    if cost["reason"]:
        return f"not known: {cost['reason']}"
    tariffs = [cost["tariff"]] if cost["tariff"] else cost["tariffs"]
    amounts = sorted({Decimal(tariff["amount"]) for tariff in tariffs})
    span = money.text(amounts[0]) if len(amounts) == 1 else f"{money.text(amounts[0])} to {money.text(amounts[-1])}"
    bases = {name: " and ".join(sorted({tariff[name] for tariff in tariffs})) for name in ("amount_basis", "pue_basis")}
    pues = " and ".join(sorted({tariff["pue"] for tariff in tariffs}))
    pue = f"PUE {pues} {bases['pue_basis']}" if cost["pue_applied"] else "PUE not applied: not measured at the wall"
    rate = f"{span} {cost['currency']}/kWh {bases['amount_basis']}" + (f" ({len(tariffs)} tariffs)" if len(tariffs) > 1 else "")
    read = min(day(tariff["fetched_at"]) for tariff in tariffs)
    note = f"; {cost['note']}" if cost.get("note") else ""
    return f"{per_1k(cost)} at {rate}, {pue} ({tariffs[0]['zone']}, read {read}){note}"


def carbon_line(carbon: Mapping[str, Any]) -> str:
    """Grams of CO2-equivalent with the kind of intensity and how sure it is, or why there are none."""
    if carbon["reason"]:
        return f"not known: {carbon['reason']}"
    each = carbon["g_per_1k_output_tokens"]
    shown = money.text(PRINTED.plus(Decimal(carbon["g_co2e"] if each is None else each)))
    per = "in all" if each is None else "per 1k output tokens"
    zones = ", ".join(dict.fromkeys(one["zone"] for one in carbon["intensities"]))
    kind = f"{carbon['kind']} intensity, {'estimated' if carbon['estimated'] else 'final'}"
    return f"{shown} g CO2e {per} ({kind}, {zones}, read {min(day(one['fetched_at']) for one in carbon['intensities'])})"


def per_1k(cost: Mapping[str, Any]) -> str:
    """Cost per 1k output tokens, or of the whole where they are not known, to four digits."""
    each = cost["per_1k_output_tokens"]
    shown = money.text(PRINTED.plus(Decimal(cost["amount"] if each is None else each)))
    return f"{shown} {cost['currency']}" + (" in all" if each is None else " per 1k output tokens")


def day(moment: str) -> str:
    """The date of an RFC 3339 time."""
    return moment.partition("T")[0]
