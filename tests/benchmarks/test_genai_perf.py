"""genai-perf's exports: phases by the epoch stamps of their requests, tokens from the summary beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind

T0 = 1_745_526_100_000_000_000
S = 10**9


def experiment(value: int, *requests: tuple[int, list[int]]) -> dict[str, Any]:
    """One experiment of perf_analyzer, made up in its documented layout."""
    texts = {"request_inputs": {"text_input": "Hello"}, "response_outputs": [{"text_output": "Hi!"}]}
    listed = [{"timestamp": start, **texts, "response_timestamps": stamps} for start, stamps in requests]
    return {"experiment": {"mode": "concurrency", "value": value}, "requests": listed, "window_boundaries": [T0, T0 + 9 * S]}


LOAD = experiment(2, (T0 + S, [T0 + 2 * S, T0 + 4 * S]), (T0, [T0 + 3 * S]), (T0 + 2 * S, []))
SUMMARY = {
    "request_count": {"unit": "count", "avg": 2.0},
    "input_sequence_length": {"unit": "tokens", "avg": 550.5},
    "output_sequence_length": {"unit": "tokens", "avg": 64.0},
    "telemetry_stats": {"gpu_power_usage": {"unit": "W", "gpu0": {"avg": 122.5}, "gpu1": {"avg": None}}},
    "input_config": {"model_names": ["m"]},
}


def exported(folder: Path, *experiments: dict[str, Any], summary: dict[str, Any] | None = None, name: str = "profile_export") -> Path:
    export = {"experiments": list(experiments), "version": "1.2", "service_kind": "openai", "endpoint": "v1/chat"}
    (folder / f"{name}.json").write_text(json.dumps(export))
    if summary is not None:
        (folder / f"{name}_genai_perf.json").write_text(json.dumps(summary))
    return folder


def test_a_phase_is_first_request_to_last_response(tmp_path: Path) -> None:
    """Made up: edges to the nanosecond in UTC; a request without a response failed; labels from both files."""
    run = benchmarks.read(exported(tmp_path, LOAD, summary=SUMMARY, name="mine"), tz=None)
    (window,) = run.windows
    assert (window.name, window.kind, window.begin_ns, window.end_ns) == ("concurrency_2", PhaseKind.MEASURED, T0, T0 + 4 * S)
    assert (window.unc_ns, window.requests, window.requests_failed) == (1000, 2, 1)
    assert (run.benchmark, run.clock) == ("genai-perf", ClockKind.UTC)
    assert run.labels == {"model": "m", "service_kind": "openai", "endpoint": "v1/chat", "perf_analyzer_version": "1.2"}
    assert any("no response" in finding for finding in run.findings)


def test_tokens_and_power_of_the_summary(tmp_path: Path) -> None:
    """Made up: totals are mean x requests and say who counted; the mean power of a GPU is the tool's own figure."""
    run = benchmarks.read(exported(tmp_path, LOAD, summary=SUMMARY), tz=None)
    assert (run.windows[0].tokens.input, run.windows[0].tokens.output) == (1101, 128)
    assert "genai-perf" in run.windows[0].tokens.source
    assert [(f.name, f.value, f.unit, f.window) for f in run.tool_reported] == [("gpu_power_usage gpu0", 122.5, "W", "concurrency_2")]


@pytest.mark.parametrize(
    ("summary", "said"),
    [(None, "No profile_export_genai_perf.json"), ({"request_count": {"avg": 7}}, "counts 7 requests"), ({"x": 1}, "lacks")],
)
def test_tokens_that_are_not_told(tmp_path: Path, summary: dict[str, Any] | None, said: str) -> None:
    """Made up: no summary, another number of requests, no lengths: unknown or in doubt, and said."""
    run = benchmarks.read(exported(tmp_path, LOAD, summary=summary), tz=None)
    assert (run.windows[0].tokens.input, run.windows[0].tokens.output) == (None, None)
    assert any(said in finding for finding in run.findings)


def test_several_experiments_are_phases(tmp_path: Path) -> None:
    """Made up: a sweep gives one phase for each load, in order of time, a repeated one numbered; their tokens cannot be told apart."""
    later = experiment(2, (T0 + 20 * S, [T0 + 21 * S]))
    other = experiment(4, (T0 + 10 * S, [T0 + 11 * S]))
    run = benchmarks.read(exported(tmp_path, LOAD, later, other, summary=SUMMARY), tz=None)
    assert [window.name for window in run.windows] == ["concurrency_2", "concurrency_4", "concurrency_2_run_2"]
    assert {window.tokens.output for window in run.windows} == {None}
    assert any("3 experiments" in finding for finding in run.findings)


@pytest.mark.parametrize(
    "one",
    [
        experiment(1),
        experiment(1, (T0, [])),
        experiment(1, (5 * S, [6 * S])),
        experiment(1, (T0, [T0 - S])),
        experiment(1, (T0, [2**63])),
        {"experiment": 1, "requests": [1], "timestamp": 1},
        {"experiment": {}, "requests": {}, "timestamp": 1},
    ],
)
def test_no_phase_is_refused(tmp_path: Path, one: dict[str, Any]) -> None:
    """Made up: no response, stamps from the start of a machine, an end before the begin, no requests: refused."""
    with pytest.raises(FormatError):
        benchmarks.read(exported(tmp_path, one), tz=None, tool="genai-perf")


def test_corpus_export(corpus: Path) -> None:
    """The recorded excerpt: one request of 43.229 ms, begun at its printed nanosecond; tokens unknown without the summary."""
    (window,) = benchmarks.read(corpus / "bench" / "genai_perf", tz=None).windows
    assert (window.begin_ns, window.end_ns) == (1_745_526_100_322_752_068, 1_745_526_100_365_982_228)
    assert (window.requests, window.requests_failed, window.tokens.output) == (1, 0, None)
