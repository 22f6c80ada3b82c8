"""`joulemark watch` as a process: JSON, lines, a terminal, a collector that goes away, an interruption."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from joulemark.cli.glance import Glance
from joulemark.cli.watch import watch
from joulemark.errors import RemoteUnreachable
from joulemark.timebase import SystemClock
from tests.collector.conftest import Agent, Collector, S
from tests.collector.conftest import lasting_collector as lasting_collector
from tests.collector.conftest import start_collector as start_collector

NOWHERE = "http://127.0.0.1:9"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "joulemark", "watch", *arguments]


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def watched(lasting_collector: Collector) -> Collector:
    """A collector whose agent sent readings that stay fresh for a while."""
    agent, begin_ns = Agent(), time.time_ns() - 2 * S
    agent.send(lasting_collector.grpc, *(agent.batch(n, begin_ns=begin_ns + n * S) for n in range(60)))
    return lasting_collector


def test_json_is_an_object_a_second(watched: Collector) -> None:
    """With --json each look is one object on one line, about a second apart."""
    done = ended("--url", watched.rest, "--json", "--count", "2")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (done.returncode, first["schema"], first["unreachable"]) == (0, "joulemark.watch/1", "")
    assert [(one["boundary"], one["power_w"]) for one in first["boundaries"]] == [("gpu", 200.0)]
    assert 0.5 * S < second["t_ns"] - first["t_ns"] < 10 * S


def test_lines_without_a_terminal(watched: Collector) -> None:
    """Into a pipe it is a plain line each."""
    done = ended("host-a", "--url", watched.rest, "--count", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "gpu 200.0 W (1 device, simulated)" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_bars_on_a_terminal(watched: Collector) -> None:
    """On a terminal the device has a bar."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "30"}
    with subprocess.Popen(command("--url", watched.rest, "--count", "1"), stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        while part := read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 0
    assert "━" * 10 in shown.decode()
    assert "200.0 W" in shown.decode()


def read(terminal: int) -> bytes:
    """What is written there next; nothing once its last writer has gone."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_collector_that_never_answered_is_exit_6() -> None:
    """Nothing is printed on stdout, and the message names what starts one."""
    done = ended("--url", NOWHERE)
    assert (done.returncode, done.stdout) == (6, "")
    assert "joulemark collector run" in done.stderr


def test_a_collector_that_goes_away_is_waited_for(start_collector: Callable[..., Collector]) -> None:
    """It is said each second, without a number, and the watch goes on; an interruption ends it with 130."""
    collector = start_collector()
    with subprocess.Popen(command("--url", collector.rest, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["unreachable"] == ""
        collector.kill()
        while not (seen := json.loads(process.stdout.readline()))["unreachable"]:
            pass
        assert seen["boundaries"] == []
        assert json.loads(process.stdout.readline())["unreachable"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def test_a_reader_that_has_seen_enough(watched: Collector) -> None:
    """A closed pipe, as of `head`, ends the watch without a traceback."""
    with subprocess.Popen(command("--url", watched.rest), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_later_silence_is_shown_and_earlier_silence_raised() -> None:
    """The first look must succeed; each later one may fail, and the next is shown again."""
    answers: list[Glance | RemoteUnreachable] = [Glance(1), RemoteUnreachable("gone"), Glance(3)]
    shown: list[Glance] = []

    def look() -> Glance:
        answer = answers.pop(0)
        if isinstance(answer, RemoteUnreachable):
            raise answer
        return answer

    slept: list[float] = []
    watch(look, shown.append, SystemClock(), count=3, sleep=slept.append)
    assert [one.unreachable for one in shown] == ["", "gone", ""]
    assert len(slept) == 2
    answers.append(RemoteUnreachable("never there"))
    with pytest.raises(RemoteUnreachable):
        watch(look, shown.append, SystemClock(), count=1)


class Running:
    """A clock that goes on whenever it is read, as time does."""

    def __init__(self) -> None:
        self.now_ns = 0

    def mono_ns(self) -> int:
        self.now_ns += 1
        return self.now_ns

    def utc_ns(self) -> int:
        return self.mono_ns()


def test_a_slow_collector_is_asked_again_at_once() -> None:
    """A look that takes longer than a second is followed by the next one, not by an error."""
    clock, slept = Running(), list[float]()

    def look() -> Glance:
        clock.now_ns += 3 * S
        return Glance(1)

    watch(look, lambda seen: None, clock, count=3, sleep=slept.append)
    assert slept[1] == 0.0
    assert min(slept) >= 0.0
