from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from joulemark import config
from joulemark.errors import FormatError
from joulemark.meters import quality, registry
from joulemark.meters.quality import RULES, Quality, Tier

HEADINGS = ["Wiring", "Permissions", "Configuration", "Accuracy", "Refresh", "Traps", "Every key"]
OWN = sorted(kind for kind, entry in registry.kinds().items() if entry.value.startswith("joulemark."))


def quality_of(kind: str) -> Quality:
    """The quality file of one of our own kinds."""
    found = quality.of(registry.kinds()[kind].module)
    assert found is not None, f"{kind} has no quality file"
    return found


def exists(evidence: str, repository: Path) -> bool:
    """Whether the test function, the page or the golden case that `evidence` names is there."""
    place, _, name = evidence.partition("::")
    path = repository / place
    if not name:
        return path.exists()
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("kind", OWN)
def test_every_rule_of_every_kind_has_evidence_that_exists(kind: str, repository: Path) -> None:
    """A rule that a quality file calls done names a test, a page or a golden case that is there; the others say why, in words."""
    found = quality_of(kind)
    assert {rule: evidence for rule, evidence in found.done.items() if not exists(evidence, repository)} == {}
    assert all(len(reason) > 10 for reason in (*found.exempt.values(), *found.open.values()))
    assert found.boundaries
    assert found.accuracy


@pytest.mark.parametrize("kind", OWN)
def test_captured_input_comes_from_hardware(kind: str, repository: Path) -> None:
    """The rule of captured input is done only where a golden case says that real hardware gave it."""
    evidence = quality_of(kind).done.get("captured_input")
    about = tomllib.loads((repository / evidence / "case.toml").read_text(encoding="utf-8")) if evidence else {"captured": True}
    assert about["captured"] is True


@pytest.mark.parametrize("kind", OWN)
def test_every_kind_has_a_page(kind: str, repository: Path) -> None:
    """The page of a kind has its sections in order, and its example is a configuration that the driver takes."""
    page = (repository / "docs" / "reference" / "meters" / f"{kind}.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.M) == HEADINGS
    example = page.split("## Configuration")[1].split("## ")[0]
    [block] = re.findall(r"```toml\n(.*?)```", example, re.S)[:1]
    tables = config.parse(tomllib.loads(block), f"{kind}.md").meters
    assert kind in {table.kind for table in tables}
    for table in tables:
        options = {key: value for key, value in table.options.items() if key in driver_keys(table.kind)}
        registry.build([config.MeterTable(table.kind, options)], host="node1")


def driver_keys(kind: str) -> set[str]:
    """The keys that the driver of a kind reads itself; the agent reads the others of the table."""
    return set(registry.driver(kind).config.__dataclass_fields__)


def rules(**changes: Any) -> dict[str, Any]:
    return {"boundaries": ["gpu"], "accuracy": "none", "rules": {**dict.fromkeys(RULES, "tests/x.py::y"), **changes}}


@pytest.mark.parametrize(
    ("changes", "tier"),
    [
        ({}, Tier.PLATINUM),
        ({"traceable_calibration": {"exempt": "nothing to calibrate"}}, Tier.PLATINUM),
        ({"traceable_calibration": {"open": "not yet"}}, Tier.GOLD),
        ({"ring_test": {"open": "not yet"}}, Tier.SILVER),
        ({"captured_input": {"open": "not yet"}, "ring_test": {"open": "not yet"}}, Tier.BRONZE),
        ({"doc_page": {"open": "not yet"}}, Tier.NONE),
    ],
)
def test_the_tier_follows_from_the_rules(changes: dict[str, Any], tier: Tier) -> None:
    """A tier is reached when none of its rules, nor of those below, is open; nobody writes it down."""
    assert quality.parsed(rules(**changes)).tier is tier


@pytest.mark.parametrize("bad", [{"stable_id": {"later": "x"}}, {"stable_id": {"open": ""}}, {"no_such_rule": "x"}, {"stable_id": {}}])
def test_a_rule_that_says_nothing_is_refused(bad: dict[str, Any]) -> None:
    """A rule without evidence or reason, and a rule that does not exist, are errors."""
    with pytest.raises(ValueError, match=r"rule|unpack"):
        quality.parsed(rules(**bad))


def test_a_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quality file that is none raises FormatError with its path; a driver without one has none."""
    (tmp_path / "acme_bad.py").write_text("")
    (tmp_path / "acme_bad.toml").write_text("boundaries = []\n")
    (tmp_path / "acme_bare.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FormatError, match=r"acme_bad\.toml"):
        quality.of("acme_bad")
    assert quality.of("acme_bare") is None
    assert quality.of("acme_absent") is None
