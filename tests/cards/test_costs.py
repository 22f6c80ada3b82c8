"""Costs on a card: rent and electricity apart, each from its record, or null with the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.cards import card, costs
from joulemark.cards.costs import Work
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.pricing.price import PriceModel, Trust, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import Run, Tokens
from joulemark.units import NS_PER_S
from tests.cards.conftest import BEGIN_NS

Gather = Callable[..., Evidence]
TEN_MINUTES = Work(BEGIN_NS, 600_000_000_000, 3e6, 3e4, Tokens(input=36_000_000, output=12_000_000), 1000, unc_ns=10_000_000)


def test_missing_prices_are_null_with_a_reason(gather: Gather, run: Run) -> None:
    """Without prices, or without labels that name what was rented, every cost figure is null and says why; none is 0."""
    cost = card.build(gather(prices=Snapshot()))["headline"]["cost"]
    for family in ("market", "energy"):
        assert cost[family]["reason"]
        assert {v for k, v in cost[family].items() if k.startswith("per_1k") or k == "amount"} == {None}
    unnamed = card.build(gather(run=replace(run, labels={"region": "us-east-1"})))["headline"]["cost"]["market"]
    assert unnamed["reason"] == "the run does not say what was rented: no label provider, instance_type"


def test_a_zero_tariff_is_a_cost_and_not_a_missing_one(gather: Gather, prices: Snapshot) -> None:
    """Free electricity costs 0, which is a number with a record, unlike a tariff that is not known."""
    free = replace(prices.tariffs[0], amount=Decimal(0))
    cost = card.build(gather(prices=Snapshot(prices.prices, (free,))))["headline"]["cost"]["energy"]
    assert (cost["amount"], cost["reason"]) == ("0", "")


def test_pue_only_at_the_wall(gather: Gather, counter: Series) -> None:
    """Energy of GPU sensors is not multiplied by PUE, which is a ratio of wall energies."""
    wall = card.build(gather())["headline"]["cost"]["energy"]
    gpu_card = card.build(gather(series=(counter,)))
    gpu = gpu_card["headline"]["cost"]["energy"]
    assert (wall["pue_applied"], gpu["pue_applied"]) == (True, False)
    assert Decimal(gpu["amount"]) == pytest.approx(Decimal("700") * 600 / 3_600_000 / 10, rel=Decimal("1e-6"))


def test_old_prices_are_stale(gather: Gather, prices: Snapshot) -> None:
    """A price read more than 30 days before the run is marked stale and keeps its true age; a younger one is not."""
    begin_ns = 1_790_000_000_000_000_000
    for days, stale in ((31, True), (29, False)):
        read = replace(prices.prices[0], fetched_at_ns=begin_ns - days * 86_400 * 10**9)
        market = card.build(gather(prices=Snapshot((read,))))["headline"]["cost"]["market"]
        assert (market["stale"], market["age_s"]) == (stale, days * 86_400)


def test_rent_is_pro_rata_with_the_uncertainty_of_its_edges(gather: Gather) -> None:
    """Ten minutes at 24 USD/h cost 4 USD; edges known to +-10 ms make it uncertain by sqrt(2/3) x 10 ms / 600 s."""
    rent = costs.market(TEN_MINUTES, gather())
    assert (rent["amount"], rent["currency"], rent["reason"]) == ("4", "USD", "")
    assert rent["u_rel"] == pytest.approx(math.sqrt(2 / 3) * 0.01 / 600, rel=1e-12)
    assert rent["per_1k_output_tokens"] == "0.000333333333333333333"
    assert rent["per_1k_total_tokens"] == "0.0000833333333333333333"


def test_electricity_carries_the_uncertainty_of_the_energy(gather: Gather) -> None:
    """3 MJ at the wall, PUE 1.2 and 0.10 USD/kWh are 0.1 USD, uncertain by 1 % like the energy; unknown stays unknown."""
    spent = costs.energy(TEN_MINUTES, gather(), scope="NODE_AC")
    assert (spent["amount"], spent["u_rel"]) == ("0.1", pytest.approx(0.01))
    vague = costs.energy(replace(TEN_MINUTES, u_energy_j=None), gather(), scope="NODE_AC")
    assert (vague["amount"], vague["u_rel"], vague["per_1k_output_u_rel"]) == ("0.1", None, None)


def test_no_tokens_no_cost_per_token(gather: Gather) -> None:
    """Unknown tokens, and none at all, leave the amount and make each cost per token null, never infinite or 0."""
    for tokens in (Tokens(), Tokens(input=0, output=0)):
        rent = costs.market(replace(TEN_MINUTES, tokens=tokens), gather())
        assert rent["amount"] == "4"
        assert {rent[f"per_1k_{name}_tokens"] for name in costs.DENOMINATORS} == {None}


def test_unknown_energy_is_no_free_electricity(gather: Gather) -> None:
    """Without energy the electricity is null with its reason, and the rent beside it stands."""
    both = costs.block(replace(TEN_MINUTES, energy_j=None, u_energy_j=None), gather(), scope="NODE_AC")
    assert (both["energy"]["amount"], both["energy"]["reason"]) == (None, "the energy is not known")
    assert both["market"]["amount"] == "4"


def test_a_price_per_gpu_needs_the_number_of_gpus(gather: Gather, prices: Snapshot) -> None:
    """3 USD per GPU-hour on 8 GPUs are 4 USD in ten minutes; without the count there is a reason and no figure."""
    per_gpu = replace(prices.prices[0], amount=Decimal(3), unit=Unit.GPU_HOUR, gpu_count=8)
    assert costs.market(TEN_MINUTES, gather(prices=Snapshot((per_gpu,))))["amount"] == "4"
    unknown = costs.market(TEN_MINUTES, gather(prices=Snapshot((replace(per_gpu, gpu_count=None),))))
    assert unknown["amount"] is None
    assert "gpu_count is not given" in unknown["reason"]
    assert unknown["price"]["amount"] == "3"


def listed(prices: Snapshot, *seen: tuple[float, str], **changes: Any) -> Snapshot:
    """Lists of azure_retail that showed an amount so many seconds after the begin of TEN_MINUTES."""
    at = [BEGIN_NS + round(s * NS_PER_S) for s, _ in seen]
    named = {"feed": "azure_retail", "effective_trust": Trust.NONE, **changes}
    shown = [
        replace(prices.prices[0], amount=Decimal(amount), fetched_at_ns=t, effective_from_ns=t, **named)
        for t, (_, amount) in zip(at, seen, strict=True)
    ]
    return Snapshot(tuple(shown), prices.tariffs)


def test_a_price_that_changes_inside_is_charged_piece_by_piece(gather: Gather, run: Run, prices: Snapshot) -> None:
    """V18: 24.50 an hour for 20 minutes, then 26.00 for 10, are 12.50 and not the 12.25 of the first price; both records stand there."""
    (measured,) = run.measured
    half_hour = replace(run, windows=(replace(measured, begin_ns=BEGIN_NS, end_ns=BEGIN_NS + 1800 * NS_PER_S),))
    spot = listed(prices, (-60, "24.50"), (1200, "26.00"), price_model=PriceModel.SPOT)
    evidence = gather(run=replace(half_hour, labels={**run.labels, "price_model": "spot"}), prices=spot)
    rent = costs.market(replace(TEN_MINUTES, duration_ns=1800 * NS_PER_S), evidence)
    assert (rent["amount"], rent["reason"], rent["status"], rent["measured_s"]) == ("12.5", "", "changed", 1800.0)
    assert [(part["end_ns"] - part["begin_ns"], part["price"], part["amount"]) for part in rent["parts"]] == [
        (1200 * NS_PER_S, 0, "8.16666666666666667"),
        (600 * NS_PER_S, 1, "4.33333333333333333"),
    ]
    assert [price["amount"] for price in rent["prices"]] == ["24.5", "26"]
    assert rent["u_rel"] == pytest.approx(math.sqrt(2 / 3) * 0.01 * 26 / 3600 / 12.5, rel=1e-9)


def test_a_price_that_is_the_same_again_inside_is_one(gather: Gather, prices: Snapshot) -> None:
    """A list read again inside the run with the same amount cuts nothing."""
    rent = costs.market(TEN_MINUTES, gather(prices=listed(prices, (-60, "24"), (300, "24"))))
    assert (rent["status"], rent["amount"], rent["parts"], rent["prices"]) == ("bracketed", "4", [], [])
    assert rent["after"]["amount"] == "24"


def test_costs_in_two_currencies_are_not_summed(gather: Gather, prices: Snapshot) -> None:
    """A price that changes to another currency inside the run gives no amount, and says why."""
    two = listed(prices, (-60, "24")).joined(listed(prices, (300, "20"), currency="EUR"))
    rent = costs.market(TEN_MINUTES, gather(prices=two))
    assert (rent["amount"], rent["reason"]) == (None, "the prices are in EUR and USD: they are not summed")


@pytest.mark.parametrize(
    ("seen", "status", "age_s", "stale"),
    [
        (((-3600, "24"),), "fresh", 3600, False),
        (((-3 * 86_400, "24"),), "stale", 3 * 86_400, True),
        (((-31 * 86_400, "24"), (900, "24")), "bracketed", 31 * 86_400, True),
        (((-3600, "24"), (900, "12")), "changed", 3600, False),
        (((-31 * 86_400, "24"),), "missing", None, None),
        (((900, "24"),), "missing", None, None),
    ],
)
def test_the_status_of_a_price_stands_on_the_card(
    gather: Gather, prices: Snapshot, seen: Any, status: str, age_s: int, stale: bool
) -> None:
    """What the look-up says stands on the card with the true age; a price not read within 30 days is stale whatever its status."""
    rent = costs.market(TEN_MINUTES, gather(prices=listed(prices, *seen)))
    assert (rent["status"], rent["age_s"], rent["stale"]) == (status, age_s, stale)
    assert (rent["amount"] is None) == (status == "missing") == bool(rent["reason"])


def test_an_ambiguous_price_costs_nothing_and_names_its_candidates(gather: Gather, prices: Snapshot) -> None:
    """Two prices at once give no amount but both records."""
    rent = costs.market(TEN_MINUTES, gather(prices=listed(prices, (-60, "24"), (-60, "12"))))
    assert (rent["status"], rent["amount"], sorted(one["amount"] for one in rent["candidates"])) == ("ambiguous", None, ["12", "24"])
