"""Rent of a run within which the price changed: each stretch at the price that counted there, as a spot price is billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from joulemark.cards.measured import Measured
from joulemark.errors import FormatError
from joulemark.pricing import cost, lookup, money
from joulemark.pricing.answer import Answer
from joulemark.pricing.cost import Cost
from joulemark.pricing.price import PriceModel
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.wanted import FOREVER_NS, Question, Wanted


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a counted phase, and what the look-up answers for it."""

    begin_ns: int
    end_ns: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Rent:
    """The stretches of a run at several prices, and what they cost together; None with the `reason` where one has no price.

    No stretches at all: the price did not change.
    """

    pieces: tuple[Piece, ...] = ()
    amount: Cost | None = None
    reason: str = ""

    def to_json(self) -> list[dict[str, Any]]:
        """The stretches with the whole record of each price."""
        return [
            {
                "begin_ns": piece.begin_ns,
                "end_ns": piece.end_ns,
                "status": str(piece.answer.status),
                "price": None if piece.answer.price is None else piece.answer.price.record(),
            }
            for piece in self.pieces
        ]


def rent_of(run: Measured, prices: Snapshot, *, known_at_ns: int | None = None) -> Rent:
    """What the phases that count cost at the prices that counted while they lasted."""
    if run.evidence.price.price is None:
        return Rent()
    begin_ns, end_ns = min(w.begin_ns for w in run.windows), max(w.end_ns for w in run.windows)
    known_ns = FOREVER_NS if known_at_ns is None else known_at_ns
    steps = lookup.course(prices.prices, Question(wanted(run.evidence.run.labels), begin_ns, known_ns), end_ns=end_ns)
    if len(steps) == 1:
        return Rent()
    spans = zip(pairwise([*(step.from_ns for step in steps), end_ns]), steps, strict=True)
    pieces = tuple(
        Piece(max(first, window.begin_ns), min(last, window.end_ns), step.answer)
        for (first, last), step in spans
        for window in run.windows
        if max(first, window.begin_ns) < min(last, window.end_ns)
    )
    return summed(pieces)


def summed(pieces: tuple[Piece, ...]) -> Rent:
    """What the stretches cost together."""
    known = [(piece, piece.answer.price) for piece in pieces]
    if silent := next((piece.answer for piece, price in known if price is None), None):
        return Rent(pieces, reason=f"for a part of the run: {silent.reason}")
    priced = [(piece, price) for piece, price in known if price is not None]
    currencies = sorted({price.currency for _, price in priced})
    if len(currencies) > 1:
        return Rent(pieces, reason=f"the price changed from {currencies[0]} to {currencies[1]}, and two currencies are not summed")
    try:
        segments = [(price.per_instance_hour(), seconds(piece)) for piece, price in priced]
    except FormatError as error:
        return Rent(pieces, reason=str(error))
    return Rent(pieces, cost.market_piecewise(segments, currency=currencies[0]))


def seconds(piece: Piece) -> cost.Number:
    """Length of a stretch, exact."""
    return money.decimal(piece.end_ns - piece.begin_ns).scaleb(-9)


def wanted(labels: Mapping[str, str]) -> Wanted:
    """What the labels of a run say was rented."""
    return Wanted(
        labels["provider"],
        labels["instance_type"],
        labels["region"],
        price_model=PriceModel(labels.get("price_model", PriceModel.ON_DEMAND)),
        os=labels.get("os", "linux"),
    )
