"""The verdict: what stands in the way first, every rule once, and commands that exist."""

from __future__ import annotations

import re

import pytest

from joulemark.cards.figures import Place
from joulemark.cards.sections.verdict import COMMANDS, proof, verdict
from joulemark.cli import COMMANDS as OURS
from tests.cards.pages import LEVELS, publication


@pytest.mark.parametrize("level", LEVELS)
def test_every_rule_stands_once(level: str) -> None:
    """All 84, each with its id, in the column that decides the next level."""
    text = verdict(Place(publication("ES1", level).document))
    ids = re.findall(r"<strong>([A-Z]+-\d+)</strong>", text)
    assert len(ids) == len(set(ids)) == 84


def test_what_stands_in_the_way_comes_first() -> None:
    """A contradiction, else the failing rules of the next column with value, limit and reason; then the rest, closed."""
    heads = {level: re.findall(r"<h3>(.*?)</h3>", verdict(Place(publication("ES1", level).document))) for level in LEVELS}
    assert heads == {
        "INVALID": ["The bundle contradicts itself"],
        "ES0": ["In the way of ES1, or not told"],
        "ES1": ["In the way of ES2, or not told"],
        "ES2": [],
    }
    text = verdict(Place(publication("ES1", "ES0").document))
    first = text[text.index("<h3>") : text.index("<details>")]
    assert all(part in first for part in ("CAL-1", "failed", ">7.25</data>", "&lt;= 4", "too old"))
    assert first.count("<tr") == 2


def test_faults_are_named() -> None:
    """A file that could not be read stands with why."""
    document = dict(publication("ES1", "ES0").document)
    document["validation"] = {**document["validation"], "faults": {"energy/nodes.json": "<cut off>"}}
    text = verdict(Place(document))
    assert "<dt>energy/nodes.json</dt><dd>&lt;cut off&gt;</dd>" in text


def test_the_commands_to_check_it_exist() -> None:
    """Each names a command of ours, or sha256sum; the hashes are those of the card."""
    names = [command.split()[1] for command in COMMANDS if command.startswith("joulemark")]
    assert set(names) <= set(OURS)
    card = publication("ES1", "ES1").document["card"]
    text = proof(Place(card))
    assert all(f"<dt>{path}</dt><dd><code>{digest}</code></dd>" in text for path, digest in card["hashes"].items())
