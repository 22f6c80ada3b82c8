"""`joulemark run` against a real collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from joulemark import request_log
from joulemark.chain import Chain
from joulemark.collector.tokens import Scope, Tokens
from tests.collector.conftest import Agent, Collector
from tests.collector.conftest import collector as collector
from tests.collector.conftest import start_collector as start_collector
from tests.kit.lab import Lab, receipt

S = 1_000_000_000


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "STATE_DIRECTORY": str(tmp_path / "state")}


def joulemark(*args: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "joulemark", *args], capture_output=True, text=True, timeout=90, env=environment)


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_the_status_of_the_command_passes_through(collector: Collector, environment: dict[str, str], script: str, status: int) -> None:
    """The command's exit status is the run's, also when a signal ended it; its output stays on stdout; the run is on record."""
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=300))
    result = joulemark("run", "--url", collector.rest, "--json", "--", "sh", "-c", f"echo out; {script}", environment=environment)
    assert result.returncode == status, result.stderr
    out, line = result.stdout.splitlines()
    data = json.loads(line)
    assert (out, data["exit_status"]) == ("out", status)
    run = httpx.get(f"{collector.rest}/v1/runs/{data['run_id']}").json()
    assert [(p["name"], p["kind"]) for p in run["phases"]] == [("measured", "measured")]
    assert data["energy"]["phases"][0]["energy_j"] == pytest.approx(200 * data["energy"]["phases"][0]["duration_s"], rel=0.05)


def test_the_command_may_be_called_like_a_subcommand(collector: Collector, environment: dict[str, str], tmp_path: Path) -> None:
    """`run -- start` runs the program `start`."""
    program = tmp_path / "start"
    program.write_text("#!/bin/sh\necho I am start\nexit 7\n")
    program.chmod(0o755)
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=200))
    path = f"{tmp_path}:{environment['PATH']}"
    result = joulemark("run", "--", "start", environment={**environment, "PATH": path, "JOULEMARK_URL": collector.rest})
    assert (result.returncode, result.stdout) == (7, "I am start\n")


def test_a_command_that_is_not_there_begins_no_run(collector: Collector, environment: dict[str, str]) -> None:
    """A mistyped command leaves no run behind that nobody ends."""
    result = joulemark("run", "--url", collector.rest, "--", "no-such-command", environment=environment)
    assert result.returncode == 2
    assert "cannot run no-such-command" in result.stderr
    assert httpx.get(f"{collector.rest}/v1/runs").json() == []


def test_an_unreachable_collector_ends_it_before_the_command(environment: dict[str, str], tmp_path: Path) -> None:
    """Without a collector the command is not started: exit 6, one line, the next step."""
    result = joulemark("run", "--url", "http://127.0.0.1:9", "--", "touch", str(tmp_path / "ran"), environment=environment)
    assert result.returncode == 6
    assert result.stderr.count("\n") == 1
    assert "joulemark collector run" in result.stderr
    assert not (tmp_path / "ran").exists()


def test_marks_of_a_dead_collector_are_kept_and_resent(collector: Collector, environment: dict[str, str]) -> None:
    """A collector killed inside the run costs nothing: the command goes on, and the named command delivers the marks later."""
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=600))
    assert collector.process is not None
    killing = (
        "import joulemark, os, signal, time\n"
        "with joulemark.phase('decode') as phase:\n"
        "    time.sleep(0.3)\n"
        f"    os.killpg({collector.process.pid}, signal.SIGKILL)\n"
        "    phase.output_tokens = 500\n"
    )
    result = joulemark("run", "--url", collector.rest, "--json", "--", sys.executable, "-c", killing, environment=environment)
    assert result.returncode == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["energy"] is None
    assert any(f"joulemark run resend {data['run_id']}" in finding for finding in data["findings"])
    collector.close()
    collector.start()
    again = joulemark("run", "resend", data["run_id"], "--url", collector.rest, "--json", environment=environment)
    assert json.loads(again.stdout)["delivered"] == 2
    run = httpx.get(f"{collector.rest}/v1/runs/{data['run_id']}").json()
    assert [(p["name"], p["tokens"]["output"]) for p in run["phases"]] == [("decode", 500)]
    assert run["phases"][0]["end_ns"] - run["phases"][0]["begin_ns"] == pytest.approx(0.3 * S, rel=0.8)


def test_a_run_by_hand(collector: Collector, environment: dict[str, str]) -> None:
    """start, phase --begin, phase --end and stop make a run with a phase, its kind and its counts."""
    settings = {**environment, "JOULEMARK_URL": collector.rest}
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=600))
    run_id = joulemark("run", "start", "--name", "mine", "--label", "model=m", environment=settings).stdout.strip()
    settings["JOULEMARK_RUN_ID"] = run_id
    assert joulemark("run", "phase", "prefill", "--begin", "--kind", "warmup", environment=settings).returncode == 0
    assert joulemark("run", "phase", "prefill", "--end", environment=settings).returncode == 0
    assert joulemark("run", "phase", "decode", "--begin", environment=settings).returncode == 0
    assert joulemark("run", "phase", "decode", "--end", "--output-tokens", "2000", "--requests", "4", environment=settings).returncode == 0
    result = joulemark("run", "stop", run_id, "--json", environment=settings)
    phases = json.loads(result.stdout)["energy"]["phases"]
    assert [(p["name"], p["kind"], p["requests"]) for p in phases] == [("prefill", "warmup", None), ("decode", "measured", 4)]
    assert phases[1]["joules_per_1k_output_tokens"] == pytest.approx(phases[1]["energy_j"] / 2)
    assert joulemark("run", "phase", "decode", environment=settings).returncode == 2


def test_windows_and_tokens_come_from_the_benchmark_files(collector: Collector, environment: dict[str, str], tmp_path: Path) -> None:
    """With --benchmark the phases of the files that the command wrote become windows of the run, and their hashes are on record; what lay
    there before, and what is only touched, is a finding, not a failure.
    """
    agent = Agent()
    agent.send(collector.grpc, agent.batch(0, begin_ns=time.time_ns() - 2 * S, rows=600))
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / "notes.txt").write_text("from before")
    writing = (
        "import json, time; begin_ns = time.time_ns(); time.sleep(0.3); "
        "w = {'name': 'load', 'kind': 'measured', 'begin_ns': begin_ns, 'end_ns': time.time_ns(), 'requests': 8}; "
        "w['tokens'] = {'output': 30}; "
        f"json.dump({{'schema': 'joulemark.run/1', 'benchmark': 'mine', 'phases': [w]}}, open({str(folder / 'run.json')!r}, 'w'))"
    )
    arguments = ["run", "--url", collector.rest, "--json", "--benchmark", str(folder), "--"]
    data = json.loads(joulemark(*arguments, sys.executable, "-c", writing, environment=environment).stdout)
    (window,) = json.loads((folder / "run.json").read_text())["phases"]
    (phase,) = data["energy"]["phases"]
    assert (phase["name"], phase["begin_ns"], phase["requests"], data["findings"]) == ("load", window["begin_ns"], 8, [])
    assert phase["joules_per_1k_output_tokens"] == pytest.approx(200 * phase["duration_s"] / 0.03, rel=1e-3)
    files = httpx.get(f"{collector.rest}/v1/runs/{data['run_id']}").json()["result_files"]
    assert [file["name"] for file in files] == ["run.json"]
    data = json.loads(joulemark(*arguments, "touch", str(folder / "run.json"), environment=environment).stdout)
    assert "files were not used" in data["findings"][0]
    assert "outside the time of the command" in data["findings"][0]


def test_a_token_is_asked_before_the_command_and_may_go_during_it(
    environment: dict[str, str], start_collector: Any, tmp_path: Path
) -> None:
    """Without a token the command is not started: exit 2 and the next step. One revoked meanwhile does not cost its status."""
    tokens = Tokens(tmp_path / "data")
    secret = tokens.create("ci", Scope.WRITE, created_ns=0)
    collector = start_collector(data_dir=str(tmp_path / "data"))
    result = joulemark("run", "--url", collector.rest, "--", "touch", str(tmp_path / "ran"), environment=environment)
    assert (result.returncode, "joulemark token create" in result.stderr) == (2, True), result.stderr
    assert not (tmp_path / "ran").exists()
    file = tmp_path / "token"
    file.write_text(secret)
    with_token = {**environment, "JOULEMARK_TOKEN_FILE": str(file)}
    revoking = f"{sys.executable} -m joulemark token revoke ci --config {collector.folder}/collector.toml; exit 7"
    result = joulemark("run", "--url", collector.rest, "--", "sh", "-c", revoking, environment=with_token)
    assert (result.returncode, "the mark is kept" in result.stderr) == (7, True), result.stderr


def test_documents_are_handed_in_from_files(collector: Collector, environment: dict[str, str], tmp_path: Path) -> None:
    """Files of each kind reach the run; a receipt for the head that `run chain` printed is taken; a file that is none is refused."""
    lab, environment = Lab.of("ES1"), {**environment, "JOULEMARK_URL": collector.rest}
    run_id = httpx.post(f"{collector.rest}/v1/runs", json={"moment": {"utc_ns": time.time_ns()}}).json()["run_id"]
    marked = joulemark("run", "phase", "idle", "--run", run_id, "--begin", "--idle-kind", "idle_bare", environment=environment)
    assert marked.returncode == 0, marked.stderr
    assert joulemark("run", "phase", "idle", "--run", run_id, "--end", "--aborted", "why", environment=environment).returncode == 0
    (tmp_path / "workload.json").write_text(json.dumps(lab.workload.to_json()))
    (tmp_path / "requests.csv").write_text(request_log.to_csv(lab.requests))
    shown = json.loads(joulemark("run", "chain", run_id, "--json", environment=environment).stdout)
    head = receipt(Chain.from_json({key: value for key, value in shown.items() if key != "head_sha256"}), t_ns=time.time_ns())
    (tmp_path / "receipts.json").write_text(json.dumps({"receipts": [asdict(head)]}))
    files = [f"--{kind}={tmp_path / name}" for kind, name in (("workload", "workload.json"), ("requests", "requests.csv"))]
    done = joulemark("run", "evidence", run_id, *files, f"--receipts={tmp_path / 'receipts.json'}", environment=environment)
    assert (done.returncode, done.stdout) == (0, "taken: receipts, requests, workload\n"), done.stderr
    assert httpx.get(f"{collector.rest}/v1/runs/{run_id}/chain").json()["receipts"] == [asdict(head)]
    (phase,) = httpx.get(f"{collector.rest}/v1/runs/{run_id}/phases").json()
    assert (phase["idle_kind"], phase["aborted"]) == ("idle_bare", "why")
    wrong = joulemark("run", "evidence", run_id, f"--nodes={tmp_path / 'workload.json'}", environment=environment)
    assert wrong.returncode != 0
    assert "joulemark.nodes/1" in wrong.stderr
    assert joulemark("run", "evidence", run_id, environment=environment).returncode == 2
    assert joulemark("run", "seal", run_id, environment=environment).returncode != 0
