"""Every rule sees what it has to see, and nothing else: the good bundle of each level passes, each spoil of it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.standard.checks import checks
from joulemark.standard.edition import edition
from tests.kit.matrix import SPOILS
from tests.kit.spoil import Spoil, good_case, spoiled_case

CHECKED = [rule for rule in edition().rules if rule.id in checks()]
ALL = [(spoil, grade) for spoils in SPOILS.values() for spoil in spoils for grade in spoil.grades]


@pytest.mark.parametrize(
    ("rule_id", "level", "grade"),
    [(rule.id, level, grade) for rule in CHECKED for level, grade in (("ES1", "ES1"), ("ES2", "ES1"), ("ES2", "ES2"))],
)
def test_the_good_bundle_satisfies_every_rule(rule_id: str, level: str, grade: str) -> None:
    """A bundle made for a level passes each rule in the column of the level and below, short run or long."""
    outcome = checks()[rule_id](good_case(level), edition().rule(rule_id), grade)
    assert outcome.verdict.harmless, outcome
    assert outcome.source or not outcome.verdict.harmless


@pytest.mark.parametrize(("spoil", "grade"), ALL, ids=[f"{spoil.id}-{grade}" for spoil, grade in ALL])
def test_every_spoil_is_seen(spoil: Spoil, grade: str, tmp_path: Path) -> None:
    """One fault in a good bundle turns the rule that it breaks, with the reason."""
    outcome = checks()[spoil.rule](spoiled_case(spoil, grade, tmp_path), edition().rule(spoil.rule), grade)
    assert outcome.verdict is spoil.verdict, outcome
    assert outcome.detail or outcome.measured is not None
