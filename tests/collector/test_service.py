"""The collector as a whole: two processes under one parent, which start, end and fail together."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path

import httpx
import psutil
import pytest

from joulemark.collector.service import address, stop_signals
from tests.collector.conftest import Collector


def children(collector: Collector) -> list[psutil.Process]:
    """The ingest and the REST process, in the order of their start."""
    assert collector.process is not None
    found = psutil.Process(collector.process.pid).children()
    return sorted((p for p in found if "spawn_main" in " ".join(p.cmdline())), key=lambda p: p.create_time())


def test_the_port_that_was_bound_is_told() -> None:
    """Only the port of the configured address changes, in IPv6 too."""
    assert [address("127.0.0.1:0", 7470), address("[::1]:0", 7470)] == ["127.0.0.1:7470", "[::1]:7470"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_interrupts_nothing_is_seen(number: signal.Signals) -> None:
    """One that reaches another thread does not end the wait of the main thread; the socket turns readable all the same."""
    before = signal.getsignal(number)
    with ExitStack() as stack:
        stop = stop_signals(stack)
        other = threading.Timer(0.1, lambda: signal.pthread_kill(threading.get_ident(), number))
        other.start()
        assert wait([stop], timeout=30) == [stop]
        other.join()
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(("number", "name"), [(0, "ingest"), (1, "rest")])
def test_when_one_process_dies_the_collector_ends(collector: Collector, number: int, name: str) -> None:
    """A killed child ends the parent with status 5 and its name, and the other child ends too: no half collector stays."""
    pair = children(collector)
    assert len(pair) == 2
    pair[number].kill()
    assert collector.close() == 5
    assert f"the {name} process of the collector ended by itself" in (collector.folder / "log").read_text()
    assert psutil.wait_procs(pair, timeout=10)[1] == []


def test_each_process_may_open_all_the_files_it_is_allowed(collector: Collector) -> None:
    """The soft limit of open files is raised to the hard one, for a thousand connections are soon there."""
    limits = [process.rlimit(psutil.RLIMIT_NOFILE) for process in children(collector)]
    assert [soft for soft, _ in limits] == [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2


def test_children_do_not_outlive_their_parent(collector: Collector) -> None:
    """After kill -9 of the parent alone both children end, so that the next start finds folder and ports free."""
    pair = children(collector)
    assert collector.process is not None
    os.kill(collector.process.pid, signal.SIGKILL)
    collector.close()
    assert psutil.wait_procs(pair, timeout=10)[1] == []


def test_a_taken_folder_or_port_ends_the_start(collector: Collector, tmp_path: Path) -> None:
    """A second collector on the same folder, or on a port in use, ends with one line and exit 5; plaintext beyond loopback with 2."""
    for settings, status, text in (
        (f'grpc_listen = "127.0.0.1:0"\ndata_dir = "{collector.folder}/data"', 5, "another collector"),
        (f'grpc_listen = "{collector.grpc}"\ndata_dir = "{tmp_path}/other"', 5, "cannot listen"),
        (f'grpc_listen = "0.0.0.0:0"\ndata_dir = "{tmp_path}/other"', 2, "plaintext"),
    ):
        config = tmp_path / "second.toml"
        config.write_text(f'[collector]\nrest_listen = "127.0.0.1:0"\n{settings}\n')
        command = [sys.executable, "-m", "joulemark", "collector", "run", "--config", str(config)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == status, result.stderr
        assert text in result.stderr
        assert "Traceback" not in result.stderr


def test_sigterm_ends_it_cleanly(collector: Collector) -> None:
    """SIGTERM ends both processes with status 0, and a copy of the database files is then the whole collector."""
    assert httpx.post(f"{collector.rest}/v1/runs", json={"run_id": "r", "moment": {"utc_ns": 1}}).status_code == 201
    assert collector.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{collector.rest}/healthz")
    assert {path.name for path in (collector.folder / "data").glob("*.db*")} == {"board.db", "catalog.db", "readings.db"}
