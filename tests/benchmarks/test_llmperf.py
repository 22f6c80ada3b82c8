"""llmperf's summaries: one stamp at the end, the duration from a rate, tokens from means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind

SUMMARY = {
    "version": "2023-08-31",
    "model": "m",
    "num_concurrent_requests": 5,
    "results_number_input_tokens_mean": 250.5,
    "results_number_output_tokens_mean": 100.25,
    "results_mean_output_throughput_token_per_s": 401.0,
    "results_number_errors": "3",
    "results_num_completed_requests": "40",
    "results_num_completed_requests_per_min": 240.0,
    "timestamp": 1_789_148_187,
}
"""Made up: 40 requests in 10 s."""

END_NS = 1_789_148_187 * 10**9


def saved(folder: Path, **changed: Any) -> Path:
    values = {key: value for key, value in {**SUMMARY, **changed}.items() if value != "absent"}
    (folder / "m_summary.json").write_text(json.dumps(values))
    return folder


def test_the_window_is_the_duration_before_the_stamp(tmp_path: Path) -> None:
    """Made up: the duration is requests by requests a minute; a whole number printed as text is one."""
    run = benchmarks.read(saved(tmp_path), tz=None)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns, window.unc_ns) == (END_NS - 10 * 10**9, END_NS, 10**9)
    assert (window.kind, window.requests, window.requests_failed) == (PhaseKind.MEASURED, 40, 3)
    assert (run.benchmark, run.clock, run.labels) == ("llmperf", ClockKind.UTC, {"model": "m", "concurrency": "5"})
    assert any("3 requests failed" in finding for finding in run.findings)


def test_tokens_are_means_by_requests(tmp_path: Path) -> None:
    """Made up: totals are mean x requests and say who counted; the throughput, one token apart here, is the doubt."""
    (window,) = benchmarks.read(saved(tmp_path, results_mean_output_throughput_token_per_s=400.9), tz=None).windows
    assert (window.tokens.input, window.tokens.output) == (10020, 4010)
    assert window.tokens.disagreement == pytest.approx(1.0)
    assert "Llama tokenizer" in window.tokens.source


def test_what_is_not_told_is_unknown(tmp_path: Path) -> None:
    """Made up: no means, no count of errors: None and a finding, never zero."""
    changed = dict.fromkeys(("results_number_input_tokens_mean", "results_number_output_tokens_mean", "results_number_errors"), "absent")
    run = benchmarks.read(saved(tmp_path, **changed), tz=None)
    (window,) = run.windows
    assert (window.tokens.input, window.tokens.output, window.requests_failed) == (None, None, None)
    assert any("how many requests failed" in finding for finding in run.findings)


@pytest.mark.parametrize(
    "changed",
    [
        {"results_num_completed_requests": 0},
        {"results_num_completed_requests": None},
        {"results_num_completed_requests_per_min": "absent", "results_num_completed_requests_per_min_": 0},
        {"results_num_completed_requests_per_min": 0.0},
        {"results_num_completed_requests_per_min": 1e-300},
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": -1},
    ],
)
def test_no_duration_or_no_end_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Made up: without a rate there is no duration, without a stamp no end: refused, nothing made up."""
    with pytest.raises(FormatError):
        benchmarks.read(saved(tmp_path, **changed), tz=None)


def test_corpus_summary(corpus: Path) -> None:
    """The recorded summary: 14.824 s, 50 requests, 12,989 tokens in and 4,972 out, as its own throughput has it too."""
    (window,) = benchmarks.read(corpus / "bench" / "llmperf", tz=None).windows
    assert window.end_ns == END_NS
    assert window.duration_s == pytest.approx(50 / 202.3737797988183 * 60, abs=1e-9)
    assert (window.tokens.input, window.tokens.output, window.tokens.disagreement) == (12989, 4972, 0.25)
    assert (window.requests, window.requests_failed) == (50, 0)
