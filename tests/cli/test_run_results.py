"""`joulemark run --result`: a real child process writes its result, and a real collector gets it by hash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from joulemark.cards import bundle
from tests.collector.conftest import POWER_W, Agent, Collector
from tests.collector.conftest import collector as collector
from tests.collector.conftest import start_collector as start_collector
from tests.standins import serving_benchmark

S = 1_000_000_000
BENCHMARK = (sys.executable, "-m", "tests.standins.serving_benchmark")


@pytest.fixture
def measured(collector: Collector, tmp_path: Path) -> Any:
    """Runs a command under `joulemark run` with readings around it: (what it printed as JSON, the run as the collector has it)."""
    environment = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "state"), "JOULEMARK_URL": collector.rest}
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=600))

    def run(*args: str) -> tuple[dict[str, Any], dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "joulemark", "run", "--json", *args], capture_output=True, text=True, timeout=90, env=environment
        )
        assert done.returncode == 0, done.stderr
        data = json.loads(done.stdout)
        return data, httpx.get(f"{collector.rest}/v1/runs/{data['run_id']}").json()

    return run


@pytest.mark.parametrize("tool", ["vllm", "sglang"])
def test_a_result_without_a_begin_is_dated_by_the_command(measured: Any, collector: Collector, tmp_path: Path, tool: str) -> None:
    """One phase, as long as the process by its own account, in UTC, with the tokens of the file and its hash; no zone is asked for.

    Beside the bundle the file proves itself by that hash, and one other byte in it is named.
    """
    path = tmp_path / ("r.json" if tool == "vllm" else "r.jsonl")
    before_ns = time.time_ns()
    data, run = measured("--result", str(path), "--", *BENCHMARK, tool, str(path), "--load-s", "0.4", "--serve-s", "0.6")
    (phase,) = run["phases"]
    assert (phase["name"], phase["kind"], run["clock"]) == ("serve", "measured", "utc")
    assert before_ns < phase["begin_ns"] < phase["end_ns"] < time.time_ns()
    lasted_s = (phase["end_ns"] - phase["begin_ns"]) / S
    assert 1.0 <= lasted_s < 30
    assert (phase["tokens"]["input"], phase["tokens"]["output"], phase["requests"]) == (512, 256, 8)
    assert 0 < phase["unc_ns"] < S
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    assert run["result_files"] == [{"name": path.name, "sha256": sha256, "size_bytes": len(content), "mtime_ns": path.stat().st_mtime_ns}]
    assert "dated by the command" in data["findings"][0]
    assert data["energy"]["phases"][0]["energy_j"] == pytest.approx(POWER_W * lasted_s, rel=0.01)
    assert data["energy"]["phases"][0]["joules_per_1k_output_tokens"] == pytest.approx(POWER_W * lasted_s / 0.256, rel=0.01)
    folder = tmp_path / "bundle"
    archive = httpx.get(f"{collector.rest}/v1/runs/{data['run_id']}/bundle").content
    zipfile.ZipFile(io.BytesIO(archive)).extractall(folder)
    assert bundle.verify(folder) == []
    (folder / path.name).write_bytes(content)
    assert bundle.verify(folder) == []
    (folder / path.name).write_bytes(content.replace(b"256", b"257"))
    (finding,) = bundle.verify(folder)
    assert (finding.kind, finding.path) == ("changed", path.name)
    assert "the run says" in finding.detail


def test_a_result_of_before_is_not_joined(measured: Any, tmp_path: Path) -> None:
    """The run has no tokens and no hash of it, and the reason is on record; the command's status is not touched."""
    path = tmp_path / "old.jsonl"
    path.write_text(serving_benchmark.result("sglang", 0.01))
    data, run = measured("--result", str(path), "--", "touch", str(path))
    assert "result_files" not in run
    assert [(p["name"], p["tokens"]["output"]) for p in run["phases"]] == [("measured", None)]
    assert "result of an earlier run" in data["findings"][0]
    assert run["findings"] == data["findings"]


def test_a_file_and_its_folder_are_not_both_taken(tmp_path: Path) -> None:
    """Before anything is measured: exit 2 and the reason."""
    given = ["--result", str(tmp_path / "a.json"), "--benchmark", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "joulemark", "run", *given, "--", "true"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "counted twice" in done.stderr) == (2, True)
