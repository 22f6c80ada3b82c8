from __future__ import annotations

import hashlib
import os
import signal
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
import hashlib
spool = Spool(SpoolConfig(Path(sys.argv[1])), SystemClock())
spool.open()
epoch = spool.new_epoch()
seq = 0
while True:
    body = b"body %d" % seq * 100
    spool.append(Stored(epoch, seq, FrozenBatch(body, hashlib.sha256(body).digest()), 1, seq, seq))
    print(epoch, seq, flush=True)
    seq += 1
"""


def frozen(body: bytes) -> FrozenBatch:
    return FrozenBatch(body, hashlib.sha256(body).digest())


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
            spool.append(Stored(epoch, seq, frozen(b"x")))
    assert spool.acknowledge((Ack(1, 3), Ack(2, 1))) == 6
    assert [s.key for s in spool.claim((-1, -1), 99)] == [(2, 2), (2, 3), (3, 0), (3, 1), (3, 2), (3, 3)]


def test_second_agent_is_kept_out(tmp_path: Path) -> None:
    """A spool that is in use is refused, naming the process that holds it."""
    first = opened(tmp_path / "spool.db")
    with pytest.raises(EnvironmentFailed, match=f"process {os.getpid()}"):
        opened(tmp_path / "spool.db")
    first.close()
    opened(tmp_path / "spool.db").close()


def bytes_on_disk(spool: Spool) -> int:
    """All files of the spool, but for the index of its log, which is memory that SQLite shares."""
    return sum(p.stat().st_size for p in spool.path.parent.glob("spool.db*") if not p.name.endswith("-shm"))


def test_bound_is_respected_and_pinned_samples_stay(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """More than fits: the file stays below its bound, every pinned sample is kept, and kept plus lost is all."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    pinned = set()
    total = 500 * 60
    for batch in range(500):
        is_marked = batch % 50 == 0
        batcher.add([sample_of(batch * 60 + i, pinned=is_marked and i == 3) for i in range(60)])
        pinned |= {batch * 60 + 3} if is_marked else set()
        batcher.close()
        if batch % 20 == 0:
            assert bytes_on_disk(spool) <= spool.max_bytes, "with log, reserve and free pages"
    views = [convert.decode(s.frozen.body) for s in spool.claim((-1, -1), 10**6)]
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
    for batch in range(300):
        batcher.add([sample_of(batch * 100 + i) for i in range(100)])
        batcher.close()
    views = [convert.decode(s.frozen.body) for s in spool.claim((-1, -1), 10**6)]
    first = views[0].blocks[0]
    assert (first.row_count, int.from_bytes(first.seq, "little")) == (1, 99)
    assert all(view.blocks for view in views)


def test_sent_batches_are_never_altered(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """A batch that was handed to the uplink keeps its bytes, whatever room is needed."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(16):
        batcher.add([sample_of(batch * 60 + i) for i in range(60)])
        batcher.close()
    before = spool.claim((-1, -1), 16)
    for batch in range(16, 400):
        batcher.add([sample_of(batch * 60 + i) for i in range(60)])
        batcher.close()
    assert spool.claim((-1, -1), 16) == before


def test_full_of_sent_batches_refuses(spool: Spool) -> None:
    """When nothing may be thinned any more the newest batch is refused, so that the bound holds."""

    def fill() -> None:
        for seq in range(10_000):
            spool.append(Stored(1, seq, frozen(bytes(2000))))
            spool.claim((1, seq - 1), 1)

    with pytest.raises(SpoolFull):
        fill()
    assert spool.used_bytes() <= spool.max_bytes


def test_lowered_bound_is_reached_little_by_little(tmp_path: Path, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """A bound lowered below what is there costs no new reading and is reached in steps; the file on disk shrinks with it."""
    spool = opened(tmp_path / "spool.db", max_bytes=8 * 1024 * 1024)
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(400):
        batcher.add([sample_of(batch * 100 + i) for i in range(100)])
        batcher.close()
    assert spool.used_bytes() > 1024 * 1024
    spool.close()
    spool = opened(tmp_path / "spool.db")
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    sizes = []
    for n in range(40):
        batcher.add([sample_of(n)])
        assert batcher.close() == 1
        sizes.append(spool.used_bytes())
    assert spool.max_bytes < sizes[0], "not all at once"
    assert sizes[-1] <= spool.max_bytes
    assert bytes_on_disk(spool) <= spool.max_bytes
    views = [convert.decode(s.frozen.body) for s in spool.claim((-1, -1), 10**6)]
    lost = sum(x.sample_count for view in views for x in view.losses) + sum(x.sample_count for x in spool.losses())
    assert sum(block.row_count for view in views for block in view.blocks) + lost == 400 * 100 + 40
    spool.close()


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A spool path below a file is refused in one line with the key to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailed, match=r"set spool\.path"):
        opened(tmp_path / "file" / "spool.db")
