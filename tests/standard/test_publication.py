"""A publication: card, system and verdict of a bundle in one document, computed anew; no claim of the bundle is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulemark.cards import bundle
from joulemark.errors import InsufficientData
from joulemark.standard import read
from joulemark.standard.publication import Publication
from joulemark.standard.verdict import GRADES
from tests.cards import reading
from tests.cards.pages import full
from tests.kit.lab import sign
from tests.kit.spoil import TRUST


def published(folder: Path) -> Publication:
    return Publication.of(read.bundle(folder, trust=TRUST))


def test_a_bundle_is_judged_and_shown(tmp_path: Path) -> None:
    """The document has the rebuilt card, the level with its meaning, counts that add up to every rule, and each rule's text."""
    bundle.write(tmp_path, full("ES1").evidence, sign=sign)
    made = published(tmp_path)
    document = json.loads(json.dumps(made.document, allow_nan=False))
    assert document["schema"] == "joulemark.report/1"
    assert document["card"] == json.loads(json.dumps(full("ES1").card))
    assert document["system"]["workload.model"] == "llama-3-8b"
    rules = document["validation"]["rules"]
    for grade in GRADES:
        assert sum(document["counts"][grade].values()) == len(rules)
        assert document["counts"][grade]["fail"] == sum(rule[grade]["verdict"] == "fail" for rule in rules)
    assert set(document["rules"]) == {rule["id"] for rule in rules}
    assert reading.untrue(reading.Page.of(made.page), document) == []


def test_a_forged_card_is_not_shown(tmp_path: Path) -> None:
    """A smaller figure in the bundle's card makes it INVALID, and page and label show the one of the readings, crossed."""
    bundle.write(tmp_path, full("ES1").evidence, sign=sign)
    path = tmp_path / "energy" / "card.json"
    claimed = json.loads(path.read_text())
    true = claimed["score"]["display"]["value"]
    claimed["score"]["display"]["value"] = "12"
    path.write_text(json.dumps(claimed))
    made = published(tmp_path)
    assert made.document["validation"]["level"] == "INVALID"
    assert f">{true}</data>" in made.page
    assert ">12<" not in made.label()
    assert made.label().count("<line") == 2


def test_a_bundle_without_readings_has_nothing_to_show(tmp_path: Path) -> None:
    """It is refused with the reason, and no page with empty places is made."""
    bundle.write(tmp_path, full("ES1").evidence)
    for path in (tmp_path / "energy" / "readings").iterdir():
        path.unlink()
    with pytest.raises(InsufficientData, match="no card to show"):
        published(tmp_path)
