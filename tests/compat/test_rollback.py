"""An agent goes back to the version before and forward again, as the runbook tells it: real processes, nothing lost, nothing twice."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from joulemark.collector.snapshot import copy_database
from joulemark.collector.store import schema
from joulemark.collector.store.pieces import pieces
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.errors import EnvironmentFailed
from tests.agent.agent_process import seqs
from tests.compat.trees import Tree, previous, this
from tests.waiting import eventually

DEVICE = "fake:host:0"
ALL_NS = (0, 2**61)
NOWHERE = "127.0.0.1:9"


@pytest.fixture
def old(tmp_path: Path) -> Tree:
    """The version before; this one where the history is not at hand, which then takes the same way."""
    with suppress(EnvironmentFailed):
        return previous(tmp_path / "old")
    return this()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where agent and collector have their files."""
    (tmp_path / "host").mkdir()
    return tmp_path / "host"


def bodies(folder: Path) -> list[bytes]:
    """The batches in the spool."""
    path = folder / "spool.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as db:
        known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchone()
        return [row[0] for row in db.execute("SELECT body FROM batch ORDER BY epoch_ns, batch_seq")] if known else []


def delivered(tree: Tree, folder: Path, grpc: str) -> None:
    """Let an agent of a version run until it has delivered what waited and some of its own."""
    before = found(folder).get("samples", 0)
    with tree.agent(folder, grpc):
        eventually(lambda: found(folder).get("samples", 0) >= before + 20, f"{tree.name} delivers")
    assert bodies(folder) == []


def found(folder: Path) -> dict[str, int]:
    """What the collector holds by now; nothing while it has no file."""
    with suppress(sqlite3.Error):
        streams = SqliteReadings(folder / "data" / "readings.db").streams()
        return {"streams": len(streams), "samples": sum(one.sample_count for one in streams)}
    return {}


def stored(folder: Path) -> dict[int, list[int]]:
    """Numbers of the readings of each epoch in the collector's files, in order; nothing was lost, and none came twice."""
    place = folder / "copy.db"
    copy_database(folder / "data" / "readings.db", place)
    sealing = SqliteStore(place)
    sealing.seal(ALL_NS[1], everything=True)  # from now on all readings stand in the order of their times
    sealing.close()
    store = SqliteReadings(place)
    assert sum(loss.sample_count for _, loss in store.losses(*ALL_NS)) == 0
    assert [one.acked_seq + 1 - one.batch_count for one in store.streams()] == [0] * len(store.streams())
    assert sum(one.duplicate_count for one in store.streams()) == 0
    with closing(schema.reader(place)) as db:
        read = [piece for piece in pieces(db, [DEVICE], *ALL_NS)[DEVICE]]
    numbers = [int(n) for piece in read for n in piece.columns.shared["seq"]]
    epochs: dict[int, list[int]] = {}
    begin = -1
    for number in numbers:
        begin += number == 0
        epochs.setdefault(begin, []).append(number)
    return epochs


@contextmanager
def away(folder: Path, new: Tree) -> Iterator[list[int]]:
    """Readings of this version that no collector has: their numbers."""
    with new.agent(folder, NOWHERE):
        eventually(lambda: len(bodies(folder)) >= 15, "readings are spooled")
    ((_, numbers),) = seqs(bodies(folder)).items()
    yield numbers


def whole(epochs: dict[int, list[int]], waited: list[int]) -> None:
    """Every epoch is there from its first to its last reading, each once, and the first is what waited."""
    assert [numbers for numbers in epochs.values() if numbers != list(range(len(numbers)))] == []
    assert epochs[0] == waited == list(range(len(waited)))


@pytest.mark.slow
def test_a_spool_that_was_brought_back_is_delivered_by_the_version_before(folder: Path, old: Tree) -> None:
    """Readings of this version wait; `downgrade-spool`; the version before delivers them and its own, and this one goes on after it."""
    new = this()
    with away(folder, new) as waited:
        done = new.command("agent", "downgrade-spool", "--config", folder / "agent.toml")
    assert done.returncode == 0, done.stderr
    with new.collector(folder) as at:
        assert f"for {NOWHERE}" in done.stdout
        delivered(old, folder, at["grpc"])
        delivered(new, folder, at["grpc"])
    epochs = stored(folder)
    assert len(epochs) == found(folder)["streams"] == 3
    whole(epochs, waited)


@pytest.mark.slow
def test_a_spool_that_was_moved_away_is_delivered_by_the_next_upgrade(folder: Path, old: Tree) -> None:
    """The version before refuses the spool untouched and begins with one of its own; given back to this version, all arrives once."""
    new, aside = this(), folder / "of-newer"
    aside.mkdir()
    with away(folder, new) as waited, new.collector(folder) as at:
        before = (folder / "spool.db").read_bytes()
        if old.name != new.name:
            with old.agent(folder, at["grpc"]):
                time.sleep(2)
            assert "schema 3" in (folder / "agent.log").read_text()
            assert (folder / "spool.db").read_bytes() == before
        moved(folder, aside)
        delivered(old, folder, at["grpc"])
        assert found(folder)["streams"] == 1
        for path in folder.glob("spool.db*"):
            path.unlink()
        moved(aside, folder)
        delivered(new, folder, at["grpc"])
    epochs = stored(folder)
    assert len(epochs) == found(folder)["streams"] == 3
    whole(epochs, waited)


def moved(place: Path, to: Path) -> None:
    """Move a spool with what lies beside it."""
    for path in place.glob("spool.db*"):
        path.rename(to / path.name)
