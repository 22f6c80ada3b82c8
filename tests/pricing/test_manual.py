"""Price files: TOML and JSON, and the store that `joulemark price` keeps."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark.cli.price import command
from joulemark.errors import FormatError, UsageError
from joulemark.pricing.sources import manual

TOML = """
schema = "joulemark.prices/1"

[[price]]
provider = "aws"
region = "us-east-1"
instance_type = "p5.48xlarge"
amount = 55.0400000000000000001
currency = "USD"
unit = "h"
gpu_count = 8
effective_from = 2025-06-01
fetched_at = 2025-07-03T20:49:06Z
source_url = "https://example.com/list"

[[tariff]]
zone = "site"
amount = "0.12"
currency = "USD"
amount_basis = "assumed"
effective_from = 2025-01-01
fetched_at = 2025-01-02
source_url = "https://example.com/bill"
"""


@pytest.fixture
def price_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    return path


def test_toml_amounts_stay_exact(price_file: Path) -> None:
    """An amount written bare in TOML keeps all its digits: it never passes through a float."""
    (price,) = manual.read(price_file).prices
    assert price.amount == Decimal("55.0400000000000000001")


def test_json_round_trip(price_file: Path, tmp_path: Path) -> None:
    """What was read from TOML and written as JSON reads back equal, and twice written is the same bytes."""
    snapshot = manual.read(price_file)
    manual.write(tmp_path / "a.json", snapshot)
    manual.write(tmp_path / "b.json", manual.read(tmp_path / "a.json"))
    assert manual.read(tmp_path / "a.json") == snapshot
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json", "mine.toml"]


def test_wrong_files_say_where(tmp_path: Path) -> None:
    """A file that is missing, is not JSON, or has another schema is refused with its name and the place."""
    with pytest.raises(UsageError, match=r"none\.json"):
        manual.read(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(FormatError, match=r"bad\.json is not valid JSON"):
        manual.read(tmp_path / "bad.json")
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match="schema is None"):
        manual.read(tmp_path / "other.json")
    (tmp_path / "third.toml").write_text(TOML.replace('unit = "h"', 'unit = "month"'), encoding="utf-8")
    with pytest.raises(UsageError, match=r"\[\[price\]\] 1 unit = 'month'"):
        manual.read(tmp_path / "third.toml")


def test_a_hand_written_file_is_not_overwritten(price_file: Path) -> None:
    """Importing into a TOML file is refused: comments and order belong to who wrote it."""
    with pytest.raises(UsageError, match="not overwritten"):
        manual.write(price_file, manual.read(price_file))


def test_import_and_show(price_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`price import` twice adds once; `price show` then answers for a date inside, and with a reason before it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)
    runner = CliRunner()
    first = json.loads(runner.invoke(command, ["import", str(price_file), "--json"], catch_exceptions=False).stdout)
    second = json.loads(runner.invoke(command, ["import", str(price_file), "--json"], catch_exceptions=False).stdout)
    assert (first["added"], second["added"], second["prices"], second["tariffs"]) == (2, 0, 1, 1)
    asked = ["show", "--provider", "aws", "--instance", "p5.48xlarge", "--region", "us-east-1", "--json"]
    inside = json.loads(runner.invoke(command, [*asked, "--valid-at", "2025-06-15"], catch_exceptions=False).stdout)
    before = json.loads(runner.invoke(command, [*asked, "--valid-at", "2025-05-15"], catch_exceptions=False).stdout)
    assert (inside["status"], inside["price"]["amount"]) == ("manual", "55.0400000000000000001")
    assert (before["status"], before["price"]) == ("missing", None)
    assert "2025-06-01" in before["reason"]


def test_show_lists_everything(price_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a full name `price show` lists what is known, and says what to do when that is nothing."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("JOULEMARK_CONFIG", raising=False)
    runner = CliRunner()
    assert "joulemark price import FILE" in runner.invoke(command, ["show"], catch_exceptions=False).stdout
    runner.invoke(command, ["import", str(price_file)], catch_exceptions=False)
    assert "p5.48xlarge us-east-1 on_demand 55.04" in runner.invoke(command, ["show"], catch_exceptions=False).stdout
    assert runner.invoke(command, ["show", "--provider", "azure", "--json"], catch_exceptions=False).stdout.count("instance_type") == 0


def test_prices_file_of_the_configuration(price_file: Path, tmp_path: Path) -> None:
    """`prices.file` names where the known prices are kept."""
    settings = tmp_path / "joulemark.toml"
    settings.write_text(f'[prices]\nfile = "{tmp_path / "kept.json"}"\n', encoding="utf-8")
    CliRunner().invoke(command, ["import", str(price_file), "--config", str(settings)], catch_exceptions=False)
    assert len(manual.read(tmp_path / "kept.json").prices) == 1
