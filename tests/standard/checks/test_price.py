"""Rules PRC at the edges of their limits, and that they never touch the level."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from joulemark.standard.case import Case
from joulemark.standard.checks.price import CHECKS, relative
from joulemark.standard.edition import edition
from joulemark.standard.validator import Judged, Report
from joulemark.standard.verdict import GRADES, Outcome, Verdict
from tests.kit.spoil import case_of, claiming, good, good_case
from tests.kit.spoils.price import market, priced

DAY_NS = 86_400 * 10**9


def judge(rule_id: str, case: Any, grade: str = "ES1") -> Outcome:
    """One rule over one case."""
    return CHECKS[rule_id](case, edition().rule(rule_id), grade)


@pytest.mark.parametrize(("over_ns", "verdict"), [(0, "pass"), (10**9, "fail")])
def test_a_price_is_stale_after_thirty_days(over_ns: int, verdict: str) -> None:
    """PRC-2 takes a price of 30 days without a mark; one second more needs stale = true."""
    begin_ns = min(window.begin_ns for window in good("ES1").run.windows)
    case = case_of(priced(fetched_at_ns=begin_ns - 30 * DAY_NS - over_ns)(good("ES1")))

    def unmarked(card: dict[str, Any]) -> None:
        for cost in [card["headline"]["cost"], *(phase["cost"] for phase in card["phases"] if "cost" in phase)]:
            cost["market"]["stale"] = False

    assert judge("PRC-2", claiming(case, unmarked)).verdict == verdict


@pytest.mark.parametrize(("factor", "verdict"), [(1.0 + 9e-7, "pass"), (1.0 + 11e-7, "fail"), (1.0 - 11e-7, "fail")])
@pytest.mark.parametrize("key", ["measured_s", "billed_s"])
def test_seconds_of_a_rent_are_those_of_the_phases(key: str, factor: float, verdict: str) -> None:
    """PRC-3 holds measured and billed seconds against the phases to a millionth."""
    case = claiming(good_case("ES1"), lambda card: market(card).update({key: market(card)[key] * factor}))
    assert judge("PRC-3", case).verdict == verdict


@pytest.mark.parametrize(("factor", "verdict"), [(1.0 + 9e-7, "pass"), (1.0 + 11e-7, "fail")])
def test_energy_of_a_cost_is_that_of_the_evidence(factor: float, verdict: str) -> None:
    """PRC-4 finds an energy that is off by more than a millionth, however small the PUE."""
    case = claiming(good_case("ES1"), lambda card: card["headline"].update(energy_j=card["headline"]["energy_j"] * factor))
    assert judge("PRC-4", case).verdict == verdict


@pytest.mark.parametrize("content", [{}, {"headline": {"cost": 7}}, {"headline": {"cost": {"market": [], "energy": None, "fx": 1}}}])
def test_a_card_without_costs_cannot_be_told(content: dict[str, Any]) -> None:
    """A card that holds no cost, or something else in its place, passes no rule of prices but that of the record itself."""

    def replaced(card: dict[str, Any]) -> None:
        card.clear()
        card.update(content)

    case = claiming(good_case("ES1"), replaced)
    found = {rule_id: judge(rule_id, case).verdict for rule_id in CHECKS}
    assert found == {**dict.fromkeys(CHECKS, Verdict.CANNOT_TELL), "PRC-1": Verdict.PASS}


def test_prices_never_decide_the_level() -> None:
    """A bundle whose rules of prices all fail keeps its level: they judge the cost card alone."""
    empty = Case(Path("."), None)
    rules = edition().rules
    judged = tuple(
        Judged(rule, {grade: CHECKS[rule.id](empty, rule, grade) if rule.id in CHECKS else Outcome(Verdict.PASS, 1) for grade in GRADES})
        for rule in rules
    )
    assert {one.outcomes["ES2"].verdict for one in judged if one.rule.group == "PRC"} == {Verdict.CANNOT_TELL}
    assert Report("1.0", judged).level == "ES2"


def test_a_run_of_no_energy_is_no_crash() -> None:
    """PRC-4: where the evidence gives 0 J, any other energy on the card is wrong by all of it."""
    assert (relative(5.0, 0.0), relative(0.0, 0.0), relative(1.5, 1.0)) == (1.0, 0.0, 0.5)
    case = claiming(good_case("ES1"), lambda card: None)
    assert case.rebuilt is not None
    case.__dict__["rebuilt"] = {**case.rebuilt, "headline": {**case.rebuilt["headline"], "energy_j": 0.0}}
    assert judge("PRC-4", case).verdict == "fail"
