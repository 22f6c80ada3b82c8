"""Editions of the standard: every published version of the rules, as data. A check looks its limits up; no limit stands in code.

`editions/<version>/<group>.toml` holds the rules of one group. Rule ids are never used again for something else.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

from joulemark import document, nearest
from joulemark.errors import UsageError
from joulemark.standard.verdict import GRADES

GROUPS: Final = ("SCO", "MET", "SMP", "CLK", "PHA", "REP", "CAL", "UNC", "TOK", "PRC", "ENV", "INT")
"""In the order of the table."""

CURRENT: Final = "1.0"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `text`: what is demanded; `es1`, `es2`: the cells of the table, for people; `data`: keys it is judged by; `why`: its
    reason; `how`: how to meet it. `limits`: grade -> name -> number, what the check compares with. `decides`: what its verdict is about:
    the `level`, or the `cost card` or the `badge`, which never stand in the way of a level.
    """

    id: str
    text: str
    es1: str
    es2: str
    data: str
    why: str
    how: str
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    decides: str = "level"

    @property
    def group(self) -> str:
        """Its first three letters."""
        return self.id[:3]

    def limit(self, grade: str, name: str) -> float:
        """The number `name` of one column. Raises KeyError for one that the edition does not set."""
        return self.limits[grade][name]

    def wanted(self, grade: str) -> str:
        """The cell of the table."""
        return self.es1 if grade == GRADES[0] else self.es2


@dataclass(frozen=True, slots=True)
class Edition:
    """One published version: its rules in the order of the table."""

    version: str
    rules: tuple[Rule, ...]

    def rule(self, rule_id: str) -> Rule:
        """The rule `rule_id`, in any case of letters. Raises UsageError for one that there is not."""
        for rule in self.rules:
            if rule.id == rule_id.upper():
                return rule
        group = [rule.id for rule in self.rules if rule.group == rule_id.upper()[:3]]
        hint = f"one of: {', '.join(group)}" if group else nearest.hint(rule_id[:3], GROUPS, otherwise=f"one of: {', '.join(GROUPS)}")
        raise UsageError(f"edition {self.version} of the standard has no rule {rule_id!r}", hint)


def versions() -> tuple[str, ...]:
    """Every published version, oldest first."""
    found = [entry.name for entry in resources.files("joulemark.standard").joinpath("editions").iterdir() if entry.is_dir()]
    return tuple(sorted((name for name in found if name[:1].isdigit()), key=lambda name: tuple(int(part) for part in name.split("."))))


@functools.cache
def edition(version: str = CURRENT) -> Edition:
    """The edition `version`. Raises UsageError for one that was never published, FormatError for a broken file."""
    if version not in versions():
        raise UsageError(f"there is no edition {version!r} of the standard", f"one of: {', '.join(versions())}")
    folder = resources.files("joulemark.standard").joinpath("editions", version)
    rules: list[Rule] = []
    for group in GROUPS:
        data = tomllib.loads(folder.joinpath(f"{group.lower()}.toml").read_text(encoding="utf-8"))
        rules += (document.record(Rule, entry, where=f"edition {version}: {document.shown(entry.get('id'))}") for entry in data["rule"])
    return Edition(version, tuple(rules))
