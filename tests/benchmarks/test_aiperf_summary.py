"""What AIPerf says of itself: its energy kept as its own, its labels, its own doubts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.benchmarks import aiperf_summary


def written(folder: Path, summary: dict[str, Any]) -> Path:
    (folder / "profile_export_aiperf.json").write_text(json.dumps(summary))
    return folder


@pytest.mark.parametrize("inside", [True, False])
def test_energy_is_tool_reported(tmp_path: Path, inside: bool) -> None:
    """Energy at the top level (or under `records`, as v0.1 wrote) and per phase arrives with unit, window and source."""
    phase = tmp_path / "phases" / "profiling"
    phase.mkdir(parents=True)
    gpus = {f"gpu_{i}": {"metrics": {"nvidia_energy_consumption": {"avg": 0.5e-3, "unit": "MJ"}}} for i in (0, 1)}
    (phase / "gpu_telemetry.json").write_text(json.dumps({"data": {"endpoints": {"n:1": {"gpus": gpus}}}}))
    metrics = {"nvidia_total_gpu_energy": {"unit": "J", "avg": 1001.5}, "request_latency": {"unit": "ms", "avg": 5}}
    summary = aiperf_summary.read(written(tmp_path, {"records": metrics} if inside else metrics))
    assert [(f.name, f.value, f.unit, f.window) for f in summary.figures] == [
        ("nvidia_total_gpu_energy", 1001.5, "J", "profiling"),
        ("gpu_energy", pytest.approx(1000.0), "J", "profiling"),
    ]


def test_labels_and_doubts(tmp_path: Path) -> None:
    """Model and load become labels; a run that AIPerf calls cancelled or incomplete becomes a finding each."""
    summary = aiperf_summary.read(
        written(
            tmp_path,
            {
                "benchmark_id": "b1",
                "was_cancelled": True,
                "is_complete": False,
                "incomplete_reason": "timeout",
                "input_config": {"models": {"items": [{"name": "m"}]}, "phases": [{"kind": "profiling", "concurrency": 4}]},
            },
        )
    )
    assert (summary.run_id, summary.labels) == ("b1", {"model": "m", "concurrency": "4"})
    assert ["cancelled" in summary.findings[0], "timeout" in summary.findings[1]] == [True, True]


def test_no_summary_is_empty(tmp_path: Path) -> None:
    """Without the file there is nothing to report and nothing is made up."""
    assert aiperf_summary.read(tmp_path) == aiperf_summary.Summary()
