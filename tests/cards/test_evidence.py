"""Evidence: the readings that belong to a run, and the price of what its labels name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence, around, counted, price_of
from joulemark.energy.series import Series
from joulemark.pricing.answer import Status
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Quality
from joulemark.runs import PhaseKind, Run

Gather = Callable[..., Evidence]


def test_the_cut_keeps_what_brackets_the_phases(run: Run, wall: Series, with_gap: Series) -> None:
    """Readings 30 s around the run stay, a slow meter keeps two on each side, and gaps keep their reasons."""
    cut = around(with_gap, run)
    assert len(cut) == 70 + 600 + 31
    assert set(cut.reasons) == {180 - 10, 181 - 10, 182 - 10}
    slow = wall.rows(np.isin(np.arange(len(wall)), [0, 10, 300, 740, 760]))
    assert len(around(slow, run)) == 5


def test_failed_reads_do_not_bracket(run: Run, wall: Series) -> None:
    """Of a slow meter two good readings stay on each side; failed ones beyond them do not stand in for them."""
    slow = wall.rows(np.isin(np.arange(len(wall)), [0, 5, 20, 40, 300, 690, 700, 750, 760]))
    quality = slow.quality.copy()
    quality[[2, 5]] = Quality.GAP
    kept = around(replace(slow, quality=quality), run)
    assert kept.t_ns.tolist() == slow.t_ns[1:8].tolist()


def test_a_run_without_a_measured_phase_is_counted_whole(run: Run) -> None:
    """The measured phases are what a card is about; a run that marks none is taken with all its phases."""
    idle, decode = run.windows
    assert counted(run) == (decode,)
    unmarked = replace(run, windows=(idle, replace(decode, kind=PhaseKind.WARMUP)))
    assert counted(unmarked) == unmarked.windows


def test_the_price_is_that_of_the_begin_of_the_measured_phase(gather: Gather, run: Run, prices: Snapshot) -> None:
    """A cut between the idle phase and the measured one counts; one a second into the measured phase does not."""
    begin_ns = run.measured[0].begin_ns
    for after_s, amount in ((-10, 12), (1, 24)):
        cut = replace(prices.prices[0], amount=Decimal(12), effective_from_ns=begin_ns + after_s * 10**9)
        found = gather(prices=prices.joined(Snapshot((cut,)))).price.price
        assert found is not None
        assert found.amount == amount


def test_what_was_not_known_then_is_not_used(gather: Gather) -> None:
    """Evidence gathered as of a day before the price was read has no price, and says so."""
    answer = gather(known_at_ns=moment_ns("2026-08-31", "x")).price
    assert (answer.status, answer.price) == (Status.MISSING, None)
    assert "was known then" in answer.reason


@pytest.mark.parametrize(
    ("label", "value", "reason"),
    [
        ("region", "", "no label region"),
        ("price_model", "cheap", "price_model = cheap is none of on_demand, spot"),
        ("os", "windows", "no price of aws p5.48xlarge us-east-1 windows on_demand"),
        ("price_model", "spot", "no price of aws p5.48xlarge us-east-1 linux spot"),
    ],
)
def test_labels_that_name_no_known_price(run: Run, prices: Snapshot, label: str, value: str, reason: str) -> None:
    """A label that is empty, wrong, or names another system or model gives no price and the reason; nothing near stands in."""
    asked = replace(run, labels={**run.labels, label: value})
    answer = price_of(asked, prices, valid_at_ns=moment_ns("2026-10-01", "x"))
    assert answer.price is None
    assert reason in answer.reason


def test_the_labels_choose_among_prices_and_zones(gather: Gather, run: Run, prices: Snapshot) -> None:
    """With a spot price and a second zone known, the labels price_model and tariff_zone say which are used."""
    spot = replace(prices.prices[0], amount=Decimal(9), price_model=PriceModel.SPOT)
    other = replace(prices.tariffs[0], zone="other", amount=Decimal("0.3"))
    known = prices.joined(Snapshot((spot,), (other,)))
    assert gather(prices=known).tariffs == ()
    made = gather(prices=known, run=replace(run, labels={**run.labels, "price_model": "spot", "tariff_zone": "other"}))
    assert (made.price.price, made.tariffs) == (spot, (other,))
