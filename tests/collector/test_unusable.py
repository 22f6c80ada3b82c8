"""What a start says of a database that SQLite refuses: a full disk is told from a damaged file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.collector.catalog import Catalog
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.collector.unusable import started_on, unusable
from joulemark.errors import EnvironmentFailed

FULL = """
import resource, signal, sys
from pathlib import Path
from joulemark.collector.axis import has_open_run
from joulemark.collector.catalog import Catalog
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    {"readings": SqliteStore, "catalog": Catalog, "axis": has_open_run}[sys.argv[1]](Path(sys.argv[2]))
except EnvironmentFailed as error:
    print(error.what, "|", error.next_step)
"""


@pytest.mark.parametrize(
    ("reader", "make"),
    [("readings", SqliteStore), ("catalog", Catalog), ("axis", Catalog)],
)
def test_a_sound_file_on_a_full_disk_is_not_called_damaged(tmp_path: Path, reader: str, make: Callable[[Path], SqliteStore]) -> None:
    """Where nothing can be written the start of a store, of a catalogue and of the axis names the disk, and nobody is told to move the
    file away.
    """
    path = tmp_path / f"{reader}.db"
    make(path).close()
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", FULL, reader, path], capture_output=True, text=True, timeout=60, check=True)
    what, _, next_step = done.stdout.partition(" | ")
    assert "cannot be used now" in what
    assert f"df -h {tmp_path}" in next_step
    assert "away" not in done.stdout
    assert path.read_bytes() == before


def test_a_damaged_file_is_called_damaged(tmp_path: Path) -> None:
    """A file that was overwritten is told from one on a full disk, and the step is the one that was given for it."""
    path = tmp_path / "readings.db"
    SqliteStore(path).close()
    with path.open("r+b") as file:
        file.write(b"x" * 4096)
    with pytest.raises(EnvironmentFailed, match="not a database") as caught:
        SqliteStore(path)
    assert "backup" in caught.value.next_step
    assert "now" not in caught.value.what


def test_every_error_of_a_start_has_a_next_step(tmp_path: Path) -> None:
    """Whatever SQLite raises inside the block becomes an error of this machine that names the file; other errors pass."""
    path = tmp_path / "readings.db"
    with pytest.raises(EnvironmentFailed, match=r"readings\.db cannot be used: no such table"), started_on(path):
        sqlite3.connect(":memory:").execute("SELECT * FROM elsewhere")
    with pytest.raises(EnvironmentFailed, match="cannot be used now"), started_on(path / "in" / "none"):
        sqlite3.connect(path / "in" / "none").execute("SELECT 1")
    with pytest.raises(KeyError), started_on(path):
        raise KeyError("x")
    assert unusable(path, sqlite3.OperationalError("?"), "do that").next_step == "do that"
