"""What two shards hold, counted by other code: `python -m tests.scale_out.checker WORK`, while the shards answer.

Chunks are read from the tables as they are, by queries of its own; what was sent is read from the batches. A reading is (device, monotonic
time, value of its power). The last line is the verdict; complaints go to standard error, each beginning "red: ".
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client

from joulemark.collector.store.clickhouse.energy import whole
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.columns import Columns
from joulemark.collector.store.integral import counted
from joulemark.collector.store.sqlite import SqliteReadings
from tests.scale_out.hosts import RATED, batches

Reading = tuple[str, int, int]
RATE_GOAL = 0.3
OUT = Path("build/scale-out.json")


def sent(plan: dict[str, Any]) -> Counter[Reading]:
    """Every reading that the hosts sent."""
    found: Counter[Reading] = Counter()
    for received in batches(plan["seed"], nodes=plan["nodes"], reads=plan["reads"]):
        for block in received.view.blocks:
            mono_ns = np.frombuffer(block.mono_delta_ns, "<i8") + block.base_mono_ns
            values = np.frombuffer(block.columns[0].values, "<i8")
            found.update(zip([block.device_id] * len(mono_ns), mono_ns.tolist(), values.tolist(), strict=True))
    return found


def held(client: Client, table: str) -> Counter[Reading]:
    """Every reading in the chunks of a table, or of a table with FINAL."""
    found: Counter[Reading] = Counter()
    query = f"SELECT device_id, layout, body FROM {table} WHERE agent_id NOT LIKE '{RATED}-%'"
    for device_id, layout, body in client.query(query, column_formats={"body": "bytes"}).result_rows:
        columns = Columns.unseal(layout, body)
        mono_ns, values = columns.shared["mono_ns"], columns.values[0]
        found.update(zip([device_id] * len(mono_ns), mono_ns.tolist(), values.tolist(), strict=True))
    return found


def added_up(ports: list[int]) -> dict[str, int]:
    """Twice the integral of each power over all its chunks, by the engine, in 128 bits."""
    found = {}
    for port in ports:
        shard = Shard.over_http(f"127.0.0.1:{port}", host="127.0.0.1", port=port, database="joulemark")
        found |= {one.meter_id: one.double for one in whole(shard, -(2**62), 2**62) if RATED not in one.meter_id}
        shard.close()
    return found


def brute_force(path: Path) -> dict[str, int]:
    """The same by Python's integers, reading by reading, from a readings.db that never saw a shard."""
    store = SqliteReadings(path)
    found = {}
    for device in store.devices():
        for one in store.series([meter.meter_id for meter in device.device.meters if meter.quantity == "power"], -(2**61), 2**61):
            good = counted(one)
            t_ns, value = good.t_ns.tolist(), good.value.tolist()
            found[one.meter.meter_id] = sum((b - a) * (u + v) for a, b, u, v in zip(t_ns, t_ns[1:], value, value[1:], strict=False))
    return found


def check(work: Path) -> tuple[dict[str, Any], list[str]]:
    """The verdict and the complaints."""
    plan, counts, local, archived = (
        json.loads((work / f"{name}.json").read_text(encoding="utf-8")) for name in ("plan", "counts", "cards-local", "cards-archived")
    )
    wanted, found, raw = sent(plan), Counter[Reading](), Counter[Reading]()
    hosts_of = []
    for port in plan["ports"]:
        client = clickhouse_connect.get_client(host="127.0.0.1", port=port, database="joulemark", compress=False)
        found.update(held(client, "chunk FINAL"))
        raw.update(held(client, "chunk"))
        hosts_of.append({row[0] for row in client.query("SELECT DISTINCT agent_id FROM chunk").result_rows})
        client.close()
    duplicates, lost = (found - wanted).total(), (wanted - found).total()
    equal = local == archived and "refused" not in local
    complaints = [
        *([f"{duplicates} readings lie on the shards more than once or were never sent"] if duplicates else []),
        *([f"{lost} of {wanted.total()} readings are lost"] if lost else []),
        *(f"{name} is another one from the shards" for name in local if local[name] != archived.get(name)),
        *([f"cards are refused: {archived['refused']}"] if "refused" in archived else []),
        *(["the engine adds another energy up than big integers do"] if added_up(plan["ports"]) != brute_force(work / "local.db") else []),
        *(["a host lies on both shards"] if hosts_of[0] & hosts_of[1] else []),
        *(["a shard has no host"] if not all(hosts_of) else []),
        *(["no shard was killed"] if not counts["shard_kills"] else []),
        *(["the sealing side was not killed"] if not counts["sealer_kills"] else []),
        *(["nothing was sent again"] if counts["resent"] < plan["batches"] else []),
        *([f"sealing takes {1 / counts['rate']['ratio']:.1f} times SQLite's"] if counts["rate"]["ratio"] < RATE_GOAL else []),
    ]
    more = {
        "readings": wanted.total(),
        "raw_duplicates": (raw - wanted).total(),
        "shard_kills": counts["shard_kills"],
        "sealer_kills": counts["sealer_kills"],
        "cards": len(local) - 1,
        "ingest_of_sqlite": round(counts["rate"]["ratio"], 2),
    }
    line = {"shards": len(plan["ports"]), "resent": counts["resent"], "duplicates": duplicates, "lost": lost, "cards_bit_equal": equal}
    return {"verdict": line, "more": {**more, **counts["rate"]}}, complaints


def main() -> None:
    """Print the complaints, what was seen beside, and last the verdict; the status is 1 when there are complaints."""
    told, complaints = check(Path(sys.argv[1]))
    for complaint in complaints:
        print(f"red: {complaint}", file=sys.stderr)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({**told, "complaints": complaints}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(told["more"]))
    print(json.dumps(told["verdict"]))
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
