"""Which price counted at a moment, as known at another: pure, over the prices that are handed in.

Between two moments at which a price was seen to be the same it is known; after the last one it is believed for a while; before the first
one it is not known, unless the provider says since when it is charged. No other region, system, zone or way of renting stands in.
What is asked: `pricing.wanted`; when a price was seen: `pricing.sightings`; what is answered: `pricing.answer`.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from joulemark.pricing import money
from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.dates import moment_text
from joulemark.pricing.price import BUNDLED, MANUAL, Price, Trust
from joulemark.pricing.sightings import (
    Sighting,
    agree,
    backdated,
    begun,
    newest,
    replaced_by,
    sightings,
    text_key,
    variant,
)
from joulemark.pricing.wanted import FOREVER_NS, Limits, Question
from joulemark.units import NS_PER_S

MOST_NEAR: Final = 20
"""So many prices that are nearly of what was asked are named at most."""

BY_OTHERS: Final = ("gpuhunt", "skypilot", "opencost")
"""Kinds of files in which somebody else collected prices of providers."""

DATED: Final = (Trust.VALID_FROM, Trust.MONTH_STAMP)
"""Dates of prices that say anything of the time before the list was read."""


class Rank(enum.IntEnum):
    """Whose prices are asked first: those that somebody wrote down, the providers' lists, lists by others, those of Joulemark."""

    MANUAL = 0
    PROVIDER = 1
    OTHERS = 2
    BUNDLED = 3


@dataclass(frozen=True, slots=True)
class Step:
    """From `from_ns` on the price of `answer` counted; `shown_by`: what shows that there was a change then."""

    from_ns: int
    answer: Answer
    shown_by: tuple[Price, ...] = ()


def lookup(prices: Iterable[Price], question: Question) -> Answer:
    """The price that counted, of the first rank that knows one. Asked of `Answer.prices` alone, the answer is the same."""
    prices = tuple(prices)
    fitting = question.wanted.fitting(prices)
    if not fitting:
        near = ordered(question.wanted.near(prices))[:MOST_NEAR]
        return Answer(Status.MISSING, reason=f"no price of {question.wanted}", candidates=near)
    passed: list[Answer] = []
    for rank, group in grouped(fitting, lambda price: (rank_of(price.feed),)).items():
        answer = of_rank(rank[0], group, question)
        if answer.status is not Status.MISSING:
            trace = (*(f"passed over: {one.reason}" for one in passed), *answer.trace)
            return supported(replace(answer, trace=trace), passed, fitting)
        passed.append(answer)
    return supported(Answer(Status.MISSING, reason=reasons(passed)), passed, fitting)


def course(prices: Iterable[Price], question: Question, *, end_ns: int) -> tuple[Step, ...]:
    """The prices that counted from the moment of `question` until before `end_ns`: one step, and one more at each change.

    A change counts from the moment at which it was first seen, or from which the provider says that it is charged.
    """
    prices = tuple(prices)
    fitting = question.wanted.fitting(prices)
    steps = [Step(question.valid_at_ns, lookup(prices, question))]
    for cut_ns, shown_by in sorted(cuts(fitting, question, end_ns=end_ns).items()):
        answer = lookup(fitting, replace(question, valid_at_ns=cut_ns))
        asked = [price for price in (steps[-1].answer.price, answer.price) if price is not None]
        if len(asked) == 1 or not agree(asked):
            steps.append(Step(cut_ns, answer, ordered([shown_by, *replaced_by([shown_by], fitting)])))
    return tuple(steps)


def cuts(fitting: Iterable[Price], question: Question, *, end_ns: int) -> dict[int, Price]:
    """The moments inside at which another price may begin to count, each with one that says so."""
    known = [price for price in fitting if price.known_ns <= question.known_at_ns]
    found = [one for one in sightings(known) if one.t_ns <= question.known_at_ns and one.price.feed != MANUAL]
    dated = [price for price in known if price.feed == MANUAL or price.effective_trust is Trust.VALID_FROM]
    found += [Sighting(price.effective_from_ns, price) for price in dated]
    inside = [one for one in found if question.valid_at_ns < one.t_ns < end_ns]
    return {one.t_ns: one.price for one in sorted(inside, key=lambda one: text_key(one.price))}


def supported(answer: Answer, passed: Sequence[Answer], fitting: Sequence[Price]) -> Answer:
    """`answer` with the prices that were passed over before it, and with those that show which lists were old ones."""
    others = [*answer.candidates, *(price for one in passed for price in one.candidates)]
    others += replaced_by([*answer.prices, *others], fitting)
    return replace(answer, candidates=ordered(others))


def of_rank(rank: Rank, prices: Sequence[Price], question: Question) -> Answer:
    """The answer of the feeds of one rank. Zones, terms and ways of paying that nobody chose among must all cost the same."""
    ask = {Rank.MANUAL: written, Rank.BUNDLED: seeded}.get(rank, seen)
    answers = [ask(group, question) for group in grouped(prices, variant).values()]
    for answer in answers:
        if answer.status is Status.AMBIGUOUS:
            return answer
    found = [answer for answer in answers if answer.price is not None]
    if not found:
        return Answer(Status.MISSING, reason=reasons(answers), candidates=ordered(price for one in answers for price in one.candidates))
    asked = [answer.price for answer in found if answer.price is not None]
    named = [price for answer in found for price in answer.prices]
    if not agree(asked):
        return ambiguous(asked, question, named)
    first, *rest = found
    return replace(first, candidates=ordered([*first.candidates, *(price for answer in rest for price in answer.prices)]))


def written(prices: Sequence[Price], question: Question) -> Answer:
    """What somebody wrote down: of the prices in force the one that began last, of equal beginnings the one known last."""
    known = [price for price in prices if price.known_ns <= question.known_at_ns]
    if not known:
        return unknown_then(prices, question)
    in_force = [price for price in known if price.effective_from_ns <= question.valid_at_ns]
    if not in_force:
        first = min(known, key=lambda price: (price.effective_from_ns, text_key(price)))
        since, at = moment_text(first.effective_from_ns), moment_text(question.valid_at_ns)
        return missing(f"the first price of {question.wanted} is from {since}, after {at}", first)
    last = max((price.effective_from_ns, price.known_ns) for price in in_force)
    found = [price for price in in_force if (price.effective_from_ns, price.known_ns) == last]
    if not agree(found):
        return ambiguous(found, question)
    price = max(found, key=text_key)
    since, read = moment_text(price.effective_from_ns), moment_text(price.fetched_at_ns)
    trace = f"{origin(price)}: {asks(price)} from {since}, written down {read}"
    return Answer(Status.MANUAL, price, age_s=age_s(question, price.fetched_at_ns), seen_ns=price.fetched_at_ns, trace=(trace,))


def seeded(prices: Sequence[Price], question: Question) -> Answer:
    """What comes with Joulemark, however old."""
    answer = seen(prices, replace(question, limits={price.feed: Limits(0, FOREVER_NS) for price in prices}))
    return answer if answer.price is None else replace(answer, status=Status.BUNDLED)


def seen(prices: Sequence[Price], question: Question) -> Answer:
    """What lists said, judged by when they were seen before and after the moment."""
    known = [one for one in sightings(prices) if one.t_ns <= question.known_at_ns]
    if not known:
        return unknown_then(prices, question)
    t_ns = question.valid_at_ns
    before = [one for one in known if one.t_ns <= t_ns and begun(one.price, t_ns)]
    after = [one for one in known if one.t_ns > t_ns and begun(one.price, one.t_ns)]
    if not before:
        return late(after, question, known)
    last_ns = max(one.t_ns for one in before)
    found = newest(one.price for one in before if one.t_ns == last_ns)
    if not agree(found):
        return ambiguous(found, question)
    answer = judged(Sighting(last_ns, max(found, key=text_key)), after, question)
    stated = None if answer.price is None else statement(prices, question)
    if stated is None:
        return answer
    told = f"{origin(stated)} says {asks(stated)} from {moment_text(stated.effective_from_ns)} ({stated.effective_trust})"
    return replace(answer, stated=stated, trace=(*answer.trace, f"of the lists known that cover the moment, the newest, {told}"))


def judged(last: Sighting, after: Sequence[Sighting], question: Question) -> Answer:
    """The answer with the price seen `last`, by what was first seen `after` the moment, or by its age."""
    price, age = last.price, age_s(question, last.t_ns)
    told = f"{origin(price)}: {asks(price)}, last seen {moment_text(last.t_ns)}, {age} s before"
    if after:
        first_ns = min(one.t_ns for one in after)
        first = [one.price for one in after if one.t_ns == first_ns]
        then = confirmation(price, first, question.valid_at_ns)
        alike = agree([price, then])
        again = f"{origin(then)}: {asks(then)}, first seen after it {moment_text(first_ns)}"
        ruling = "the same before and after" if alike else "they differ, and the earlier one is used"
        status = Status.BRACKETED if alike else Status.CHANGED
        others = () if agree(first) else ordered(first)
        return Answer(status, price, after=then, age_s=age, seen_ns=last.t_ns, trace=(told, f"{again}: {ruling}"), candidates=others)
    limits = question.limits_of(price)
    past_ns = question.valid_at_ns - last.t_ns
    if past_ns > limits.hard_limit_s * NS_PER_S:
        when = f"was last seen {moment_text(last.t_ns)}, {age} s before"
        return missing(f"{question.wanted} {when}; of {price.feed} nothing older than {limits.hard_limit_s} s is used", price)
    status = Status.FRESH if past_ns <= limits.max_age_s * NS_PER_S else Status.STALE
    return Answer(status, price, age_s=age, seen_ns=last.t_ns, trace=(told, "not yet seen after it"))


def late(after: Sequence[Sighting], question: Question, known: Sequence[Sighting]) -> Answer:
    """The price of a list first seen after the moment, whose provider says that it was charged at the moment already."""
    said = [one for one in after if backdated(one.price, question.valid_at_ns)]
    if not said:
        first = min(known, key=lambda one: (one.t_ns, text_key(one.price)))
        at = moment_text(question.valid_at_ns)
        why = f"was first seen {moment_text(first.t_ns)}" if first.t_ns > question.valid_at_ns else "was only announced"
        return missing(f"{question.wanted} {why}: no price of {at} is known", first.price)
    first_ns = min(one.t_ns for one in said)
    found = newest(one.price for one in said if one.t_ns == first_ns)
    if not agree(found):
        return ambiguous(found, question)
    price = max(found, key=text_key)
    since = moment_text(price.effective_from_ns)
    trace = f"{origin(price)}: {asks(price)}, first seen {moment_text(first_ns)}, after the moment; the provider charges it since {since}"
    return Answer(Status.LATE, price, stated=price, age_s=age_s(question, first_ns), seen_ns=first_ns, trace=(trace,))


def confirmation(price: Price, first: Sequence[Price], t_ns: int) -> Price:
    """What the `first` list seen after the moment says: of the moment, where it says since when, else of its own time.

    Where it says two things, the one that differs from `price` counts.
    """
    said = newest([one for one in first if backdated(one, t_ns)] or first)
    return max(said, key=lambda one: (not agree([one, price]), text_key(one)))


def statement(prices: Iterable[Price], question: Question) -> Price | None:
    """What the newest list known says was charged at the moment; None where none says since when."""
    covering = [
        price
        for price in prices
        if price.known_ns <= question.known_at_ns and price.effective_trust in DATED and price.effective_from_ns <= question.valid_at_ns
    ]
    return max(covering, key=lambda price: (price.known_ns, price.effective_from_ns, text_key(price)), default=None)


def rank_of(feed: str) -> Rank:
    """Whose word a feed is."""
    if feed in (MANUAL, BUNDLED):
        return Rank.MANUAL if feed == MANUAL else Rank.BUNDLED
    return Rank.OTHERS if feed in BY_OTHERS else Rank.PROVIDER


def missing(reason: str, nearest: Price) -> Answer:
    """No price, for `reason`, which `nearest` shows."""
    return Answer(Status.MISSING, reason=reason, candidates=(nearest,))


def unknown_then(prices: Sequence[Price], question: Question) -> Answer:
    """No price, since each became known later."""
    nearest = min(prices, key=lambda price: (price.known_ns, text_key(price)))
    return missing(f"no price of {question.wanted} was known then", nearest)


def ambiguous(found: Sequence[Price], question: Question, context: Sequence[Price] = ()) -> Answer:
    """More than one price, and no way to choose. `context`: all that shows it."""
    each = sorted({f"{asks(price)}{f' in {price.zone}' if price.zone else ''}" for price in found})
    reason = f"{len(each)} prices of {question.wanted}: {', '.join(each[:3])}{', ...' if len(each) > 3 else ''}"
    return Answer(Status.AMBIGUOUS, reason=reason, candidates=ordered([*found, *context]))


def reasons(answers: Iterable[Answer]) -> str:
    """Why there is no price, each reason once."""
    return "; ".join(dict.fromkeys(answer.reason for answer in answers))


def ordered(prices: Iterable[Price]) -> tuple[Price, ...]:
    """`prices`, each once, always in the same order."""
    return tuple(sorted(set(prices), key=text_key))


def grouped(prices: Iterable[Price], key: Callable[[Price], tuple[Any, ...]]) -> Mapping[tuple[Any, ...], list[Price]]:
    """`prices` by `key`, in the order of the keys."""
    groups: dict[tuple[Any, ...], list[Price]] = defaultdict(list)
    for price in prices:
        groups[key(price)].append(price)
    return dict(sorted(groups.items()))


def age_s(question: Question, seen_ns: int) -> int:
    """Whole seconds from `seen_ns` to the moment."""
    return (question.valid_at_ns - seen_ns) // NS_PER_S


def origin(price: Price) -> str:
    """The feed of a price and its list."""
    return f"{price.feed} list {price.list_version}" if price.list_version else price.feed


def asks(price: Price) -> str:
    """What a price asks, for people."""
    return f"{money.text(price.amount)} {price.currency}/{price.unit}"
