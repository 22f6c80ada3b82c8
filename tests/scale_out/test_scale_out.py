"""The proof past one machine as a test: a small run for real with one kill of each kind, then a chunk made twice and one dropped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark import config
from joulemark.cli.collector import command
from joulemark.collector.store import configured
from joulemark.collector.store.clickhouse.shard import Shard
from tests.scale_out import cards, hosts
from tests.scale_out.__main__ import ended, execute, mutate
from tests.scale_out.checker import check
from tests.scale_out.processes import ShardProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[ShardProcess]]]:
    """The files of a run, and its shards, which still answer."""
    work = tmp_path_factory.mktemp("scale")
    shards = execute(work, seed=5, nodes=2, reads=1200, kills=1)
    yield work, shards
    ended(shards)


def test_two_shards_hold_what_was_sent_once(run: tuple[Path, list[ShardProcess]]) -> None:
    """Killed shard and sealing side, everything sent again: nothing twice, nothing lost, the same cards; then both mutations are seen."""
    work, shards = run
    told, complaints = check(work)
    assert [text for text in complaints if "sealing takes" not in text and "kill" not in text] == []
    verdict = told["verdict"]
    assert (verdict["shards"], verdict["duplicates"], verdict["lost"], verdict["cards_bit_equal"]) == (2, 0, 0, True)
    mutate(shards, "dup")
    told, complaints = check(work)
    assert told["verdict"]["duplicates"] > 0
    mutate(shards, "drop")
    told, complaints = check(work)
    assert told["verdict"]["lost"] > 0
    counts = json.loads((work / "counts.json").read_text(encoding="utf-8"))
    assert counts["resent"] > 0


def test_an_installation_moves_by_one_command(run: tuple[Path, list[ShardProcess]], tmp_path: Path) -> None:
    """What readings.db alone held lies on the shards after it, and the cards are the same; a second run finds nothing to do."""
    work, shards = run
    shutil.copy(work / "local.db", tmp_path / "readings.db")
    for process in shards:
        shard = Shard.over_http("any", host="127.0.0.1", port=process.port)
        shard.command("CREATE DATABASE moved")
        shard.close()
    addresses = json.dumps([process.address.replace("/joulemark", "/moved") for process in shards])
    (tmp_path / "c.toml").write_text(f'[collector]\ndata_dir = "{tmp_path}"\n[clickhouse]\nshards = {addresses}\n', encoding="utf-8")
    arguments = ["move-to-clickhouse", "--config", str(tmp_path / "c.toml"), "--keep", str(tmp_path / "kept.db"), "--json"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    moved = json.loads(done.stdout)
    assert moved["sent"] == moved["chunks"] > 0
    store = configured.readings(config.load(tmp_path / "c.toml"))
    assert cards.made(store, list(hosts.runs(nodes=2, reads=1200)), tmp_path) == json.loads((work / "cards-local.json").read_text("utf-8"))
    again = CliRunner().invoke(command, [*arguments[:-3], "--json"])
    assert json.loads(again.stdout) == {"chunks": 0, "sums": 0, "sent": 0}
