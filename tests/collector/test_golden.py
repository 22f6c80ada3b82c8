"""Files of every version open in this one and give the answers that they gave then."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.store import schema
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.readings import MeterInfo
from tests.collector import golden

VERSIONS = sorted(int(path.stem.partition("-v")[2]) for path in golden.FOLDER.glob("readings-v*.db"))


def test_this_version_has_its_golden_files() -> None:
    """Every version up to this one is there: a change of the schema writes the files of its own."""
    assert list(range(1, schema.VERSION + 1)) == VERSIONS


def described(series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Series of an older version with the descriptions of this one: what it did not know yet has its default."""
    return [{**one, "meter": MeterInfo.from_json(one["meter"]).to_json()} for one in series]


def listed(runs: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs with what an older version told of each: later ones tell more."""
    return [{name: run[name] for name in then} for run, then in zip(runs, expected, strict=True)]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_store_answers_as_it_did(version: int, tmp_path: Path) -> None:
    """Readings, bounds, losses, streams, energies and runs of a migrated file are those that its own version gave, to the last digit."""
    readings, catalog, said = (golden.FOLDER / f"{name}-v{version}.{ending}" for name, ending in golden.KINDS)
    shutil.copy(readings, tmp_path / "readings.db")
    shutil.copy(catalog, tmp_path / "catalog.db")
    store = SqliteStore(tmp_path / "readings.db")
    expected = json.loads(said.read_text(encoding="utf-8"))
    for _ in range(2):
        found = golden.answers(tmp_path / "readings.db", tmp_path / "catalog.db")
        found["runs"] = listed(found["runs"], expected["runs"])
        for key in expected:
            assert found[key] == (described(expected[key]) if key == "series" else expected[key]), key
        store.seal(golden.T0, everything=True)
    store.close()
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


def test_the_golden_files_of_a_version_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command writes all three into a folder without them, and does not replace what is there."""
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    golden.main()
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}-v{schema.VERSION}.{ending}" for name, ending in golden.KINDS}
    with pytest.raises(FileExistsError, match=f"v{schema.VERSION}"):
        golden.main()
