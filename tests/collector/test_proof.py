"""Whether a backup is worth something."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.backups import Backup, Backups
from joulemark.collector.proof import Proof, proven
from tests.collector import golden


def kept(tmp_path: Path, *statements: str, name: str = "readings.db") -> tuple[Backups, Backup]:
    """A backup of readings in which `statements` changed something."""
    place = tmp_path / name
    golden.write_readings(place)
    with closing(sqlite3.connect(place)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    backups = Backups(tmp_path / "b")
    with backups.writing():
        return backups, backups.add(golden.T0, [(name, place)])


def proof_of(tmp_path: Path, backups: Backups, backup: Backup) -> Proof:
    """What is found in a fresh folder, which is left empty."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    proof = proven(backups, backup, scratch)
    assert list(scratch.iterdir()) == []
    return proof


def test_a_good_backup_is_proven_by_its_readings(tmp_path: Path) -> None:
    """Sealed and logged readings of three hosts, one with a stepped clock: every power meter has its energy made again."""
    proof = proof_of(tmp_path, *kept(tmp_path))
    assert (proof.faults, proof.files, proof.databases, proof.meters) == ([], 1, 1, 3)
    assert proof.spans >= 3


@pytest.mark.parametrize("version", [1, 4])
def test_a_backup_of_an_older_version_is_proven_too(version: int, tmp_path: Path) -> None:
    """The copy is brought to this version; the backup stays as it is."""
    backups = Backups(tmp_path / "b")
    with backups.writing():
        backup = backups.add(golden.T0, [("readings.db", golden.FOLDER / f"readings-v{version}.db")])
    assert proof_of(tmp_path, backups, backup).faults == []
    assert b"".join(backups.bytes_of(backup.files[0])) == (golden.FOLDER / f"readings-v{version}.db").read_bytes()


def test_a_sum_that_is_not_that_of_its_readings_is_told(tmp_path: Path) -> None:
    """One unit more in one sum, in a database that SQLite finds well."""
    wrong = "UPDATE chunk_sum SET double_integral = double_integral + 1 WHERE double_integral IS NOT NULL"
    proof = proof_of(tmp_path, *kept(tmp_path, wrong))
    assert proof.faults != []
    assert all("power" in fault and "are not those" in fault for fault in proof.faults)


def test_a_day_of_deleted_readings_is_no_fault(tmp_path: Path) -> None:
    """Its sums have nothing to be held against: it is not counted as proven."""
    proof = proof_of(tmp_path, *kept(tmp_path, "UPDATE chunk SET layout = '', body = x''"))
    assert (proof.faults, proof.spans < 3) == ([], True)


def test_a_database_that_sqlite_finds_unsound_is_told(tmp_path: Path) -> None:
    """A page that was overwritten before the backup was made: hashes are right, the database is not."""
    backups, _ = kept(tmp_path)
    place = tmp_path / "readings.db"
    raw = bytearray(place.read_bytes())
    raw[8192 * 3 : 8192 * 3 + 4000] = bytes(4000)
    place.write_bytes(raw)
    with backups.writing():
        backup = backups.add(golden.T0 + 10**9, [("readings.db", place)])
    assert proof_of(tmp_path, backups, backup).faults != []


def test_a_missing_block_is_one_fault_among_the_files(tmp_path: Path) -> None:
    """The other files are still looked at."""
    backups, backup = kept(tmp_path)
    other = tmp_path / "tokens.json"
    other.write_text("{}")
    with backups.writing():
        backup = backups.add(golden.T0 + 10**9, [("readings.db", tmp_path / "readings.db"), ("tokens.json", other)])
    next((tmp_path / "b" / "blocks").glob(f"*/{backup.files[0].blocks[0]}")).unlink()
    proof = proof_of(tmp_path, backups, backup)
    assert (proof.files, proof.databases, len(proof.faults)) == (2, 0, 1)


def test_readings_of_a_newer_version_are_told(tmp_path: Path) -> None:
    """They can be restored, and this version does not pretend to judge them."""
    proof = proof_of(tmp_path, *kept(tmp_path, "PRAGMA user_version = 999"))
    assert len(proof.faults) == 1
    assert "999" in proof.faults[0]
