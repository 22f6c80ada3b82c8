"""The validator: every rule over one case, in both columns, and the level that follows (Energy Standard v1, section 2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from joulemark.standard.case import Case
from joulemark.standard.checks import checks
from joulemark.standard.edition import CURRENT, Rule, edition
from joulemark.standard.verdict import GRADES, LEVELS, Outcome, cannot_tell

REPORT_SCHEMA: Final = "joulemark.validation/1"
COLUMNLESS: Final = frozenset({"INT-4", "INT-9"})
"""Rules of the documents as such, which say the same in each column: they take the most time, so they are asked once."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule with its outcome in each column."""

    rule: Rule
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """What the validator says of a bundle. `kit`: it is signed by the published key of the conformance kit. `faults`: path -> why a
    file could not be read.
    """

    version: str
    judged: tuple[Judged, ...]
    kit: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Ids of the rules by which the bundle contradicts itself."""
        return tuple(one.rule.id for one in self.judged if any(outcome.contradiction for outcome in one.outcomes.values()))

    def failing(self, grade: str) -> tuple[str, ...]:
        """Ids of the rules that stand between the bundle and `grade`: in its column and in every lower one. Those about
        the cost card and the badge never do.
        """
        columns = GRADES[: GRADES.index(grade) + 1]
        graded = (one for one in self.judged if one.rule.decides == "level")
        return tuple(one.rule.id for one in graded if not all(one.outcomes[column].verdict.harmless for column in columns))

    @property
    def level(self) -> str:
        """INVALID on a contradiction, else the highest grade that no rule stands in the way of, else ES0."""
        if self.contradictions:
            return LEVELS[0]
        return next((grade for grade in reversed(GRADES) if not self.failing(grade)), LEVELS[1])

    @property
    def level_text(self) -> str:
        """The level as printed."""
        return f"{self.level} (kit)" if self.kit else self.level

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.validation/1`."""
        return {
            "schema": REPORT_SCHEMA,
            "edition": self.version,
            "level": self.level,
            "level_text": self.level_text,
            "kit": self.kit,
            "contradictions": list(self.contradictions),
            "failing": {grade: list(self.failing(grade)) for grade in GRADES},
            "faults": dict(self.faults),
            "rules": [{"id": one.rule.id, **{grade: outcome.to_json() for grade, outcome in one.outcomes.items()}} for one in self.judged],
        }


def validate(case: Case, *, version: str = CURRENT, told: Callable[[int, int], None] | None = None) -> Report:
    """Every rule of an edition over `case`; `told` hears how many of how many are judged. Raises UsageError for an unknown edition."""
    rules, judged = edition(version).rules, []
    with np.errstate(all="ignore"):  # what a hostile bundle claims may overflow: what comes out is judged
        for rule in rules:
            judged.append(Judged(rule, outcomes(case, rule)))
            if told is not None:
                told(len(judged), len(rules))
    return Report(version, tuple(judged), case.kit, case.faults)


def outcomes(case: Case, rule: Rule) -> dict[str, Outcome]:
    """What a rule comes to in each column."""
    if rule.id in COLUMNLESS:
        return dict.fromkeys(GRADES, outcome(case, rule, GRADES[0]))
    return {grade: outcome(case, rule, grade) for grade in GRADES}


def outcome(case: Case, rule: Rule, grade: str) -> Outcome:
    """What the check of a rule says; of a rule that this version of Joulemark has no check for, that it cannot be told."""
    check = checks().get(rule.id)
    if check is None:
        return cannot_tell(f"this version of joulemark has no check for {rule.id}; use a newer one")
    return check(case, rule, grade)
