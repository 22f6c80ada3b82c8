"""Damage of every kind, at the start and while the agent runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.agent.spool import Spool
from joulemark.agent.spool_file import SpoolFile
from joulemark.agent.spool_schema import scalar
from joulemark.agent.tally import Tally, TallyFile
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import Ack
from joulemark.timebase import SystemClock

Opened = Callable[..., Spool]
Fill = Callable[..., list[tuple[int, int]]]
FILES = ("", "-wal", ".tally")


def crashed(path: Path, folder: Path) -> Path:
    """The files as a crash at this moment leaves them, under the same name in another folder."""
    folder.mkdir()
    for suffix in FILES:
        if (part := path.with_name(path.name + suffix)).exists():
            shutil.copy(part, folder / part.name)
    return folder / path.name


def keys(spool: Spool) -> list[tuple[int, int]]:
    return [stored.key for stored in spool.claim((-1, -1), 10**6)]


def flip(path: Path, place: int, count: int = 1) -> None:
    whole = bytearray(path.read_bytes())
    whole[place : place + count] = bytes(x ^ 0xFF for x in whole[place : place + count])
    path.write_bytes(whole)


def lost(spool: Spool) -> int:
    return sum(loss.sample_count for loss in spool.losses())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_damaged_log_costs_its_tail_and_the_loss_is_counted(tmp_path: Path, opened: Opened, fill: Fill, share: float, damage: str) -> None:
    """SQLite keeps the rows before the damage and calls the file sound; found and counted as lost are together what was written."""
    spool = opened(tmp_path / "spool.db", max_bytes=64 * 1024 * 1024)
    written = fill(spool, 20, samples=3)
    copy = crashed(spool.path, tmp_path / "after")
    wal = copy.with_name(copy.name + "-wal")
    place = min(int(wal.stat().st_size * share), wal.stat().st_size - 1)
    os.truncate(wal, place) if damage == "cut" else flip(wal, place)
    again = opened(copy)
    found = keys(again)
    assert found == written[: len(found)]
    assert 3 * len(found) + lost(again) == 3 * len(written)
    assert again.new_epoch() > written[-1][0]


def test_log_that_is_whole_counts_nothing(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """A crash alone loses nothing and claims no loss, also in the middle of acknowledgements."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 20)
    spool.acknowledge((Ack(written[0][0], 7),))
    again = opened(crashed(spool.path, tmp_path / "after"))
    assert keys(again) == written[8:]
    assert again.losses() == ()


def test_what_was_acknowledged_is_not_lost(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """Batches that vanish from the log after the collector had them are no loss; those that come back are sent once more."""
    spool = opened(tmp_path / "spool.db", max_bytes=64 * 1024 * 1024)
    written = fill(spool, 30)
    spool.acknowledge((Ack(written[0][0], 29),))
    written += fill(spool, 1, first=30)
    copy = crashed(spool.path, tmp_path / "after")
    wal = copy.with_name(copy.name + "-wal")
    flip(wal, wal.stat().st_size // 2)
    again = opened(copy)
    assert set(keys(again)) <= set(written)
    assert lost(again) == 1


@pytest.mark.parametrize("place", [0, 15, 16, 18, 19, 20, 24, 28, 40, 44, 52, 56, 60, 63, 64, 92, 96, 100, 105, 3000, 4000])
def test_flip_in_the_first_page_never_stops_the_start(tmp_path: Path, opened: Opened, fill: Fill, place: int) -> None:
    """Header and schema: whatever the byte meant, the spool opens, every batch is there or counted, and new ones are kept."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 10)
    spool.close()
    flip(spool.path, place)
    again = opened(spool.path)
    found = keys(again)
    assert set(found) <= set(written)
    assert len(found) + lost(again) == 10
    fresh = fill(again, 1)
    assert fresh[0] in keys(again)


def test_flip_anywhere_is_survived_and_counted(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """A flipped stretch in each page of the file: every batch is whole, or it is counted as lost."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 40, body_bytes=2500)
    spool.close()
    pages = spool.path.stat().st_size // 4096
    healed = 0
    for page in range(0, pages, 2):
        copy = crashed(spool.path, tmp_path / str(page))
        flip(copy, page * 4096 + (page % 4) * 500, 300)
        again = opened(copy)
        found = keys(again)
        assert len(found) + lost(again) == len(written), f"page {page}"
        healed += bool(list(copy.parent.glob("*.damaged-*")))
        assert fill(again, 1)[0] in keys(again)
        again.close()
    assert healed


@pytest.mark.parametrize("table", ["meta", "epoch", "loss"])
def test_loss_is_counted_whichever_table_went_with_it(tmp_path: Path, opened: Opened, fill: Fill, table: str) -> None:
    """Batches are lost together with the page of one other table, that of the spool's name too: they are counted, and the name stays."""
    spool = opened(tmp_path / "spool.db")
    fill(spool, 40, body_bytes=2500)
    name = spool.instance_id
    root = spool._file.durably(lambda db: scalar(db, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'"))
    spool.close()
    flip(spool.path, (root - 1) * 4096, 4096)
    flip(spool.path, spool.path.stat().st_size // 2, 9000)
    again = opened(spool.path)
    found = len(keys(again))
    assert found < 40
    assert found + lost(again) == 40
    assert again.instance_id == name


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_truncated_file_is_replaced(tmp_path: Path, opened: Opened, fill: Fill, share: float) -> None:
    """What is left of a truncated file is rescued, and the rest counted, exactly: the tally knew how many there were."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 40, body_bytes=2500, samples=2)
    name = spool.instance_id
    spool.close()
    os.truncate(spool.path, int(spool.path.stat().st_size * share))
    again = opened(spool.path)
    found = keys(again)
    assert set(found) <= set(written)
    assert len(found) < 40
    assert 2 * len(found) + lost(again) == 80
    assert again.instance_id == name
    assert again.new_epoch() > written[0][0]


def test_file_that_is_no_database_is_kept_aside(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """Without a tally the loss is of unknown size: any device, any time until now; the file stays under a new name."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"not a database " * 500)
    spool = opened(path)
    (loss,) = spool.losses()
    assert (loss.device_id, loss.sample_count, loss.first_ns) == ("", 0, 0)
    assert "not known" in loss.reason
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == b"not a database " * 500
    assert len(fill(spool, 1)) == spool.batch_count() == 1


def test_tally_of_another_file_says_nothing(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """A spool that was put in the place of another is not short of the other's batches."""
    for name in ("one", "two"):
        spool = opened(tmp_path / name / "spool.db")
        fill(spool, 5 if name == "one" else 2)
        spool.close()
    shutil.copy(tmp_path / "two" / "spool.db", tmp_path / "one" / "spool.db")
    again = opened(tmp_path / "one" / "spool.db")
    assert (again.batch_count(), again.losses()) == (2, ())


@pytest.mark.parametrize("kind", ["directory", "loop", "below a file", "directory as log"])
def test_place_that_cannot_hold_a_file_is_refused(tmp_path: Path, opened: Opened, kind: str) -> None:
    """What is no file is not ours to move: one line with the key to change, and nothing is renamed."""
    path = tmp_path / "spool.db"
    if kind == "directory":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "directory as log":
        (tmp_path / "spool.db-wal").mkdir()
    else:
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "spool.db"
    with pytest.raises(EnvironmentFailed, match=r"cannot open the spool .*set spool\.path to a writable place"):
        opened(path)
    assert not list(tmp_path.glob("*.damaged-*"))


def test_damage_while_running_is_healed(tmp_path: Path, opened: Opened, fill: Fill, caplog: pytest.LogCaptureFixture) -> None:
    """A file spoilt under a running agent: the next append succeeds under its own key, the readable batches are still delivered."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 60, body_bytes=2500)
    name = spool.instance_id
    with closing(sqlite3.connect(spool.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = spool.path.stat().st_size
    flip(spool.path, size // 2, 20_000)
    flip(spool.path, 4096, 2000)
    written += fill(spool, 20, first=60, body_bytes=2500)
    found = keys(spool)
    assert found[-20:] == written[-20:]
    assert len(found) + lost(spool) == 80
    assert spool.instance_id == name
    if not list(tmp_path.glob("*.damaged-*")):
        assert UNHEALED in caplog.text


UNHEALED = "is not what was written"


def test_reading_thread_meets_damage_first(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """`claim` and `acknowledge` heal the file too: neither raises."""
    for method in ("claim", "acknowledge"):
        spool = opened(tmp_path / method / "spool.db")
        written = fill(spool, 60, body_bytes=2500)
        with closing(sqlite3.connect(spool.path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = bytearray(spool.path.read_bytes())
        whole[4096:] = os.urandom(len(whole) - 4096)
        spool.path.write_bytes(whole)
        if method == "claim":
            found = spool.claim((-1, -1), 99)
        else:
            assert spool.acknowledge((Ack(written[0][0], 0),)) == 0
            found = spool.claim((-1, -1), 99)
        assert len(found) + lost(spool) == 60
        assert fill(spool, 1, first=60)


@pytest.mark.parametrize("how", ["removed", "replaced", "folder removed"])
def test_file_that_was_removed_while_in_use(tmp_path: Path, opened: Opened, fill: Fill, how: str) -> None:
    """Somebody deletes the spool of a running agent: nothing is lost, and what is written next is in the file of that name."""
    spool = opened(tmp_path / "folder" / "spool.db")
    written = fill(spool, 10)
    if how == "folder removed":
        shutil.rmtree(spool.path.parent)
    else:
        spool.path.unlink()
    if how == "replaced":
        spool.path.write_text("something else")
    written += fill(spool, 1, first=10)
    assert keys(spool) == written
    spool.close()
    again = opened(spool.path)
    assert keys(again) == written
    assert again.losses() == ()


def test_killed_while_healing(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """The fresh file is complete before the damaged one is moved: a kill between the two renames leaves everything in it."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 5)
    spool.close()
    spool.path.rename(tmp_path / "spool.db.fresh")
    again = opened(spool.path)
    assert keys(again) == written
    assert again.losses() == ()


def test_crash_loop_does_not_fill_the_disk(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """Damage at each of ten starts leaves three damaged files, the newest ones."""
    for _ in range(10):
        spool = opened(tmp_path / "spool.db")
        fill(spool, 3)
        spool.close()
        flip(spool.path, 16, 2)
    opened(spool.path)
    asides = [p for p in tmp_path.glob("*.damaged-*") if not p.name.endswith(("-wal", "-shm"))]
    assert len(asides) == 3


def test_tally_never_claims_more_than_the_file(tmp_path: Path, fill: Fill, opened: Opened) -> None:
    """After each operation the tally equals what the file holds."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 12, samples=4)
    spool.acknowledge((Ack(written[0][0], 3),))
    tally = TallyFile(spool.path).read()
    assert tally is not None
    assert (tally.batch_count, tally.sample_count, tally.acked_seq) == (8, 32, 3)
    with closing(sqlite3.connect(spool.path)) as db:
        assert tally.counted(db) == tally


def test_removed_newest_batch_is_counted_once(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """The newest batch is spoilt and deleted by `claim`, or refused by the collector: the next start does not count it again."""
    for way in ("spoilt", "refused"):
        spool = opened(tmp_path / way / "spool.db")
        fill(spool, 5, samples=3)
        if way == "spoilt":
            spool._file.durably(lambda db: db.execute("UPDATE batch SET body = zeroblob(9) WHERE batch_seq = 4"))
            assert len(spool.claim((-1, -1), 9)) == 4
        else:
            assert spool.refuse(spool.claim((-1, -1), 9)[-1].frozen.sha256, "too old")
        assert lost(spool) == 3
        spool.close()
        assert lost(opened(spool.path)) == 3


def test_loss_found_at_a_start_is_counted_once(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """A kill after the loss was committed and before the tally knew of it: the next start finds the same, and does not add it again."""
    spool = opened(tmp_path / "spool.db", max_bytes=64 * 1024 * 1024)
    fill(spool, 20, samples=3)
    copy = crashed(spool.path, tmp_path / "after")
    wal = copy.with_name(copy.name + "-wal")
    os.truncate(wal, wal.stat().st_size // 2)
    tally = copy.with_name(copy.name + ".tally").read_bytes()
    again = opened(copy)
    missing = lost(again)
    again.close()
    copy.with_name(copy.name + ".tally").write_bytes(tally)
    assert lost(opened(copy)) == missing > 0


def test_file_is_not_open_before_and_after(tmp_path: Path) -> None:
    """Work on a closed file is refused, not done on a new one."""
    file = SpoolFile(tmp_path / "spool.db", max_bytes=1024 * 1024, clock=SystemClock())
    with pytest.raises(sqlite3.OperationalError, match="not open"):
        file.durably(lambda db: scalar(db, "SELECT 1"))
    file.open()
    assert file.tally == Tally(file.instance_id)
    file.close()
    with pytest.raises(sqlite3.OperationalError, match="not open"):
        file.empty_log()
