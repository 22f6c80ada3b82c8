"""A run as costs need it: denominators, the whole time that the machine was held, and the same run at another date."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.cards import card
from joulemark.cards.measured import UPTIME, Measured, at_prices, through
from joulemark.request_log import Status
from joulemark.runs import Tokens
from tests.kit import spoil
from tests.kit.lab import prices

DAY_NS = 86_400 * 10**9


def test_cached_tokens_stand_apart() -> None:
    """Input holds the cached tokens; without them two more denominators are told, and neither where the cached count is not known."""
    run = Measured.of(spoil.good("ES1"))
    window = run.windows[0]
    tokens = Tokens(input=1000, output=200, cached_input=900)
    cached = Measured(replace(run.evidence, run=replace(run.evidence.run, windows=(replace(window, tokens=tokens),))), run.card)
    assert cached.denominators == {"output": 200, "input": 1000, "total": 1200, "uncached_input": 100, "uncached_total": 300}
    silent = replace(window, tokens=replace(tokens, cached_input=None))
    unknown = Measured(replace(run.evidence, run=replace(run.evidence.run, windows=(silent,))), run.card)
    assert (unknown.denominators["uncached_input"], unknown.denominators["uncached_total"]) == (None, None)


def test_tokens_of_failed_requests_come_from_the_log() -> None:
    """No failed request: all tokens are the good ones. With some: the log adds theirs; without a log nobody knows."""
    evidence = spoil.good("ES1")
    assert evidence.requests is not None
    assert Measured.of(evidence).all_tokens == Measured.of(evidence).tokens
    windows = tuple(replace(w, requests_failed=1) if w.name == "measured-1" else w for w in evidence.run.windows)
    some = replace(evidence, run=replace(evidence.run, windows=windows))
    first = replace(evidence.requests[0], status=Status.FAILED, output_tokens=7)
    logged = Measured(replace(some, requests=(first, *evidence.requests[1:])), {}).all_tokens
    assert logged is not None
    assert logged.output == sum(request.output_tokens or 0 for request in evidence.requests[1:]) + 7
    assert Measured(replace(some, requests=None), {}).all_tokens is None


def test_the_uptime_is_one_window_over_everything() -> None:
    """From the first begin to the last end, idle and warm-up in it, with the tokens of the counted phases; it takes more than they do."""
    evidence = spoil.good("ES1")
    held, work = Measured.of(through(evidence)), Measured.of(evidence)
    (window,) = held.windows
    assert (window.name, window.begin_ns, window.end_ns) == (UPTIME, evidence.run.windows[0].begin_ns, evidence.run.windows[-1].end_ns)
    assert held.tokens.output == work.tokens.output
    assert held.headline["energy_j"] > work.headline["energy_j"]
    assert held.all_tokens == held.tokens


@pytest.mark.parametrize("days", [-300, 0, 400])
def test_another_date_changes_no_joule(days: int) -> None:
    """Moved by whole days, alignment and readings with it, the run has the same energy and uncertainty; the price of the day is asked."""
    evidence = spoil.good("ES1")
    begin_ns = evidence.run.measured[0].begin_ns + days * DAY_NS
    there = at_prices(evidence, prices(), labels={"region": "us-east-1"}, begin_ns=begin_ns)
    assert there.run.measured[0].begin_ns == begin_ns
    moved, own = card.build(there), card.build(evidence)
    assert moved["headline"]["energy_j"] == own["headline"]["energy_j"]
    assert moved["headline"]["u95_j"] == own["headline"]["u95_j"]
    assert (there.price.price is None) == (days < 0)


def test_a_label_names_another_machine() -> None:
    """Labels replace those of the run, for the look-up alone: an unknown region has no price, and the reason names it."""
    there = at_prices(spoil.good("ES1"), prices(), labels={"region": "nowhere-1"})
    assert there.price.price is None
    assert "nowhere-1" in there.price.reason
