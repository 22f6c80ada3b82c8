"""`joulemark collector backup`, `verify` and `restore`, of a collector that runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from joulemark.collector.store.sqlite import SqliteReadings
from tests.collector.conftest import Agent, Collector
from tests.collector.conftest import start_collector as start_collector
from tests.command import joulemark
from tests.conftest import ROOT
from tests.waiting import eventually

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


@pytest.mark.slow
def test_readings_on_a_shard_come_back_without_it(start_collector: Callable[..., Collector], tmp_path: Path) -> None:
    """A collector seals onto a shard behind HTTP; its backup is proven and restored when the shard is gone, and a collector without
    shards answers as before. Left to the engine, the backup and its proof say so.
    """
    server = [sys.executable, "-m", "tests.scale_out.server", tmp_path / "shard", "0"]
    with subprocess.Popen(server, cwd=ROOT, stdout=subprocess.PIPE, text=True) as shard:
        assert shard.stdout is not None
        address, data, target = f"http://127.0.0.1:{shard.stdout.readline().strip()}/joulemark", tmp_path / "data", tmp_path / "backups"
        running = start_collector(data_dir=str(data), seal_after_s=1.0)
        running.stop()
        running.tables = f'[clickhouse]\nshards = ["{address}"]'
        running.start(data_dir=str(data), seal_after_s=1.0)
        agent, begin_ns = Agent(), time.time_ns()
        agent.send(running.grpc, *(agent.batch(seq, begin_ns=begin_ns + seq * S, described=seq == 0) for seq in range(6)))
        asked = {"meter": f"{agent.device.device_id}:power", "from_ns": begin_ns - S, "to_ns": begin_ns + 9 * S, "format": "csv"}
        eventually(lambda: "sealed" in (running.folder / "log").read_text(), "a span lies on the shard")
        before = httpx.get(f"{running.rest}/v1/readings", params=asked, timeout=60).text
        made = joulemark("collector", "backup", target, "--config", running.folder / "collector.toml", "--json")
        bare = joulemark(
            "collector", "backup", tmp_path / "bare", "--config", running.folder / "collector.toml", "--without-shards", "--json"
        )
        running.stop()
        shard.kill()
    assert (made.returncode, bare.returncode) == (0, 0), made.stderr + bare.stderr
    spans = json.loads(made.stdout)["spans_from_shards"]
    assert spans == json.loads(bare.stdout)["spans_left_out"] > 0
    proof = joulemark("collector", "verify", target, "--json")
    assert (proof.returncode, json.loads(proof.stdout)["spans_from_shards"]) == (0, spans), proof.stdout
    refused = joulemark("collector", "verify", tmp_path / "bare")
    assert (refused.returncode, "not in this backup" in refused.stdout) == (4, True)
    assert joulemark("collector", "verify", tmp_path / "bare", "--without-shards").returncode == 0
    back = joulemark("collector", "restore", target, "--into", tmp_path / "again", "--json")
    assert (back.returncode, json.loads(back.stdout)["spans_from_shards"]) == (0, spans), back.stderr
    again = start_collector(data_dir=str(tmp_path / "again"))
    assert httpx.get(f"{again.rest}/v1/readings", params=asked, timeout=60).text == before
    assert before.count("\n") == 61
