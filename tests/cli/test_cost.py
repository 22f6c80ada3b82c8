"""`joulemark cost`: an old run at the price of another date or place, offline; a year of two runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from joulemark.cli import price as price_command
from joulemark.cli.cost import command
from joulemark.errors import FormatError, InsufficientData, UsageError
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from tests.kit import spoil
from tests.kit.lab import Lab, prices, write

Run = Callable[..., Result]
OWN = """
schema = "joulemark.onprem/1"
capex = "320000"
currency = "USD"
years = 4
utilisation = "0.70"
pue = "1.5"
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoil.written(tmp_path_factory.mktemp("kit"), "ES1")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*arguments)`: the command, with its store in a folder of the test."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)
    return lambda *arguments: CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)


def told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_bundle_is_priced_from_its_own_prices(bundle: Path, run: Run) -> None:
    """With nothing asked the bundle's own prices count, and `cost BUNDLE` is `cost of BUNDLE`, options before or after."""
    found = told(run(bundle, "--json"))
    assert (found["schema"], found["prices_from"], found["before"]["ratio"]) == ("joulemark.cost/1", ["bundle"], "1")
    assert found == told(run("of", "--json", bundle)) == told(run("--json", bundle))
    assert (found["market"]["status"], found["market"]["price"]["sha256"]) == ("manual", prices().prices[0].point_id)
    assert found["market"]["age_s"] > 0


def test_the_price_of_a_word(bundle: Path, run: Run) -> None:
    """The price before the cut makes the old run 1.786337 times as dear; the record says that it was stated."""
    found = told(run(bundle, "--price", "98.32USD/h", "--json"))
    assert (found["market"]["amount"], f"{Decimal(found['before']['ratio']):.6f}") == ("10.6513333333333333", "1.786337")
    assert found["market"]["price"]["source_url"] == "command line"
    per_gpu = told(run(bundle, "--price", "10USD/GPU-h", "--json"))["market"]
    assert (per_gpu["price"]["gpu_count"], per_gpu["amount"]) == (2, "2.16666666666666667")
    with pytest.raises(UsageError, match="no amount"):
        run(bundle, "--price", "98.32")


def test_another_date_and_place_from_a_file_and_from_the_store(bundle: Path, tmp_path: Path, run: Run) -> None:
    """The price of another region and another year is found in a price file, and the same in the store of this machine."""
    own = prices().prices[0]
    there = replace(own, region="eu-west-1", amount=Decimal("70"), effective_from_ns=own.effective_from_ns - 400 * 86_400 * 10**9)
    file = tmp_path / "there.json"
    manual.write(file, Snapshot((there,)))
    asked = ("--as-of", "2026-01-01", "--region", "eu-west-1", "--json")
    with_file = told(run(bundle, "--price", file, *asked))
    assert (with_file["valid_at"], with_file["market"]["price"]["amount"]) == ("2026-01-01T00:00:00Z", "70")
    assert with_file["energy"]["amount"] is None
    assert CliRunner().invoke(price_command.command, ["import", str(file)], standalone_mode=False).exception is None
    with_store = told(run(bundle, *asked))
    assert with_store["market"]["amount"] == with_file["market"]["amount"]
    assert with_store["prices_from"] == ["bundle", str(tmp_path / "state" / "prices.db")]


def test_what_was_not_yet_known(bundle: Path, run: Run) -> None:
    """With --known-at before the bundle's price was read another answers, that which comes with joulemark; before that one too, none."""
    assert told(run(bundle, "--known-at", "2026-10-25", "--json"))["market"]["status"] == "manual"
    earlier = told(run(bundle, "--known-at", "2026-10-10", "--json"))
    assert (earlier["market"]["status"], earlier["energy"]["amount"]) == ("bundled", None)
    assert earlier["prices_from"] == ["bundle", "the prices that come with joulemark"]
    with pytest.raises(InsufficientData, match="was known then"):
        run(bundle, "--known-at", "2020-01-01")


def test_no_cost_at_all_is_exit_4(bundle: Path, run: Run, tmp_path: Path) -> None:
    """One missing cost is null beside the other; when both are, the object is still printed and the exit code is 4."""
    found = told(run(bundle, "--region", "nowhere-1", "--json"))
    assert (found["market"]["amount"], bool(found["market"]["reason"]), found["energy"]["amount"] is None) == (None, True, False)
    with pytest.raises(InsufficientData, match=r"nowhere-1.*no tariff") as raised:
        run(bundle, "--region", "nowhere-1", "--as-of", "2020-01-01")
    assert raised.value.exit_code == 4


def test_an_own_machine(bundle: Path, tmp_path: Path, run: Run) -> None:
    """A profile brings its PUE, unless another is given; its costs are summed under their name."""
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    found = told(run(bundle, "--profile", file, "--json"))
    assert found["energy"]["tariff"]["pue"] == "1.5"
    assert found["on_prem"]["amortisation_plus_opex_plus_energy"]["amount"]
    assert told(run(bundle, "--profile", file, "--pue", "1.1", "--json"))["energy"]["tariff"]["pue"] == "1.1"
    shown = run(bundle, "--profile", file, "--split", "weight:4", "--share", "1/2", "--basis", "allocated_uptime").stdout
    for words in ("own machine: 320000 USD over 4 years, 0.7 used", "split by weight:4, a model", "1 of 2 GPUs", "times dearer"):
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--share", "4"), "no share"),
        (("--share", "3/2"), "no share"),
        (("--split", "half"), "no method"),
        (("--price-model", "free"), "no price model"),
        (("--pue", "0.9"), "below 1"),
        (("--pue", "one"), "not a number"),
        (("--billing-minimum", "-60"), "negative"),
        (("--as-of", "yesterday"), "not a date"),
        (("--tariff", "0.12"), "no amount"),
        (("--price", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_wrong_options_are_named(bundle: Path, run: Run, arguments: tuple[str, ...], says: str) -> None:
    """Every wrong option is refused with its name or its value and what to write."""
    with pytest.raises((UsageError, FormatError), match=says):
        run(bundle, *arguments)


def test_a_year_of_two_runs(bundle: Path, tmp_path: Path, run: Run) -> None:
    """`cost project` tells energy, costs, savings and payback, for people and as JSON; 0 queries ask for nothing."""
    other = write(tmp_path / "other", Lab.of("ES1", seed=2).evidence())
    file = tmp_path / "own.toml"
    file.write_text(OWN)
    asked = ("project", bundle, other, "--queries-per-day", "1000000", "--profile-b", file)
    found = told(run(*asked, "--json"))
    assert (found["schema"], found["b"]["machines"], found["saved"]["payback"]["within"]) == ("joulemark.projection/1", 9, False)
    text = run(*asked).stdout
    for words in ("kWh (NODE_AC, server_input)", "which is within the uncertainty", "B has paid for itself after", "not within 1"):
        assert words in text
    with pytest.raises(UsageError, match="asks for nothing"):
        run("project", bundle, other, "--queries-per-day", "0")
