"""What every test may ask for: the recorded corpus, free ports, a clock that stands still."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("JOULEMARK_HYPOTHESIS", "ci"))
"""Generated inputs: the same ones at every run in CI; `JOULEMARK_HYPOTHESIS=explore` looks for new ones."""

signal.signal(signal.SIGINT, signal.default_int_handler)
"""A run in the background of a shell ignores Ctrl-C, and so would every process that a test starts and interrupts."""

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class ManualClock:
    """A clock that moves only when told: `utc_ns` minus `mono_ns` stays constant unless one of them is set alone."""

    utc: int = 1_790_000_000_000_000_000
    mono: int = 5_000_000_000

    def utc_ns(self) -> int:
        return self.utc

    def mono_ns(self) -> int:
        return self.mono

    def advance(self, ns: int) -> None:
        """Both clocks, by the same amount."""
        self.utc += ns
        self.mono += ns


@pytest.fixture(autouse=True)
def unconfigured_log() -> None:
    """The package's log as a library has it: a command that ran in this process before has sent it elsewhere."""
    log = logging.getLogger("joulemark")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    log.propagate = True


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of this checkout."""
    return ROOT


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder of recorded inputs with known answers, from `$JOULEMARK_CORPUS`."""
    named = os.environ.get("JOULEMARK_CORPUS")
    if not named:
        pytest.skip("JOULEMARK_CORPUS is not set: no recorded corpus on this machine")
    folder = Path(named)
    assert folder.is_dir(), f"JOULEMARK_CORPUS names {folder}, which is not a folder"
    return folder


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a TCP port of the loopback interface that nothing listens on, another one at each call."""
    given: set[int] = set()

    def port() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                number: int = probe.getsockname()[1]
            if number not in given:
                given.add(number)
                return number

    return port


def skipped_count(reporter: pytest.TerminalReporter) -> int:
    return len(reporter.stats.get("skipped", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped, also when there are none."""
    terminalreporter.write_line(f"skipped tests: {skipped_count(terminalreporter)}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `JOULEMARK_FORBID_SKIPS` a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("JOULEMARK_FORBID_SKIPS") and reporter is not None and skipped_count(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
