"""What a run cost: rent and electricity, two figures that are never summed, each with its price or why it has none."""

from __future__ import annotations

from dataclasses import dataclass

from joulemark.cards.figures import Place
from joulemark.cards.text import PRINTED
from joulemark.collector.web.drawings.waterfall import Step, cascade, waterfall
from joulemark.markup import Markup
from joulemark.pricing import money


@dataclass(frozen=True, slots=True)
class Bill:
    """One family of costs. `price`: the record, None where there is none or several; `mend`: the command for a cost that is not known."""

    name: str
    look: str
    found: Place
    price: Place | None
    status: str
    reason: str
    mend: str

    @property
    def read(self) -> str | None:
        """When the price was read, as its record tells."""
        return None if self.price is None else self.price["fetched_at"].value


def bills(head: Place) -> tuple[Bill, Bill]:
    """Rent of the machine and its electricity, of the headline or of a phase of a card."""
    market, energy = head["cost"]["market"], head["cost"]["energy"]
    price = market["price"] if market["price"].value is not None else None
    tariff = energy["tariff"] if energy["tariff"].value is not None else None
    status = f"{market['status'].value}{', stale' if market['stale'].value else ''}"
    basis = "" if tariff is None else f"{tariff['amount_basis'].value}, zone {tariff['zone'].value}"
    return (
        Bill("Machine time", "gpu", market, price, status, market["reason"].value, "joulemark cost RUN --price 55.04USD/h"),
        Bill("Energy", "other", energy, tariff, basis, energy["reason"].value, "joulemark cost RUN --tariff 0.12USD/kWh"),
    )


def costs(head: Place) -> list[tuple[str, Markup]]:
    """(currency, drawing) of the families that have a cost: bars of one currency share a scale."""
    found: dict[str, list[Step]] = {}
    for one in bills(head):
        if one.found["amount"].value is not None:
            found.setdefault(one.found["currency"].value, []).extend(steps(one))
    drawn = []
    for currency, each in found.items():
        told = "; ".join(f"{step.name} {step.text}" for step in each if step.whole)
        shown = waterfall(
            each, title=f"Cost of the measured phases, each kind from zero: {told}. Rent contains electricity: they are not added."
        )
        drawn += [(currency, shown)] if shown is not None else []
    return drawn


def steps(one: Bill) -> list[Step]:
    """The bars of one family: what it cost at each price, then all of it."""
    currency = one.found["currency"].value
    parts = [(f"at price {at}", float(part["amount"].value), text(part, currency)) for at, part in enumerate(one.found["parts"], 1)]
    return [*cascade(one.name, one.look, parts, (float(one.found["amount"].value), text(one.found, currency)))]


def text(found: Place, currency: str) -> str:
    """An amount to four digits with its currency."""
    return f"{money.text(PRINTED.plus(money.decimal(found['amount'].value)))} {currency}"
