"""The history of one price, to be shown: what counted when, as `pricing.lookup` answers, and since when it is only believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from joulemark.pricing.answer import Answer
from joulemark.pricing.lookup import course, lookup
from joulemark.pricing.price import MANUAL, Price, Trust
from joulemark.pricing.sightings import agree, charge, sightings, stream
from joulemark.pricing.wanted import Question

MOST: Final = 200
"""Readings of which a history is made; of more the newest."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `begin_ns` until before `end_ns` the price of `answer` counted; none where that is missing. From `seen_ns` on nobody has seen it
    again: it is believed. `end_ns` where it was seen again or somebody wrote it down.
    """

    begin_ns: int
    end_ns: int
    seen_ns: int
    answer: Answer


def history(prices: Iterable[Price], question: Question, *, end_ns: int, most: int = MOST) -> tuple[Stretch, ...]:
    """The stretches from the moment of `question` until `end_ns`, from the first price known on; empty where none is.

    Of a price that was read very often only the newest readings that changed something count.
    """
    fitting = thinned(question.wanted.fitting(prices))
    begins = [min(price.known_ns, price.effective_from_ns if dated(price) else price.known_ns) for price in fitting]
    first_ns = min(begins, default=end_ns)
    if len(fitting) > most:
        fitting = fitting[-most:]
        first_ns = fitting[0].known_ns
    begin_ns = max(question.valid_at_ns, first_ns)
    if begin_ns >= end_ns:
        return ()
    steps = course(fitting, replace(question, valid_at_ns=begin_ns), end_ns=end_ns)
    ends = [*(after.from_ns for _, after in pairwise(steps)), end_ns]
    found = [Stretch(step.from_ns, until_ns, until_ns, step.answer) for step, until_ns in zip(steps, ends, strict=True)]
    return (*found[:-1], *last(found[-1], fitting, question))


def last(stretch: Stretch, fitting: Sequence[Price], question: Question) -> tuple[Stretch, ...]:
    """The newest stretch: believed since it was seen last, and ended there where it is too old to be believed."""
    price = stretch.answer.price
    if price is None or price.feed == MANUAL:
        return (stretch,)
    seen = [one.t_ns for one in sightings(fitting) if one.t_ns <= min(stretch.end_ns, question.known_at_ns) and agree([one.price, price])]
    seen_ns = max([*seen, stretch.begin_ns])
    then = lookup(fitting, replace(question, valid_at_ns=stretch.end_ns - 1))
    if then.price is not None or seen_ns == stretch.begin_ns:
        return (replace(stretch, seen_ns=seen_ns),)
    return replace(stretch, end_ns=seen_ns, seen_ns=seen_ns), Stretch(seen_ns, stretch.end_ns, stretch.end_ns, then)


def thinned(prices: Iterable[Price]) -> list[Price]:
    """`prices` in the order in which they were known, without those between two others of the same list that say the same."""
    lists: dict[tuple[object, ...], list[Price]] = {}
    for price in prices:
        lists.setdefault(stream(price), []).append(price)
    found = []
    for group in lists.values():
        group.sort(key=lambda one: (one.known_ns, one.fetched_at_ns))
        told = [(charge(one), one.effective_from_ns if dated(one) else None) for one in group]
        ends = {0, len(group) - 1}
        found += [one for at, one in enumerate(group) if at in ends or not told[at - 1] == told[at] == told[at + 1]]
    return sorted(found, key=lambda one: one.known_ns)


def dated(price: Price) -> bool:
    """Whether the date of a price says since when it is charged."""
    return price.feed == MANUAL or price.effective_trust is Trust.VALID_FROM
