"""The whole path on one machine: `python -m tests.e2e`, behind `make e2e SEED=n MUTATE=gain|drop|dup AIPERF=1`.

Agent (NVML stand-in with 8 GPUs on a square wave, a BMC simulator, a replayed trace) -> collector -> `joulemark run` around a
benchmark of a stub service -> card; seeded windows of four lengths; both daemons killed in the middle of a run. The verdict comes
from `checker.py`, which shares no arithmetic with the product. MUTATE breaks the path on purpose and must turn it red.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.e2e import benchmark
from tests.e2e.host import Host
from tests.standins.nvml_standin import NvmlWave
from tests.verdict import judged

WINDOWS_S = (0.35, 1.3, 3.7, 9.6)
STARTS_PER_LENGTH = 40
SPAN_S = 60.0
KILLS = 2
GAIN_MUTATION = 1.01


def wave_of(rng: random.Random) -> NvmlWave:
    """The seed's wave: levels and phases vary, the half-period and the counter step are those of the published comparison."""
    half_period_ns, gpus = 730_000_000, 8
    return NvmlWave(
        gpus=gpus,
        low_w=float(rng.randrange(70, 140)),
        high_w=float(rng.randrange(500, 690)),
        half_period_ns=half_period_ns,
        phase_ns=(rng.randrange(2 * half_period_ns),) * gpus,
        energy_step_ns=100_000_000,
    )


def driver_wave(wave: NvmlWave, mutation: str) -> NvmlWave:
    """What the driver plays: the declared wave, or one per cent more when the mutation is `gain`."""
    gain = GAIN_MUTATION if mutation == "gain" else 1.0
    return NvmlWave(**{**asdict(wave), "low_w": wave.low_w * gain, "high_w": wave.high_w * gain})


def measure_windows(host: Host, rng: random.Random) -> list[dict[str, Any]]:
    """Mark seeded, overlapping windows of each length as they happen; the collector's energies of them."""
    run = host.client.start(benchmark="seeded windows")
    marks = []
    for length_s in WINDOWS_S:
        for i in range(STARTS_PER_LENGTH):
            start_s = rng.uniform(0.5, SPAN_S - length_s)
            marks += [(start_s, "begin", f"{length_s}/{i}"), (start_s + length_s, "end", f"{length_s}/{i}")]
    origin = time.monotonic()
    for at_s, edge, name in sorted(marks):
        time.sleep(max(0.0, origin + at_s - time.monotonic()))
        (host.client.begin if edge == "begin" else host.client.end)(run, name)
    host.client.stop(run)
    return host.energies(run)


def kill_both(host: Host, rng: random.Random) -> list[dict[str, Any]]:
    """One phase around each pair of kills: agent, then collector, each down for a seeded while; energies of the phases."""
    run = host.client.start(benchmark="kills")
    for i in range(KILLS):
        host.client.begin(run, f"kill {i}")
        time.sleep(rng.uniform(1.0, 3.0))
        host.kill_agent(down_s=rng.uniform(1.0, 3.0))
        time.sleep(rng.uniform(2.0, 4.0))
        host.kill_collector(down_s=rng.uniform(1.0, 3.0))
        time.sleep(rng.uniform(2.0, 4.0))
        host.client.end(run, f"kill {i}")
    host.client.stop(run)
    return host.energies(run)


def tamper(readings: Path, mutation: str) -> None:
    """Break the store behind the product's back: take a batch out, or put one in twice."""
    with sqlite3.connect(readings) as connection:
        middle = "SELECT id FROM log ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM log)"
        if mutation == "drop":
            connection.execute(f"DELETE FROM log WHERE id = ({middle})")
        if mutation == "dup":
            connection.execute(
                "INSERT INTO log (agent_id, epoch_ns, batch_seq, rx_ns, t0_ns, t1_ns, body)"
                f" SELECT agent_id, epoch_ns, 1000000000, rx_ns, t0_ns, t1_ns, body FROM log WHERE id = ({middle})"
            )


def execute(work: Path, seed: int, mutation: str) -> None:
    """Run everything and leave in `work` what the checker reads."""
    rng = random.Random(seed)
    wave = wave_of(rng)
    with Host(work, driver_wave(wave, mutation)) as host:
        card = benchmark.measure(host, work / "benchmark", use_aiperf=os.environ.get("AIPERF") == "1")
        (work / "card.json").write_text(json.dumps(card))
        energies = {"accuracy": measure_windows(host, rng), "kills": kill_both(host, rng)}
        (work / "energy.json").write_text(json.dumps(energies))
        host.drain()
        plan = {
            "seed": seed,
            "windows_s": WINDOWS_S,
            "wave": {
                "low_w": wave.low_w,
                "high_w": wave.high_w,
                "half_period_ns": wave.half_period_ns,
                "energy_step_ns": wave.energy_step_ns,
                "phase_ns": wave.phase_ns,
            },
            "kills_agent": host.agent_downs,
            "kills_collector": host.collector_downs,
        }
    (work / "plan.json").write_text(json.dumps(plan))
    tamper(work / "collector" / "readings.db", mutation)


def main() -> None:
    """Run, check, print the checker's line; keep the files when red."""
    seed = int(os.environ.get("SEED") or 1)
    mutation = os.environ.get("MUTATE", "")
    if mutation not in {"", "gain", "drop", "dup"}:
        raise SystemExit(f"MUTATE={mutation} is not gain, drop or dup")
    work = Path(tempfile.mkdtemp(prefix="joulemark-e2e-"))
    execute(work, seed, mutation)
    judged("tests.e2e.checker", work)


if __name__ == "__main__":
    main()
