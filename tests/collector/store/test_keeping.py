"""Which raw readings are kept."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store.keeping import Keeping, Kept
from joulemark.config import CollectorConfig
from joulemark.errors import ConfigError
from tests.collector.store.catalogue import catalogue
from tests.collector.store.conftest import T0, S

DAY = 86_400 * S
NOW = T0 + 10 * DAY


def kept(path: Path) -> Kept | None:
    """A day and ten seconds around runs, ten days after T0."""
    return Keeping(DAY, 10 * S, path).at(NOW)


def test_what_touches_a_run_with_its_margin_is_kept(tmp_path: Path) -> None:
    """To the nanosecond: what ends where the margin begins, or begins where it ends, stays; one further away goes."""
    found = kept(catalogue(tmp_path / "c.db", (100, 200), (150, 160), (1000, 1100)))
    assert found is not None
    begin, end = T0 + 90 * S, T0 + 210 * S
    assert found.holds(begin - S, begin)
    assert not found.holds(begin - S, begin - 1)
    assert found.holds(end, end + S)
    assert not found.holds(end + 1, end + S)
    assert found.holds(T0, NOW)
    assert found.holds(T0 + 120 * S, T0 + 121 * S)
    assert not found.holds(T0 + 300 * S, T0 + 400 * S)
    assert found.holds(T0 + 1050 * S, T0 + 1060 * S)


def test_what_is_young_is_kept(tmp_path: Path) -> None:
    """A chunk goes when its last reading is older than the days."""
    found = kept(catalogue(tmp_path / "c.db"))
    assert found is not None
    assert found.holds(NOW - 2 * DAY, NOW - DAY)
    assert not found.holds(NOW - 2 * DAY, NOW - DAY - 1)


def test_a_run_that_goes_on_is_kept_up_to_now(tmp_path: Path) -> None:
    """From its begin on nothing goes, however old it is."""
    found = kept(catalogue(tmp_path / "c.db", (100, None)))
    assert found is not None
    assert found.holds(T0 + 2 * DAY, T0 + 2 * DAY + S)
    assert not found.holds(T0, T0 + 89 * S)


def test_a_catalogue_says_nothing_of_the_time_before_it(tmp_path: Path) -> None:
    """One that was made anew in the place of a lost one deletes nothing that the lost one may have held."""
    found = kept(catalogue(tmp_path / "c.db", begun="2026-09-30 00:00:00+00:00"))
    begun_ns = 1_790_726_400 * S
    assert found is not None
    assert found.holds(T0, T0 + S)
    assert found.holds(begun_ns - S, begun_ns)
    assert not found.holds(begun_ns + 1, begun_ns + S) or begun_ns + S >= NOW - DAY


@pytest.mark.parametrize(
    "harm",
    [
        "DROP TABLE mark",
        "UPDATE run SET created_ns = 'long ago'",
        "DELETE FROM _sqlite_migrations",
        "UPDATE _sqlite_migrations SET applied_at = 'x'",
    ],
)
def test_a_catalogue_that_cannot_be_understood_keeps_everything(harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong with it, nothing is known to be in no run, and the log says why."""
    with closing(sqlite3.connect(catalogue(tmp_path / "c.db", (100, 200)))) as db, db:
        db.execute(harm)
    with caplog.at_level(logging.WARNING):
        assert kept(tmp_path / "c.db") is None
    assert "no old readings are deleted, since the runs cannot be read" in caplog.text


def test_no_catalogue_and_a_file_that_is_none_keep_everything(tmp_path: Path) -> None:
    """Neither is made or mended by asking."""
    (tmp_path / "c.db").write_bytes(b"not a database" * 100)
    assert kept(tmp_path / "c.db") is None
    assert kept(tmp_path / "missing.db") is None
    assert [path.name for path in tmp_path.iterdir()] == ["c.db"]


def test_it_is_configured_in_days_and_seconds(tmp_path: Path) -> None:
    """Nothing is deleted unless asked for, and never what is younger than a day or nearer to a run than ten minutes."""
    assert Keeping.of(CollectorConfig(data_dir=tmp_path)) is None
    wanted = CollectorConfig(data_dir=tmp_path, keep_raw_days=1.5, keep_margin_s=600)
    assert Keeping.of(wanted) == Keeping(DAY * 3 // 2, 600 * S, tmp_path / "catalog.db")
    for keys in ({"keep_raw_days": 0.5}, {"keep_raw_days": -1.0}, {"keep_margin_s": 599.0}):
        with pytest.raises(ConfigError, match=r"collector\.keep_"):
            CollectorConfig(**keys)  # type: ignore[arg-type] # each key is a number of its own
