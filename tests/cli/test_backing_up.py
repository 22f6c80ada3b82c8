"""`joulemark collector backup`, `verify` and `restore`, of a collector that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from joulemark.collector.store.sqlite import SqliteReadings
from tests.collector.conftest import Agent, Collector
from tests.collector.conftest import start_collector as start_collector
from tests.command import joulemark

S = 1_000_000_000


def test_a_running_collector_is_backed_up_proven_and_comes_back(start_collector: Callable[..., Collector], tmp_path: Path) -> None:
    """Batches arrive before and after; the backup is sound, small the second time, and a collector on the restored folder has the run
    and all that was acknowledged before the backup.
    """
    running, target = start_collector(), tmp_path / "backups"
    config, agent = running.folder / "collector.toml", Agent()
    begin_ns = time.time_ns() - 100 * S
    agent.send(running.grpc, *(agent.batch(seq, begin_ns=begin_ns + seq * S, described=seq == 0) for seq in range(40)))
    moment = {"utc_ns": time.time_ns(), "mono_ns": time.monotonic_ns(), "boot_id": agent.boot_id}
    run = httpx.post(f"{running.rest}/v1/runs", json={"benchmark": "kept", "moment": moment}, timeout=60).json()["run_id"]
    first = joulemark("collector", "backup", target, "--config", config, "--json")
    assert first.returncode == 0, first.stderr
    last = agent.batch(40, begin_ns=begin_ns + 40 * S, described=False)
    agent.send(running.grpc, last)
    second = joulemark("collector", "backup", target, "--config", config, "--keep", 5, "--json")
    said = [json.loads(done.stdout) for done in (first, second)]
    assert (said[1]["removed"], said[0]["added_bytes"]) == ([], said[0]["bytes"])
    proof = joulemark("collector", "verify", target, "--json")
    assert proof.returncode == 0, proof.stdout
    assert json.loads(proof.stdout)["spans"] >= 1
    busy = joulemark("collector", "restore", target, "--config", config)
    assert (busy.returncode, "not empty" in busy.stderr) == (2, True)
    assert running.stop() == 0
    again = tmp_path / "again"
    back = joulemark("collector", "restore", target, "--at", said[1]["backup"], "--into", again, "--json")
    assert back.returncode == 0, back.stderr
    (stream,) = SqliteReadings(again / "readings.db").streams()
    assert stream.batch_count == 41
    restarted = start_collector(data_dir=str(again))
    assert run in [one["run_id"] for one in httpx.get(f"{restarted.rest}/v1/runs", timeout=60).json()]
    agent.send(restarted.grpc, last, agent.batch(41, begin_ns=begin_ns + 41 * S, described=False))
    (stream,) = SqliteReadings(again / "readings.db").streams()
    assert (stream.batch_count, stream.duplicate_count) == (42, 1)


def test_a_damaged_backup_ends_with_4(tmp_path: Path) -> None:
    """`verify` names the file and goes on; text tells the same as JSON."""
    data, target, config = tmp_path / "data", tmp_path / "b", tmp_path / "c.toml"
    data.mkdir()
    (data / "tokens.json").write_text("{}")
    config.write_text(f'[collector]\ndata_dir = "{data}"\n')
    assert joulemark("collector", "backup", target, "--config", config).stdout.endswith("1 files, 2 bytes, of which 2 were new\n")
    assert "is sound" in joulemark("collector", "verify", target).stdout
    next((target / "blocks").glob("*/*")).write_bytes(b"[]")
    done = joulemark("collector", "verify", target)
    assert done.returncode == 4
    assert "NOT sound" in done.stdout
    assert "tokens.json" in done.stdout


def test_a_backup_into_the_data_itself_is_refused(tmp_path: Path) -> None:
    """It would hold itself the next time."""
    config = tmp_path / "c.toml"
    config.write_text(f'[collector]\ndata_dir = "{tmp_path}/data"\n')
    done = joulemark("collector", "backup", tmp_path / "data" / "backups", "--config", config)
    assert done.returncode == 2
    assert "data folder itself" in done.stderr
