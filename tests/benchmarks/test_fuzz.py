"""Benchmark files made wrong: a run with finite numbers and phases in order, or a refusal, and never anything else."""

from __future__ import annotations

import json
import os
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import benchmarks
from joulemark.errors import UsageError
from joulemark.runs import PhaseKind, Run, Tokens, Window
from tests.mutations import finite, mutated

T0 = 1_790_000_000_000_000_000
S = 1_000_000_000
OWN = Run(
    (
        Window("warm", PhaseKind.WARMUP, T0, T0 + 5 * S),
        Window("decode", PhaseKind.MEASURED, T0 + 5 * S, T0 + 9 * S, 5, Tokens(input=3, output=4, source="server"), 2, 0),
    ),
    benchmark="mine",
    run_id="r",
)
PROFILING = {"phase_name": "profiling", "phase_kind": "profiling"}
RECORDS = [
    {
        "metadata": {
            "request_start_ns": T0 + i * S,
            "request_end_ns": T0 + (i + 1) * S,
            "phase_name": "profiling",
            "phase_kind": "profiling",
        },
        "metrics": {"output_sequence_length": {"value": 10}, "input_sequence_length": {"value": 5}},
        "error": None,
    }
    for i in range(3)
]
LOADGEN = {
    "power_begin": "01-02-2024 03:04:05.006",
    "power_end": "01-02-2024 03:04:15.256",
    "result_validity": "VALID",
    "result_query_count": 12,
    "effective_scenario": "Offline",
    "result_tokens_per_second": 1234.5,
}
TRAINING = [("init_start", 0.0), ("run_start", 1.7e12), ("epoch_start", 1.7e12 + 10), ("run_stop", 1.7e12 + 60_000)]

SERVED = {
    "date": "20260921-141341",
    "backend": "sglang",
    "model_id": "m",
    "request_rate": 8.0,
    "duration": 9.5,
    "completed": 3,
    "failed": 1,
    "total_input_tokens": 15,
    "total_output_tokens": 30,
    "total_output_tokens_retokenized": 29,
    "request_throughput": 0.3,
    "output_lens": [10, 10, 10, 0],
    "errors": ["", "", "", "timeout"],
}
LLMPERF = {
    "model": "m",
    "results_number_input_tokens_mean": 5.0,
    "results_number_output_tokens_mean": 10.25,
    "results_mean_output_throughput_token_per_s": 4.1,
    "results_number_errors": "1",
    "results_num_completed_requests": 4,
    "results_num_completed_requests_per_min": 24.0,
    "timestamp": T0 // S,
}
REQUEST = {"timestamp": T0, "request_inputs": {"text_input": "Hello"}, "response_timestamps": [T0 + S, T0 + 2 * S]}
GENAI_PERF = {
    "request_count": {"avg": 1.0},
    "input_sequence_length": {"avg": 5.0},
    "output_sequence_length": {"avg": 10.5},
    "telemetry_stats": {"gpu_power_usage": {"gpu0": {"avg": 300.5}}},
    "input_config": {"model_names": ["m"]},
}
ML_ENERGY = {
    "steady_state_energy": 600.0,
    "steady_state_energy_per_token": 0.5,
    "total_output_tokens": 1500,
    "completed": 3,
    "num_prompts": 4,
    "entire_benchmark_measurement": {"gpu_energy": {"0": 900.5}},
    "timeline": {
        "benchmark_start_time": T0 / S,
        "benchmark_end_time": T0 / S + 9,
        "steady_state_start_time": T0 / S + 2,
        "steady_state_end_time": T0 / S + 7,
    },
}


def mllog(events: list[tuple[str, object, float]]) -> str:
    return "".join(":::MLLOG " + json.dumps({"key": k, "value": v, "time_ms": t, "metadata": {}}) + "\n" for k, v, t in events)


VALID = {
    "phases.json": json.dumps(OWN.to_json()),
    "profile_export.jsonl": "".join(json.dumps(record) + "\n" for record in RECORDS),
    "phase_manifest.json": json.dumps(
        {"phases": [{"phase_name": "profiling", "phase_kind": "profiling", "start_ns": T0, "end_ns": T0 + 9 * S}]}
    ),
    "profile_export_aiperf.json": json.dumps({"output_token_throughput": {"avg": 12.5, "unit": "tokens/sec"}, "input_config": {}}),
    "mlperf_log_detail.txt": mllog([(k, v, 1.0) for k, v in LOADGEN.items()]),
    "result_0.txt": mllog([(k, None, t) for k, t in TRAINING]),
    "serve.json": json.dumps(SERVED),
    "sglang_0921_4_random.jsonl": json.dumps({**SERVED, "request_rate": float("inf")}) + "\n",
    "m_summary.json": json.dumps(LLMPERF),
    "profile_export.json": json.dumps({"experiments": [{"experiment": {"mode": "concurrency", "value": 1}, "requests": [REQUEST]}]}),
    "profile_export_genai_perf.json": json.dumps(GENAI_PERF),
    "results_1.json": json.dumps({"date": T0 / S, "total_evaluation_time_seconds": "5.25", "n-samples": {"a": {"effective": 5}}}),
    "results.json": json.dumps(ML_ENERGY),
    "zeus.csv": f"start_time,window_name,elapsed_time,gpu0_energy\n{T0 // S}.5,step,2.0,600.5\n{T0 // S}.25,epoch, run,9.5,2000.0\n",
    "emissions.csv": "timestamp,project_name,run_id,duration,energy_consumed,gpu_count\n2025-10-09T11:25:18,serve,r,9.5,0.0125,1\n",
}
BESIDE = {
    "phase_manifest.json": ("profile_export.jsonl",),
    "profile_export_aiperf.json": ("profile_export.jsonl",),
    "profile_export_genai_perf.json": ("profile_export.json",),
}
WRITTEN_S = T0 // S + 21
"""When each file was last written, which dates SGLang's run."""


@given(data=st.data(), name=st.sampled_from(list(VALID)))
def test_benchmark_files_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str) -> None:
    """A valid file of any tool with pieces cut, doubled or poisoned gives a run of finite numbers or a refusal."""
    folder = tmp_path_factory.mktemp("wrong", numbered=True)
    for other in BESIDE.get(name, ()):
        (folder / other).write_text(VALID[other])
    (folder / name).write_bytes(data.draw(mutated(VALID[name].encode())))
    os.utime(folder / name, (WRITTEN_S, WRITTEN_S))
    try:
        run = benchmarks.read(folder, tz=UTC)
    except UsageError:
        return
    document = run.to_json()
    assert finite(document)
    assert all(window.begin_ns < window.end_ns for window in run.windows)
    assert Run.from_json(json.loads(json.dumps(document, allow_nan=False))).windows == run.windows


@pytest.mark.parametrize("name", [name for name in VALID if name not in BESIDE])
def test_the_valid_ones_are_valid(tmp_path: Path, name: str) -> None:
    """Each file that the test above spoils alone is read as it stands."""
    (tmp_path / name).write_text(VALID[name])
    os.utime(tmp_path / name, (WRITTEN_S, WRITTEN_S))
    assert benchmarks.read(tmp_path, tz=UTC).windows
