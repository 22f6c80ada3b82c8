"""What a check is, and what many checks need first."""

from __future__ import annotations

import functools
from collections.abc import Callable

from joulemark.standard.case import Case
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome, cannot_tell

Check = Callable[[Case, Rule, str], Outcome]
"""Judges a case by a rule in one column, `ES1` or `ES2`."""


def of_headline(check: Check) -> Check:
    """`check`, asked only where the energy can be made anew and a meter led in a measured phase; cannot tell otherwise."""

    @functools.wraps(check)
    def asked(case: Case, rule: Rule, grade: str) -> Outcome:
        if not case.measured:
            return cannot_tell("the run has no measured phase", source="phases.json: phases")
        if not case.headline:
            return cannot_tell(case.unbuildable or "no meter led in a measured phase", source="meters.json, readings")
        return check(case, rule, grade)

    return asked
