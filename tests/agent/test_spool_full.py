"""A full disk, in the three forms that SQLite meets: SQLITE_FULL by its own bound, a write error, and no space on the device."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.spool import Spool
from joulemark.errors import EnvironmentFailed
from joulemark.proto import convert
from joulemark.proto.messages import Ack
from joulemark.readings import DeviceInfo, Sample

SampleOf = Callable[..., Sample]
BatcherOf = Callable[..., Batcher]
Opened = Callable[..., Spool]
Fill = Callable[..., list[tuple[int, int]]]
MOUNT = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" -m tests.agent.full_disk "$1" real'


@pytest.fixture
def no_disk() -> Iterator[Callable[[int | None], None]]:
    """Lets files grow no further, as a full disk does: a write answers with an I/O error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda limit: resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if limit is None else limit, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_acknowledgements_make_room_on_a_full_device(tmp_path: Path, repository: Path) -> None:
    """Filled to the last block, SQLite cannot even delete; the reserve lets it, three times in a row, and nothing kept is missing.

    A 4 MiB device in a namespace of its own; where the kernel allows none, a limit of the file size stands for it.
    """
    (tmp_path / "device").mkdir()
    place = str(tmp_path / "device")
    device = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", place, sys.executable]
    limit = [sys.executable, "-m", "tests.agent.full_disk", place, "limit"]
    can_mount = subprocess.run([*device[:5], "mount -t tmpfs tmpfs /tmp"], capture_output=True, check=False).returncode == 0
    done = subprocess.run(device if can_mount else limit, cwd=repository, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)["rounds"]
    assert len(rounds) == 3
    assert min(rounds) > 50, rounds


def test_database_that_may_grow_no_further(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """SQLITE_FULL: what was kept is readable, and deleting acknowledged batches makes room for new ones."""
    spool = opened(tmp_path / "spool.db", max_bytes=64 * 1024 * 1024)
    spool._file._connection().execute("PRAGMA max_page_count = 60")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill(spool, 200, body_bytes=2500)
    found = spool.claim((-1, -1), 999)
    assert len(found) > 40
    assert spool.acknowledge((Ack(found[0].epoch_ns, found[-1].batch_seq),)) == len(found)
    assert len(fill(spool, 20, body_bytes=2500)) == spool.batch_count() == 20


def test_no_write_at_all_keeps_the_stream_alive(tmp_path: Path, opened: Opened, fill: Fill, no_disk: Callable[[int | None], None]) -> None:
    """While no byte can be written batches are still given out, acknowledgements are remembered, and all is deleted afterwards."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 10)
    no_disk(1)
    assert [s.key for s in spool.claim((-1, -1), 4)] == written[:4]
    assert spool.acknowledge((Ack(written[0][0], 5),)) == 0
    assert spool.batch_count() == 4
    assert [s.key for s in spool.claim((-1, -1), 3)] == written[6:9], "a new stream does not send again what was acknowledged"
    with pytest.raises(sqlite3.OperationalError):
        fill(spool, 1, first=10)
    no_disk(None)
    written += fill(spool, 1, first=10)
    assert [s.key for s in spool.claim((-1, -1), 99)] == written[6:]
    assert spool.losses() == ()


def test_batch_given_out_without_a_mark_is_not_thinned(
    spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf, no_disk: Callable[[int | None], None]
) -> None:
    """A batch that left while the disk could not note it keeps its bytes, whatever room is needed later."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for batch in range(5):
        batcher.add([sample_of(batch * 100 + i) for i in range(100)])
        batcher.close()
    no_disk(1)
    before = spool.claim((-1, -1), 5)
    no_disk(None)
    for batch in range(5, 250):
        batcher.add([sample_of(batch * 100 + i) for i in range(100)])
        batcher.close()
    views = [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 999)]
    assert any(view.losses for view in views)
    assert spool.claim((-1, -1), 5) == before


def test_full_disk_is_counted_and_survived(
    spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf, no_disk: Callable[[int | None], None]
) -> None:
    """Samples that the disk refuses are lost, but the next batch that fits says how many, when and why, and no number is skipped."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    batcher.add([sample_of(0)])
    batcher.close()
    no_disk(1)
    for n in range(1, 4):
        batcher.add([sample_of(n)])
        assert batcher.close() == 0
    no_disk(None)
    batcher.add([sample_of(4)])
    assert batcher.close() == 1
    first, second = [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 99)]
    assert (first.batch_seq, second.batch_seq) == (0, 1)
    (loss,) = second.losses
    assert (loss.device_id, loss.sample_count) == (device.device_id, 3)
    assert loss.reason.startswith("spool not writable")
    assert loss.first_ns == sample_of(1).t_read0_ns + sample_of(1).utc_minus_mono_ns
    assert loss.last_ns == sample_of(3).t_read1_ns + sample_of(3).utc_minus_mono_ns


def test_hours_of_a_full_disk_are_one_loss(
    spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf, no_disk: Callable[[int | None], None]
) -> None:
    """However often the disk refuses, what is kept in memory is one count for each device and reason."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    no_disk(1)
    for n in range(300):
        batcher.add([sample_of(n)])
        batcher.close()
    assert [loss.sample_count for loss in batcher._unspooled] == [300]
    no_disk(None)


def test_start_on_a_full_disk_says_so(tmp_path: Path, opened: Opened, no_disk: Callable[[int | None], None]) -> None:
    """A spool that cannot even be made ends the start with what to do; one that is there is left as it was."""
    no_disk(1)
    with pytest.raises(EnvironmentFailed, match="free space on its disk"):
        opened(tmp_path / "spool.db")
    no_disk(None)
    assert opened(tmp_path / "spool.db").batch_count() == 0
