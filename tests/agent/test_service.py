from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulemark.agent.service import named
from joulemark.config import MeterTable
from joulemark.proto.messages import Directive
from tests.agent.agent_process import FAKE, AgentProcess, seqs

Eventually = Callable[..., None]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_the_collector_is_away_keeps_everything(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any, eventually: Eventually, number: int
) -> None:
    """SIGTERM and SIGINT flush the last batch to the spool and end with 0; the next start delivers both epochs, whole."""
    port = free_port()
    first = agent_at(port)
    eventually(lambda: len(first.bodies()) >= 3, "batches are spooled")
    first.end(number)
    assert first.process.returncode == 0
    left = seqs(first.bodies())
    assert all(numbers == list(range(len(numbers))) for numbers in left.values())
    collector = collector_at(port)
    second = agent_at(port)
    eventually(lambda: len(collector.bodies) >= len(first.bodies()) + 3, "old and new batches are delivered")
    second.end()
    assert second.bodies() == []
    delivered = seqs([collector.bodies[key] for key in sorted(collector.bodies)])
    assert {key: delivered[key] for key in left} == left
    assert len({epoch for epoch, _ in delivered}) == 2
    assert all(numbers == list(range(len(numbers))) for numbers in delivered.values())


def test_a_typo_in_the_address_mends_itself(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """What an agent read for an address where nobody ever answered is delivered to the right one after a restart, by itself and whole."""
    first = agent_at(free_port())
    eventually(lambda: len(first.bodies()) >= 3, "batches are spooled")
    first.end()
    left, port = seqs(first.bodies()), free_port()
    collector = collector_at(port)
    second = agent_at(port)
    eventually(lambda: len(collector.bodies) >= len(first.bodies()) + 3, "old and new batches are delivered")
    second.end()
    delivered = seqs([collector.bodies[key] for key in sorted(collector.bodies)])
    assert {key: delivered[key] for key in left} == left


def test_stop_flushes_the_open_batch(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], eventually: Eventually, tmp_path: Path
) -> None:
    """With batches a minute apart, SIGTERM after a second still puts every sample read so far on disk."""
    agent = agent_at(free_port(), FAKE, "--log-level", "info", period_ms=60_000)
    eventually(lambda: (tmp_path / "spool.db.lock").exists(), "the agent starts")
    time.sleep(1.5)
    assert agent.bodies() == []
    agent.end()
    assert all(numbers == list(range(len(numbers))) and len(numbers) > 5 for numbers in seqs(agent.bodies()).values())
    assert len(seqs(agent.bodies())) == 2


def test_kill_9_loses_at_most_the_open_batch(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """After five kills every epoch is a run of numbers without a hole, each stored once under one content."""
    port = free_port()
    collector = collector_at(port)
    for kill in range(5):
        agent = agent_at(port)
        eventually(
            lambda kill=kill: len({e for e, _ in collector.bodies}) > kill and len(collector.received) > 3 * (kill + 1), "delivering"
        )
        agent.end(signal.SIGKILL)
    last = agent_at(port)
    eventually(lambda: len({e for e, _ in collector.bodies}) == 6, "the sixth start delivers")
    last.end()
    delivered = seqs([collector.bodies[key] for key in sorted(collector.bodies)])
    assert collector.altered == []
    assert len(delivered) == 12
    assert all(numbers == list(range(len(numbers))) for numbers in delivered.values())


def test_directives_are_obeyed(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """A mark is read at once and pinned for every device, and descriptions are repeated when asked for."""
    port = free_port()
    collector = collector_at(port)
    agent = agent_at(port, FAKE + "interval_ms = 500\n")
    eventually(lambda: len(collector.bodies) >= 2, "delivering")
    collector.ask(Directive(read_now=True, describe_devices=True))
    eventually(lambda: any(len(b.pinned_rows) for v in collector.views() for b in v.blocks), "a pinned sample arrives")
    eventually(lambda: sum(bool(v.devices) for v in collector.views()) == 2, "descriptions come twice")
    agent.end()
    pinned = [b.device_id for v in collector.views() for b in v.blocks for _ in b.pinned_rows]
    assert sorted(pinned) == ["fake:host:0", "fake:host:1"]


def test_batches_carry_the_cost_of_measuring(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any, eventually: Eventually
) -> None:
    """Every batch says what the agent cost so far: processor time, memory, reads per meter."""
    port = free_port()
    collector = collector_at(port)
    agent = agent_at(port)
    eventually(lambda: len(collector.bodies) >= 3, "delivering")
    agent.end()
    overhead = collector.views()[-1].overhead
    assert overhead.cpu_ns > 0
    assert 10_000_000 < overhead.rss_bytes < 100_000_000
    assert overhead.meters[0].source == "fake"
    assert overhead.meters[0].read_count >= 3


def test_start_needs_no_heavy_library(tmp_path: Path) -> None:
    """Importing all that `agent run` starts with loads neither numpy nor a web framework."""
    program = (
        "import sys, joulemark.cli.agent, joulemark.agent.service, joulemark.meters.fake; "
        "print(sorted({'numpy','scipy','pandas','fastapi','aiohttp','sqlite_utils','apscheduler'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("meters", "status", "said"),
    [
        ('[[meter]]\nkind = "fake"\ndevcies = 2\n', 2, "did you mean 'devices'?"),
        ('[[meter]]\nkind = "fake"\non_open_error = "fail"\n' * 2, 2, "is read by fake and by fake:2"),
        ('[[meter]]\nkind = "nvmll"\n', 2, "did you mean 'nvml'?"),
        ("[agnet]\n", 2, "did you mean 'agent'?"),
        ('[tls]\nca_file = "/nonexistent/ca.pem"\n' + FAKE, 2, "tls.ca_file"),
    ],
)
def test_wrong_configuration_is_one_line(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], meters: str, status: int, said: str
) -> None:
    """A wrong key, kind or file ends the start at once: one line with the next step, exit code 2, no stack trace."""
    agent = agent_at(free_port(), meters)
    errors = agent.process.communicate(timeout=20)[1]
    assert agent.process.returncode == status
    assert said in errors
    assert "Traceback" not in errors


def test_once_delivers_or_says_where_the_readings_are(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any
) -> None:
    """--once delivers one round and prints it; without a collector it ends with 6 and keeps the readings."""
    port = free_port()
    away = agent_at(port, FAKE, "--once", "--json")
    errors = away.process.communicate(timeout=30)[1]
    assert away.process.returncode == 6
    assert str(away.spool) in errors
    assert len(away.bodies()) == 1
    collector = collector_at(port)
    there = agent_at(port, FAKE, "--once", "--json")
    out = there.process.communicate(timeout=30)[0]
    assert there.process.returncode == 0
    assert json.loads(out) == {"sources": ["fake"], "read_count": 1, "error_count": 0}
    assert len(collector.bodies) == 2


def test_once_without_a_meter_that_opens_is_a_failure(
    agent_at: Callable[..., AgentProcess], free_port: Callable[[], int], collector_at: Any
) -> None:
    """--once with meters of which none can be opened ends with 5 and says why of each; one that works is enough."""
    port = free_port()
    collector_at(port)
    gone = '[[meter]]\nkind = "fake"\nfault = "gone"\nfault_after = 0\n'
    sick = agent_at(port, gone + '[[meter]]\nkind = "replay"\nfile = "/nonexistent.csv"\n', "--once", "--json")
    out, errors = sick.process.communicate(timeout=30)
    assert (sick.process.returncode, out) == (5, "")
    assert "no meter can be read: fake: the fake device left on demand; replay: " in errors
    assert "/nonexistent.csv" in errors
    one = agent_at(port, gone + '[[meter]]\nkind = "replay"\n', "--once", "--json")
    assert json.loads(one.process.communicate(timeout=30)[0]) == {"sources": ["fake", "replay"], "read_count": 2, "error_count": 1}


def test_sources_are_named_by_kind_and_place() -> None:
    """The second table of a kind carries its place among them."""
    assert named([MeterTable("ipmi"), MeterTable("fake"), MeterTable("ipmi")]) == ["ipmi", "fake", "ipmi:2"]
