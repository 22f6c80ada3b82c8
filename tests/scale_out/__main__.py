"""Past one machine, with two shards that die: `python -m tests.scale_out`, behind `make scale-out SEED=n MUTATE=dup|drop SCALE=n`.

Hosts are sealed into readings.db alone, and into two shard processes while these and the sealing side are killed, the latter between the
two stores. Then everything is sent again: batches to the log, and from a second log every chunk to the shards. `checker.py` counts.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from joulemark import config
from joulemark.collector.store import configured
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.sqlite import SqliteStore
from tests.bench.engine.trace import T0_NS
from tests.scale_out import cards, hosts
from tests.scale_out.processes import Sealing, ShardProcess, settings, wait_until
from tests.verdict import judged

SHARD_KILLS = 4


def begun(path: Path) -> str | None:
    """The shard that a span is on its way to at this moment."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            row = db.execute("SELECT shard FROM begun LIMIT 1").fetchone()
    except sqlite3.OperationalError:  # not there yet
        return None
    return None if row is None else str(row[0])


def killed(work: Path, shards: list[ShardProcess], rng: random.Random, *, kills: int) -> dict[str, int]:
    """Send and seal while shards and the sealing side are killed in turn in the midst of a span; counts of it."""
    sealing = Sealing(work, "archived", rounds=12)
    sealing.start()
    for number in range(2 * kills):
        wait_until(lambda: begun(work / "archived" / "readings.db") is not None or sealing.done(), "a span on its way")
        if sealing.done():
            break
        time.sleep(rng.uniform(0.0, 0.02))
        if number % 2:
            sealing.kill()
            sealing.start()
        else:
            shard = shards[rng.randrange(len(shards))]
            shard.kill()
            time.sleep(rng.uniform(0.1, 0.5))
            shard.start()
    said = sealing.said()
    again = Sealing(work, "archived", rounds=1)
    again.start()
    return {"shard_kills": sum(one.kills for one in shards), "sealer_kills": sealing.kills, "resent": said["again"] + again.said()["again"]}


def rates(work: Path, shards: list[ShardProcess], seed: int, *, nodes: int, reads: int) -> dict[str, float]:
    """Processor time a value from the log to the sealed chunk: SQLite alone, and with the shards, whose own time counts too."""
    rated = hosts.seeded(seed + 7, nodes=nodes, reads=reads, gpus=8, name=hosts.RATED)
    sent, values = [one for node in rated for one in node.received(hosts.ROWS_EACH)], sum(node.values for node in rated)
    taken = {}
    for name in ("sqlite", "clickhouse"):
        keys = settings(work, f"rate-{name}")
        keys = replace(keys, collector=replace(keys.collector, seal_after_s=600.0))
        with configured.store(keys if name == "clickhouse" else replace(keys, clickhouse=config.ClickhouseConfig())) as store:
            for done in [store.append(one) for one in sent]:
                done.result()
            before_s = time.process_time() + sum(shard.cpu_s() for shard in shards)
            store.seal(T0_NS, everything=True)
            taken[name] = (time.process_time() + sum(shard.cpu_s() for shard in shards) - before_s) / values * 1e9
    return {
        "sqlite_ns_per_value": taken["sqlite"],
        "clickhouse_ns_per_value": taken["clickhouse"],
        "ratio": taken["sqlite"] / taken["clickhouse"],
    }


def mutate(shards: list[ShardProcess], kind: str) -> None:
    """Make a chunk twice, or drop one, behind the collector's back."""
    for process in shards:
        shard = Shard.over_http("mutated", host="127.0.0.1", port=process.port, database="joulemark")
        if kind == "dup":
            shard.command("INSERT INTO chunk SELECT * REPLACE (last_seq + 1000 AS last_seq) FROM chunk LIMIT 1")
        elif kind == "drop":
            shard.command("DELETE FROM chunk WHERE begin_ns = (SELECT max(begin_ns) FROM chunk)")
        shard.close()


def execute(work: Path, *, seed: int, nodes: int, reads: int, kills: int, mutation: str = "") -> list[ShardProcess]:
    """Run it all; leaves in `work` what the checker reads, and the shards running."""
    shards = [ShardProcess(work / name) for name in ("shard-a", "shard-b")]
    try:
        for shard in shards:
            shard.start()
        sent = hosts.batches(seed, nodes=nodes, reads=reads)
        ports = [shard.port for shard in shards]
        plan: dict[str, Any] = {"seed": seed, "nodes": nodes, "reads": reads, "ports": ports, "batches": len(sent)}
        (work / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        addresses = json.dumps([shard.address for shard in shards])
        (work / "collector.toml").write_text(
            f"[collector]\nseal_after_s = {hosts.SPAN_NS / hosts.S}\n[clickhouse]\nshards = {addresses}\n", encoding="utf-8"
        )
        counts: dict[str, Any] = dict(killed(work, shards, random.Random(seed), kills=kills))
        second = Sealing(work, "again", rounds=12)
        second.start()
        second.said()
        counts["rate"] = rates(work, shards, seed, nodes=max(1, nodes - 2), reads=reads)
        mutate(shards, mutation)
        local = SqliteStore(work / "local.db", seal_after_ns=hosts.SPAN_NS)
        hosts.anchored(local)
        for done in [local.append(one) for one in sent]:
            done.result()
        local.seal(T0_NS)
        local.seal(T0_NS, everything=True)
        archived = configured.readings(settings(work, "archived"))
        for name, store in (("local", local), ("archived", archived)):
            try:
                made = cards.made(store, list(hosts.runs(nodes=nodes, reads=reads)), work)
            except Exception as error:  # noqa: BLE001 - a mutated store may refuse: the checker says so
                made = {"refused": str(error)}
            (work / f"cards-{name}.json").write_text(json.dumps(made), encoding="utf-8")
        local.close()
        (work / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
    except BaseException:
        ended(shards)
        raise
    return shards


def ended(shards: list[ShardProcess]) -> None:
    """End the shards that run."""
    for shard in shards:
        if shard.process is not None:
            shard.kill()


def main() -> None:
    """A run, and the checker's verdict of it."""
    work = Path(tempfile.mkdtemp(prefix="joulemark-scale-out-"))
    scale = int(os.environ.get("SCALE") or 1)
    shards = execute(
        work,
        seed=int(os.environ.get("SEED") or 1),
        nodes=6 * scale,
        reads=6000,
        kills=SHARD_KILLS,
        mutation=os.environ.get("MUTATE") or "",
    )
    try:
        judged("tests.scale_out.checker", work)
    finally:
        ended(shards)


if __name__ == "__main__":
    main()
