"""`joulemark price`: what is imported is kept, and answered for a date."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from joulemark.cli.price import command
from joulemark.errors import FormatError, UsageError
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from tests.pricing.records import CUT, price, record, tariff

Run = Callable[..., Result]
P5 = ("--provider", "aws", "--instance", "p5.48xlarge", "--region", "us-east-1")


@pytest.fixture
def price_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    manual.write(path, Snapshot((price(**CUT),), (tariff(),)))
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run(*arguments)`: the command, with its store in a folder of the test."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)

    return invoke


def test_import_and_show(price_file: Path, run: Run) -> None:
    """`price import` twice adds once; `price show` then answers for a date inside, and with a reason before it."""
    first, second = (json.loads(run("import", price_file, "--json").stdout) for _ in range(2))
    assert (first["added"], second["added"], second["prices"], second["tariffs"]) == (2, 0, 1, 1)
    inside = json.loads(run("show", *P5, "--valid-at", "2025-06-15", "--json").stdout)
    before = json.loads(run("show", *P5, "--valid-at", "2025-05-15", "--json").stdout)
    assert (inside["status"], inside["price"]["amount"]) == ("manual", "55.04")
    assert (before["status"], before["price"]) == ("missing", None)
    assert "2025-06-01" in before["reason"]


def test_what_was_known_then(price_file: Path, tmp_path: Path, run: Run) -> None:
    """With --known-at a price read later does not count, though it was already in force: the older one answers."""
    manual.write(tmp_path / "older.json", Snapshot((price(),)))
    run("import", price_file, tmp_path / "older.json")
    asked = ("show", *P5, "--valid-at", "2025-06-15", "--json")
    assert json.loads(run(*asked).stdout)["price"]["amount"] == "55.04"
    assert json.loads(run(*asked, "--known-at", "2025-06-20").stdout)["price"]["amount"] == "98.32"


def test_show_lists_everything(price_file: Path, run: Run) -> None:
    """Without a full name `price show` lists what is known, and says what to do when that is nothing."""
    assert "joulemark price import FILE" in run("show").stdout
    run("import", price_file)
    assert run("show").stdout.splitlines() == [
        "aws p5.48xlarge us-east-1 on_demand 55.04 USD/h from 2025-06-01T00:00:00Z, read 2025-07-03T20:49:06Z at https://example.com/list",
        "tariff site 0.12 USD/kWh (measured), PUE 1.2 (assumed), from 2025-01-01T00:00:00Z",
    ]
    assert json.loads(run("show", "--provider", "azure", "--json").stdout)["prices"] == []


def test_an_ambiguous_price_shows_its_candidates(tmp_path: Path, run: Run) -> None:
    """Two amounts of one date are no price: for people both are listed under the reason."""
    manual.write(tmp_path / "two.json", Snapshot((price(), price(amount="55.04"))))
    run("import", tmp_path / "two.json")
    first, *candidates = run("show", *P5).stdout.splitlines()
    assert first.startswith("ambiguous: 2 prices of aws p5.48xlarge")
    assert [line.split()[5] for line in candidates] == ["55.04", "98.32"]


def test_a_wrong_file_among_right_ones_changes_nothing(price_file: Path, tmp_path: Path, run: Run) -> None:
    """When one of several files is refused none is kept, and the message names the record."""
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"schema": "joulemark.prices/1", "price": [record(amount="-1")]}), encoding="utf-8")
    with pytest.raises(FormatError, match=r"wrong\.json \[\[price\]\] 1 amount"):
        run("import", price_file, wrong)
    assert json.loads(run("show", "--json").stdout)["prices"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--price-model", "spto"), "no price model 'spto'"),
        (("--valid-at", "2025-06-01"), "need --provider"),
        ((*P5, "--valid-at", "yesterday"), "not a date"),
    ],
)
def test_a_wrong_question_is_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    """An unknown price model, a date without a machine and what is no date are usage errors that name the mistake."""
    with pytest.raises((click.UsageError, UsageError), match=message):
        run("show", *arguments)


def test_prices_file_of_the_configuration(price_file: Path, tmp_path: Path, run: Run) -> None:
    """`prices.file` names where the known prices are kept."""
    settings = tmp_path / "joulemark.toml"
    settings.write_text(f'[prices]\nfile = "{tmp_path / "kept.json"}"\n', encoding="utf-8")
    run("import", price_file, "--config", settings)
    assert len(manual.read(tmp_path / "kept.json").prices) == 1
    assert not (tmp_path / "state").exists()
