"""Rules UNC at the edges of their limits, and on cards that hold anything."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.standard.case import Case
from joulemark.standard.checks.uncertainty import CHECKS
from joulemark.standard.edition import edition
from joulemark.standard.verdict import GRADES, Outcome, Verdict
from tests.kit.spoil import case_of, claiming, good, good_case
from tests.kit.spoils.uncertainty import of_windows, scaled_u95, tokens_in_doubt, without_accuracy


def judge(rule_id: str, case: Any, grade: str) -> Outcome:
    """One rule over one case."""
    return CHECKS[rule_id](case, edition().rule(rule_id), grade)


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize(("factor", "verdict"), [(1.0099, "pass"), (1.0101, "fail"), (0.9901, "pass"), (0.9899, "fail")])
@pytest.mark.parametrize("of", ["headline", "score", "phase"])
def test_a_stated_u95_may_be_off_by_one_percent(grade: str, factor: float, verdict: str, of: str) -> None:
    """UNC-2 holds at 0.99 % and breaks at 1.01 %, on either side, for the headline, the score and each phase."""
    assert judge("UNC-2", claiming(good_case(grade), scaled_u95(factor, of=of)), grade).verdict == verdict


@pytest.mark.parametrize(("grade", "limit"), [("ES1", 0.05), ("ES2", 0.02)])
@pytest.mark.parametrize(("factor", "verdict"), [(0.999, "pass"), (1.001, "fail")])
def test_u95_of_the_score_meets_its_limit_to_the_last_percent(grade: str, limit: float, factor: float, verdict: str) -> None:
    """UNC-3 passes just below 5 % (ES1) and 2 % (ES2) and fails just above; the doubt of the token counts is part of it."""
    rebuilt = good_case(grade).rebuilt
    assert rebuilt is not None
    other = math.hypot(*(line["u_rel"] for line in rebuilt["score"]["components"] if line["name"] != "tokens"))
    share = math.sqrt(3.0 * ((factor * limit / 2.0) ** 2 - other**2))
    outcome = judge("UNC-3", case_of(tokens_in_doubt(share)(good(grade))), grade)
    assert outcome.verdict == verdict
    assert isinstance(outcome.measured, dict)
    assert outcome.measured["u95_rel"] == pytest.approx(factor * limit, rel=1e-9)


def test_what_is_unknown_does_not_save_what_is_too_large() -> None:
    """With an unknown component UNC-3 cannot be told while the rest is small enough, and fails when the rest alone is too much."""
    small, large = (case_of(without_accuracy(tokens_in_doubt(share)(good("ES2")))) for share in (0.0, 0.1))
    assert judge("UNC-3", small, "ES2").verdict is Verdict.CANNOT_TELL
    assert judge("UNC-3", large, "ES2").verdict is Verdict.FAIL


@pytest.mark.parametrize("rule_id", ["UNC-1", "UNC-2", "UNC-5"])
@pytest.mark.parametrize("content", [{}, {"phases": 7, "headline": [], "score": "x"}, {"phases": [None, {"name": "measured-1"}]}])
def test_a_card_that_holds_anything_never_passes(rule_id: str, content: dict[str, Any]) -> None:
    """A card without its parts, or with others in their place, fails or cannot be told, and raises nothing."""

    def replaced(card: dict[str, Any]) -> None:
        card.clear()
        card.update(content)

    assert not judge(rule_id, claiming(good_case("ES1"), replaced), "ES1").verdict.harmless


def test_a_figure_of_wrong_kind_is_no_figure() -> None:
    """True, text that is no number and a list in the place of U95 cannot be told; they are neither 1 nor 0."""
    for wrong in (True, "soon", [1.0]):
        case = claiming(good_case("ES1"), lambda card, wrong=wrong: card["headline"].update(u95_j=wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        assert judge("UNC-2", case, "ES1").verdict is Verdict.CANNOT_TELL


def test_rules_without_evidence_cannot_be_told() -> None:
    """A case without run or readings leaves every rule but that of tables open."""
    empty = Case(Path("."), None)
    found = {rule_id: judge(rule_id, empty, "ES1").verdict for rule_id in CHECKS}
    assert found == {**dict.fromkeys(CHECKS, Verdict.CANNOT_TELL), "UNC-4": Verdict.NOT_APPLICABLE}


def test_no_tokens_no_score() -> None:
    """Repetitions that counted no output leave the joules per 1k output unknown: cannot be told, not 0 %."""
    case = case_of(of_windows(lambda w: replace(w, tokens=replace(w.tokens, output=0)))(good("ES1")))
    assert judge("UNC-3", case, "ES1").verdict is Verdict.CANNOT_TELL
