"""The agent's process and its spool together: disk full, damage, a changed configuration, kills."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from joulemark.agent.batcher import Batcher
from joulemark.agent.spool import Spool
from joulemark.collector.store.base import Received
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Ack, BatchView
from joulemark.readings import DeviceInfo, Sample
from tests.agent.agent_process import FAKE, AgentProcess, seqs

AgentAt = Callable[..., AgentProcess]
Eventually = Callable[..., None]


def lost(views: list[BatchView], device_id: str | None = None) -> int:
    return sum(x.sample_count for view in views for x in view.losses if device_id in (None, x.device_id))


def test_thirty_kills_lose_nothing(tmp_path: Path, repository: Path) -> None:
    """Every batch that `append` returned for and nobody acknowledged is there after 30 SIGKILLs, unaltered, and no loss is claimed."""
    command = [sys.executable, "-m", "tests.agent.killed_writers", str(tmp_path / "spool.db"), "3"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert (told["missing"], told["altered"], told["losses"]) == (0, 0, 0)
    assert told["appended"] > told["acked"] > 0
    assert told["epochs"] > 10


def test_full_disk_ends_nothing(
    agent_at: AgentAt, free_port: Callable[[], int], collector_at: Any, eventually: Eventually, tmp_path: Path
) -> None:
    """While no file may grow the agent goes on reading; when the disk takes bytes again, holes and counted losses agree per device."""
    port = free_port()
    agent = agent_at(port, FAKE + "interval_ms = 20\n")
    eventually(lambda: len(agent.bodies()) >= 3, "batches are spooled")
    hard = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (1, hard))
    before = len(agent.bodies())
    time.sleep(0.5)
    assert len(agent.bodies()) <= before + 1, "the disk refuses"
    collector = collector_at(port)
    eventually(lambda: len(collector.bodies) >= before, "what was spooled is delivered all the same")
    assert agent.process.poll() is None
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    eventually(lambda: lost(collector.views()) > 0, "the loss is told")
    agent.end()
    assert agent.process.returncode == 0
    assert agent.bodies() == []
    for (_, device_id), numbers in seqs([collector.bodies[key] for key in sorted(collector.bodies)]).items():
        assert len(numbers) == len(set(numbers))
        assert len(numbers) + lost(collector.views(), device_id) == numbers[-1] + 1


def test_damage_ends_nothing(
    agent_at: AgentAt, free_port: Callable[[], int], collector_at: Any, eventually: Eventually, tmp_path: Path
) -> None:
    """The spool is overwritten under a running agent: it goes on under the same epoch, and holes and counted losses agree."""
    port = free_port()
    agent = agent_at(port, FAKE + "interval_ms = 20\n")
    eventually(lambda: len(agent.bodies()) >= 30, "batches are spooled")
    with closing(sqlite3.connect(agent.spool, timeout=20.0)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the agent reads the file again, not its own cache
    with agent.spool.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(agent.spool.stat().st_size - 4096))
    eventually(lambda: list(agent.spool.parent.glob("*.damaged-*")), "the damage is found")
    collector = collector_at(port)
    eventually(lambda: len(collector.bodies) >= 10, "delivering")
    agent.end()
    assert agent.process.returncode == 0
    views = collector.views()
    delivered = seqs([collector.bodies[key] for key in sorted(collector.bodies)])
    assert len({epoch_ns for epoch_ns, _ in delivered}) == 1
    assert lost(views) > 0
    assert sum(map(len, delivered.values())) + lost(views) == sum(numbers[-1] + 1 for numbers in delivered.values())


def test_changed_configuration_delivers_what_waits(
    agent_at: AgentAt, free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """A collector that comes late, and other meters: the readings of the meters that left arrive first, with their own description."""
    port = free_port()
    first = agent_at(port)
    eventually(lambda: len(first.bodies()) >= 3, "batches are spooled")
    first.end()
    waiting = first.bodies()
    collector = collector_at(port)
    second = agent_at(port, FAKE.replace("devices = 2", "devices = 1"))
    eventually(lambda: len(collector.bodies) >= len(waiting) + 3, "delivering")
    second.end()
    views = collector.views()
    assert [collector.bodies[key] for key in sorted(collector.bodies)][: len(waiting)] == waiting
    assert [d.device_id for d in views[0].devices] == ["fake:host:0", "fake:host:1"]
    assert [d.device_id for d in views[len(waiting)].devices] == ["fake:host:0"]


def test_restart_goes_on_where_the_collector_stands(
    agent_at: AgentAt, free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """What was acknowledged before a restart is not sent again, and what was not is sent first."""
    port = free_port()
    collector = collector_at(port)
    first = agent_at(port)
    eventually(lambda: len(collector.bodies) >= 5, "delivering")
    first.end()
    second = agent_at(port)
    eventually(lambda: len({epoch_ns for epoch_ns, _ in collector.bodies}) == 2, "the second start delivers")
    second.end()
    assert len(collector.received) == len(set(collector.received))


def test_readings_after_a_damaged_log_are_stored(
    tmp_path: Path,
    opened: Callable[..., Spool],
    device: DeviceInfo,
    sample_of: Callable[..., Sample],
    batcher_of: Callable[..., Batcher],
) -> None:
    """A byte flips in the middle of the write-ahead log and batches vanish silently: the collector's store takes every fresh batch as
    new, because its epoch is new, and learns how many samples are gone.
    """
    store = SqliteStore(tmp_path / "readings.db")

    def delivered(spool: Spool, limit: int) -> list[bool]:
        answers = []
        for stored in spool.claim((-1, -1), limit):
            view = convert.decode(stored.frozen.body)
            answers.append(store.append(Received("host", view, stored.frozen.body, view.closed_ns, True)).result())
            spool.acknowledge((Ack(*stored.key),))
        return answers

    spool = opened(tmp_path / "spool.db", max_bytes=64 * 1024 * 1024)
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for n in range(40):
        batcher.add([sample_of(3 * n + i) for i in range(3)])
        batcher.close()
    assert delivered(spool, 10) == [True] * 10
    (tmp_path / "after").mkdir()
    for suffix in ("", "-wal", ".tally"):
        shutil.copy(tmp_path / f"spool.db{suffix}", tmp_path / "after")
    log = tmp_path / "after" / "spool.db-wal"
    whole = bytearray(log.read_bytes())
    whole[len(whole) // 2] ^= 1
    log.write_bytes(whole)
    again = opened(tmp_path / "after" / "spool.db", max_bytes=64 * 1024 * 1024)
    batcher = batcher_of(again)
    batcher.describe(device, "fake")
    for n in range(40, 50):
        batcher.add([sample_of(3 * n + i) for i in range(3)])
        batcher.close()
    assert delivered(again, 99)[-10:] == [True] * 10
    losses = [loss for _, loss in store.losses(0, 2**62)]
    assert sum(stream.sample_count for stream in store.streams()) + sum(loss.sample_count for loss in losses) == 150
    assert [loss.reason.split(" ", 1)[1] for loss in losses] == ["batches vanished from the spool"]
    assert losses[0].first_ns >= sample_of(29).t_read0_ns + sample_of(29).utc_minus_mono_ns
    store.close()


def test_one_spool_has_one_agent(agent_at: AgentAt, free_port: Callable[[], int], eventually: Eventually) -> None:
    """A second agent on the same spool ends with 5 and names the first one; the first goes on."""
    first = agent_at(free_port())
    eventually(lambda: len(first.bodies()) >= 1, "the first one runs")
    second = agent_at(free_port())
    errors = second.process.communicate(timeout=20)[1]
    assert second.process.returncode == 5
    assert f"process {first.process.pid}" in errors
    assert first.process.poll() is None
