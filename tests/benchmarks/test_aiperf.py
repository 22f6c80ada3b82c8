"""AIPerf's artifact folder, old and new: windows, warm-up apart, failed requests counted, its own energy kept beside ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind

T0 = 1_790_000_000_000_000_000


def record(
    phase: str, start_ns: int, end_ns: int, *, out: int | None = 10, usage: int | None = None, failed: bool = False
) -> dict[str, Any]:
    metrics = {} if out is None else {"output_sequence_length": {"value": out}, "input_sequence_length": {"value": 5}}
    if usage is not None:
        metrics |= {"usage_completion_tokens": {"value": usage}, "usage_prompt_tokens": {"value": 6}}
    return {
        "metadata": {
            "request_start_ns": start_ns,
            "request_end_ns": end_ns,
            "phase_name": phase,
            "phase_kind": phase,
            "was_cancelled": failed,
        },
        "metrics": metrics,
    }


def artifact(folder: Path, records: list[dict[str, Any]], *, manifest: list[dict[str, Any]] | None = None, summary: Any = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile_export.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    if manifest is not None:
        (folder / "phase_manifest.json").write_text(json.dumps({"phases": manifest}))
    if summary is not None:
        (folder / "profile_export_aiperf.json").write_text(json.dumps(summary))
    return folder


def test_manifest_dates_the_phases(tmp_path: Path) -> None:
    """With a manifest the windows are its own, to the nanosecond; profiling is measured and warm-up is not."""
    manifest = [
        {"phase_name": "warmup", "phase_kind": "warmup", "start_ns": T0, "end_ns": T0 + 10, "successful_request_count": 1},
        {"phase_name": "profiling", "phase_kind": "profiling", "start_ns": T0 + 20, "end_ns": T0 + 99, "successful_request_count": 1},
    ]
    records = [record("warmup", T0 + 1, T0 + 9), record("profiling", T0 + 21, T0 + 90, usage=12)]
    run = benchmarks.read(artifact(tmp_path, records, manifest=manifest), tz=None)
    assert [(w.name, w.kind, w.begin_ns - T0, w.end_ns - T0) for w in run.windows] == [
        ("warmup", PhaseKind.WARMUP, 0, 10),
        ("profiling", PhaseKind.MEASURED, 20, 99),
    ]
    tokens = run.measured[0].tokens
    assert (tokens.input, tokens.output, tokens.source, tokens.disagreement) == (6, 12, "server usage", 2.0)


def test_records_date_the_phases_without_a_manifest(tmp_path: Path) -> None:
    """Without a manifest a phase runs from its first request, failed ones too, to its last response, and a finding says so."""
    records = [
        record("profiling", T0, T0 + 5, out=None, failed=True),
        record("profiling", T0 + 10, T0 + 90),
        record("warmup", T0 - 99, T0 - 9),
    ]
    run = benchmarks.read(artifact(tmp_path, records), tz=None)
    (window,) = run.measured
    assert (window.begin_ns - T0, window.end_ns - T0) == (0, 90)
    assert (window.requests, window.requests_failed, window.tokens.output) == (1, 1, 10)
    assert any("first request" in finding for finding in run.findings)
    assert any("failed or were cancelled" in finding for finding in run.findings)


def test_usage_missing_from_one_request_is_not_summed(tmp_path: Path) -> None:
    """Server usage counts only when every completed request has it; else AIPerf's own count; else unknown."""
    some = [record("profiling", T0, T0 + 5, usage=11), record("profiling", T0, T0 + 6)]
    assert benchmarks.read(artifact(tmp_path / "a", some), tz=None).measured[0].tokens.output == 20
    none = [record("profiling", T0, T0 + 5), record("profiling", T0, T0 + 6, out=None)]
    run = benchmarks.read(artifact(tmp_path / "b", none), tz=None)
    assert run.measured[0].tokens.output is None
    assert any("not every completed request" in finding for finding in run.findings)


def test_torn_last_record_is_left_out_and_a_broken_one_refused(tmp_path: Path) -> None:
    """A record cut off at the end of the file is left out; one in the middle raises FormatError with its line."""
    path = artifact(tmp_path, [record("profiling", T0, T0 + 5)]) / "profile_export.jsonl"
    whole = path.read_text()
    path.write_text(whole + whole[: len(whole) // 2])
    assert benchmarks.read(tmp_path, tz=None).measured[0].requests == 1
    path.write_text("{broken\n" + whole)
    with pytest.raises(FormatError, match=r"profile_export\.jsonl:1"):
        benchmarks.read(tmp_path, tz=None)


def test_corpus_v01_run(corpus: Path) -> None:
    """The public v0.1 run: 100 requests of which 11 cancelled, 9.317788951 s, 21,624 output tokens."""
    (window,) = benchmarks.read(corpus / "aiperf" / "ai-dynamo_run1_v0.1", tz=None).windows
    assert (window.requests, window.requests_failed) == (89, 11)
    assert window.end_ns - window.begin_ns == 9_317_788_951
    assert window.tokens.output == 21_624


def test_corpus_013_run(corpus: Path) -> None:
    """The 0.13 run: the manifest's 6.001498 s, 1920 output tokens, and AIPerf's 3317.87 J as tool-reported."""
    run = benchmarks.read(corpus / "aiperf" / "generated_0.13.0_dcgm_truth", tz=None)
    (window,) = run.measured
    assert round(window.duration_s, 6) == 6.001498
    assert window.tokens.output == 1920
    figures = {(f.name, f.window): f.value for f in run.tool_reported}
    assert round(figures["nvidia_total_gpu_energy", "profiling"], 2) == 3317.87
