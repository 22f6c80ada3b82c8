"""Gaming: each trick for a better figure is named by a rule, and comes to no level that it did not earn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark.cli import group
from joulemark.errors import NotCompliant
from tests.kit.gaming import TRICKS, Trick, on_disk, stood_in


def validated(folder: Path, *args: str) -> tuple[int, dict[str, object]]:
    """(exit code, report) of the command."""
    done = CliRunner().invoke(group, ["validate", str(folder), "--json", *args])
    assert done.exception is None or isinstance(done.exception, NotCompliant), done.exception
    return getattr(done.exception, "exit_code", 0), json.loads(done.stdout)


@pytest.mark.parametrize("trick", TRICKS, ids=[trick.name.replace(" ", "_") for trick in TRICKS])
def test_a_trick_is_named_and_earns_nothing(trick: Trick, tmp_path: Path) -> None:
    """The rule that the trick breaks fails in its column, and the bundle is no higher than what is left."""
    trick.make(tmp_path)
    code, report = validated(tmp_path, "--level", trick.grade)
    outcome = next(rule for rule in report["rules"] if rule["id"] == trick.rule)[trick.grade]  # type: ignore[attr-defined]  # parsed JSON
    assert outcome["verdict"] == "fail", outcome
    assert outcome["contradiction"] is (trick.level == "INVALID")
    assert trick.rule in (report["contradictions"] if trick.level == "INVALID" else report["failing"][trick.grade])  # type: ignore[index,operator]  # parsed JSON
    assert (report["level"], code) == (trick.level, 3), report["failing"]


def test_a_level_that_is_claimed_is_not_believed(tmp_path: Path) -> None:
    """A card that says ES2 changes no verdict; that it says so is told."""
    on_disk("ES1")(tmp_path / "honest")
    on_disk("ES1", stood_in)(tmp_path / "boasting")
    honest, boasting = (validated(tmp_path / name)[1] for name in ("honest", "boasting"))
    assert (honest["level"], honest["failing"]) == (boasting["level"], boasting["failing"])
    int_2 = next(rule for rule in boasting["rules"] if rule["id"] == "INT-2")  # type: ignore[attr-defined]  # parsed JSON
    assert "claims level ES2" in int_2["ES1"]["detail"]
