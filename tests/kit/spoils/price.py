"""What may be wrong by the rules PRC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from joulemark.cards.evidence import Evidence
from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel
from joulemark.pricing.rates import Rate
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import Spoil
from tests.kit.spoils.uncertainty import measured

OLD_NS: Final = moment_ns("2026-09-30", "kit")
RATE: Final = Rate("EUR", "USD", Decimal("1.0823"), OLD_NS, OLD_NS, "https://example.com/reference-rates")


def priced(**changes: Any) -> Callable[[Evidence], Evidence]:
    """Another price of what was rented."""

    def change(evidence: Evidence) -> Evidence:
        assert evidence.price.price is not None
        other = replace(evidence.price.price, **changes)
        return replace(evidence, price=replace(evidence.price, price=other, seen_ns=other.fetched_at_ns))

    return change


def unpriced(evidence: Evidence) -> Evidence:
    """Nobody looked the price up."""
    return replace(evidence, price=Answer(Status.MISSING, reason="no price was looked up"))


def tariff_in_euro(evidence: Evidence) -> Evidence:
    """Rent in dollars, electricity in euros."""
    assert evidence.tariffs
    return replace(evidence, tariffs=tuple(replace(tariff, currency="EUR") for tariff in evidence.tariffs))


def by_the_hour(evidence: Evidence) -> Evidence:
    """The tariff trebles in the middle of the first measured phase."""
    (tariff,), first = evidence.tariffs, evidence.run.measured[0]
    change_ns = (first.begin_ns + first.end_ns) // 2
    later = replace(tariff, amount=3 * tariff.amount, effective_from_ns=change_ns)
    return replace(evidence, tariffs=(replace(tariff, effective_to_ns=change_ns), later))


def at_the_first(card: dict[str, Any]) -> None:
    """The whole energy priced with the tariff at the begin."""
    spent = energy(card)
    kwh = Decimal(str(card["headline"]["energy_j"])) / 3_600_000
    spent["amount"] = str(kwh * Decimal(spent["tariffs"][0]["amount"]) * Decimal(spent["tariffs"][0]["pue"]))


def market(card: dict[str, Any]) -> dict[str, Any]:
    """The rent of the headline."""
    found: dict[str, Any] = card["headline"]["cost"]["market"]
    return found


def energy(card: dict[str, Any]) -> dict[str, Any]:
    """The electricity of the headline."""
    found: dict[str, Any] = card["headline"]["cost"]["energy"]
    return found


def times_pue(card: dict[str, Any]) -> None:
    """The energy holds what the building drew."""
    card["headline"]["energy_j"] *= 1.2


def without_pue(card: dict[str, Any]) -> None:
    """The cost says that PUE entered, and it did not."""
    energy(card)["amount"] = str(Decimal(energy(card)["amount"]) / Decimal("1.2"))


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("PRC-1", "payload hash cut short", evidence=priced(payload_sha256="55" * 31)),
    Spoil("PRC-1", "payload hash of other digits", evidence=priced(payload_sha256="zz" * 32)),
    Spoil("PRC-1", "no payload hash", evidence=priced(payload_sha256=""), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-1", "tax not said", evidence=priced(tax=None), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-1", "no SKU", evidence=priced(sku_id=""), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-1", "reserved for no term", evidence=priced(price_model=PriceModel.RESERVED), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-1", "reserved", evidence=priced(price_model=PriceModel.RESERVED, term_months=12), verdict=Verdict.PASS),
    Spoil("PRC-1", "no price", evidence=unpriced, verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-2", "old and not marked", evidence=priced(fetched_at_ns=OLD_NS), card=lambda card: market(card).update(stale=False)),
    Spoil(
        "PRC-2",
        "old and silent in a phase",
        evidence=priced(fetched_at_ns=OLD_NS),
        card=lambda card: measured(card)["cost"]["market"].update(stale=None),
    ),
    Spoil("PRC-2", "old and marked", evidence=priced(fetched_at_ns=OLD_NS), verdict=Verdict.PASS),
    Spoil("PRC-2", "no price", evidence=unpriced, verdict=Verdict.CANNOT_TELL),
    Spoil(
        "PRC-3",
        "measured seconds of the session",
        card=lambda card: market(card).update(measured_s=market(card)["measured_s"] + 60.0),
    ),
    Spoil(
        "PRC-3",
        "billed less than the minimum",
        evidence=priced(billing_minimum_s=7200),
        card=lambda card: market(card).update(billed_s=market(card)["measured_s"]),
    ),
    Spoil("PRC-3", "billed by the hour", evidence=priced(billing_step_s=3600), verdict=Verdict.PASS),
    Spoil("PRC-3", "steps of billing not known", evidence=priced(billing_step_s=None), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-3", "billed seconds left out", card=lambda card: market(card).pop("billed_s"), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-3", "no price", evidence=unpriced, verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-4", "PUE inside the energy", card=times_pue),
    Spoil("PRC-4", "PUE not in the cost", card=without_pue),
    Spoil("PRC-4", "PUE without label", card=lambda card: energy(card)["tariff"].pop("pue_basis")),
    Spoil("PRC-4", "tariff guessed", card=lambda card: energy(card)["tariff"].update(amount_basis="guessed")),
    Spoil("PRC-4", "no tariff", evidence=lambda evidence: replace(evidence, tariffs=()), verdict=Verdict.CANNOT_TELL),
    Spoil("PRC-4", "tariff by the hour", evidence=by_the_hour, verdict=Verdict.PASS),
    Spoil("PRC-4", "only the first tariff", evidence=by_the_hour, card=at_the_first),
    Spoil("PRC-4", "PUE not in the cost by the hour", evidence=by_the_hour, card=without_pue),
    Spoil("PRC-4", "second tariff without label", evidence=by_the_hour, card=lambda card: energy(card)["tariffs"][1].pop("pue_basis")),
    Spoil(
        "PRC-5", "rate of other currencies", evidence=lambda evidence: replace(tariff_in_euro(evidence), rate=replace(RATE, quote="CHF"))
    ),
    Spoil(
        "PRC-5",
        "rate changed on the card",
        evidence=lambda evidence: replace(tariff_in_euro(evidence), rate=RATE),
        card=lambda card: card["headline"]["cost"]["fx"].update(rate="1.2"),
    ),
    Spoil(
        "PRC-5",
        "two currencies and their rate",
        evidence=lambda evidence: replace(tariff_in_euro(evidence), rate=RATE),
        verdict=Verdict.PASS,
    ),
    Spoil("PRC-5", "two currencies without rate", evidence=tariff_in_euro, verdict=Verdict.CANNOT_TELL),
    Spoil(
        "PRC-5", "no price and no tariff", evidence=lambda evidence: replace(unpriced(evidence), tariffs=()), verdict=Verdict.CANNOT_TELL
    ),
)
