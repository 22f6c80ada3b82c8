"""What the run cost: rent and electricity, never summed, and carbon; each with what it rests on, or why it is not known."""

from __future__ import annotations

from joulemark.cards.figures import Place, absent, amount, number
from joulemark.cards.sections.layout import facts
from joulemark.markup import Markup, joined, tag

MOST_TARIFFS = 6


def money(head: Place) -> Markup:
    """The three of the headline."""
    cost = head["cost"]
    parts = (("Rent", rent(cost["market"])), ("Electricity", electricity(cost["energy"])), ("Carbon", emissions(head["carbon"])))
    return joined([[tag("h3", title), found] for title, found in parts])


def rent(cost: Place) -> Markup:
    """The market price of the time."""
    if cost["reason"].value or cost["price"].value is None:
        return tag("p", absent(cost["reason"].value), f" (status: {cost['status'].value})")
    price = cost["price"]
    what = ", ".join(price[key].value for key in ("provider", "instance_type", "region", "price_model") if price[key].value)
    listed = joined([number(price["amount"], price["amount"].value), f" {price['currency'].value}/{price['unit'].value}, {what}"])
    return facts(
        [
            ("per 1k output tokens", amount(cost["per_1k_output_tokens"], cost["currency"].value)),
            ("price", listed),
            ("status", f"{cost['status'].value}{', stale' if cost['stale'].value else ''}"),
            ("in force since", price["effective_from"].value),
            ("read", price["fetched_at"].value),
            ("source", price["source_url"].value),
        ]
    )


def electricity(cost: Place) -> Markup:
    """The price of the energy."""
    if cost["reason"].value:
        return tag("p", absent(cost["reason"].value))
    tariffs = [cost["tariff"]] if cost["tariff"].value is not None else list(cost["tariffs"])[:MOST_TARIFFS]
    pairs: list[tuple[str, object]] = [("per 1k output tokens", amount(cost["per_1k_output_tokens"], cost["currency"].value))]
    pairs += [("tariff", tariff(one, applied=bool(cost["pue_applied"].value))) for one in tariffs]
    return facts([*pairs, *([("note", cost["note"].value)] if cost["note"].value else [])])


def tariff(found: Place, *, applied: bool) -> Markup:
    """One tariff with its PUE."""
    per = f" {found['currency'].value}/{found['unit'].value}, {found['zone'].value}, {found['amount_basis'].value}; PUE "
    used = "applied" if applied else "not applied: not measured at the wall"
    pue = f" {found['pue_basis'].value}, {used}; read {found['fetched_at'].value}"
    return joined([number(found["amount"], found["amount"].value), per, number(found["pue"], found["pue"].value), pue])


def emissions(carbon: Place) -> Markup:
    """Grams of CO2-equivalent, with the kind of intensity and how sure it is."""
    if carbon["reason"].value:
        return tag("p", absent(carbon["reason"].value))
    zones = ", ".join(dict.fromkeys(one["zone"].value for one in carbon["intensities"]))
    kind = f"{carbon['kind'].value}, {'estimated' if carbon['estimated'].value else 'final'}, {zones}"
    each = amount(carbon["g_per_1k_output_tokens"], "g CO2e")
    return facts([("per 1k output tokens", each), ("in all", amount(carbon["g_co2e"], "g CO2e")), ("intensity", kind)])
