"""OpenAIPerf bundles in each documented layout, made up here with counts that are known: no public sample may be copied.

The same run in every dialect: 2026-11-21 10:29:47 to 10:29:56 UTC, where the layout can count 64 requests and 2304 output tokens.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

BEGIN_S: Final = 1_795_256_987
END_S: Final = 1_795_256_996
REQUESTS: Final = 64
BATCHES: Final = (768, 1024, 512)
DAY: Final = "2026-11-21T"

Files = Mapping[str, str]


def lines(*entries: Any) -> str:
    """JSONL."""
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def cards(*, run: Any, stack: Any, model: Any, system: Any) -> dict[str, str]:
    """The four cards as files."""
    return {f"{name}.json": json.dumps(card) for name, card in (("run", run), ("stack", stack), ("model", model), ("system", system))}


def four_cards_one_log() -> Files:
    """The oldest layout: flat cards, an optional log of undefined content, the energy summary that the old site shows."""
    return {
        **flat(),
        "events.jsonl": lines({"t": 1, "what": "anything"}),
        "energy_summary.json": json.dumps({"energy_per_request_j": 12.4, "avg_power_w": 510, "note": "text"}),
    }


def flat() -> Files:
    """Cards of the site's seeds."""
    return cards(
        run={"task": "llm", "scenario": "server", "perf": {"throughput": 256.0, "latency_p99_ms": 81.5}, "quality": {"achieved": 0.71}},
        stack={"engine": "vLLM 0.11", "framework": "PyTorch 2.9"},
        model={"name": "made-up-8b", "dtype": "bf16", "quant": "none", "weights_sha256": "0" * 64, "license": "none"},
        system={"organization": "Made Up", "system_name": "one node", "hardware": {}, "software": {}},
    )


def site_seed() -> Files:
    """Flat cards, a text log of whole seconds, power in the system log."""
    power = lines(*({"timestamp": f"{DAY}10:29:{45 + i}Z", "power_watts": 2840 + 5 * i} for i in range(8)))
    run_log = "\n".join(
        f"{DAY}10:29:{second}Z [{tag}] {message}"
        for second, tag, message in (
            (45, "INFO", "Loading model"),
            (47, "INFO", "Beginning evaluation run (3 repeats)"),
            (50, "METRIC", "repeat 1: throughput=256.0"),
            (56, "RESULT", "Final metrics: throughput=256.0"),
            (57, "INFO", "Done"),
        )
    )
    return {**flat(), "system.log": power, "run.log": run_log + "\n"}


def docs() -> Files:
    """Nested cards, a CSV system log, JSONL events with milliseconds, a pair of events for each batch."""
    starts, ends = ("10:29:47.000", "10:29:50.250", "10:29:53.500"), ("10:29:50.000", "10:29:53.000", "10:29:56.000")
    batches = [
        {"timestamp": f"{DAY}{time}Z", "event": f"inference_{edge}", "phase": "inference", "batch": batch, **more}
        for batch, tokens in enumerate(BATCHES)
        for edge, time, more in (("start", starts[batch], {}), ("complete", ends[batch], {"tokens_generated": tokens}))
    ]
    return {
        **cards(
            run={"task": {"name": "llm", "version": "1.0", "scenario": "offline"}, "execution": {"repeats": 3, "warmup_batches": 1}},
            stack={"framework": {"name": "PyTorch", "version": "2.9"}, "engine": {"name": "vLLM", "version": "0.11"}},
            model={"metadata": {"name": "made-up-8b"}, "weights": {"sha256": "0" * 64}, "quantization": "none"},
            system={"software": {"power_sensors": {"source": "nvml", "frequency_hz": 1, "accuracy": "±2%"}}},
        ),
        "system.log": f"timestamp,metric,value,unit\n{DAY}10:29:47.000Z,power_accelerator_w,600,watt\n",
        "run.log": lines(
            {"timestamp": f"{DAY}10:29:40.000Z", "event": "model_loaded", "phase": "preparation"},
            {"timestamp": f"{DAY}10:29:43.000Z", "event": "warmup_start", "phase": "warmup"},
            *batches,
        ),
    }


def ob_tools() -> Files:
    """Nested cards mostly "unknown", epoch floats, a system log without any power."""
    return {
        **cards(
            run={
                "task": {"name": "llm", "scenario": "unknown"},
                "execution": {"start_time": BEGIN_S + 0.25, "end_time": END_S + 0.5, "duration": 9.25},
                "performance": {
                    "throughput": {"total_tokens": sum(BATCHES)},
                    "overall": {"total_requests": REQUESTS, "total_tokens_generated": sum(BATCHES), "tokens_per_second": 249.1},
                },
            },
            stack={"framework": {"name": "unknown"}, "engine": {"name": "unknown"}},
            model={"metadata": {"name": "unknown"}},
            system={"software": {}},
        ),
        "system.log": lines({"timestamp": BEGIN_S + 1.1, "cpu_percent": 12.5, "gpus": [{"gpu_id": 0, "load_percent": 90}]}),
        "run.log": lines(
            {"timestamp": BEGIN_S + 0.25, "event": "benchmark_start"},
            {"timestamp": BEGIN_S + 1.25, "event": "monitoring_started"},
            {"timestamp": END_S + 0.5, "event": "benchmark_complete", "duration_seconds": 9.25},
        ),
    }


DIALECTS: Final[Mapping[str, Callable[[], Files]]] = {
    "four_cards_one_log": four_cards_one_log,
    "site_seed": site_seed,
    "docs": docs,
    "ob_tools": ob_tools,
}
SHAPES: Final = ("folder", "tgz", "zip")


def bundle(place: Path, files: Files, *, shape: str = "folder") -> Path:
    """The bundle in the folder `place`, as a folder or packed from outside of it; where it lies."""
    folder = place / "bundle"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    if shape == "folder":
        return folder
    packed = place / f"bundle.{shape}"
    if shape == "tgz":
        with tarfile.open(packed, "w:gz") as tar:
            tar.add(folder, "bundle")
    else:
        with zipfile.ZipFile(packed, "w") as archive:
            for name in files:
                archive.write(folder / name, f"bundle/{name}")
    return packed
