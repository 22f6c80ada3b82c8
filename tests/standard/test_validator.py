"""The level: which verdicts give it, which take it, and which have no say (Energy Standard v1, section 2)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from joulemark.errors import UsageError
from joulemark.standard.edition import Rule, edition
from joulemark.standard.validator import COLUMNLESS, Judged, Report, outcome, validate
from joulemark.standard.verdict import Outcome, Verdict
from tests.kit.matrix import SPOILS
from tests.kit.spoil import good_case, spoiled_case

PASS, FAIL = Outcome(Verdict.PASS), Outcome(Verdict.FAIL)


def judged(rule_id: str, es1: Outcome, es2: Outcome) -> Judged:
    return Judged(edition().rule(rule_id), {"ES1": es1, "ES2": es2})


def level(*rules: Judged) -> str:
    return Report("1.0", (judged("SMP-1", PASS, PASS), *rules)).level


@pytest.mark.parametrize(("es1", "es2"), list(itertools.product(Verdict, Verdict)))
def test_a_level_wants_its_column_and_every_lower_one(es1: Verdict, es2: Verdict) -> None:
    """Pass, warn and n/a do no harm; fail and cannot_tell take the level, and one in the lower column takes the higher level too."""
    harmless = (Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)
    expected = "ES0" if es1 not in harmless else "ES1" if es2 not in harmless else "ES2"
    assert level(judged("SMP-3", Outcome(es1), Outcome(es2))) == expected


@pytest.mark.parametrize("rule_id", [*(f"PRC-{number}" for number in range(1, 6)), "CAL-8"])
def test_prices_and_the_badge_decide_no_level(rule_id: str) -> None:
    """A failing rule about the cost card or the badge leaves the level as it is; no other rule does."""
    assert level(judged(rule_id, FAIL, FAIL)) == "ES2"
    assert {rule.id for rule in edition().rules if rule.decides != "level"} == {*(f"PRC-{number}" for number in range(1, 6)), "CAL-8"}


@pytest.mark.parametrize("column", [0, 1])
def test_only_a_contradiction_is_invalid(column: int) -> None:
    """Whatever fails is ES0; a contradiction in either column is INVALID."""
    false = Outcome(Verdict.FAIL, contradiction=True)
    assert level(judged("INT-1", FAIL, FAIL)) == "ES0"
    assert level(judged("INT-1", *((false, PASS) if column == 0 else (PASS, false)))) == "INVALID"


def test_a_rule_without_a_check_cannot_be_told() -> None:
    """A rule of a later edition that this version cannot judge is no pass."""
    later = Rule("SMP-99", "", "", "", "", "", "")
    assert outcome(good_case("ES1"), later, "ES1").verdict is Verdict.CANNOT_TELL


def test_an_edition_that_was_never_published_is_refused() -> None:
    """The published ones are listed."""
    with pytest.raises(UsageError, match=r"1\.0"):
        validate(good_case("ES1"), version="0.1")


def test_the_report_is_json() -> None:
    """Every rule has both columns in the object, and the level is marked where the kit's key signed."""
    data = validate(good_case("ES1")).to_json()
    assert len(data["rules"]) == 84
    assert data["kit"]
    assert data["level_text"].endswith("(kit)")


def test_how_far_it_is_is_told() -> None:
    """After each rule how many are judged and of how many; the last time all are."""
    heard: list[tuple[int, int]] = []
    report = validate(good_case("ES1"), told=lambda done, total: heard.append((done, total)))
    assert heard == [(done, len(report.judged)) for done in range(1, len(report.judged) + 1)]


@pytest.mark.parametrize("rule_id", sorted(COLUMNLESS))
def test_what_is_asked_once_is_the_same_in_each_column(rule_id: str, tmp_path: Path) -> None:
    """A rule that is asked once for both columns says the same of either, of a good bundle and of a spoilt one."""
    spoil = next(one for one in SPOILS["integrity"] if one.rule == rule_id)
    for case in (good_case("ES1"), spoiled_case(spoil, "ES1", tmp_path)):
        assert outcome(case, edition().rule(rule_id), "ES1") == outcome(case, edition().rule(rule_id), "ES2")
