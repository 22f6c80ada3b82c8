"""The limit of error of a meter as the rules see it: what it states, else the whitelist's formula, at the operating point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.readings import Accuracy, Boundary, MeterRange
from joulemark.standard.accuracy import formula, has_ranges, independent, limit_rel, unknown_because
from tests.kit.sensors import BMC, WALL

SILENT = replace(WALL, accuracy=None)


def test_what_a_meter_states_goes_before_the_whitelist() -> None:
    """A limit from its own document is taken as it stands, at either level."""
    assert formula(WALL, "ES1") == formula(WALL, "ES2") == WALL.accuracy


def test_the_whitelist_speaks_for_a_meter_that_is_silent() -> None:
    """A WT333E on 300 V and 10 A has 0.1 % of reading and 0.05 % of 3 kW at ES1; of two cords twice the range."""
    found = formula(SILENT, "ES1")
    assert found is not None
    assert (found.pct_reading, found.pct_range, found.range_w) == (0.1, 0.05, 3000.0)
    both = formula(replace(SILENT, covers=("node-1/A", "node-1/B")), "ES1")
    assert both is not None
    assert both.range_w == 6000.0


def test_the_whitelist_is_not_good_for_es2_through_an_unproven_driver() -> None:
    """A formula counts at ES2 only where the driver that reads the meter is proven with real hardware, and the reason is told."""
    assert formula(SILENT, "ES2") is None
    assert "driver scpi is of tier bronze" in unknown_because(SILENT, "ES2")


def test_a_driver_that_looked_the_formula_up_is_no_better() -> None:
    """A limit with the whitelist as its source is the whitelist's, not the meter's."""
    looked_up = replace(WALL, accuracy=Accuracy(0.1, 0.05, 3000.0, source="whitelist yokogawa-wt330e: IM WT310E-02EN"))
    assert formula(looked_up, "ES1") == looked_up.accuracy
    assert formula(looked_up, "ES2") is None


def test_a_formula_of_a_range_needs_the_range() -> None:
    """Without its range the share of the range is not known, and not 0."""
    for at in (None, MeterRange(volts=300.0), MeterRange(amps=10.0)):
        assert formula(replace(SILENT, range=at), "ES1") is None
        assert "range" in unknown_because(replace(SILENT, range=at), "ES1")


def test_a_meter_that_nobody_knows_has_no_limit() -> None:
    """Neither stated nor listed is unknown."""
    assert formula(BMC, "ES1") is None
    assert "not on the whitelist" in unknown_because(BMC, "ES1")


def test_a_rejected_meter_is_good_for_nothing() -> None:
    """Whatever it states: a meter that measures no active power has no limit of it."""
    rejected = replace(WALL, vendor="APC", model="AP7921", accuracy=Accuracy(0.1))
    assert formula(rejected, "ES1") is None
    assert "good for no level" in unknown_because(rejected, "ES1")


def test_what_has_ranges() -> None:
    """An instrument has ranges where it says so, where its error depends on one, and where it is an analyser; a strip may have none."""
    assert has_ranges(WALL)
    assert has_ranges(replace(WALL, range=None))
    assert has_ranges(replace(WALL, range=None, accuracy=None))
    plain = replace(WALL, range=None, accuracy=Accuracy(0.5), model="none")
    assert has_ranges(plain)
    assert not has_ranges(replace(plain, boundary=Boundary.OUTLET))


def test_one_certificate_is_not_two() -> None:
    """Errors are independent where each meter has a certificate of another serial and another file."""
    paper = WALL.certificate
    assert paper is not None
    other = replace(WALL, certificate=replace(paper, serial="other", sha256="cd" * 32))
    assert independent([WALL, other])
    assert not independent([WALL, WALL])
    assert not independent([WALL])
    assert not independent([WALL, replace(other, certificate=None)])
    assert not independent([WALL, replace(WALL, certificate=replace(paper, serial="other"))])


def test_limits_add_up_over_channels() -> None:
    """(r P + f R)/P of the sum: 0.2 % of 5 kW and 0.05 % of 10 kW in two channels."""
    parts = [(Accuracy(0.2, 0.05, 5000.0), 2000.0), (Accuracy(0.2, 0.05, 5000.0), 3000.0)]
    assert limit_rel(parts) == pytest.approx((10.0 + 5.0) / 5000.0)
    assert limit_rel(parts, at_random=True) == pytest.approx((6.5**2 + 8.5**2) ** 0.5 / 5000.0)


def test_no_power_has_no_operating_point() -> None:
    """Without power there is nothing to be relative to."""
    with pytest.raises(ValueError, match=r"0\.0 W"):
        limit_rel([(Accuracy(1.0), 0.0)])
