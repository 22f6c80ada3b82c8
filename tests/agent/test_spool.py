from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.spool import Spool, SpoolFull, Stored
from joulemark.agent.thinning import samples_of
from joulemark.config import SpoolConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto import convert
from joulemark.proto.messages import Ack, FrozenBatch
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock

SampleOf = Callable[..., Sample]
BatcherOf = Callable[..., Batcher]

WRITER = """
import sys
from pathlib import Path
from joulemark.agent.spool import Spool, Stored
from joulemark.config import SpoolConfig
from joulemark.proto.messages import FrozenBatch
from joulemark.timebase import SystemClock
spool = Spool(SpoolConfig(Path(sys.argv[1])), SystemClock())
spool.open()
epoch = spool.new_epoch()
seq = 0
while True:
    spool.append(Stored(epoch, seq, FrozenBatch(b"body %d" % seq * 100, b"hash")))
    print(epoch, seq, flush=True)
    seq += 1
"""


def opened(path: Path, clock: SystemClock | ManualClock | None = None, max_bytes: int = 1024 * 1024) -> Spool:
    spool = Spool(SpoolConfig(path, max_bytes), clock or SystemClock())
    spool.open()
    return spool


def test_committed_batches_survive_kill_9(tmp_path: Path) -> None:
    """Whatever `append` returned for before the process was killed is there after it, byte for byte."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "spool.db")], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    told += writer.stdout.read().splitlines()
    writer.wait()
    writer.stdout.close()
    epoch = int(told[0].split()[0])
    spool = opened(tmp_path / "spool.db")
    kept = {stored.key: stored.frozen.body for stored in spool.claim((-1, -1), 100_000)}
    spool.close()
    assert len(told) >= 50
    for line in (line for line in told if len(line.split()) == 2):
        seq = int(line.split()[1])
        assert kept[epoch, seq] == b"body %d" % seq * 100


def test_epochs_grow_though_the_clock_does_not(tmp_path: Path, manual_clock: ManualClock) -> None:
    """Each start gets a later epoch than every one before it, also when the host's clock was set back."""
    epochs = []
    for _ in range(3):
        spool = opened(tmp_path / "spool.db", manual_clock)
        epochs.append(spool.new_epoch())
        spool.close()
        manual_clock.utc -= 3_600_000_000_000
    assert epochs[0] < epochs[1] < epochs[2] == epochs[0] + 2


def test_acknowledgement_is_cumulative_within_each_epoch(spool: Spool) -> None:
    """Acks for two epochs delete everything up to each, and nothing of a third."""
    for epoch in (1, 2, 3):
        for seq in range(4):
            spool.append(Stored(epoch, seq, FrozenBatch(b"x", b"y")))
    assert spool.acknowledge((Ack(1, 3), Ack(2, 1))) == 6
    assert [s.key for s in spool.claim((-1, -1), 99)] == [(2, 2), (2, 3), (3, 0), (3, 1), (3, 2), (3, 3)]


def test_second_agent_is_kept_out(tmp_path: Path) -> None:
    """A spool that is in use is refused, naming the process that holds it."""
    first = opened(tmp_path / "spool.db")
    with pytest.raises(EnvironmentFailed, match=f"process {os.getpid()}"):
        opened(tmp_path / "spool.db")
    first.close()
    opened(tmp_path / "spool.db").close()


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """A spool of a newer version is left as it is, with a message that says both versions."""
    opened(tmp_path / "spool.db").close()
    with sqlite3.connect(tmp_path / "spool.db") as db:
        db.executescript("PRAGMA user_version = 7; UPDATE meta SET schema_version = 7")
    db.close()
    before = (tmp_path / "spool.db").read_bytes()
    with pytest.raises(EnvironmentFailed, match="schema 7, and this version knows schema 2"):
        opened(tmp_path / "spool.db")
    assert (tmp_path / "spool.db").read_bytes() == before


def filled(path: Path) -> None:
    """A spool of 200 batches, checkpointed."""
    spool = opened(path)
    for seq in range(200):
        spool.append(Stored(1, seq, FrozenBatch(os.urandom(1000), os.urandom(32))))
    spool.close()


@pytest.mark.parametrize("damage", ["text", "middle", "truncated"])
def test_damaged_spool_is_set_aside_and_reported(tmp_path: Path, damage: str) -> None:
    """A file that is not sound is renamed, a fresh spool works, and a loss of unknown size waits for the next batch."""
    path = tmp_path / "spool.db"
    filled(path)
    whole = path.read_bytes()
    damaged = {
        "text": b"not a database " * 500,
        "middle": whole[:8192] + b"\xff" * 40_000 + whole[48_192:],
        "truncated": whole[: len(whole) // 2],
    }
    path.write_bytes(damaged[damage])
    spool = opened(path)
    (loss,) = spool.losses()
    assert "spool damaged" in loss.reason
    assert [p.name.split("-")[0] for p in tmp_path.glob("*.damaged-*")] == ["spool.db.damaged"]
    spool.append(Stored(spool.new_epoch(), 0, FrozenBatch(b"fresh", b"hash")), carried=[loss])
    assert spool.batch_count() == 1
    assert spool.losses() == ()
    spool.close()


@pytest.mark.parametrize("cut", ["tail", "flipped"])
def test_damaged_log_does_not_stop_the_start(tmp_path: Path, cut: str) -> None:
    """A torn or flipped write-ahead log, as power loss leaves it, costs at most its own batches."""
    path = tmp_path / "spool.db"
    spool = opened(path)
    for seq in range(20):
        spool.append(Stored(1, seq, FrozenBatch(os.urandom(1000), b"")))
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    log = (tmp_path / "spool.db-wal").read_bytes()
    (tmp_path / "copy.db-wal").write_bytes(log[:-100] if cut == "tail" else log[: len(log) // 2] + b"\x00" * 64 + log[len(log) // 2 + 64 :])
    spool.close()
    reopened = opened(copy)
    assert 0 <= reopened.batch_count() <= 20
    reopened.append(Stored(reopened.new_epoch(), 0, FrozenBatch(b"fresh", b"hash")))
    reopened.close()


def test_bound_is_respected_and_pinned_samples_stay(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """Three times more than fits: the file stays below its bound, every pinned sample is kept, and kept plus lost is all."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    pinned = set()
    total = 3500 * 10
    for batch in range(3500):
        is_marked = batch % 50 == 0
        batcher.add([sample_of(batch * 10 + i, pinned=is_marked and i == 3) for i in range(10)])
        pinned |= {batch * 10 + 3} if is_marked else set()
        batcher.close()
        if batch % 500 == 0:
            assert spool.used_bytes() <= spool.max_bytes
    files = sum(p.stat().st_size for p in spool.path.parent.glob("spool.db*"))
    views = [convert.decode(s.frozen.body) for s in spool.claim((-1, -1), 10**6)]
    assert spool.used_bytes() <= spool.max_bytes
    assert files <= 1.2 * spool.max_bytes
    rows = [row for view in views for block in view.blocks for row in samples_of(block)]
    assert pinned == {row.seq for row in rows if row.pinned}
    kept = len(rows)
    lost = sum(loss.sample_count for view in views for loss in view.losses) + sum(loss.sample_count for loss in spool.losses())
    assert kept < total
    assert kept + lost == total
    assert views[0].devices == (device,)


def test_counters_are_thinned_before_anything_is_dropped(
    spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf
) -> None:
    """At first every old batch keeps the last sample of a counter device, so that its total stays exact."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(1200):
        batcher.add([sample_of(batch * 20 + i) for i in range(20)])
        batcher.close()
    views = [convert.decode(s.frozen.body) for s in spool.claim((-1, -1), 10**6)]
    first = views[0].blocks[0]
    assert (first.row_count, int.from_bytes(first.seq, "little")) == (1, 19)
    assert all(view.blocks for view in views)


def test_sent_batches_are_never_altered(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """A batch that was handed to the uplink keeps its bytes, whatever room is needed."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(64):
        batcher.add([sample_of(batch * 10 + i) for i in range(10)])
        batcher.close()
    before = spool.claim((-1, -1), 64)
    for batch in range(64, 3000):
        batcher.add([sample_of(batch * 10 + i) for i in range(10)])
        batcher.close()
    assert spool.claim((-1, -1), 64) == before


def test_full_of_sent_batches_refuses(spool: Spool) -> None:
    """When nothing may be thinned any more the newest batch is refused, so that the bound holds."""

    def fill() -> None:
        for seq in range(10_000):
            spool.append(Stored(1, seq, FrozenBatch(bytes(2000), bytes(32))))
            spool.claim((1, seq - 1), 1)

    with pytest.raises(SpoolFull):
        fill()
    assert spool.used_bytes() <= spool.max_bytes


def test_smaller_bound_after_restart(tmp_path: Path, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """A bound lowered below what is there is reached by thinning at the next batch."""
    spool = opened(tmp_path / "spool.db", max_bytes=8 * 1024 * 1024)
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(2000):
        batcher.add([sample_of(batch * 20 + i) for i in range(20)])
        batcher.close()
    assert spool.used_bytes() > 1024 * 1024
    spool.close()
    spool = opened(tmp_path / "spool.db")
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    batcher.add([sample_of(0)])
    batcher.close()
    assert spool.used_bytes() <= spool.max_bytes
    spool.close()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A spool path below a file is refused in one line with the key to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailed, match=r"set spool\.path"):
        opened(tmp_path / "file" / "spool.db")
