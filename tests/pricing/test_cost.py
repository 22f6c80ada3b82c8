"""Cost maths against the norm's worked example and the pricing vectors."""

import json
import math
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.pricing import cost


def places(value: Decimal, like: str) -> str:
    """`value` with as many decimals as the vector `like`."""
    return str(value.quantize(Decimal(like), rounding=ROUND_HALF_EVEN))


@pytest.fixture(scope="session")
def vectors(corpus: Path) -> dict[str, dict[str, Any]]:
    data = json.loads((corpus / "pricing" / "test_vectors.json").read_text(encoding="utf-8"))
    return {v["id"]: v for v in data["vectors"]}


def test_worked_example() -> None:
    """Rent and electricity of example A come out as the norm prints them, to 1e-6, and their uncertainty too."""
    rent = cost.market(Decimal(24), 600, currency="USD", price_u_rel=0.05 / math.sqrt(3.0), duration_u_s=0.010)
    assert float(rent.per_1k(12_000_000)) == pytest.approx(0.0003333333333333333, rel=1e-12)
    assert cost.per_1k_u_rel(rent.u_rel, 12_000_000, disagreement=6000) == pytest.approx(0.028868961610082976, rel=1e-12)
    power = cost.energy(3_000_000.0, tariff_per_kwh=Decimal("0.10"), currency="USD", pue=Decimal("1.2"))
    assert float(cost.kwh(3_000_000.0)) == pytest.approx(0.8333333333333334, rel=1e-12)
    assert float(power.per_1k(12_000_000)) == pytest.approx(8.333333333333334e-06, rel=1e-12)


@given(st.floats(1e-3, 1e9), st.floats(1e-3, 1e6), st.integers(1, 10**12))
def test_costs_follow_their_inputs(energy_j: float, duration_s: float, tokens: int) -> None:
    """Twice the joules or the seconds cost twice as much, twice the tokens half as much each, exactly."""
    one = cost.energy(energy_j, tariff_per_kwh=Decimal("0.1"), currency="USD").amount
    assert cost.energy(energy_j * 2, tariff_per_kwh=Decimal("0.1"), currency="USD").amount == pytest.approx(one * 2, rel=Decimal("1e-15"))
    rent = cost.market(Decimal("55.04"), duration_s, currency="USD")
    assert rent.per_1k(tokens) == pytest.approx(rent.per_1k(tokens * 2) * 2, rel=Decimal("1e-40"))


def test_floats_enter_through_their_text() -> None:
    """0.1 s is a tenth of a second, not 0.1000000000000000055: the binary tail never reaches the money."""
    assert cost.market(Decimal(3600), 0.1, currency="USD").amount == Decimal("0.1")


@pytest.mark.parametrize("value", [math.nan, math.inf, True])
def test_no_cost_of_a_number_that_is_none(value: float) -> None:
    """NaN, infinity and truth values are refused, not priced."""
    with pytest.raises(ValueError, match="is not a"):
        cost.energy(value, tariff_per_kwh=Decimal("0.1"), currency="USD")


def test_no_division_by_no_tokens() -> None:
    """A cost per token of no tokens is an error, not infinity."""
    with pytest.raises(ValueError, match="needs some"):
        cost.market(Decimal(1), 1, currency="USD").per_1k(0)


def test_unknown_uncertainty_stays_unknown() -> None:
    """An uncertainty that is not known does not become the known rest of it."""
    assert cost.per_1k_u_rel(None, 1000, disagreement=5) is None


def test_families_cannot_be_added() -> None:
    """Rent contains its electricity: adding the two costs is a type error."""
    rent = cost.market(Decimal(24), 600, currency="USD")
    power = cost.energy(3e6, tariff_per_kwh=Decimal("0.1"), currency="USD")
    with pytest.raises(TypeError):
        rent + power  # type: ignore[operator]  # the refusal to add is the point


def test_v01_machine_hour(vectors: dict[str, Any]) -> None:
    """V01: 600 s of p5.48xlarge for 6 million tokens, and V01b at the price before the cut."""
    i, e = vectors["V01"]["inputs"], vectors["V01"]["expected"]
    n_in, n_out = int(i["tokens_in"]), int(i["tokens_out"])
    rent = cost.market(Decimal(i["usd_per_hour"]), int(i["duration_s"]), currency="USD")
    assert places(rent.amount, e["cost_usd"]) == e["cost_usd"]
    assert places(rent.per_1k(n_in + n_out), e["usd_per_1k_total"]) == e["usd_per_1k_total"]
    assert places(rent.per_1k(n_out), e["usd_per_1k_out"]) == e["usd_per_1k_out"]
    assert places(rent.per_1k(n_out) * 1000, e["usd_per_1m_out"]) == e["usd_per_1m_out"]
    assert places(rent.per_1k(n_in + n_out) * 1000, e["usd_per_1m_total"]) == e["usd_per_1m_total"]
    old = vectors["V01b"]
    before = cost.market(Decimal(old["inputs"]["usd_per_hour"]), int(i["duration_s"]), currency="USD")
    assert places(before.amount, old["expected"]["cost_usd"]) == old["expected"]["cost_usd"]
    assert places(before.per_1k(n_out), old["expected"]["usd_per_1k_out"]) == old["expected"]["usd_per_1k_out"]
    assert places(before.amount / rent.amount, old["expected"]["ratio_old_new"]) == old["expected"]["ratio_old_new"]


def test_v02_wall_energy(vectors: dict[str, Any]) -> None:
    """V02: joules to kilowatt-hours, facility kilowatt-hours and dollars."""
    i, e = vectors["V02"]["inputs"], vectors["V02"]["expected"]
    joules, pue = int(i["wall_joules"]), Decimal(i["pue"])
    power = cost.energy(joules, tariff_per_kwh=Decimal(i["usd_per_kwh"]), currency="USD", pue=pue)
    assert places(cost.kwh(joules), e["kwh_it"]) == e["kwh_it"]
    assert places(cost.kwh(joules) * pue, e["kwh_facility"]) == e["kwh_facility"]
    assert places(power.amount, e["energy_usd"]) == e["energy_usd"]
    assert places(power.per_1k(int(i["tokens_out"])), e["energy_usd_per_1k_out"]) == e["energy_usd_per_1k_out"]


def test_v04_v18_piecewise(vectors: dict[str, Any]) -> None:
    """V04 and V18: a tariff or a spot price that changes inside the run is integrated, not taken at its start."""
    i, e = vectors["V04"]["inputs"], vectors["V04"]["expected"]
    joules = [(Decimal(tariff), int(i["watts"]) * int(seconds)) for tariff, seconds in i["segments"]]
    assert places(cost.energy_piecewise(joules, currency="USD").amount, e["cost"]) == e["cost"]
    i, e = vectors["V18"]["inputs"], vectors["V18"]["expected"]
    spot = [(Decimal(price), int(seconds)) for price, seconds in i["segments"]]
    assert places(cost.market_piecewise(spot, currency="USD").amount, e["cost"]) == e["cost"]


def test_v05_day_ahead(vectors: dict[str, Any]) -> None:
    """V05: ten minutes in each of two market hours cost each hour's own price."""
    i, e = vectors["V05"]["inputs"], vectors["V05"]["expected"]
    joules = int(i["kw"]) * 1000 * 600
    hours = [(Decimal(price) / 1000, joules) for price in e["eur_per_mwh"]]
    assert places(cost.energy_piecewise(hours, currency="EUR").amount, e["eur"]) == e["eur"]


@pytest.mark.parametrize("name", ["V09", "V09b"])
def test_v09_rate_form(vectors: dict[str, Any], name: str) -> None:
    """V09: the rate form of other boards, dollars per GPU-hour over tokens per GPU-hour, is the same arithmetic."""
    i, e = vectors[name]["inputs"], vectors[name]["expected"]
    rent = cost.market(Decimal(i["usd_per_gpu_h"]), 3600, currency="USD")
    assert places(rent.per_1k(int(i["tok_s_gpu"]) * 3600) * 1000, e["usd_per_1m"]) == e["usd_per_1m"]


def test_v12_goodput(vectors: dict[str, Any]) -> None:
    """V12: failed requests keep their cost in the numerator and leave the denominator."""
    i, e = vectors["V12"]["inputs"], vectors["V12"]["expected"]
    rent = cost.market(Decimal("55.04"), 600, currency="USD")
    good, everything = int(i["tokens_out_ok"]), int(i["tokens_out_all"])
    assert places(rent.per_1k(good), e["usd_per_1k_out_good"]) == e["usd_per_1k_out_good"]
    assert places(rent.amount * (everything - good) / everything, e["wasted_usd"]) == e["wasted_usd"]


def test_v20_billing_minimum(vectors: dict[str, Any]) -> None:
    """V20: the figure is pro rata, the billed minimum is asked for by name."""
    i, e = vectors["V20"]["inputs"], vectors["V20"]["expected"]
    hourly, seconds = Decimal(i["usd_per_hour"]), int(i["duration_s"])
    assert places(cost.market(hourly, seconds, currency="USD").amount, e["pro_rata"]) == e["pro_rata"]
    billed = cost.market(hourly, seconds, currency="USD", minimum_s=int(i["minimum_s"]))
    assert places(billed.amount, e["billed"]) == e["billed"]


def test_v21_uptime(vectors: dict[str, Any]) -> None:
    """V21: priced over the whole uptime the same tokens cost three times as much."""
    i, e = vectors["V21"]["inputs"], vectors["V21"]["expected"]
    hourly, tokens = Decimal(i["usd_per_hour"]), int(i["tokens_out"])
    active = cost.market(hourly, int(i["active_s"]), currency="USD").per_1k(tokens)
    uptime = cost.market(hourly, int(i["uptime_s"]), currency="USD").per_1k(tokens)
    assert places(active, e["usd_per_1k_out_active"]) == e["usd_per_1k_out_active"]
    assert places(uptime, e["usd_per_1k_out_uptime"]) == e["usd_per_1k_out_uptime"]
    assert places(uptime / active, e["utilisation_tax"]) == e["utilisation_tax"]


def test_v22_share(vectors: dict[str, Any]) -> None:
    """V22: the whole instance is charged unless a share of its GPUs is asked for."""
    i, e = vectors["V22"]["inputs"], vectors["V22"]["expected"]
    hourly, seconds = Decimal(i["usd_per_hour"]), int(i["duration_s"])
    assert places(cost.market(hourly, seconds, currency="USD").amount, e["whole_instance"]) == e["whole_instance"]
    share = cost.market(hourly, seconds, currency="USD", share=(int(i["gpus_used"]), int(i["gpus"])))
    assert places(share.amount, e["prorated_share"]) == e["prorated_share"]


def test_failed_requests_stay_in_the_cost(vectors: dict[str, dict[str, Any]]) -> None:
    """V12: tokens of failed requests leave the denominator, their cost does not; the waste is what they took."""
    rent, wanted = cost.market(Decimal("55.04"), 600, currency="USD"), vectors["V12"]["expected"]
    found = cost.goodput(rent, good=1_140_000, everything=1_200_000)
    assert places(found.per_1k_good, wanted["usd_per_1k_out_good"]) == wanted["usd_per_1k_out_good"]
    assert places(found.wasted, wanted["wasted_usd"]) == wanted["wasted_usd"]
    assert found.per_1k_all == rent.per_1k(1_200_000)
    with pytest.raises(ValueError, match="too many"):
        cost.goodput(rent, good=2, everything=1)


def test_uptime_is_dearer_than_the_window(vectors: dict[str, dict[str, Any]]) -> None:
    """V21: 600 s of work in 1800 s of a held machine cost three times as much per token."""
    wanted = vectors["V21"]["expected"]
    whole = cost.market(Decimal("55.04"), 1800, currency="USD")
    assert places(whole.per_1k(1_200_000), wanted["usd_per_1k_out_uptime"]) == wanted["usd_per_1k_out_uptime"]
    assert cost.utilisation_tax(uptime_s=1800, active_s=600) == Decimal(wanted["utilisation_tax"])
    with pytest.raises(ValueError, match="not possible"):
        cost.utilisation_tax(uptime_s=1, active_s=2)


@pytest.mark.parametrize("name", ["V09", "V09b"])
def test_figures_from_rates(vectors: dict[str, dict[str, Any]], name: str) -> None:
    """V09: cost of a million tokens and joules of one from a price, a power and a throughput; no throughput, no figure."""
    given, wanted = vectors[name]["inputs"], vectors[name]["expected"]
    each = cost.per_1m_at_rate(Decimal(given["usd_per_gpu_h"]), Decimal(given["tok_s_gpu"]))
    assert places(each, wanted["usd_per_1m"]) == wanted["usd_per_1m"]
    joules = cost.j_per_token_at_rate(Decimal(given["kw"]), Decimal(given["tok_s_gpu"]))
    assert places(joules, wanted["j_per_token"]) == wanted["j_per_token"]
    for figure in (cost.per_1m_at_rate, cost.j_per_token_at_rate):
        with pytest.raises(ValueError, match="needs some"):
            figure(Decimal(1), 0)


def test_the_interval_of_a_cost() -> None:
    """10 with 1 % lies from 9.8 to 10.2 with 95 %; an unknown uncertainty has no interval, and none is not zero."""
    assert cost.Cost(cost.Family.MARKET, Decimal(10), "USD", 0.01).interval == (Decimal("9.8"), Decimal("10.2"))
    assert cost.Cost(cost.Family.ENERGY, Decimal(10), "USD", None).interval is None
    assert cost.Cost(cost.Family.MARKET, Decimal(10), "USD").per_1m(2_000_000) == Decimal(5)
