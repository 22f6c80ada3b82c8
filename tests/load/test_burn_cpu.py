"""The load on the CPU, for real."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest


@pytest.mark.parametrize("level", [0.3, 0.8])
def test_the_cores_are_busy_for_their_share(level: float) -> None:
    """The CPU time of its processes over 1.2 s is the level times the cores, or what other work on this machine leaves of it."""
    cores = len(os.sched_getaffinity(0))
    burner = psutil.Popen([sys.executable, "-m", "joulemark.load.burn_cpu", f"{level:g}"], start_new_session=True)
    try:
        while len(burner.children()) < cores - 1:
            time.sleep(0.02)
        time.sleep(0.3)
        before_s, begin_s = cpu_s(burner), time.monotonic()
        time.sleep(1.2)
        share = (cpu_s(burner) - before_s) / (time.monotonic() - begin_s) / cores
    finally:
        for process in [*burner.children(), burner]:
            process.kill()
        burner.wait()
    assert 0.1 * level < share < level + 0.1


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of a process and its children."""
    return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children()])


def test_a_level_is_needed() -> None:
    """Without one it ends at once."""
    done = subprocess.run([sys.executable, "-m", "joulemark.load.burn_cpu"], capture_output=True, check=False)
    assert done.returncode == 1
