"""Daemons: up when their port answers, gone when stopped, and a death told with its last words."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from joulemark.demo.processes import Daemon, free_port, reachable
from joulemark.errors import EnvironmentFailed

LISTEN = """
import os, signal, socket, subprocess, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(os.environ.get("WORD", "nothing"), child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def daemon_at(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """`daemon_at(port)`: a process with a child that listens there; what is left is killed."""
    made: list[Daemon] = []

    def build(port: int, mode: str = "") -> Daemon:
        made.append(Daemon([sys.executable, "-c", LISTEN, str(port), mode], tmp_path / "daemon.log", {"WORD": "given"}))
        made[-1].start()
        return made[-1]

    yield build
    for daemon in made:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.kill()


def child_of(daemon: Daemon) -> psutil.Process:
    word, pid = daemon.log.read_text().split()
    assert word == "given"
    return psutil.Process(int(pid))


def gone(process: psutil.Process) -> bool:
    """Whether it ended within half a minute; who reaps it does not matter."""
    give_up = time.monotonic() + 30.0
    while time.monotonic() < give_up:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_up_stopped_and_gone_with_its_children(daemon_at: Callable[..., Daemon]) -> None:
    """A daemon gets its environment, answers on its port, and is stopped by SIGTERM together with its children, once or twice."""
    port = free_port()
    daemon = daemon_at(port)
    daemon.wait_for_port(port)
    child = child_of(daemon)
    daemon.stop()
    daemon.stop()
    assert daemon.process is not None
    assert daemon.process.returncode == -signal.SIGTERM
    assert not reachable(port)
    assert gone(child)


def test_kill_leaves_no_child(daemon_at: Callable[..., Daemon]) -> None:
    """SIGKILL reaches the whole group, also one that is deaf to SIGTERM."""
    port = free_port()
    daemon = daemon_at(port, "deaf")
    daemon.wait_for_port(port)
    child = child_of(daemon)
    daemon.kill()
    assert daemon.process is not None
    assert daemon.process.returncode == -signal.SIGKILL
    assert gone(child)


def test_a_daemon_that_dies_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A process that ends before its port answers fails at once, with the last line of its log and where to read more."""
    daemon = Daemon([sys.executable, "-c", "print('first'); raise SystemExit('port is taken')"], tmp_path / "x.log")
    daemon.start()
    begin = time.monotonic()
    with pytest.raises(EnvironmentFailed, match="did not come up: port is taken") as caught:
        daemon.wait_for_port(free_port())
    assert time.monotonic() - begin < 20.0
    assert str(tmp_path / "x.log") in caught.value.next_step


def test_a_silent_daemon_is_given_up(tmp_path: Path) -> None:
    """A process that lives but never answers is given up after the limit; stopping one that never started is nothing."""
    daemon = Daemon([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "x.log")
    daemon.stop()
    daemon.start()
    try:
        with pytest.raises(EnvironmentFailed, match="no output"):
            daemon.wait_for_port(free_port(), limit_s=0.3)
    finally:
        daemon.stop()
    assert daemon.process is not None
    assert daemon.process.returncode == -signal.SIGTERM
