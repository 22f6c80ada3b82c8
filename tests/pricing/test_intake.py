"""Intake of files: recognised, dated, taken whole, and once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.errors import FormatError, UsageError
from joulemark.pricing.fetch import Outcome
from joulemark.pricing.importer import Options
from joulemark.pricing.intake import Intake
from joulemark.pricing.sources.aws_history import COLUMNS
from joulemark.pricing.store import Added, PriceStore
from tests.conftest import ManualClock
from tests.pricing.records import TOML

HEAD = ",".join(COLUMNS) + "\n"


def history(tmp_path: Path, *amounts: str, name: str = "us-east-1.csv") -> Path:
    path = tmp_path / name
    rows = [f"20{20 + i}0203145209,20{20 + i}-01,p5,{amount},SKU\n" for i, amount in enumerate(amounts)]
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PriceStore]:
    with PriceStore(tmp_path / "prices.db") as opened:
        yield opened


def test_a_file_is_an_attempt_like_any_other(tmp_path: Path, store: PriceStore, manual_clock: ManualClock) -> None:
    """What was read, when, and how much of it stands in the store; each price carries the hash of the file and its name without folder."""
    path = history(tmp_path, "98.32", "55.04")
    intake = Intake.read(path, clock=manual_clock)
    taken = intake.commit(store)
    assert taken.added == Added(2, 2)
    (fetch,) = store.fetches()
    assert (fetch.feed, fetch.scope, fetch.url, fetch.outcome) == ("aws_history", "us-east-1.csv", "file:us-east-1.csv", Outcome.OK)
    assert (fetch.rows_parsed, fetch.raw_bytes, fetch.fetched_at_ns) == (2, path.stat().st_size, manual_clock.utc_ns())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert {(p.payload_sha256, p.source_url) for p in store.snapshot().prices} == {(digest, "file:us-east-1.csv")}


def test_a_price_file_keeps_what_its_author_wrote(tmp_path: Path, store: PriceStore, manual_clock: ManualClock) -> None:
    """A hand-written record is not stamped with a hash that is not of its page, nor with the time of the import."""
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    Intake.read(path, clock=manual_clock).commit(store)
    (price,) = store.snapshot().prices
    assert (price.feed, price.payload_sha256, price.to_json()["fetched_at"]) == ("manual", "", "2025-07-03T20:49:06Z")


def test_the_same_file_is_taken_once(tmp_path: Path, store: PriceStore, manual_clock: ManualClock) -> None:
    """Read again a day later it is neither new nor seen again: an old list says nothing of today."""
    path = history(tmp_path, "98.32")
    first = Intake.read(path, clock=manual_clock).commit(store)
    manual_clock.advance(86_400 * 10**9)
    again = Intake.read(path, clock=manual_clock).commit(store)
    assert (again.fetch, again.added) == (first.fetch, Added())
    assert len(store.fetches()) == len(store.snapshot().prices) == 1
    other = Intake.read(path, clock=manual_clock, options=Options(region="eu-west-1")).commit(store)
    assert other.added == Added(1, 1)


def test_gates_hold_for_foreign_formats(tmp_path: Path, store: PriceStore, manual_clock: ManualClock) -> None:
    """A later table of the same name with a tenth of the price is held, unless forced; a hand-written file is meant as it is."""
    Intake.read(history(tmp_path, "98.32"), clock=manual_clock).commit(store)
    manual_clock.advance(10**9)
    wrong = Intake.read(history(tmp_path, "9.832"), clock=manual_clock)
    assert wrong.commit(store).fetch.outcome is Outcome.HELD
    assert wrong.commit(store, force=True).added == Added(1, 1)
    path = tmp_path / "mine.toml"
    for amount in ("55.04", "0.01"):
        path.write_text(TOML.replace("55.0400000000000000001", amount), encoding="utf-8")
        manual_clock.advance(10**9)
        assert Intake.read(path, clock=manual_clock).commit(store).added.points > 0


def test_a_format_that_is_named_or_not_known(tmp_path: Path, manual_clock: ManualClock) -> None:
    """A table of no format is refused with the formats there are; one that is named wrongly is refused by that format."""
    path = tmp_path / "us-east-1.csv"
    path.write_text("when,where\n1,2\n", encoding="utf-8")
    with pytest.raises(FormatError, match="no format of prices") as caught:
        Intake.read(path, clock=manual_clock)
    assert "aws_history" in caught.value.next_step
    with pytest.raises(FormatError, match="other columns"):
        Intake.read(path, clock=manual_clock, kind="aws_history")
    with pytest.raises(UsageError, match="no kind of prices 'aws_histroy'"):
        Intake.read(path, clock=manual_clock, kind="aws_histroy")


def test_options_do_not_contradict_a_price_file(tmp_path: Path, manual_clock: ManualClock) -> None:
    """A price file names its regions itself: a region beside it is refused, not ignored."""
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    with pytest.raises(UsageError, match="names provider and region itself"):
        Intake.read(path, clock=manual_clock, options=Options(region="us-east-1"))


def test_a_packed_file_is_the_same_file(tmp_path: Path, store: PriceStore, manual_clock: ManualClock) -> None:
    """A gzip is unpacked, and its hash is that of the table in it."""
    path = history(tmp_path, "98.32")
    plain = Intake.read(path, clock=manual_clock)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert Intake.read(path, clock=manual_clock) == plain
