"""What each phase of a run used, as its card tells: time, tokens, joules and the rent. Every export is made from these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from joulemark import document
from joulemark.pricing import money
from joulemark.pricing.price import Price

NS_PER_HOUR: Final = 3_600_000_000_000
DIRECTIONS: Final = ("input", "output")


@dataclass(frozen=True, slots=True)
class Rent:
    """What the machine costs: `per_hour` of the whole instance, None with the `reason` where it is not known.

    `price`: the record at the begin, with how far it can be trusted (`status`) and whether it was old (`stale`). `amount`: what the card
    charges the phase, None where it charges none or does not know. `changed`: another price counted before the end, so `per_hour` is not
    that of the whole phase.
    """

    status: str
    price: Price | None = None
    per_hour: Decimal | None = None
    amount: Decimal | None = None
    stale: bool | None = None
    changed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one phase used. None where the card does not know: never 0 in its place.

    `nth`: 1 for the first phase of that name in the run, 2 for the second. `counted`: the phase is one the card is about, not warm-up, idle
    or aborted. `tokens`: by direction. `u95_j`: expanded uncertainty of `energy_j`. `electricity`: what the joules cost, in a currency;
    the rent contains it already.
    """

    run_id: str
    benchmark: str
    labels: Mapping[str, str]
    simulated: bool
    scope: str | None
    phase: str
    nth: int
    kind: str
    counted: bool
    aborted: str
    begin_ns: int
    end_ns: int
    tokens: Mapping[str, int | float | None]
    requests: int | None
    requests_failed: int | None
    energy_j: float | None
    u95_j: float | None
    boundary: str
    rent: Rent
    electricity: tuple[Decimal, str] | None

    @property
    def hours(self) -> Decimal:
        """Length of the phase."""
        return money.CONTEXT.divide(Decimal(self.end_ns - self.begin_ns), Decimal(NS_PER_HOUR))

    @property
    def tokens_total(self) -> int | float | None:
        """Tokens of both directions, None when one of them is not known."""
        read, written = self.tokens["input"], self.tokens["output"]
        return None if read is None or written is None else read + written

    @property
    def name(self) -> str:
        """The phase, for a sentence; a long name is cut."""
        return f"phase {document.shown(self.phase)}" + (f" ({self.nth})" if self.nth > 1 else "")


def of_card(card: Mapping[str, Any]) -> tuple[Usage, ...]:
    """The phases of an object of schema `joulemark.card/1`, in its order. Raises FormatError for a price record that was changed."""
    whole = card["headline"]["cost"]
    aborted = stopped(card)
    seen: Counter[str] = Counter()
    found = []
    for place, phase in enumerate(card["phases"]):
        seen[phase["name"]] += 1
        cost = phase.get("cost")
        found.append(
            Usage(
                run_id=card["run_id"],
                benchmark=card["benchmark"],
                labels=card["labels"],
                simulated=card["simulated"],
                scope=card["scope"],
                phase=phase["name"],
                nth=seen[phase["name"]],
                kind=phase["kind"],
                counted=cost is not None and place not in aborted,
                aborted=aborted.get(place, ""),
                begin_ns=phase["begin_ns"],
                end_ns=phase["end_ns"],
                tokens={direction: phase["tokens"][direction] for direction in DIRECTIONS},
                requests=phase["requests"],
                requests_failed=phase["requests_failed"],
                energy_j=phase["energy_j"],
                u95_j=phase["u95_j"],
                boundary=phase["boundary"],
                rent=rent_of(cost["market"] if cost else beside(whole["market"])),
                electricity=electricity_of(cost["energy"]) if cost else None,
            )
        )
    return tuple(found)


def stopped(card: Mapping[str, Any]) -> dict[int, str]:
    """Place in the card's phases -> why the phase was aborted. The card lists these by name and energy, in the order of the phases.

    Where no phase was measured to its end, all of them have a cost; else only those that count.
    """
    bare = any("cost" not in phase for phase in card["phases"])
    waiting = list(card["aborted"])
    found = {}
    for place, phase in enumerate(card["phases"]):
        fits = waiting and (waiting[0]["phase"], waiting[0]["energy_j"]) == (phase["name"], phase["energy_j"])
        if fits and not (bare and "cost" in phase):
            found[place] = waiting.pop(0)["reason"]
    return found


def beside(market: Mapping[str, Any]) -> dict[str, Any]:
    """The market block for a phase that the card gives no cost: the price that counted in the others, where there was one only."""
    changed = "the price changed within the run, and the card does not say which one counted here"
    return {**market, "amount": None, "reason": market["reason"] or (changed if market.get("parts") else ""), "parts": []}


def rent_of(market: Mapping[str, Any]) -> Rent:
    """The rent in the market block of a card."""
    price = None if market["price"] is None else Price.from_json(market["price"], "price on the card")
    if price is None or market["reason"]:
        return Rent(market["status"], price, stale=market["stale"], reason=market["reason"])
    return Rent(
        market["status"],
        price,
        per_hour=price.per_instance_hour(),
        amount=None if market["amount"] is None else Decimal(market["amount"]),
        stale=market["stale"],
        changed=bool(market.get("parts")),
    )


def electricity_of(energy: Mapping[str, Any]) -> tuple[Decimal, str] | None:
    """Amount and currency in the energy block of a card, None where it is not known."""
    return None if energy["amount"] is None else (Decimal(energy["amount"]), energy["currency"])
