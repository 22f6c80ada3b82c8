"""A year of two runs: energy, money and payback from what one query took, with the uncertainty of both."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.cards.measured import Measured
from joulemark.cards.projection import Demand, projected
from joulemark.errors import InsufficientData
from joulemark.pricing.amortise import Profile
from joulemark.units import J_PER_KWH
from tests.kit import spoil
from tests.kit.lab import Lab

ONE = Measured.of(spoil.good("ES1"))
OTHER = Measured.of(Lab.of("ES1", seed=2).evidence())
OWN = Profile(Decimal(320_000), "USD", years=Decimal(4), utilisation=Decimal("0.7"), opex_per_year=Decimal(18_000))
MILLION = Demand(Decimal(1_000_000))


def told(profile: Profile | None = None, demand: Demand = MILLION, **more: Any) -> dict[str, Any]:
    """A rented year of one run against a year of the other, owned where there is a profile."""
    return projected(more.get("one", ONE), more.get("other", OTHER), demand, profiles=(None, profile))


def test_a_year_is_what_a_query_took_so_many_times() -> None:
    """365 million requests take 365 million times the joules and the rent of one; the uncertainty stays the same part of them."""
    year = told()["a"]
    per_request = ONE.headline["joules_per_request"]
    assert year["energy_kwh"] == pytest.approx(per_request * 365e6 / J_PER_KWH)
    assert year["energy_kwh_u95"] / year["energy_kwh"] == pytest.approx(ONE.headline["u95_rel"])
    rent = Decimal(ONE.headline["cost"]["market"]["amount"]) / 780 * 365_000_000
    assert Decimal(year["market"]["amount"]) == pytest.approx(rent, rel=Decimal("1e-15"))
    assert year["machines_busy"] == pytest.approx(390 / 780 * 365e6 / (365 * 86_400))
    assert (year["machines"], year["owned"], year["capex"]) == (6, False, None)


def test_a_query_may_be_so_many_tokens() -> None:
    """With tokens per query the requests do not count: 500 output tokens are 500 thousandths of 1k."""
    demand = replace(MILLION, output_tokens=Decimal(500))
    year = told(demand=demand)["a"]
    assert year["energy_kwh"] == pytest.approx(ONE.headline["joules_per_1k_output_tokens"] * 0.5 * 365e6 / J_PER_KWH)


def test_the_same_machine_saves_nothing() -> None:
    """Two sessions of one machine: what B saves is within the uncertainty, and nothing is bought that could pay back."""
    saved = told()["saved"]
    assert (saved["energy"]["resolved"], saved["running"]["resolved"]) == (False, False)
    assert saved["payback"]["years"] is None
    assert "no capex" in saved["payback"]["reason"]


def test_payback_of_a_machine_that_is_bought() -> None:
    """Nine machines, since 30 % of the hours are idle, cost 2.88 million; over rent they pay back in the quotient, with its interval."""
    found = told(OWN, replace(MILLION, years=Decimal(3)))
    year, saved = found["b"], found["saved"]
    assert (year["machines"], year["capex"]["amount"]) == (9, "2880000")
    running = Decimal(year["energy"]["amount"]) + 9 * 18_000
    assert Decimal(year["running"]["amount"]) == pytest.approx(running, rel=Decimal("1e-15"))
    less = float(saved["running"]["per_year"])
    assert less == pytest.approx(float(found["a"]["market"]["amount"]) - float(running))
    assert float(saved["running"]["in_all"]) == pytest.approx(3 * less)
    payback = saved["payback"]
    assert payback["years"] == pytest.approx(2_880_000 / less)
    assert payback["interval95"][0] < payback["years"] < payback["interval95"][1]
    assert payback["within"] is True


def test_what_never_pays_back_says_so() -> None:
    """Upkeep above the rent never pays back; a machine that costs no more than the other has nothing to."""
    dear = told(replace(OWN, opex_per_year=Decimal(900_000)))["saved"]
    assert float(dear["running"]["per_year"]) < 0
    assert (dear["payback"]["years"], "never" in dear["payback"]["reason"]) == (None, True)
    both = projected(ONE, OTHER, MILLION, profiles=(OWN, OWN))["saved"]["payback"]
    assert (both["years"], both["capex_more"]) == (None, "0")


def test_a_payback_that_may_never_come_has_no_later_end() -> None:
    """Where the saving is smaller than its uncertainty, payback may never come: the interval is open."""
    cheaper = replace(OWN, capex=Decimal(330_000))
    one = Measured.of(ONE.evidence)
    found = projected(OTHER, one, MILLION, profiles=(OWN, cheaper))["saved"]
    assert found["running"]["resolved"] is False
    assert found["payback"]["years"] is not None
    assert found["payback"]["interval95"][1] is None


def test_currencies_are_not_mixed() -> None:
    """A machine bought in euro has no running cost beside electricity in dollars, and so no saving and no payback."""
    saved = told(replace(OWN, currency="EUR"))["saved"]
    assert saved["running"]["per_year"] is None
    assert saved["payback"]["years"] is None


def test_other_boundaries_have_no_saving_of_energy() -> None:
    """An analyser against a BMC: each has its year, and no kWh are saved; rent is still compared."""
    found = told(other=Measured.of(Lab.of("ES2", seed=3).evidence()))
    assert found["saved"]["energy"]["kwh"] is None
    assert found["refused_because"] == ["boundary differs: server_input and wall_analyzer"]
    assert found["saved"]["running"]["per_year"] is not None


def test_a_run_that_does_not_count_has_no_year() -> None:
    """Without requests there is no query; the error names the run and what would do."""
    windows = tuple(replace(w, requests=None) for w in ONE.evidence.run.windows)
    silent = Measured.of(replace(ONE.evidence, run=replace(ONE.evidence.run, windows=windows)))
    with pytest.raises(InsufficientData, match="does not tell its requests"):
        told(one=silent)
    assert told(one=silent, demand=replace(MILLION, output_tokens=Decimal(1)))["a"]["energy_kwh"] > 0


def test_the_projection_is_json() -> None:
    """Nothing in it is NaN or infinite, and money is text."""
    assert json.loads(json.dumps(told(OWN), allow_nan=False))["schema"] == "joulemark.projection/1"


def test_the_pue_of_the_profile_goes_before_that_of_the_tariff() -> None:
    """An owned machine in a hall of PUE 2.4 pays twice the electricity of one at 1.2; its joules and those of A stay what they were."""
    plain, hot = told(OWN), told(replace(OWN, pue=Decimal("2.4")))
    assert Decimal(hot["b"]["energy"]["amount"]) == pytest.approx(2 * Decimal(plain["b"]["energy"]["amount"]), rel=Decimal("1e-15"))
    assert hot["b"]["energy_kwh"] == plain["b"]["energy_kwh"]
    assert hot["a"] == plain["a"]
