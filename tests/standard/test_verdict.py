"""Verdicts: what harms a level, and what a report may hold."""

from __future__ import annotations

import json
import math

import pytest

from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged, not_applicable


def test_what_cannot_be_told_harms_as_failing_does() -> None:
    """Absent evidence is never a pass."""
    assert [verdict for verdict in Verdict if not verdict.harmless] == [Verdict.FAIL, Verdict.CANNOT_TELL]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_lacks_is_text(value: float) -> None:
    """A report of a hostile bundle is JSON all the same, alone and by part."""
    assert json.loads(json.dumps(Outcome(Verdict.FAIL, value).to_json(), allow_nan=False))["measured"] == str(value)
    assert Outcome(Verdict.FAIL, {"a": value, "b": 1.5}).to_json()["measured"] == {"a": str(value), "b": 1.5}


def test_outcomes_say_what_they_are() -> None:
    """Each way to make one gives its verdict, and never a contradiction."""
    made = [
        judged(True, measured=1.0, limit="", source="x"),
        judged(False, measured=1.0, limit="", source="x"),
        cannot_tell("no"),
        not_applicable("no"),
    ]
    assert [one.verdict for one in made] == [Verdict.PASS, Verdict.FAIL, Verdict.CANNOT_TELL, Verdict.NOT_APPLICABLE]
    assert not any(one.contradiction for one in made)
