"""The verdict as a list: what stands in the way first, what passed folded away, each rule once."""

from __future__ import annotations

import copy

import pytest

from joulemark.collector.web.checklist import Checklist
from joulemark.standard.edition import edition
from tests.cards import pages


@pytest.mark.parametrize("level", pages.LEVELS)
def test_every_rule_stands_once(level: str) -> None:
    """Whatever the level: all rules are there, no more, and the open groups hold those that stand in the way."""
    document = pages.publication("ES1", level).document
    found = Checklist.of(document)
    rules = [one.rule for group in found.groups for one in group.items]
    assert sorted(rules) == sorted(rule.id for rule in edition().rules)
    assert found.level == document["validation"]["level_text"]
    failing = document["validation"]["failing"][found.column]
    stand = {one.rule for group in found.groups if group.stand for one in group.items}
    assert found.standing == len(failing)
    assert stand >= {rule_id for rule_id in failing if found.column == "ES1"}
    assert [group.stand for group in found.groups] == sorted((group.stand for group in found.groups), reverse=True)
    assert all(group.folded for group in found.groups if not group.stand)


def test_a_contradiction_is_first() -> None:
    """It stands before what failed, in the column that says so, and the level is bad."""
    found = Checklist.of(pages.publication("ES1", "INVALID").document)
    assert [one.rule for one in found.groups[0].items] == ["INT-1"]
    assert found.groups[0].items[0].found["detail"].value == "a file was changed"
    assert (found.look, found.contradictions) == ("bad", ("INT-1",))


def test_what_failed_has_value_and_limit() -> None:
    """The outcome is at its place in the document."""
    document = pages.publication("ES1", "ES0").document
    failed = next(group for group in Checklist.of(document).groups if group.title.startswith("Failed"))
    (one,) = [item for item in failed.items if item.rule == "CAL-1"]
    assert (one.word, one.look, one.found["measured"].value, one.found["limit"].value) == ("failed", "bad", 7.25, "<= 4")
    assert one.found.pointer == f"/validation/rules/{[rule.id for rule in edition().rules].index('CAL-1')}/ES1"
    assert one.text == edition().rule("CAL-1").text


def test_the_next_level_is_what_the_list_is_about() -> None:
    """Below ES1 the column of ES1, from there on that of ES2."""
    columns = [Checklist.of(pages.publication("ES1", level).document).column for level in pages.LEVELS]
    assert columns == ["ES1", "ES1", "ES2", "ES2"]


def test_a_long_list_of_what_is_missing_is_folded() -> None:
    """Where nearly nothing can be told their number says enough; what failed is never folded."""
    document = copy.deepcopy(dict(pages.publication("ES1", "ES0").document))
    for place, rule in enumerate(document["validation"]["rules"][:40]):
        rule["ES1"]["verdict"] = "cannot_tell" if place < 20 else "fail"
    folded = {group.title.split(",")[0]: group.folded for group in Checklist.of(document).groups if group.stand}
    assert folded == {"Failed": False, "Cannot be told": True}
