from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from joulemark.notify import Supervisor
from tests.agent.agent_process import AgentProcess
from tests.collector.conftest import Collector
from tests.conftest import ManualClock
from tests.waiting import eventually

MS = 1_000_000


class Manager:
    """The socket of a service manager, and what it was told."""

    def __init__(self, place: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(place)
        self._socket.setblocking(False)
        self.told: list[str] = []

    def listen(self) -> list[str]:
        """Everything told so far."""
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.told

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing more is told for so long."""
        self.listen()
        self._socket.settimeout(seconds)
        try:
            self.told.append(self._socket.recv(4096).decode())
        except TimeoutError:
            return True
        finally:
            self._socket.setblocking(False)
        return False

    def fed(self) -> int:
        """Signs of life so far."""
        return self.listen().count("WATCHDOG=1")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A manager that every process started by the test knows of, and that waits 0.8 s for a sign of life."""
    one = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "800000")
    yield one
    one.close()


def test_abstract_sockets_are_told_too(manual_clock: ManualClock) -> None:
    """A name that begins with @ is a socket without a place in the file system."""
    name = f"@joulemark-{os.getpid()}"
    one = Manager("\0" + name[1:])
    supervisor = Supervisor(manual_clock, {"NOTIFY_SOCKET": name})
    supervisor.ready("reads fake")
    supervisor.stopping()
    assert one.listen() == ["READY=1\nSTATUS=reads fake", "STOPPING=1"]
    one.close()


def test_the_watchdog_is_fed_four_times_within_its_patience(manager: Manager, manual_clock: ManualClock) -> None:
    """However often the work says that it is alive, the manager hears it each quarter of the time that it waits."""
    supervisor = Supervisor(manual_clock)
    assert supervisor.feed_s == 0.2
    for _ in range(800):
        supervisor.alive()
        manual_clock.advance(MS)
    assert manager.fed() == 4


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "800000"},
        {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "800000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_is_fed_who_does_not_wait(manual_clock: ManualClock, environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Without a socket or a readable patience, and where another process is watched, nothing is sent."""
    supervisor = Supervisor(manual_clock, environ)
    assert supervisor.feed_s is None
    supervisor.alive()
    assert caplog.messages == []


def test_a_manager_that_does_not_listen_stops_nothing(manual_clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that is gone is one line in the log, not an error and not a line for each time."""
    supervisor = Supervisor(manual_clock, {"NOTIFY_SOCKET": str(tmp_path / "none")})
    supervisor.ready("reads fake")
    supervisor.stopping()
    (line,) = caplog.messages
    assert "cannot be told READY=1" in line


def test_an_agent_is_alive_while_it_samples(manager: Manager, free_port: Callable[[], int], tmp_path: Path) -> None:
    """READY when a meter was read, signs of life from the sampling thread, none once its meter hangs, STOPPING at SIGTERM."""
    agent = AgentProcess(tmp_path, free_port(), '[[meter]]\nkind = "fake"\nfault = "hang"\nfault_after = 40\n')
    try:
        eventually(lambda: manager.fed() >= 3, "the watchdog is fed")
        assert manager.told[0] == "READY=1\nSTATUS=reads fake"
        eventually(lambda: manager.silent_for(0.9), "a sampler that hangs feeds no watchdog")
        assert agent.process.poll() is None
        agent.process.terminate()
        eventually(lambda: manager.listen()[-1] == "STOPPING=1", "the end is told")
    finally:
        agent.process.kill()
        agent.process.communicate()


def test_a_collector_is_alive_while_both_processes_are(manager: Manager, tmp_path: Path) -> None:
    """READY with its addresses, signs of life, none while one of its two processes stands still, and again when it goes on."""
    collector = Collector(tmp_path / "collector").start()
    assert collector.process is not None
    try:
        eventually(lambda: manager.fed() >= 3, "the watchdog is fed")
        assert manager.told[0].startswith(f"READY=1\nSTATUS=agents {collector.grpc}, pages ")
        for child in psutil.Process(collector.process.pid).children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.suspend()
                eventually(lambda: manager.silent_for(0.9), "half a collector feeds no watchdog")
                before = manager.fed()
                child.resume()
                eventually(lambda before=before: manager.fed() > before, "it goes on")
        collector.process.terminate()
        eventually(lambda: manager.listen()[-1] == "STOPPING=1", "the end is told")
        assert collector.process.wait(60) == 0
    finally:
        if collector.process.poll() is None:
            collector.kill()
        else:
            collector.close()
