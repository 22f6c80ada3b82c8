"""The history of a price agrees with the look-up at every moment."""

from __future__ import annotations

import itertools

import pytest

from joulemark.pricing import history as module
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.history import history, thinned
from joulemark.pricing.lookup import lookup
from joulemark.pricing.price import Price
from joulemark.pricing.wanted import Question, Wanted
from tests.pricing.records import price

WANTED = Wanted("aws", "p5.48xlarge", "us-east-1")
DAY_NS = 86_400_000_000_000


def at(text: str) -> int:
    return moment_ns(text, "a test")


def seen(day: int, amount: str) -> Price:
    """The price as an undated list showed it on a day of June 2026."""
    when = f"2026-06-{day:02d}T00:00:00Z"
    return price(amount=amount, feed="runpod", effective_from=when, effective_trust="query_time", fetched_at=when)


SIX = [seen(1, "2"), seen(2, "2"), seen(3, "2"), seen(10, "3"), seen(11, "3"), seen(20, "2")]


def test_stretches_cover_the_time_from_the_first_price_on() -> None:
    """They follow each other without hole, each with the amount that a look-up inside of it gives."""
    found = history(SIX, Question(WANTED, at("2026-05-01")), end_ns=at("2026-06-21"))
    assert (found[0].begin_ns, found[-1].end_ns) == (at("2026-06-01"), at("2026-06-21"))
    assert all(before.end_ns == after.begin_ns for before, after in itertools.pairwise(found))
    assert [str(one.answer.price.amount) for one in found if one.answer.price] == ["2", "3", "2"]
    for one in found:
        for moment in (one.begin_ns, (one.begin_ns + one.end_ns) // 2, one.end_ns - 1):
            then = lookup(SIX, Question(WANTED, moment)).price
            assert then is not None
            assert one.answer.price is not None
            assert then.amount == one.answer.price.amount


def test_what_was_not_seen_again_is_believed_for_a_while_and_then_not_known() -> None:
    """The last stretch is believed since the last reading; beyond the bound of its source it ends there, and nothing is known."""
    near = history(SIX, Question(WANTED, at("2026-06-01")), end_ns=at("2026-06-25"))
    assert (near[-1].begin_ns, near[-1].seen_ns, near[-1].end_ns) == (at("2026-06-20"), at("2026-06-20"), at("2026-06-25"))
    far = history([*SIX, seen(22, "2")], Question(WANTED, at("2026-06-01")), end_ns=at("2026-12-01"))
    assert (far[-2].seen_ns, far[-2].end_ns, far[-1].begin_ns) == (at("2026-06-22"),) * 3
    assert (far[-1].answer.price, str(far[-1].answer.status)) == (None, "missing")


def test_thinning_changes_no_answer() -> None:
    """Readings between two that say the same are left away, and no others."""
    assert len(thinned(SIX)) == 6 - 1
    many = [seen(day, "2" if day < 15 else "3") for day in range(1, 29)]
    assert len(thinned(many)) == 4
    for day in range(1, 28):
        question = Question(WANTED, at(f"2026-06-{day:02d}") + DAY_NS // 2)
        thin, whole = lookup(thinned(many), question).price, lookup(many, question).price
        assert thin is not None
        assert whole is not None
        assert thin.amount == whole.amount


def test_of_very_many_readings_the_newest_count() -> None:
    """The history begins with the oldest reading that is used."""
    found = history(SIX, Question(WANTED, at("2026-06-01")), end_ns=at("2026-06-21"), most=2)
    assert found[0].begin_ns == at("2026-06-11")
    assert module.MOST >= 100


@pytest.mark.parametrize("prices", [[], [price(instance_type="other")]])
def test_without_a_price_there_is_no_history(prices: list[Price]) -> None:
    """Nothing is known, or of another machine: nothing is shown."""
    assert history(prices, Question(WANTED, at("2026-06-01")), end_ns=at("2026-06-21")) == ()


def test_a_price_that_was_written_down_holds_until_the_end() -> None:
    """A manual entry is not believed but known, from its own date on."""
    (only,) = history(
        [price(effective_from="2026-06-05", fetched_at="2026-06-06")], Question(WANTED, at("2026-06-01")), end_ns=at("2027-06-21")
    )
    assert (only.begin_ns, only.seen_ns, only.end_ns) == (at("2026-06-05"), at("2027-06-21"), at("2027-06-21"))
