"""The card as text."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from joulemark.cards import card, text
from joulemark.cards.evidence import Evidence
from joulemark.pricing.price import Trust
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import Run
from tests.kit.spoil import good


def test_says_value_uncertainty_meter_and_dated_prices(gather: Callable[..., Evidence]) -> None:
    """The block shows the figure with its uncertainty, the meter, and each cost with the date of its price."""
    shown = text.render(card.build(gather()))
    assert "250.0 +- 2.9 J per 1k output tokens" in shown
    assert "ipmi:node.1:BMC/7:power" in shown
    assert "0.0003333 USD per 1k output tokens at 24 USD/h" in shown
    assert "0.000008333 USD per 1k output tokens at 0.1 USD/kWh measured, PUE 1.2 assumed" in shown
    assert shown.count("read 2026-09-01") == 2
    assert "level not validated" in shown


def test_says_what_is_not_known(gather: Callable[..., Evidence]) -> None:
    """Without prices the cost lines give the reason, not a number."""
    shown = text.render(card.build(gather(prices=Snapshot())))
    assert "rent: not known: no price of aws p5.48xlarge us-east-1 linux on_demand" in shown
    assert "electricity: not known: no tariff is known" in shown


def test_says_the_score_and_idle_with_its_kind() -> None:
    """Of a run with repetitions the block shows the score, how it was made, and what each idle phase drew and meant."""
    made = card.build(good("ES2"))
    shown = text.render(made)
    score = made["score"]["display"]
    assert f"score {score['value']} +- {score['u95']} J per 1k output tokens (olympic of 5, CV 0." in shown
    assert "idle_bare 4" in shown
    assert "W (idle_bare), idle_before 4" in shown


def test_says_why_there_is_no_score_and_what_was_aborted() -> None:
    """Two repetitions beside an aborted one: no score, with the reason, and the aborted one with its own."""
    evidence = good("ES1")
    windows = tuple(replace(w, aborted="server crashed") if w.name == "measured-2" else w for w in evidence.run.windows)
    shown = text.render(card.build(replace(evidence, run=replace(evidence.run, windows=windows))))
    assert "no score: 2 measured phases carry no score" in shown
    assert "aborted: measured-2, server crashed" in shown


def test_an_idle_of_unknown_power_or_kind_says_so() -> None:
    """An idle phase that readings do not cover, of no declared kind, shows neither a number nor a kind."""
    assert text.idle_lines([{"phase": "idle", "idle_kind": None, "mean_power_w": None}]) == ["  idle: idle not known (kind not declared)"]


def test_says_that_the_price_changed_and_is_old(gather: Callable[..., Evidence], run: Run, prices: Snapshot) -> None:
    """Of a price that was another when it was next seen both amounts stand there, and an old one is called stale."""
    listed = replace(prices.prices[0], feed="azure_retail", effective_trust=Trust.NONE)
    later = replace(listed, amount=Decimal(12), fetched_at_ns=run.measured[0].end_ns + 1)
    assert "changed, 12 when next seen)" in text.render(card.build(gather(prices=Snapshot((listed, later)))))
    monthly = replace(listed, fetched_at_ns=run.measured[0].begin_ns - 3 * 86_400 * 10**9)
    assert ", stale)" in text.render(card.build(gather(prices=Snapshot((monthly,)))))
