"""What a check is."""

from __future__ import annotations

from collections.abc import Callable

from joulemark.standard.case import Case
from joulemark.standard.edition import Rule
from joulemark.standard.verdict import Outcome

Check = Callable[[Case, Rule, str], Outcome]
"""Judges a case by a rule in one column, `ES1` or `ES2`."""
