"""Limits on trial: a rule whose limit is moved onto what a case measures, and just beyond it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from joulemark.standard.case import Case
from joulemark.standard.checks import checks
from joulemark.standard.edition import Rule, edition
from joulemark.standard.verdict import Outcome


def outcome(case: Case, rule_id: str, grade: str, **limits: float) -> Outcome:
    """What a rule says of a case, some of its limits set otherwise."""
    rule = edition().rule(rule_id)
    changed = {**rule.limits, grade: {**rule.limits.get(grade, {}), **limits}}
    return checks()[rule_id](case, replace(rule, limits=changed), grade)


def measured(case: Case, rule_id: str, grade: str, key: str) -> float:
    """One of the values that a rule measures."""
    found = outcome(case, rule_id, grade).measured
    assert isinstance(found, Mapping), found
    value = found[key]
    assert isinstance(value, float | int)
    return value


def at_most(case: Case, rule_id: str, grade: str, name: str, key: str) -> tuple[Outcome, Outcome]:
    """A rule with an upper limit at exactly what it measures, and at the next smaller number."""
    value = abs(measured(case, rule_id, grade, key))
    assert value > 0.0, "nothing was measured: the limit would not be tried"
    return outcome(case, rule_id, grade, **{name: value}), outcome(case, rule_id, grade, **{name: math.nextafter(value, 0.0)})


def cell(rule: Rule, grade: str) -> Mapping[str, float]:
    """The limits of a rule in a column."""
    return rule.limits.get(grade, {})
