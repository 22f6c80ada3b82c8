"""Editions: complete, with limits for both columns, and every rule by its id."""

from __future__ import annotations

import pytest

from joulemark.errors import UsageError
from joulemark.standard.checks import checks
from joulemark.standard.edition import GROUPS, edition, versions


def test_the_current_edition_has_every_rule_once() -> None:
    """84 rules of twelve groups, each with its own id, text, reason and a check."""
    rules = edition().rules
    assert len({rule.id for rule in rules}) == len(rules) == 84
    assert {rule.group for rule in rules} == set(GROUPS)
    assert [rule.id for rule in rules if not (rule.text and rule.data and rule.id in checks())] == []


def test_a_limit_stands_in_both_columns_or_is_missed() -> None:
    """A limit is looked up by column and name; one that the edition does not set is an error, never a default."""
    rule = edition().rule("int-2")
    assert (rule.limit("ES1", "rel"), rule.limit("ES2", "rel")) == (1e-6, 1e-6)
    with pytest.raises(KeyError):
        rule.limit("ES1", "unheard_of")


def test_unknown_names_are_answered_with_the_near_ones() -> None:
    """A wrong number lists the rules of the group, a wrong group the groups, a wrong version the versions."""
    for name, near in (("SMP-99", "SMP-11"), ("ABC-1", "SCO")):
        with pytest.raises(UsageError, match=near):
            edition().rule(name)
    assert "1.0" in versions()
    with pytest.raises(UsageError, match="no edition '9'"):
        edition("9")
