"""Rules REP at the edges of their limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.cards import card as cards
from joulemark.cards.evidence import Evidence
from joulemark.standard.case import Case
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Verdict
from tests.kit.limits import at_most, cell, outcome
from tests.kit.spoil import good
from tests.kit.spoils.repetition import aborted, marked, scattered, unnumbered, with_windows, without


def case(evidence: Evidence) -> Case:
    """A case straight from evidence."""
    return Case(Path("."), evidence)


def test_limits_are_those_of_the_standard() -> None:
    """Three and five repetitions, a CV of 5 % and of 2 %."""
    for grade, repetitions, cv_rel in (("ES1", 3, 0.05), ("ES2", 5, 0.02)):
        assert cell(edition().rule("REP-1"), grade) == {"repetitions": repetitions}
        assert cell(edition().rule("REP-3"), grade) == {"cv_rel": cv_rel}


def test_as_many_repetitions_as_the_limit_are_enough() -> None:
    """Three repetitions are enough for three and not for four (REP-1)."""
    assert outcome(case(good("ES1")), "REP-1", "ES1", repetitions=3).verdict is Verdict.PASS
    assert outcome(case(good("ES1")), "REP-1", "ES1", repetitions=4).verdict is Verdict.FAIL


def test_a_cv_at_its_limit_passes() -> None:
    """A CV of exactly the limit passes, beyond it fails (REP-3)."""
    at, beyond = at_most(case(good("ES1")), "REP-3", "ES1", "cv_rel", "cv_rel")
    assert (at.verdict, beyond.verdict) == (Verdict.PASS, Verdict.FAIL)


@pytest.mark.parametrize(("share", "verdict"), [(0.074, Verdict.PASS), (0.079, Verdict.FAIL)])
def test_one_of_three_off(share: float, verdict: Verdict) -> None:
    """A third repetition 8.0 % above two nearly equal ones has a CV just below 5 %, one 8.6 % above it just above (REP-3)."""
    assert outcome(case(scattered(share, good("ES1"))), "REP-3", "ES1").verdict is verdict


def test_an_aborted_repetition_uses_up_its_warmup() -> None:
    """A repetition that follows an aborted one without a warm-up in between is cold (REP-1)."""
    evidence = aborted(without(good("ES2"), "warmup-3"))
    found = outcome(case(evidence), "REP-1", "ES1")
    assert found.verdict is Verdict.FAIL
    assert "measured-3" in found.detail


def test_an_aborted_repetition_whose_energy_nobody_knows() -> None:
    """An aborted repetition has to be listed with its energy: without readings over it, it cannot be told (REP-2)."""
    evidence = good("ES2")
    first = evidence.run.windows[0]
    stopped = next(w for w in evidence.run.windows if w.name == "measured-1")
    early = [
        replace(stopped, name="measured-1", begin_ns=first.begin_ns - 10**12, end_ns=first.begin_ns - 10**11, aborted="no answer"),
        *(replace(w, name=f"measured-{int(w.name[-1]) + 1}") if w.name.startswith("measured") else w for w in evidence.run.windows),
    ]
    requests = tuple(replace(r, phase=f"measured-{int(r.phase[-1]) + 1}") for r in evidence.requests or ())
    found = outcome(case(marked(replace(with_windows(evidence, early), requests=requests))), "REP-2", "ES2")
    assert found.verdict is Verdict.CANNOT_TELL
    assert "the energy of measured-1" in found.detail


def test_the_order_in_the_chain_is_enough_for_names_without_numbers() -> None:
    """Repetitions that have names and no numbers pass where the chain saw each of them begin (REP-2)."""
    evidence = unnumbered(good("ES1"))
    assert outcome(case(evidence), "REP-2", "ES1").verdict is Verdict.CANNOT_TELL
    assert outcome(case(marked(evidence)), "REP-2", "ES1").verdict is Verdict.PASS


@pytest.mark.parametrize(("factor", "verdict"), [(1 + 9e-7, Verdict.PASS), (1 + 1.1e-6, Verdict.FAIL), (0.99, Verdict.FAIL)])
def test_the_claim_is_the_score(factor: float, verdict: Verdict) -> None:
    """The score on the card may differ by 1e-6 from the one of the repetitions, and no more (REP-2)."""
    evidence = good("ES1")
    claim = cards.build(evidence)
    claim["score"] = {**claim["score"], "joules_per_1k_output_tokens": claim["score"]["joules_per_1k_output_tokens"] * factor}
    assert outcome(Case(Path("."), evidence, claim), "REP-2", "ES1").verdict is verdict


@pytest.mark.parametrize("value", [None, "250", True])
def test_a_claim_that_is_no_number_is_not_the_score(value: object) -> None:
    """Null, text or true in place of the score is another claim, and no crash (REP-2)."""
    evidence = good("ES1")
    claim = cards.build(evidence)
    claim["score"] = {**claim["score"], "joules_per_1k_output_tokens": value}
    assert outcome(Case(Path("."), evidence, claim), "REP-2", "ES1").verdict is Verdict.FAIL


def test_another_method_is_another_score() -> None:
    """The right number by a method that the standard does not know fails (REP-2)."""
    evidence = good("ES1")
    claim = cards.build(evidence)
    claim["score"] = {**claim["score"], "method": "best"}
    assert outcome(Case(Path("."), evidence, claim), "REP-2", "ES1").verdict is Verdict.FAIL


@pytest.mark.parametrize("rule", ["REP-1", "REP-2", "REP-3"])
def test_nothing_can_be_told_of_nothing(rule: str) -> None:
    """A bundle without run or readings passes no rule, and fails none."""
    assert outcome(Case(Path("."), None), rule, "ES1").verdict is Verdict.CANNOT_TELL
