"""Usage of a phase: what the card tells, None where it does not know, and which phases count."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.errors import FormatError
from joulemark.exports import usage
from joulemark.pricing.price import Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import PhaseKind, Tokens
from tests.exports.conftest import LABELS, RUN_ID, Make, card_of, snapshot, window


def test_a_phase_has_what_the_card_tells(make: Make) -> None:
    """Energy, its uncertainty, tokens, rent and electricity of a phase are those of its card."""
    card = card_of([window("decode", 0, 600)])
    (found,) = usage.of_card(card)
    phase = card["phases"][0]
    assert (found.run_id, found.phase, found.nth, found.counted, found.aborted) == (RUN_ID, "decode", 1, True, "")
    assert (found.energy_j, found.u95_j) == (phase["energy_j"], phase["u95_j"])
    assert found.energy_j == pytest.approx(3e6)
    assert (found.tokens_total, round(found.hours, 12)) == (6_000_000, Decimal("0.166666666667"))
    assert (found.rent.status, found.rent.per_hour) == (phase["cost"]["market"]["status"], Decimal("55.04"))
    assert str(found.rent.amount) == phase["cost"]["market"]["amount"]
    assert found.electricity == (Decimal(phase["cost"]["energy"]["amount"]), "USD")


def test_warm_up_costs_but_does_not_count(make: Make) -> None:
    """A warm-up beside a measured phase is not counted, has no amount on the card, and keeps the price of the machine."""
    warm, decode = make([window("warm-up", -100, -10, kind=PhaseKind.WARMUP), window("decode", 0, 600)])
    assert (warm.counted, decode.counted) == (False, True)
    assert (warm.rent.amount, warm.rent.per_hour, warm.electricity) == (None, Decimal("55.04"), None)


def test_an_aborted_phase_is_told_from_a_good_one_of_the_same_name(make: Make) -> None:
    """Of two phases of one name the one that was aborted does not count and says why, and each knows which one it is."""
    good, bad = make([window("decode", 0, 600), window("decode", 700, 900, aborted="out of memory")])
    assert [(one.nth, one.counted, one.aborted) for one in (good, bad)] == [(1, True, ""), (2, False, "out of memory")]


def test_equal_energies_do_not_confuse_them(make: Make) -> None:
    """A good phase that took exactly what the aborted one of its name took still counts."""
    good, bad = make([window("decode", 0, 600), window("decode", 700, 1300, aborted="out of memory")])
    assert good.energy_j == bad.energy_j
    assert (good.counted, bad.counted, good.aborted) == (True, False, "")


def test_a_run_of_aborted_phases_counts_nothing(make: Make) -> None:
    """Where every measured phase was aborted none counts, although the card then gives each a cost."""
    found = make([window("warm-up", -100, -10, kind=PhaseKind.WARMUP), window("decode", 0, 600, aborted="power failed")])
    assert [(one.phase, one.counted, one.aborted) for one in found] == [("warm-up", True, ""), ("decode", False, "power failed")]


def test_what_is_not_known_is_none(make: Make) -> None:
    """One direction of tokens leaves the total unknown; no price and no labels leave a rent with a reason and no amount."""
    (one,) = make([window("decode", 0, 600, tokens=Tokens(output=7))], prices=Snapshot(), labels={})
    assert (one.tokens, one.tokens_total, one.electricity) == ({"input": None, "output": 7}, None, None)
    assert (one.rent.status, one.rent.per_hour, one.rent.amount) == ("missing", None, None)
    assert "no label provider" in one.rent.reason


def test_a_price_per_gpu_of_an_unknown_count_is_no_rent(make: Make) -> None:
    """A price per GPU-hour of a machine of unknown size has a record and a reason, and no hourly amount."""
    (one,) = make(prices=snapshot(unit=Unit.GPU_HOUR, gpu_count=None))
    assert one.rent.price is not None
    assert one.rent.per_hour is None
    assert "gpu_count is not given" in one.rent.reason


def test_a_reason_goes_before_a_price() -> None:
    """Where the card knows a price and still no cost, as when the next price is missing, there is no rent and the reason is the card's."""
    card = card_of([window("warm-up", -100, -10, kind=PhaseKind.WARMUP), window("decode", 0, 600)])
    for block in (card["phases"][1]["cost"]["market"], card["headline"]["cost"]["market"]):
        block.update(amount=None, reason="no price after 12:05")
    for one in usage.of_card(card):
        assert (one.rent.per_hour, one.rent.amount, one.rent.reason) == (None, None, "no price after 12:05")
        assert one.rent.price is not None


def test_a_price_that_changed_on_the_way_is_not_that_of_the_whole() -> None:
    """Where the card charges piece by piece, the phase says that its price changed, and a warm-up beside it has no rent at all."""
    card = card_of([window("warm-up", -100, -10, kind=PhaseKind.WARMUP), window("decode", 0, 600)])
    for block in (card["phases"][1]["cost"]["market"], card["headline"]["cost"]["market"]):
        block.update(amount="13.76", parts=[{"amount": "4.5866"}, {"amount": "9.1733"}])
    warm, decode = usage.of_card(card)
    assert (decode.rent.changed, decode.rent.amount) == (True, Decimal("13.76"))
    assert (warm.rent.changed, warm.rent.per_hour, warm.rent.amount) == (False, None, None)
    assert "does not say which one counted here" in warm.rent.reason


def test_a_price_that_was_changed_on_the_card_is_refused() -> None:
    """A card whose price record does not fit its hash exports nothing."""
    card = card_of([window("decode", 0, 600)])
    card["phases"][0]["cost"]["market"]["price"]["amount"] = "1.00"
    with pytest.raises(FormatError, match="sha256 does not match"):
        usage.of_card(card)


def test_a_rate_of_tokens_stays_a_fraction(make: Make) -> None:
    """Tokens that were estimated from a rate are a fraction, and add up as one."""
    (one,) = make([window("decode", 0, 600, tokens=Tokens(input=10, output=2.5))], labels=LABELS)
    assert one.tokens_total == 12.5
