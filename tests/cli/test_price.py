"""`joulemark price`: what is imported is kept, and answered for a date."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from joulemark.cli.price import command
from joulemark.errors import ConfigError, FormatError, UsageError
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
    """`prices.file` names where the known prices are kept; a price file there, as of former versions, is refused with what to do."""
    settings = tmp_path / "joulemark.toml"
    settings.write_text(f'[prices]\nfile = "{tmp_path / "kept.db"}"\n', encoding="utf-8")
    run("import", price_file, "--config", settings)
    assert json.loads(run("show", "--config", settings, "--json").stdout)["prices"][0]["amount"] == "55.04"
    assert not (tmp_path / "state").exists()
    settings.write_text(f'[prices]\nfile = "{price_file}"\n', encoding="utf-8")
    for asked in (("import", price_file), ("show",), ("export",), ("fetches",)):
        with pytest.raises(ConfigError, match=r"mine\.json is a price file"):
            run(*asked, "--config", settings)


def test_the_former_file_is_not_lost(price_file: Path, tmp_path: Path, run: Run) -> None:
    """Prices that stood in prices.json of the data folder are shown and stay, beside those that are imported now."""
    (tmp_path / "state").mkdir()
    price_file.rename(tmp_path / "state" / "prices.json")
    assert run("show").stdout.startswith("aws p5.48xlarge us-east-1 on_demand 55.04")
    manual.write(tmp_path / "more.json", Snapshot((price(),)))
    assert json.loads(run("import", tmp_path / "more.json", "--json").stdout)["prices"] == 2


def test_the_history_of_aws_is_recognised(corpus: Path, run: Run) -> None:
    """Sixteen rows of ten lists are four prices seen sixteen times; imported again, nothing is added."""
    history = corpus / "pricing/aws/ec2_us-east-1_price_history_verified.csv"
    first, again = (json.loads(run("import", history, "--json").stdout) for _ in range(2))
    (told,) = first["files"]
    assert (first["added"], told["points"], told["kind"], told["rejected"]) == (16, 4, "aws_history", 0)
    assert (again["added"], again["snapshot_id"]) == (0, first["snapshot_id"])
    answer = json.loads(run("show", *P5, "--valid-at", "2025-06-15", "--json").stdout)
    assert (answer["status"], answer["price"]["amount"], answer["after"]["amount"]) == ("changed", "98.32", "55.04")
    known = json.loads(run("show", *P5, "--valid-at", "2025-06-15", "--known-at", "2025-06-20", "--json").stdout)
    assert (known["status"], known["price"]["amount"], known["after"]) == ("stale", "98.32", None)


def test_a_shrunken_table_is_held(tmp_path: Path, run: Run) -> None:
    """A table with three rows of ten ends with an error that says why and how to take it, and what is known stays."""
    path = tmp_path / "us-east-1.csv"

    def write(rows: int) -> None:
        head = "price_list_version,effective_month,instance_type,usd_per_hour,sku\n"
        path.write_text(head + "".join(f"20250703204906,2025-06,g{i},1.0,SKU\n" for i in range(rows)), encoding="utf-8")

    write(10)
    run("import", path)
    write(3)
    with pytest.raises(UsageError, match="3 rows are less than 80%") as caught:
        run("import", path)
    assert "--force" in caught.value.next_step
    assert json.loads(run("show", "--json").stdout)["snapshot_id"] == json.loads(run("export").stdout)["snapshot_id"]
    assert run("import", path, "--force").stdout.splitlines()[0].endswith("3 added, 0 of them not known before, 0 rows refused")


def test_rows_that_are_no_price_are_told(tmp_path: Path, run: Run) -> None:
    """An import says how many rows were refused, and why, also later in the list of attempts."""
    head = "price_list_version,effective_month,instance_type,usd_per_hour,sku\n"
    rows = [f"20250703204906,2025-06,p5,{amount},SKU\n" for amount in ("1.0", "x", "x")]
    path = tmp_path / "mine.csv"
    path.write_text(head + "".join(rows), encoding="utf-8")
    told = run("import", path, "--region", "us-east-1").stdout
    assert "mine.csv (aws_history): 1 added, 1 of them not known before, 2 rows refused\n  2 x usd_per_hour: 'x' is not a number" in told
    assert "2 x usd_per_hour: 'x' is not a number" in run("fetches").stdout


def test_export_twice_is_the_same_bytes(corpus: Path, price_file: Path, tmp_path: Path, run: Run) -> None:
    """What was known on a day is written twice alike, also after more was read, and is taken whole by another machine."""
    history = corpus / "pricing/aws/ec2_us-east-1_price_history_verified.csv"
    run("import", history, price_file)
    asked = ("export", "--as-of", "2025-06-20T12:00:00Z")
    run(*asked, "--out", tmp_path / "first.json")
    manual.write(tmp_path / "later.json", Snapshot((price(fetched_at="2026-09-01"),)))
    run("import", tmp_path / "later.json")
    result = json.loads(run(*asked, "--out", tmp_path / "second.json", "--json").stdout)
    first = (tmp_path / "first.json").read_bytes()
    assert first == (tmp_path / "second.json").read_bytes() == run(*asked).stdout.encode()
    assert (result["prices"], result["tariffs"], result["snapshot_id"]) == (9, 1, json.loads(first)["snapshot_id"])
    other = tmp_path / "other.toml"
    other.write_text(f'[prices]\nfile = "{tmp_path / "other.db"}"\n', encoding="utf-8")
    run("import", tmp_path / "first.json", "--config", other)
    assert run(*asked, "--config", other).stdout.encode() == first


def test_export_before_the_first_price(tmp_path: Path, run: Run) -> None:
    """With nothing known an empty price file is written, and no store is made."""
    assert json.loads(run("export").stdout)["price"] == []
    assert run("fetches").stdout.startswith("No prices were ever read")
    assert run("export", "--out", tmp_path / "none.json").stdout.startswith("0 prices, 0 tariffs, 0 rates, 0 carbon written")
    assert not (tmp_path / "state").exists()


def test_fetches_show_how_each_feed_stands(price_file: Path, tmp_path: Path, run: Run) -> None:
    """Each file that was read is an attempt, newest first; of each feed the last good reading and its age are told."""
    manual.write(tmp_path / "more.json", Snapshot((price(),)))
    run("import", price_file, tmp_path / "more.json")
    told = json.loads(run("fetches", "--json").stdout)
    assert [feed["scope"] for feed in told["feeds"]] == ["mine.json", "more.json"]
    assert run("fetches", "--feed", "ecb").stdout == "ecb was never read; without --feed all that was read is shown\n"
    assert [fetch["url"] for fetch in told["fetches"]] == ["file:more.json", "file:mine.json"]
    assert all(feed["outcome"] == "ok" and 0 <= feed["age_s"] < 600 for feed in told["feeds"])
    assert len(json.loads(run("fetches", "--limit", "1", "--json").stdout)["fetches"]) == 1
    assert json.loads(run("fetches", "--feed", "vast", "--json").stdout)["feeds"] == []
    assert run("fetches").stdout.splitlines()[0].startswith("manual mine.json: last good 20")


def test_the_first_run_has_prices(tmp_path: Path, run: Run) -> None:
    """Before anything was imported a look-up answers with the prices that come with Joulemark, called so, and makes no store."""
    answer = json.loads(run("show", *P5, "--json").stdout)
    assert (answer["status"], answer["price"]["feed"]) == ("bundled", "bundled")
    assert not (tmp_path / "state").exists()
