"""Cases: what the checks see, computed from the evidence, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.readings import Boundary, Quantity
from joulemark.standard.case import Case, inside, means
from joulemark.standard.trust import Trust
from tests.kit.spoil import good, good_case


def test_without_evidence_there_is_nothing() -> None:
    """Every view of an empty case is empty, and says why no card can be made."""
    case = Case(Path("."), None)
    assert (case.run, case.measured, case.series, case.boundary, case.headline, case.rebuilt, case.kit) == (
        None,
        (),
        (),
        None,
        (),
        None,
        False,
    )
    assert "no run" in case.unbuildable


@pytest.mark.parametrize(("level", "boundary"), [("ES1", Boundary.SERVER_INPUT), ("ES2", Boundary.WALL_ANALYZER)])
def test_the_headline_is_that_of_the_outermost_meters(level: str, boundary: Boundary) -> None:
    """The streams that lead, and their boundary, come from the evidence."""
    case = good_case(level)
    assert case.boundary is boundary
    assert {one.meter.boundary for one in case.headline} == {boundary}


def test_the_card_is_no_source() -> None:
    """A case with another card shows the same figures: what stands there is a claim."""
    case = good_case("ES1")
    bare = replace(case, card=None)
    assert bare.rebuilt == case.rebuilt
    assert bare.figures(bare.measured[0])["energy_j"] > 0


def test_meters_without_readings_make_no_card() -> None:
    """A run without any meter has phases and no figures, and says why."""
    evidence = good("ES1")
    case = Case(Path("."), replace(evidence, series=()))
    assert len(case.measured) == 3
    assert (case.headline, case.figures(case.measured[0])) == ((), {})
    assert case.unbuildable


def test_the_kit_is_told_by_its_key() -> None:
    """The same bundle under a list without that key is no kit bundle."""
    case = good_case("ES1")
    assert case.kit
    assert not replace(case, trust=Trust()).kit


def test_a_receipt_of_the_kit_makes_it_one_of_the_kit() -> None:
    """Anybody can give receipts by the published key: who has one owns to a simulation, whoever signed the head."""
    case = good_case("ES2")
    assert case.evidence is not None
    assert case.evidence.chain.receipts
    unsigned = replace(case.evidence, chain=replace(case.evidence.chain, signatures=()))
    assert replace(case, evidence=unsigned).kit
    assert not replace(case, evidence=replace(unsigned, chain=replace(unsigned.chain, receipts=()))).kit


def test_readings_of_a_window() -> None:
    """Seconds count from the begin of the window; means are those of the readings inside, and an empty window has none."""
    case = good_case("ES1")
    window, stream = case.measured[0], case.headline[0]
    seconds, watts = inside(stream, window.begin_ns, window.end_ns)
    assert 0 <= seconds[0] < seconds[-1] <= window.duration_s
    assert means([stream], window.begin_ns, window.end_ns) == [pytest.approx(watts.mean())]
    assert means([stream], 0, 1) == []
    assert len(case.witnesses(Quantity.TEMPERATURE)) >= 3
