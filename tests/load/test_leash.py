"""A command on a leash ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from joulemark.errors import EnvironmentFailed
from joulemark.load.leash import NOT_STARTED, Leash
from tests.waiting import eventually

SLEEPER = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).wait()"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
OWNER = (
    "import sys, time; from pathlib import Path; from joulemark.load.leash import Leash; Leash({command!r}, Path({log!r})); time.sleep(60)"
)


def family(pid: int, count: int) -> list[psutil.Process]:
    """The `count` processes below `pid`, once they are there."""
    eventually(lambda: len(psutil.Process(pid).children(recursive=True)) >= count, "they are there")
    return psutil.Process(pid).children(recursive=True)


def alive(process: psutil.Process) -> bool:
    """Whether it still does anything: an orphan may wait as a zombie for a reaper that there is not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_letting_go_stops_all_that_the_command_started(tmp_path: Path) -> None:
    """The command and its own child are gone when `let_go` returns; twice is as once."""
    leash = Leash([sys.executable, "-c", SLEEPER], tmp_path / "log")
    running = family(leash._holder.pid, 2)
    leash.let_go()
    leash.let_go()
    assert [one for one in running if alive(one)] == []


def test_a_command_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    """SIGKILL follows SIGTERM."""
    with Leash([sys.executable, "-c", STUBBORN], tmp_path / "log") as leash:
        while "ready" not in (tmp_path / "log").read_text():
            time.sleep(0.02)
    assert leash.status == -signal.SIGKILL % 256


@pytest.mark.parametrize("killed", ["owner", "holder"])
def test_the_command_dies_with_who_is_killed(tmp_path: Path, killed: str) -> None:
    """SIGKILL to the owner, or to the holder between them, leaves nothing running."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    code = OWNER.format(command=command, log=str(tmp_path / "log"))
    owner = subprocess.Popen([sys.executable, "-c", code])
    try:
        holder, sleeper = family(owner.pid, 2)
        os.kill(owner.pid if killed == "owner" else holder.pid, signal.SIGKILL)
        eventually(lambda: not alive(holder) and not alive(sleeper), "nothing is left running")
    finally:
        owner.kill()
        owner.wait()


def test_the_status_and_the_last_words_of_a_command(tmp_path: Path) -> None:
    """One that ended by itself is an error that names its status and its last line; one that is not there too."""
    with Leash(["sh", "-c", "echo no such device >&2; exit 3"], tmp_path / "log") as leash:
        assert leash.wait(60.0) == 3
        with pytest.raises(EnvironmentFailed, match="status 3: no such device"):
            leash.require()
    with Leash(["/no/such/program"], tmp_path / "log") as leash:
        assert leash.wait(60.0) == NOT_STARTED
    with Leash(["sleep", "60"], tmp_path / "log") as leash:
        assert leash.wait(0.01) is None
        leash.require()
