"""Files of tools of which no sample was recorded, made up here in the layouts that they document, with figures that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.witness import Figures

BEGIN_S: Final = 1_795_256_987.5
END_S: Final = 1_795_257_000.0
"""2026-11-21 10:29:47.5 and 10:30:00 UTC."""


@dataclass(frozen=True)
class Made:
    """`figures`: what its reader has to say, None where it has to refuse."""

    tool: str
    file: str
    content: str
    figures: Figures | None


def own() -> str:
    """A run of our own."""
    phase = {"kind": "measured", "begin_ns": round(BEGIN_S * 1e9), "end_ns": round(END_S * 1e9), "requests": 7, "requests_failed": 1}
    tokens = {"input": 350, "output": 700, "source": "server usage"}
    run = {"schema": "joulemark.run/1", "phases": [{"name": "decode", **phase, "tokens": tokens}], "benchmark": "mine"}
    return json.dumps(run)


def steady() -> str:
    """A result of ML.ENERGY: 50 kJ in the steady state for 20,000 tokens."""
    timeline = {"benchmark_start_time": BEGIN_S - 10, "benchmark_end_time": END_S + 10}
    timeline |= {"steady_state_start_time": BEGIN_S, "steady_state_end_time": END_S}
    energies = {"steady_state_energy": 50_000.0, "steady_state_energy_per_token": 2.5, "steady_state_duration": END_S - BEGIN_S}
    counts = {"num_prompts": 64, "completed": 64, "total_output_tokens": 30_000, "duration": END_S - BEGIN_S + 20}
    return json.dumps({"model_id": "made-up-8b", "gpu_model": "none", "num_gpus": 1, **counts, **energies, "timeline": timeline})


EMISSIONS: Final = {
    "timestamp": "2026-11-21T10:30:00",
    "project_name": "made up",
    "run_id": "r",
    "duration": "12.5",
    "emissions": "0.002",
    "cpu_energy": "0.0115",
    "gpu_energy": "0.0004",
    "ram_energy": "0.0006",
    "energy_consumed": "0.0125",
    "codecarbon_version": "3.3.2",
}
REPORT: Final = {
    "engine": {"model": "made-up-8b", "version": "1.0.0"},
    "world_info": {"tp_size": 1},
    "request_info": {"num_requests": 64, "avg_input_length": 128.0, "avg_output_length": 384.0},
    "performance": {"total_latency_ms": 12_500.0},
}
WINDOW: Final[Figures] = {"begin_s": BEGIN_S, "end_s": END_S}
UNTOLD: Final[Figures] = {"requests": None, "failed": None, "input": None, "output": None}

TOOLS: Final = (
    Made("joulemark", "phases.json", own(), {**WINDOW, "requests": 7, "failed": 1, "input": 350, "output": 700}),
    Made("ML.ENERGY v3", "results.json", steady(), {**WINDOW, "requests": None, "input": None, "output": 20_000}),
    Made(
        "Zeus",
        "zeus.csv",
        f"start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n{BEGIN_S},serve,{END_S - BEGIN_S},1000.25,2000.5\n",
        {**WINDOW, **UNTOLD, "gpu_energy": 3000.75},
    ),
    Made(
        "CodeCarbon",
        "emissions.csv",
        f"{','.join(EMISSIONS)}\n{','.join(EMISSIONS.values())}\n",
        {**WINDOW, **UNTOLD, "total_energy": 45_000.0},
    ),
    Made("trtllm-bench", "report.json", json.dumps(REPORT), None),
)


def written(place: Path) -> Iterator[tuple[Made, Path]]:
    """Each in a folder of its own below `place`."""
    for made in TOOLS:
        folder = place / made.tool
        folder.mkdir()
        (folder / made.file).write_text(made.content, encoding="utf-8")
        yield made, folder
