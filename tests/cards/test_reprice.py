"""An old run at other prices: rent, electricity and an own machine apart, exact in Decimal, null with a reason where not known."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.cards import reprice
from joulemark.cards.measured import Measured
from joulemark.cards.reprice import Asked, Basis, Terms, priced_again, with_pue
from joulemark.errors import UsageError
from joulemark.pricing.amortise import Profile
from joulemark.pricing.cost import Cost, Family
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.split import Method
from joulemark.request_log import Status
from tests.kit import spoil
from tests.kit.lab import prices

EVIDENCE = spoil.good("ES1")
OWN = Profile(Decimal(320_000), "USD", years=Decimal(4), utilisation=Decimal("0.7"), residual=Decimal("0.1"), opex_per_year=Decimal(18_000))
HERE = Asked()
SECONDS = 390
OUTPUT = 375_180


def priced(known: Snapshot | None = None, *, asked: Asked = HERE, **terms: Any) -> dict[str, Any]:
    """The kit's run at `known`."""
    return priced_again(EVIDENCE, prices() if known is None else known, asked, Terms(**terms))


def dearer(**fields: Any) -> Snapshot:
    """The kit's prices with the price changed."""
    own = prices()
    return Snapshot((replace(own.prices[0], **fields),), own.tariffs)


def test_the_same_prices_give_the_cost_of_the_card() -> None:
    """Nothing asked, nothing changed: rent and electricity are those of the card, and the ratio to before is 1."""
    found, head = priced(), Measured.of(EVIDENCE).headline["cost"]
    for family in ("market", "energy"):
        assert found[family]["amount"] == head[family]["amount"]
        assert found[family]["per_1k"]["output"]["amount"] == head[family]["per_1k_output_tokens"]
        assert found[family]["per_1k"]["output"]["u_rel"] == head[family]["per_1k_output_u_rel"]
    assert found["before"]["ratio"] == "1"
    assert found["market"]["price"]["sha256"] == prices().prices[0].point_id


def test_the_price_before_the_cut() -> None:
    """98.32 in place of 55.04 makes the same seconds 1.786337 times as dear (V01b), and nothing else."""
    found = priced(dearer(amount=Decimal("98.32")))
    assert found["market"]["amount"] == "10.6513333333333333"
    assert f"{Decimal(found['before']['ratio']):.6f}" == "1.786337"
    assert found["energy"] == priced()["energy"]


def test_rent_and_electricity_are_never_summed() -> None:
    """No figure of the result is the sum of the two, with or without an own machine."""
    found = priced(profile=OWN)
    total = Decimal(found["market"]["amount"]) + Decimal(found["energy"]["amount"])
    assert str(total)[:10] not in json.dumps(found)


def test_an_own_machine_is_summed_by_name_alone() -> None:
    """Amortisation, upkeep and electricity of an own machine come together under the name that says so; the knobs are printed."""
    own = priced(profile=OWN)["on_prem"]
    spent = Decimal(priced()["energy"]["amount"])
    apart, both = (Decimal(own[name]["amount"]) for name in ("amortisation_plus_opex", "amortisation_plus_opex_plus_energy"))
    assert abs(apart - Decimal("14.6771037181996086105") * SECONDS / 3600) < Decimal("1e-15")
    assert both - apart == pytest.approx(spent, rel=Decimal("1e-14"))
    assert (own["profile"]["years"], own["profile"]["utilisation"]) == ("4", "0.7")


def test_two_currencies_are_not_summed() -> None:
    """An own machine in euro beside a tariff in dollars has no sum, with the reason; each part stands."""
    own = priced(profile=replace(OWN, currency="EUR"))["on_prem"]
    assert own["amortisation_plus_opex"]["currency"] == "EUR"
    assert own["amortisation_plus_opex_plus_energy"]["amount"] is None
    assert "not summed" in own["amortisation_plus_opex_plus_energy"]["reason"]
    bare = priced(Snapshot(prices().prices), profile=OWN)["on_prem"]["amortisation_plus_opex_plus_energy"]
    assert bare["amount"] is None
    assert "electricity is not known" in bare["reason"]


def test_a_missing_price_is_null_with_its_reason() -> None:
    """No price: no amount, no interval, no cost per token, never 0; electricity beside it stands, and a split says why not."""
    found = priced(Snapshot(tariffs=prices().tariffs), method=Method.named("equal_token"))
    assert {found["market"][name] for name in ("amount", "u_rel", "interval95", "per_1k")} == {None}
    assert "no price of aws p5.48xlarge" in found["market"]["reason"]
    assert found["split"]["reason"] == found["market"]["reason"]
    assert found["energy"]["amount"] is not None
    assert found["before"]["ratio"] is None


def test_uptime_charges_idle_and_warm_up() -> None:
    """The whole time that the machine was held costs as many times more per token as it is longer, and its own joules."""
    window, held = priced(), priced(asked=Asked(basis=Basis.ALLOCATED_UPTIME))
    tax = Decimal(held["utilisation_tax"])
    assert held["basis"] == "allocated_uptime"
    assert (window["utilisation_tax"], held["phases"]) == (None, ["uptime"])
    assert tax == pytest.approx(Decimal(held["duration_s"]) / SECONDS, rel=Decimal("1e-15"))
    for name in ("output", "total"):
        each = [Decimal(one["market"]["per_1k"][name]["amount"]) for one in (held, window)]
        assert each[0] / each[1] == pytest.approx(tax, rel=Decimal("1e-12"))
    assert held["energy"]["energy_j"] > window["energy"]["energy_j"]


def test_each_stretch_at_its_price() -> None:
    """Half of the phases at 24.50, half at 26.00: 195 s of each, not 390 s at the price of the beginning (V18)."""
    first, later = (replace(prices().prices[0], amount=Decimal(amount)) for amount in ("24.50", "26.00"))
    second = EVIDENCE.run.measured[1]
    middle_ns = (second.begin_ns + second.end_ns) // 2
    known = Snapshot((first, replace(later, effective_from_ns=middle_ns)), prices().tariffs)
    found = priced_again(EVIDENCE, known, HERE, Terms())["market"]
    wanted = (Decimal("24.50") + Decimal("26.00")) * 195 / 3600
    assert Decimal(found["amount"]) == pytest.approx(wanted, rel=Decimal("1e-15"))
    assert [price["amount"] for price in found["prices"]] == ["24.5", "26"]
    assert (found["price"]["amount"], len(found["parts"])) == ("24.5", 4)


def test_the_billing_minimum() -> None:
    """A minimum longer than the run is charged, one that is shorter changes nothing; what the list itself bills stands beside."""
    assert priced(minimum_s=Decimal(60))["market"]["amount"] == priced()["market"]["amount"]
    hour = priced(minimum_s=Decimal(3600))["market"]
    assert Decimal(hour["amount"]) == pytest.approx(Decimal("55.04"), rel=Decimal("1e-15"))
    listed = priced(dearer(billing_step_s=3600))["market"]
    assert Decimal(listed["billed_amount"]) == pytest.approx(Decimal("55.04"), rel=Decimal("1e-15"))
    assert listed["amount"] == priced()["market"]["amount"]
    assert priced(dearer(billing_step_s=None))["market"]["billed_amount"] is None


def test_a_share_of_a_linear_list() -> None:
    """4 of 8 GPUs cost half of the instance; whether the list is linear is said, and unknown where one size alone is listed."""
    half = priced(dearer(gpu_count=8), share=(4, 8))["market"]
    assert Decimal(half["amount"]) * 2 == pytest.approx(Decimal(priced()["market"]["amount"]), rel=Decimal("1e-15"))
    assert half["share"] == {"used": 4, "rented": 8, "linear": None}
    with pytest.raises(UsageError, match="no share"):
        priced(share=(9, 8))
    with pytest.raises(UsageError, match="8 GPUs, not 2"):
        priced(dearer(gpu_count=8), share=(1, 2))


def test_a_list_that_is_not_linear_has_no_shares_unless_asked() -> None:
    """Two GPUs at 8.38 where one is 4.29: half of the two is refused, and taken when it is asked for in so many words."""
    two = replace(prices().prices[0], amount=Decimal("8.38"), gpu_count=2, gpu_model="H100")
    known = Snapshot((two, replace(two, amount=Decimal("4.29"), gpu_count=1, instance_type="gpu_1x")), prices().tariffs)
    with pytest.raises(UsageError, match="not linear"):
        priced(known, share=(1, 2))
    assert priced(known, share=(1, 2), any_list=True)["market"]["share"]["linear"] is False


def test_the_split_names_its_method_and_adds_up() -> None:
    """The parts of a split are the printed amount exactly; both blends follow, and the method is in the result."""
    found = priced(method=Method.named("weight:4"))
    parts = found["split"]
    assert parts["method"] == "weight:4"
    assert Decimal(parts["input"]) + Decimal(parts["output"]) == Decimal(found["market"]["amount"])
    assert Decimal(parts["per_1k_output_tokens"]) == pytest.approx(4 * Decimal(parts["per_1k_input_tokens"]), rel=Decimal("1e-15"))
    assert parts["blended_run"] == pytest.approx(found["market"]["per_1k"]["total"]["amount"])
    equal = priced(method=Method.named("equal_token"))["split"]
    assert equal["blended_3_1"] == equal["blended_run"] == found["market"]["per_1k"]["total"]["amount"]


def test_a_split_by_time_needs_the_phases() -> None:
    """Without phases prefill and decode nothing is guessed; with them, the seconds decide."""
    assert "no phases prefill and decode" in priced(method=Method.named("prefill_decode_time"))["split"]["reason"]
    names = {"measured-1": "prefill", "measured-2": "decode", "measured-3": "decode"}
    windows = tuple(replace(w, name=names.get(w.name, w.name)) for w in EVIDENCE.run.windows)
    named = replace(EVIDENCE, run=replace(EVIDENCE.run, windows=windows))
    found = priced_again(named, prices(), Asked(), Terms(method=Method.named("prefill_decode_time")))
    assert Decimal(found["split"]["output"]) == pytest.approx(2 * Decimal(found["split"]["input"]), rel=Decimal("1e-15"))


def test_failed_requests_stay_in_the_numerator() -> None:
    """Failed requests leave the rent as it is; good and all tokens give two figures, and the difference is waste."""
    assert EVIDENCE.requests is not None
    windows = tuple(replace(w, requests_failed=1) if w.name == "measured-1" else w for w in EVIDENCE.run.windows)
    lost = replace(EVIDENCE.requests[0], status=Status.FAILED, output_tokens=OUTPUT)
    some = replace(EVIDENCE, run=replace(EVIDENCE.run, windows=windows), requests=(lost, *EVIDENCE.requests[1:]))
    found = priced_again(some, prices(), Asked(), Terms())
    good = found["market"]["goodput"]
    assert found["requests_failed"] == 1
    assert found["market"]["amount"] == priced()["market"]["amount"]
    assert Decimal(good["per_1k_output_good"]) > Decimal(good["per_1k_output_all"])
    assert 0 < Decimal(good["wasted"]) < Decimal(found["market"]["amount"])
    unlogged = priced_again(replace(some, requests=None), prices(), Asked(), Terms())["market"]["goodput"]
    assert (unlogged["wasted"], bool(unlogged["reason"])) == (None, True)


def test_pue_in_place_of_the_tariffs() -> None:
    """Another PUE makes electricity dearer in its proportion, is marked as assumed, and None leaves the tariff's own."""
    assert with_pue(prices(), None) == prices()
    found = priced(with_pue(prices(), Decimal("1.8")))["energy"]
    assert Decimal(found["amount"]) == pytest.approx(Decimal(priced()["energy"]["amount"]) * Decimal("1.5"), rel=Decimal("1e-15"))
    assert (found["tariff"]["pue"], found["tariff"]["pue_basis"]) == ("1.8", "assumed")


def test_uncertainty_of_a_sum() -> None:
    """Two costs of one unit each with 3 and 4 % make 2 with 2.5 %; what one does not know, the sum does not."""
    one, other = (Cost(Family.OWNED, Decimal(1), "USD", u) for u in (0.03, 0.04))
    assert reprice.added(one, other).u_rel == pytest.approx(0.025)
    assert reprice.added(one, replace(other, u_rel=None)).u_rel is None


def test_amounts_are_text_and_nothing_is_nan() -> None:
    """The result is JSON without floats for money: each amount has at most 18 significant digits."""
    found = priced(profile=OWN, method=Method.named("weight:3"), asked=Asked(basis=Basis.ALLOCATED_UPTIME))
    text = json.dumps(found, allow_nan=False)
    amounts = [found["market"]["amount"], found["energy"]["per_1k"]["total"]["amount"], *found["market"]["interval95"]]
    assert all(isinstance(amount, str) and len(Decimal(amount).as_tuple().digits) <= 18 for amount in amounts)
    assert "NaN" not in text
