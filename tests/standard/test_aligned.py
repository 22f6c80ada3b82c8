from __future__ import annotations

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
