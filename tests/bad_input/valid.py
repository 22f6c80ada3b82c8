"""Valid inputs, which every door takes: each bad input is one of these with one thing wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

NS = 1_000_000_000
BEGIN_S = 1_790_000_000
"""Of every recording here, in Unix time; it lasts twenty seconds, and its phase is seconds 5 to 15."""

COUNT = 20
METER_ID = "csv:host:serial:power"


def spl() -> str:
    """PTDaemon's log."""
    row = "Time,11-21-2026 10:00:{:02d}.000,Watts,{:.1f},Volts,230.0,Amps,2.0,PF,0.99,Mark,test\n"
    return "".join(row.format(s, 500 + s) for s in range(COUNT))


def mlperf() -> str:
    """LoadGen's log of the same time as `spl`."""
    line = ':::MLLOG {{"key": "{}", "value": "11-21-2026 10:00:{:02d}.000", "time_ms": 1.0, "metadata": {{}}}}\n'
    return line.format("power_begin", 5) + line.format("power_end", 15)


def plain() -> str:
    """A CSV of anybody's."""
    return "timestamp,power_w\n" + "".join(f"{BEGIN_S + s},{500 + s}.5\n" for s in range(COUNT))


def nvidia_smi() -> str:
    """nvidia-smi's query output, in UTC."""
    rows = "".join(f"2026/09/21 14:13:{20 + s}.000, 0, GPU-1, {300 + s}.10 W\n" for s in range(COUNT))
    return "timestamp, index, uuid, power.draw [W]\n" + rows


def telemetry() -> str:
    """AIPerf's GPU telemetry."""
    entry: dict[str, Any] = {"gpu_uuid": "GPU-1", "gpu_index": 0, "hostname": "h", "gpu_model_name": "m"}
    values = ({"nvidia_power_usage": 300.5 + s, "nvidia_energy_consumption": round(1e-6 * 300 * s, 9)} for s in range(COUNT))
    return "".join(json.dumps({**entry, "timestamp_ns": (BEGIN_S + s) * NS, "telemetry_data": v}) + "\n" for s, v in enumerate(values))


def run() -> dict[str, Any]:
    """A run of schema joulemark.run/1, of the same time as `plain`."""
    tokens = {"input": 100, "output": 2000, "source": "server usage"}
    phase = {
        "name": "decode",
        "kind": "measured",
        "begin_ns": (BEGIN_S + 5) * NS,
        "end_ns": (BEGIN_S + 15) * NS,
        "unc_ns": 1000,
        "tokens": tokens,
        "requests": 10,
        "requests_failed": 0,
    }
    figure = {"name": "total_gpu_energy", "value": 5000.0, "unit": "J", "window": "decode", "source": "x.json"}
    return {
        "schema": "joulemark.run/1",
        "run_id": "r1",
        "benchmark": "mine",
        "clock": "utc",
        "phases": [phase],
        "tool_reported": [figure],
        "labels": {"model": "m"},
        "findings": ["a note"],
    }


def meter() -> dict[str, Any]:
    """An entry of a bundle's meters.json."""
    return {
        "file": f"readings/{quote(METER_ID, safe='')}.csv",
        "clock_bound_ns": 1000,
        "device_stamps": False,
        "meter_id": METER_ID,
        "kind": "csv",
        "quantity": "power",
        "exponent": -3,
        "boundary": "wall_analyzer",
        "current": "ac",
        "update_period_s": 1.0,
        "accuracy": {"pct_reading": 0.5, "source": "data sheet"},
        "covers": ["cord"],
    }


def readings() -> list[str]:
    """The lines of a bundle's readings."""
    rows = [f"{(BEGIN_S + s) * NS},1000,{500_000 + s},1," for s in range(COUNT)]
    return ["t_ns,t_unc_ns,power_milliwatt,quality,reason", *rows]


def bundle(root: Path, *, entry: dict[str, Any] | None = None, lines: list[str] | None = None) -> Path:
    """The `energy` folder of a bundle in `root`, as far as compute reads it."""
    folder = root / "energy"
    (folder / "readings").mkdir(parents=True)
    (folder / "meters.json").write_text(json.dumps({"schema": "joulemark.meters/1", "meters": [entry or meter()]}))
    (folder / "phases.json").write_text(json.dumps(run()))
    (folder / meter()["file"]).write_text("\n".join(lines or readings()) + "\n")
    return folder


def aiperf(root: Path, *, manifest: dict[str, Any] | None = None, records: list[dict[str, Any]] | None = None) -> Path:
    """An artifact folder of AIPerf in `root`."""
    folder = root / "artifacts"
    folder.mkdir()
    (folder / "phase_manifest.json").write_text(json.dumps(manifest or aiperf_manifest()))
    (folder / "profile_export.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records or aiperf_records()))
    return folder


def aiperf_manifest() -> dict[str, Any]:
    phase = {"phase_name": "profiling", "phase_kind": "profiling", "start_ns": (BEGIN_S + 5) * NS, "end_ns": (BEGIN_S + 15) * NS}
    return {"phases": [phase]}


def aiperf_records() -> list[dict[str, Any]]:
    metrics = {"output_sequence_length": {"value": 200, "unit": "tokens"}, "input_sequence_length": {"value": 10, "unit": "tokens"}}
    metadata = {"benchmark_phase": "profiling", "request_start_ns": (BEGIN_S + 6) * NS, "request_end_ns": (BEGIN_S + 8) * NS}
    return [{"metadata": metadata, "metrics": metrics} for _ in range(3)]


def prices() -> dict[str, Any]:
    """A price file as JSON."""
    dates = {"effective_from": "2025-06-01", "fetched_at": "2025-07-03T20:49:06Z", "source_url": "https://example.com/list"}
    price = {"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge", "amount": "55.04", "currency": "USD", "unit": "h"}
    tariff = {"zone": "site", "amount": "0.12", "currency": "USD", "amount_basis": "assumed", "pue": "1.2"}
    return {"schema": "joulemark.prices/1", "price": [{**price, **dates}], "tariff": [{**tariff, **dates}]}


def config() -> str:
    """A configuration."""
    agent = '[agent]\nagent_id = "host-1"\ninterval_ms = 500\nclock_probe_period_s = 5.0\n'
    return f'{agent}\n[spool]\nmax_bytes = 2000000\n\n[[meter]]\nkind = "fake"\n'


def trace() -> str:
    """A trace as the replay meter plays it."""
    return "t_ns,power_milliwatt\n" + "".join(f"{s * NS},{91_000 + s}\n" for s in range(COUNT))
