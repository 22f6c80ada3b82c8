"""vLLM's results: dated by their end, in whole seconds of a zone that must be told."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError, NaiveTimeError
from joulemark.runs import ClockKind, PhaseKind
from joulemark.timebase import zone

RESULT = {
    "date": "20260428-105748",
    "endpoint_type": "openai",
    "model_id": "m",
    "num_prompts": 10,
    "gpu": "4xL40S",
    "request_rate": "inf",
    "max_concurrency": 4,
    "duration": 89.25,
    "completed": 9,
    "failed": 1,
    "total_input_tokens": 900,
    "total_output_tokens": 1800,
    "request_throughput": 0.1,
    "request_goodput:": None,
    "start_times": [12.5, 13.5],
}
"""Made up, in the layout of `vllm bench serve --save-result --metadata gpu=4xL40S`."""

END_NS = 1_777_373_868_000_000_000
HOUR_NS = 3600 * 10**9


def saved(folder: Path, name: str = "r.json", **changed: Any) -> Path:
    values = {key: value for key, value in {**RESULT, **changed}.items() if value != "absent"}
    (folder / name).write_text(json.dumps(values))
    return folder


def test_the_window_ends_at_date(tmp_path: Path) -> None:
    """Made up: the phase is the duration before `date`, within a second; counts, failures and the load are as told."""
    run = benchmarks.read(saved(tmp_path), tz=UTC)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns, window.unc_ns) == (END_NS - 89_250_000_000, END_NS, 10**9)
    assert (window.kind, window.requests, window.requests_failed) == (PhaseKind.MEASURED, 9, 1)
    assert (window.tokens.input, window.tokens.output) == (900, 1800)
    assert (run.benchmark, run.clock) == ("vllm", ClockKind.UTC)
    assert run.labels == {
        "model": "m",
        "gpu": "4xL40S",
        "endpoint_type": "openai",
        "request_rate": "inf",
        "max_concurrency": "4",
        "num_prompts": "10",
    }
    assert any("1 requests failed" in finding for finding in run.findings)


def test_the_zone_is_told_not_guessed(tmp_path: Path) -> None:
    """Made up: without a zone it is refused; with one the window is there, and the clock is called local."""
    with pytest.raises(NaiveTimeError, match="--tz"):
        benchmarks.read(saved(tmp_path), tz=None)
    run = benchmarks.read(tmp_path, tz=zone("America/Los_Angeles"))
    assert (run.windows[0].end_ns, run.clock) == (END_NS + 7 * HOUR_NS, ClockKind.LOCAL)


def test_what_vllm_does_not_tell(tmp_path: Path) -> None:
    """Made up: an embedding run without failures counted has no output tokens and unknown failures, never zeros."""
    run = benchmarks.read(saved(tmp_path, failed="absent", total_output_tokens="absent"), tz=UTC)
    (window,) = run.windows
    assert (window.tokens.input, window.tokens.output, window.requests_failed) == (900, None, None)
    assert any("10 prompts were asked for and 9 completed" in finding for finding in run.findings)


def test_appended_results_are_phases(tmp_path: Path) -> None:
    """Made up: `--append-result` puts several runs into one file; each is a phase, and labels that differ are left out."""
    lines = [json.dumps({**RESULT, "date": f"20260428-1{hour}5748", "max_concurrency": hour}) for hour in (0, 1)]
    (tmp_path / "r.json").write_text("\n".join(lines))
    run = benchmarks.read(tmp_path, tz=UTC)
    assert [(w.name, w.end_ns) for w in run.windows] == [("serve_1", END_NS), ("serve_2", END_NS + HOUR_NS)]
    assert run.labels["model"] == "m"
    assert "max_concurrency" not in run.labels


@pytest.mark.parametrize("date", [None, 20260428, "yesterday", "2026-04-28", "20260428-256199", "20260428-105748Z", "00010101-000000"])
def test_a_date_that_vllm_did_not_write(tmp_path: Path, date: Any) -> None:
    """Made up: `--metadata date=...` overwrites the one time there is; such a file is refused."""
    with pytest.raises(FormatError, match="date"):
        benchmarks.read(saved(tmp_path, date=date), tz=UTC)


def test_the_copy_for_the_dashboard_is_no_second_run(tmp_path: Path) -> None:
    """Made up: beside its result vLLM writes `*.pytorch.json` with the same fields, which is left alone."""
    saved(saved(tmp_path), "r.pytorch.json")
    assert [window.name for window in benchmarks.read(tmp_path, tz=UTC).windows] == ["serve"]


def test_corpus_result_of_inferencex(corpus: Path) -> None:
    """The recorded vLLM-style result: 40 requests, 40,960 tokens in and out, 89.195484478 s before 10:57:48."""
    (window,) = benchmarks.read(corpus / "bench" / "inferencex", tz=UTC, tool="vllm").windows
    assert (window.end_ns, window.end_ns - window.begin_ns) == (END_NS, 89_195_484_478)
    assert (window.tokens.input, window.tokens.output) == (40960, 40960)
    assert (window.requests, window.requests_failed) == (40, None)


def test_the_energy_of_tensorrt_llm_stands_beside(tmp_path: Path) -> None:
    """Made up: TensorRT-LLM's copy of the benchmark asks its server for an energy; it is the tool's figure, and odd ones are none."""
    told = {"total_energy_j": 48000.5, "output_tps_per_w": 3.2, "total_gpu_power_w": 538.0}
    figures = benchmarks.read(saved(tmp_path, energy=told), tz=UTC).tool_reported
    assert [(f.name, f.value, f.unit, f.window) for f in figures] == [
        ("total_gpu_energy", 48000.5, "J", "serve"),
        ("total_gpu_power", 538.0, "W", "serve"),
    ]
    for odd in ({"total_energy_j": -1}, {"total_energy_j": "much"}, [1], "x", None):
        assert benchmarks.read(saved(tmp_path, energy=odd), tz=UTC).tool_reported == ()
