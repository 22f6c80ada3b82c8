"""Editions are data: a new one beside the old needs no line of code, and bundles are judged by either."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit import hands
from tests.kit.spoil import written


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    """A copy of the package with an edition 1.1, in which a claimed figure may be off by a ten thousandth."""
    shutil.copytree(repository / "src" / "joulemark", tmp_path / "joulemark", ignore=shutil.ignore_patterns("__pycache__"))
    editions = tmp_path / "joulemark" / "standard" / "editions"
    shutil.copytree(editions / "1.0", editions / "1.1")
    rules = editions / "1.1" / "int.toml"
    rules.write_text(rules.read_text().replace("rel = 1e-6", "rel = 1e-4"))
    return tmp_path


def validated(checkout: Path, folder: Path, *args: str) -> dict[str, Any]:
    """The report of the copied program."""
    command = [sys.executable, "-m", "joulemark", "validate", str(folder), "--json", *args]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=env, cwd=checkout)
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def test_a_second_edition_judges_by_its_own_limit(checkout: Path, tmp_path: Path) -> None:
    """A card that is off by 1e-5 is false by edition 1.0 and true by 1.1, which says so; both stay available."""
    folder = written(tmp_path / "bundle", "ES1")

    def moved(card: dict[str, Any]) -> None:
        card["headline"]["energy_j"] *= 1 + 1e-5

    hands.edited(folder, "energy/card.json", moved)
    old, new = validated(checkout, folder, "--edition", "1.0"), validated(checkout, folder, "--edition", "1.1")
    verdicts = [next(rule for rule in report["rules"] if rule["id"] == "INT-2")["ES1"]["verdict"] for report in (old, new)]
    assert [old["edition"], new["edition"]] == ["1.0", "1.1"]
    assert verdicts == ["fail", "pass"]
    assert (old["level"], new["contradictions"]) == ("INVALID", [])
