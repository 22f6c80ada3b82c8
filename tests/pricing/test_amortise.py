"""A machine of one's own: the knobs that decide what an hour of it costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.amortise import Profile
from joulemark.pricing.cost import Family

TOML = """
schema = "joulemark.onprem/1"
name = "rack 4"
capex = "320000"
residual = "0.10"
currency = "USD"
years = 4
utilisation = 0.70
opex_per_year = 18000
pue = "1.20"
it_kw = 6.5
gpus = 8
"""
MINE = Profile.parse(TOML, where="mine.toml")


def test_an_hour_of_the_calendar_and_of_work() -> None:
    """320000 over four years with a tenth left, 18000 a year, 70 % used: the worked figures to their last digit."""
    hours = (MINE.amortisation_per_hour, MINE.opex_per_hour, MINE.calendar_per_hour, MINE.delivered_per_hour)
    assert [f"{hour:.6f}" for hour in hours] == ["8.219178", "2.054795", "10.273973", "14.677104"]
    assert MINE.energy_per_hour(Decimal("0.12")) == Decimal("0.936")
    assert replace(MINE, pue=None).energy_per_hour(Decimal("0.12")) is None


def test_years_and_utilisation_decide() -> None:
    """30000 at 70 % are 1.63 per hour over three years and 0.98 over five."""
    gpu = Profile(Decimal(30_000), "USD", years=Decimal(3), utilisation=Decimal("0.7"))
    assert [f"{replace(gpu, years=Decimal(y)).delivered_per_hour:.2f}" for y in (3, 5)] == ["1.63", "0.98"]


def test_the_cost_of_a_window_is_no_rent_and_holds_no_electricity() -> None:
    """An hour of work costs what an hour of work costs, as a family of its own."""
    spent = MINE.cost(3600, duration_u_s=36.0)
    assert (spent.family, spent.currency, f"{spent.amount:.6f}", spent.u_rel) == (Family.OWNED, "USD", "14.677104", 0.01)


def test_the_knobs_are_printed() -> None:
    """The profile comes out with every knob as text, what an hour comes to, and that of one GPU where the count is stated."""
    shown = MINE.to_json()
    assert {"years": "4", "utilisation": "0.7", "residual": "0.1", "hours_per_year": "8760"}.items() <= shown.items()
    assert shown["delivered_per_hour"] == "14.6771037181996086"
    assert shown["delivered_per_gpu_hour"] == "1.83463796477495108"
    assert replace(MINE, gpus=None).to_json()["delivered_per_gpu_hour"] is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("utilisation = 0.70", "utilisation = 0", "do not fit"),
        ("utilisation = 0.70", "utilisation = 70", "do not fit"),
        ("years = 4", "years = 0", "do not fit"),
        ('residual = "0.10"', "residual = 1", "do not fit"),
        ('currency = "USD"', 'currency = "dollars"', "ISO 4217"),
        ('pue = "1.20"', 'pue = "0.9"', "below 1"),
        ("gpus = 8", "gpus = 0", "below 1"),
        ("years = 4", "", "years missing"),
        ('capex = "320000"', 'capex = "-1"', "negative"),
        ("joulemark.onprem/1", "joulemark.prices/1", "not 'joulemark.onprem/1'"),
        ("years = 4", "years = ", "not valid TOML"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(old: str, new: str, says: str) -> None:
    """Utilisation in percent, no years, less than no cost, and other files are named, never computed with."""
    with pytest.raises(FormatError, match=says):
        Profile.parse(TOML.replace(old, new), where="mine.toml")


def test_a_wrong_key_is_named() -> None:
    """A misspelt knob does not silently fall back to its default."""
    with pytest.raises(ConfigError, match="did you mean 'utilisation'"):
        Profile.parse(TOML.replace("utilisation", "utilization"), where="mine.toml")
