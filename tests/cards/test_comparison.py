"""Two runs against each other: the difference with its uncertainty, whether it is resolved, and what must not be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.cards import comparison
from joulemark.cards.comparison import compared
from joulemark.cards.evidence import Evidence
from joulemark.cards.measured import Measured
from joulemark.energy.series import Series
from joulemark.runs import Run, Tokens
from tests.kit import spoil
from tests.kit.lab import Lab

Gather = Callable[..., Evidence]
ONE = Measured.of(spoil.good("ES1"))
OTHER = Measured.of(Lab.of("ES1", seed=2).evidence())


def figures(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {figure["name"]: figure for figure in result["figures"]}


def test_the_difference_has_both_uncertainties() -> None:
    """B minus A, with the root of the sum of the squares of both, and the ratio with its own."""
    found = figures(compared(ONE, OTHER))["joules_per_1k_output_tokens"]
    a, b = (run.headline["joules_per_1k_output_tokens"] for run in (ONE, OTHER))
    ua, ub = (run.headline["joules_per_1k_output_tokens_u95"] for run in (ONE, OTHER))
    assert found["difference"] == b - a
    assert found["u95"] == pytest.approx(math.hypot(ua, ub))
    assert found["ratio"] == pytest.approx(b / a)
    assert found["u95_ratio"] == pytest.approx(b / a * math.hypot(ua / a, ub / b))
    assert (found["a_u95"], found["b_u95"]) == (pytest.approx(ua), pytest.approx(ub))


def test_the_same_system_twice_does_not_differ() -> None:
    """Two sessions of one machine, with other errors: no energy is resolved, and a run against itself differs by 0."""
    for name, figure in figures(compared(ONE, OTHER)).items():
        if not name.startswith("market"):
            assert figure["resolved"] is False, name
    same = figures(compared(ONE, ONE))
    assert {figure["difference"] for figure in same.values()} == {0.0, "0"}
    assert {figure["resolved"] for figure in same.values()} == {False}


def test_all_that_counts_stands_at_the_end() -> None:
    """Energy and mean power of both are those of the headline, and do not make two runs comparable."""
    found = compared(ONE, OTHER)
    energy, power = found["figures"][-2:]
    assert (energy["name"], power["name"]) == ("energy", "mean_power")
    assert (energy["a"], energy["b_u95"]) == (ONE.headline["energy_j"], pytest.approx(OTHER.headline["u95_j"]))
    assert power["b"] == pytest.approx(OTHER.headline["energy_j"] / OTHER.duration_s)
    assert power["a_u95"] == pytest.approx(ONE.headline["u95_j"] / ONE.duration_s)
    windows = tuple(replace(w, tokens=Tokens(), requests=None) for w in ONE.evidence.run.windows)
    uncounted = Measured.of(replace(ONE.evidence, run=replace(ONE.evidence.run, windows=windows)))
    found = compared(uncounted, uncounted)
    assert figures(found)["energy"]["difference"] == 0.0
    assert found["comparable"] is False


def test_order_turns_the_sign_and_nothing_else() -> None:
    """A against B and B against A are the same difference with opposite sign and the same verdict."""
    there, back = figures(compared(ONE, OTHER)), figures(compared(OTHER, ONE))
    for name, figure in there.items():
        assert float(figure["difference"]) == -float(back[name]["difference"])
        assert (figure["u95"], figure["resolved"]) == (back[name]["u95"], back[name]["resolved"])


def test_a_large_difference_is_resolved() -> None:
    """A tenth fewer tokens for the same joules is more than the uncertainty of either: resolved, for energy and money."""
    windows = tuple(replace(w, tokens=fewer(w.tokens)) for w in ONE.evidence.run.windows)
    less = Measured.of(replace(ONE.evidence, run=replace(ONE.evidence.run, windows=windows)))
    found = figures(compared(ONE, less))
    for name in ("joules_per_1k_output_tokens", "score", "market_per_1k_output_tokens", "energy_per_1k_output_tokens"):
        assert found[name]["resolved"] is True, name
        assert found[name]["ratio"] == pytest.approx(1 / 0.9, rel=1e-4)
    assert found["joules_per_request"]["resolved"] is False


def fewer(tokens: Tokens) -> Tokens:
    """A tenth fewer output tokens."""
    return tokens if tokens.output is None else replace(tokens, output=round(tokens.output * 0.9))


def test_other_boundaries_are_refused() -> None:
    """A BMC and an analyser at the wall have no difference of energy or of its cost; rent, which depends on neither, has."""
    result = compared(ONE, Measured.of(Lab.of("ES2", seed=3).evidence()))
    assert result["refused_because"] == ["boundary differs: server_input and wall_analyzer"]
    for name, figure in figures(result).items():
        assert (figure["difference"] is None) == (not name.startswith("market")), name
        assert bool(figure["reason"]) == (not name.startswith("market"))


def test_tokens_of_another_kind_are_refused() -> None:
    """Another counter, another tokenizer, another rule for the last token: nothing per token is compared, joules per request still are."""
    work = ONE.evidence.workload
    assert work is not None
    counted = tuple(replace(w, tokens=replace(w.tokens, source="client")) for w in ONE.evidence.run.windows)
    others = [
        replace(ONE.evidence, run=replace(ONE.evidence.run, windows=counted)),
        replace(ONE.evidence, workload=replace(work, tokenizer_sha256="00" * 32)),
        replace(ONE.evidence, workload=replace(work, end_of_sequence=not work.end_of_sequence)),
    ]
    for evidence in others:
        found = figures(compared(ONE, Measured.of(evidence)))
        assert [name for name, figure in found.items() if figure["difference"] is not None] == [
            "joules_per_request",
            "energy",
            "mean_power",
        ]


def test_two_currencies_are_not_subtracted() -> None:
    """Rents in dollars and in euro have no difference, with both named."""
    price = ONE.evidence.price.price
    assert price is not None
    euro = replace(ONE.evidence, price=replace(ONE.evidence.price, price=replace(price, currency="EUR")))
    found = figures(compared(ONE, Measured.of(euro)))["market_per_1k_output_tokens"]
    assert (found["difference"], found["reason"]) == (None, "the currencies differ: EUR and USD")


def test_what_is_not_known_leaves_the_verdict_open(gather: Gather, run: Run, counter: Series) -> None:
    """A part of the uncertainty that is missing could only widen it: a small difference stays unresolved, a large one is not affirmed."""
    one = Measured.of(gather(series=(counter,), run=replace(run, labels={})))
    assert one.headline["uncertainty_missing"]
    half = tuple(replace(w, tokens=replace(w.tokens, output=6_000_000) if w.tokens.output else w.tokens) for w in run.windows)
    found = figures(compared(one, Measured.of(gather(series=(counter,), run=replace(run, labels={}, windows=half)))))
    assert found["joules_per_1k_output_tokens"]["resolved"] is None
    assert "not known" in found["joules_per_1k_output_tokens"]["reason"]
    assert found["joules_per_request"]["resolved"] is False
    assert found["score"]["difference"] is None
    assert found["market_per_1k_output_tokens"]["reason"]


def test_money_is_text_and_levels_are_named() -> None:
    """Amounts are text with at most 18 digits; the levels stand with each run and among what differs; the whole is JSON."""
    result = compared(ONE, OTHER, levels=("ES1", "ES0"))
    found = figures(result)["market_per_1k_output_tokens"]
    assert all(isinstance(found[side], str) and len(Decimal(found[side]).as_tuple().digits) <= 18 for side in ("a", "b", "difference"))
    assert (result["a"]["level"], result["differs"]) == ("ES1", [{"what": "level", "a": "ES1", "b": "ES0"}])
    assert json.loads(json.dumps(result, allow_nan=False))["schema"] == comparison.COMPARISON_SCHEMA
