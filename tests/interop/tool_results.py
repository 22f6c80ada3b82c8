"""Results of tools of which no sample was recorded, made up in the layout each tool documents, and who counts them."""

from __future__ import annotations

import calendar
import csv
import json
import time
from pathlib import Path
from typing import Final

from tests.interop.witness import Figures, Witness

JOULES_PER_KWH: Final = 3.6e6

ML_ENERGY: Final = {
    "model_id": "example/8b",
    "num_prompts": 1024,
    "completed": 1020,
    "steady_state_duration": 97.5,
    "steady_state_energy": 54_600.0,
    "steady_state_energy_per_token": 54_600.0 / 583_987,
    "total_input_tokens": 250_880,
    "total_output_tokens": 661_234,
    "entire_benchmark_measurement": {"time": 135.25, "gpu_energy": {"0": 40_000.5, "1": 39_000.25}},
    "timeline": {
        "benchmark_start_time": 1763283440.5,
        "benchmark_end_time": 1763283575.75,
        "steady_state_start_time": 1763283464.25,
        "steady_state_end_time": 1763283561.75,
    },
}
ZEUS: Final = (
    "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
    "1763283441.0,step,2.5,500.5,501.25\n"
    "1763283444.0,step,2.25,490.0,480.75\n"
    "1763283440.5,epoch, whole,9.75,2000.5,1999.25\n"
)
CODECARBON: Final = (
    "timestamp,project_name,run_id,duration,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,gpu_count\n"
    '2025-11-16T08:58:30,serve,r1,30.5,0.0012,0.0104,0.0002,0.0118,"Korea, Republic of",1\n'
    '2025-11-16T08:59:30,serve,r1,90.5,0.0036,0.0312,0.0006,0.0354,"Korea, Republic of",1\n'
)
TRTLLM: Final = {
    "engine": {"model": "example/8b", "backend": "pytorch"},
    "request_info": {"num_requests": 3000, "avg_input_length": 128.0, "avg_output_length": 384.0},
    "performance": {"total_latency_ms": 89_195.5, "request_throughput_req_s": 33.6},
}

OWN: Final = {
    "schema": "joulemark.run/1",
    "benchmark": "mine",
    "phases": [
        {"name": "warm", "kind": "warmup", "begin_ns": 1_763_283_440_000_000_000, "end_ns": 1_763_283_441_000_000_000},
        {
            "name": "decode",
            "kind": "measured",
            "begin_ns": 1_763_283_441_000_000_000,
            "end_ns": 1_763_283_453_500_000_000,
            "requests": 7,
            "requests_failed": 1,
            "tokens": {"input": 350, "output": 700, "source": "server usage"},
        },
    ],
}


def own(folder: Path) -> Figures:
    """The measured phase as it was written."""
    (phase,) = [p for p in json.loads((folder / "phases.json").read_text())["phases"] if p["kind"] == "measured"]
    edges = {"begin_s": phase["begin_ns"] / 1e9, "end_s": phase["end_ns"] / 1e9}
    return {
        **edges,
        "requests": phase["requests"],
        "failed": phase["requests_failed"],
        **{n: phase["tokens"][n] for n in ("input", "output")},
    }


def ml_energy(folder: Path) -> Figures:
    """The edges of the steady state; its tokens by its two energies; the energy of the run as the sum of its GPUs."""
    data = json.loads((folder / "results.json").read_text())
    energy_j, per_token_j = data["steady_state_energy"], data["steady_state_energy_per_token"]
    return {
        "begin_s": data["timeline"]["steady_state_start_time"],
        "end_s": data["timeline"]["steady_state_end_time"],
        "requests": None,
        "failed": None,
        "input": None,
        "output": round(energy_j / per_token_j),
        "steady_state_energy": energy_j,
        "steady_state_energy_per_token": per_token_j,
        "gpu_energy": sum(data["entire_benchmark_measurement"]["gpu_energy"].values()),
    }


def zeus(folder: Path) -> Figures:
    """The outer window, which ends last and so stands last; its name has a comma."""
    cells = (folder / "zeus.csv").read_text().splitlines()[-1].split(",")
    return {
        "begin_s": float(cells[0]),
        "end_s": float(cells[0]) + float(cells[-3]),
        "requests": None,
        "failed": None,
        "input": None,
        "output": None,
        "gpu_energy": float(cells[-2]) + float(cells[-1]),
    }


def codecarbon(folder: Path) -> Figures:
    """The last total of the run; the printed time is its end, read as UTC."""
    with (folder / "emissions.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    end = calendar.timegm(time.strptime(last["timestamp"], "%Y-%m-%dT%H:%M:%S"))
    return {
        "begin_s": end - float(last["duration"]),
        "end_s": end,
        "requests": None,
        "failed": None,
        "input": None,
        "output": None,
        "cpu_energy": float(last["cpu_energy"]) * JOULES_PER_KWH,
        "gpu_energy": float(last["gpu_energy"]) * JOULES_PER_KWH,
        "ram_energy": float(last["ram_energy"]) * JOULES_PER_KWH,
        "total_energy": float(last["energy_consumed"]) * JOULES_PER_KWH,
    }


def no_begin(_: Path) -> None:
    """A duration and counts, but not when."""


RESULTS: Final[dict[str, tuple[str, str, Witness]]] = {
    "joulemark": ("phases.json", json.dumps(OWN), own),
    "ML.ENERGY v3": ("results.json", json.dumps(ML_ENERGY), ml_energy),
    "Zeus log": ("zeus.csv", ZEUS, zeus),
    "CodeCarbon": ("emissions.csv", CODECARBON, codecarbon),
    "trtllm-bench": ("report.json", json.dumps(TRTLLM), no_begin),
}
"""File, text and witness of each."""
