"""Publications to look at: evidence of several kinds, with a verdict of each level. A validator's report is drawn up once for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from joulemark.cards.measured import Measured
from joulemark.readings import Boundary
from joulemark.runs import PhaseKind
from joulemark.standard.edition import edition
from joulemark.standard.publication import Publication
from joulemark.standard.validator import Judged, Report
from joulemark.standard.verdict import Outcome, Verdict, cannot_tell, judged, not_applicable
from tests.kit.lab import Lab, Plan

LEVELS: Final = ("INVALID", "ES0", "ES1", "ES2")
SHORT: Final = {"ES1": Plan(8.0, 20.0, 8.0, 20.0, 5.0, 12.0, 3, 12), "ES2": Plan(8.0, 20.0, 8.0, 20.0, 5.0, 12.0, 5, 12)}


@functools.cache
def full(level: str) -> Measured:
    """A run of the laboratory with a score."""
    return Measured.of(Lab(level, SHORT[level], 3).evidence())


@functools.cache
def bare() -> Measured:
    """GPUs alone, one repetition, no prices, no workload: little is known."""
    whole = full("ES1").evidence
    windows = tuple(one for one in whole.run.windows if one.kind is not PhaseKind.MEASURED or one == whole.run.measured[0])
    series = tuple(one for one in whole.series if one.meter.boundary is Boundary.GPU)
    run = replace(whole.run, windows=windows, labels={})
    return Measured.of(type(whole)(run, series))


EVIDENCE: Final[dict[str, Callable[[], Measured]]] = {"ES1": lambda: full("ES1"), "ES2": lambda: full("ES2"), "bare": bare}


@functools.cache
def validation(level: str) -> Report:
    """A report that comes to `level`, with every verdict and every kind of measured value in it."""
    passed = judged(True, measured={"gap_s": 0.125, "stream": "a"}, limit="gap <= 3 s", source="energy/readings/*.csv")
    kinds = (
        passed,
        judged(True, measured=1e-9, limit="<= 1", source="s"),
        not_applicable("not here"),
        Outcome(Verdict.WARN, True, "said", "s", "d"),
    )
    rules = []
    for place, rule in enumerate(edition().rules):
        outcomes = {"ES1": kinds[place % 4], "ES2": kinds[place % 4]}
        if rule.id == "INT-1" and level == "INVALID":
            outcomes["ES1"] = replace(judged(False, measured=1, limit="0", source="m", detail="a file was changed"), contradiction=True)
        if rule.id == "CAL-1" and level == "ES0":
            outcomes["ES1"] = judged(False, measured=7.25, limit="<= 4", source="c", detail="too old")
        if rule.id == "REP-1" and level in ("ES0", "ES1"):
            outcomes["ES2"] = cannot_tell("three repetitions", source="phases.json", limit=">= 5")
        rules.append(Judged(rule, outcomes))
    return Report(edition().version, tuple(rules))


def publication(kind: str, level: str) -> Publication:
    """Evidence of one kind with a verdict of one level."""
    report = validation(level)
    assert report.level == level
    return Publication.made(EVIDENCE[kind](), report)
