"""`joulemark report`: a bundle in a few lines, as a page and as a label, from its readings and not from its claims."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from joulemark.cards import bundle
from joulemark.cli.report import command
from joulemark.errors import FormatError, InsufficientData, UsageError
from tests.cards import reading
from tests.cards.pages import full
from tests.kit.lab import sign


def run(*arguments: str | Path, **more: Any) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the laboratory."""
    place = tmp_path_factory.mktemp("bundle")
    bundle.write(place, full("ES1").evidence, sign=sign)
    return place


def test_a_bundle_in_a_few_lines(folder: Path) -> None:
    """The figure with its uncertainty, the level, what stands in the way, and that it was simulated."""
    shown = full("ES1").card["score"]["display"]
    text = run(folder).stdout
    assert f"score {shown['value']} +- {shown['u95']} J per 1k output tokens" in text
    assert "[simulated" in text
    assert "(edition 1.0)" in text
    assert "not validated" not in text
    assert "in the way of ES2: " in text


def test_page_label_and_document_are_one(folder: Path, tmp_path: Path) -> None:
    """The files are written with their folders, the page's numbers stand in what --json prints, and equal calls give equal bytes."""
    page, label = tmp_path / "out" / "card.html", tmp_path / "out" / "label.svg"
    document = json.loads(run(folder, "--html", page, "--label", label, "--link", "card.html", "--json").stdout)
    assert document["schema"] == "joulemark.report/1"
    assert reading.untrue(reading.Page.of(page.read_text()), document) == []
    assert 'href="card.html"' in label.read_text()
    reading.drawing(label.read_text())
    first = page.read_bytes(), label.read_bytes()
    run(folder, "--html", page, "--label", label, "--link", "card.html")
    assert (page.read_bytes(), label.read_bytes()) == first


def test_a_bad_link_and_a_bad_place_are_refused(folder: Path, tmp_path: Path) -> None:
    """Both are usage errors, and the link is looked at before anything is written."""
    with pytest.raises(UsageError, match="no link"):
        run(folder, "--label", tmp_path / "l.svg", "--html", tmp_path / "c.html", "--link", "javascript:alert(1)")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="cannot write"):
        run(folder, "--html", "/dev/null/card.html")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """A path that is not there, and a folder without readings, each with the reason."""
    with pytest.raises(FormatError, match="there is no"):
        run(tmp_path / "nothing")
    with pytest.raises(InsufficientData, match="no card to show"):
        run(tmp_path)
