"""Strangers beside the benchmark."""

from __future__ import annotations

import os
from pathlib import Path

from joulemark.agent.processes import Processes, process_of

S = 1_000_000_000
TICKS = os.sysconf("SC_CLK_TCK")


def run(proc: Path, pid: int, name: str, *, parent: int = 1, cpu_s: float = 0.0, started: int = 1) -> None:
    """A process as the kernel tells it in stat."""
    (proc / str(pid)).mkdir(parents=True, exist_ok=True)
    fields = ["S", parent, *[0] * 9, round(cpu_s * TICKS), 0, *[0] * 6, started]
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))}\n")


def test_only_strangers_that_take_a_core_are_named(tmp_path: Path) -> None:
    """The benchmark, what it started, and the agent are its own; an idle stranger is none; a share is of the time since the last look."""
    looks = Processes(["bench"], proc=tmp_path, self_pid=5)
    for pid, name, parent in (
        (2, "bench", 1),
        (3, "worker", 2),
        (4, "grandchild", 3),
        (5, "python", 1),
        (6, "idle", 1),
        (7, "a) stress", 1),
    ):
        run(tmp_path, pid, name, parent=parent, cpu_s=100.0)
    assert looks.foreign(0, None) == ()
    for pid, name, parent, cpu_s in (
        (2, "bench", 1, 110.0),
        (3, "worker", 2, 110.0),
        (4, "grandchild", 3, 110.0),
        (7, "a) stress", 1, 105.0),
    ):
        run(tmp_path, pid, name, parent=parent, cpu_s=cpu_s)
    assert looks.foreign(10 * S, None) == ("a) stress (7): 50% of a core",)
    assert looks.foreign(20 * S, None) == ()


def test_a_new_process_under_an_old_number_is_new(tmp_path: Path) -> None:
    """Its time is its own, not the difference to the one before it."""
    looks = Processes(proc=tmp_path, self_pid=5)
    run(tmp_path, 9, "old", cpu_s=1000.0)
    looks.foreign(0, None)
    run(tmp_path, 9, "new", cpu_s=2.0, started=7)
    assert looks.foreign(10 * S, None) == ("new (9): 20% of a core",)


def test_who_computes_on_a_gpu_is_named_at_once(tmp_path: Path) -> None:
    """Also one that is not among the processes seen here; the benchmark's own are not."""
    looks = Processes(["bench"], proc=tmp_path, self_pid=5)
    run(tmp_path, 2, "bench")
    run(tmp_path, 8, "miner")
    assert looks.foreign(0, {2, 8, 900}) == ("miner (8): computes on a GPU", "process 900 of another namespace: computes on a GPU")


def test_without_proc_nobody_looked(tmp_path: Path) -> None:
    """No list is not an empty list; a process that ended meanwhile is no process."""
    assert Processes(proc=tmp_path / "none").foreign(0, None) is None
    assert process_of(tmp_path / "1") is None


def test_this_process_is_among_the_real_ones() -> None:
    """The kernel's own file is understood: name, parent, and the time it took."""
    found = process_of(Path("/proc") / str(os.getpid()))
    assert found is not None
    assert found.parent == os.getppid()
    assert found.cpu_ticks >= 0
