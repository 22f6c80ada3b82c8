"""Answers of a look-up."""

from __future__ import annotations

from dataclasses import replace

from joulemark.pricing.answer import Answer, Status
from tests.pricing.records import CUT, price


def test_an_answer_names_each_price_once() -> None:
    """A price that is used, confirmed and stated stands once among the prices of an answer."""
    old, new = price(), price(**CUT)
    answer = Answer(Status.CHANGED, old, after=new, stated=new, candidates=(old,))
    assert answer.prices == (old, new)
    assert Answer(Status.MISSING, reason="none").prices == ()


def test_an_answer_is_json_with_whole_records() -> None:
    """Every price of an answer is told with its hash; what is not there is null."""
    told = replace(Answer(Status.CHANGED, price(), trace=("why",)), after=price(**CUT)).to_json()
    assert (told["price"]["sha256"], told["after"]["amount"], told["stated"]) == (price().point_id, "55.04", None)
    assert list(told) == ["status", "price", "after", "stated", "age_s", "seen_at", "reason", "trace", "candidates"]
