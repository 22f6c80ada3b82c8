"""Price files: TOML and JSON, exact, whole, and refused with the place of the error."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from joulemark.errors import FormatError, UsageError
from joulemark.pricing.sources import manual
from tests.pricing.records import TOML, record


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


def test_a_json_number_stays_exact(tmp_path: Path) -> None:
    """An amount that another program wrote as a JSON number keeps all its digits too."""
    text = json.dumps({"schema": "joulemark.prices/1", "price": [record(amount="@")]}).replace('"@"', "98.3200000000000000001")
    (price,) = manual.parse(text, where="x", toml=False).prices
    assert price.amount == Decimal("98.3200000000000000001")


def test_a_place_that_cannot_be_written_is_named(price_file: Path) -> None:
    """Below a plain file nothing can be written: a usage error with the path, and what was there stays."""
    before = price_file.read_bytes()
    with pytest.raises(UsageError, match=r"cannot write .*kept\.json") as caught:
        manual.write(price_file / "kept.json", manual.read(price_file))
    assert "folder of yours" in caught.value.next_step
    assert price_file.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "not an object"),
        (b"\xff{}", "not UTF-8"),
        (b'{"price": 1e', "not valid JSON"),
        (b'{"schema": 1, "schema": 2}', "stands twice"),
        (b"[" * 5000, "not valid JSON"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    """A list, bytes that are no text and half a file are each refused with the path, never read as no prices."""
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        manual.read(path)
    assert str(path) in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file above 64 MiB, which no list of prices is, is refused before it is read."""
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(manual.MAX_BYTES + 1)
    with pytest.raises(UsageError, match="longer than 67108864 bytes"):
        manual.read(path)
