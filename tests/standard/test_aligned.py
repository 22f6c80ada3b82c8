from __future__ import annotations

from dataclasses import replace

from joulemark.standard.aligned import held
from tests.kit.change import unaligned
from tests.kit.sensors import BMC
from tests.kit.spoil import case_of, good, good_case


def test_a_bmc_needs_an_alignment_and_a_certified_analyser_none() -> None:
    """The short run is read by the BMC, the long one by an analyser with a certificate."""
    short = held(good_case("ES1"), own_limit_rel=0.04)
    assert short.sensors == (BMC.meter_id,)
    assert [one.record.sensor for one in short.alignments] == [BMC.meter_id]
    assert held(good_case("ES2"), own_limit_rel=0.04).sensors == ()
    assert len(held(good_case("ES2"), own_limit_rel=1e-6).without) == 2


def test_a_missing_alignment_is_named() -> None:
    """Without it the sensor stands among those that have none."""
    assert held(case_of(unaligned(good("ES1"))), own_limit_rel=0.04).without == (BMC.meter_id,)


def test_the_alignment_that_is_judged_is_the_one_that_corrected() -> None:
    """One made between the first phase and the first measured one corrects nothing, and stands in no older one's place."""
    case = good_case("ES1")
    assert case.evidence is not None
    assert case.run is not None
    (older,) = case.evidence.alignments
    begin_ns = min(window.begin_ns for window in case.run.windows)
    meanwhile = replace(older, record=replace(older.record, alignment_id="meanwhile", made_ns=begin_ns + 1))
    both = replace(case, evidence=replace(case.evidence, alignments=(older, meanwhile)))
    both.__dict__["rebuilt"] = case.rebuilt
    assert [one.record.alignment_id for one in held(both, own_limit_rel=0.04).alignments] == [older.record.alignment_id]
