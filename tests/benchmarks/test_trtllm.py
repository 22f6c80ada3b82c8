"""TensorRT-LLM: a report without a begin is refused with the counts it tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.benchmarks import trtllm
from joulemark.errors import FormatError
from joulemark.runs import ClockKind

INFO = {"num_requests": 3000, "avg_num_concurrent_requests": 511.2, "avg_input_length": 128.0, "avg_output_length": 384.5}


def written(folder: Path, info: Any, performance: Any) -> Path:
    """A made-up report in the layout that trtllm-bench writes with --report_json."""
    report = {"engine": {"model": "m", "version": "1.0.0"}, "world_info": {"tp_size": 1}, "request_info": info, "performance": performance}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_a_report_is_refused_with_its_counts(tmp_path: Path) -> None:
    """It lasted, but when is not told; the command that would tell carries the counts of the report."""
    with pytest.raises(FormatError, match=r"lasted 89\.195 s, but when is not told") as caught:
        benchmarks.read(written(tmp_path, INFO, {"total_latency_ms": 89195.48}), tz=None)
    assert "joulemark run --input-tokens 384000 --output-tokens 1153500 --requests 3000 -- trtllm-bench" in str(caught.value)


@pytest.mark.parametrize(("info", "performance"), [({}, {"total_latency_ms": "x"}), ([], {"total_latency_ms": None}), (None, 7)])
def test_what_is_not_told_is_not_made_up(tmp_path: Path, info: Any, performance: Any) -> None:
    """Without counts none stands in the command; without a duration it is unknown."""
    written(tmp_path, info, performance)
    path = tmp_path / "report.json"
    path.write_text(path.read_text().replace("{", '{"note": "total_latency_ms", "total_latency_ms": 1, ', 1))
    with pytest.raises(FormatError, match="unknown time") as caught:
        benchmarks.read(tmp_path, tz=None, tool="trtllm")
    assert "joulemark run -- trtllm-bench" in str(caught.value)


def test_a_report_of_a_measured_command_tells_its_counts(tmp_path: Path) -> None:
    """Without its date: a phase from zero, as long as the report says, with mean x requests; one without a duration is refused."""
    written(tmp_path, INFO, {"total_latency_ms": 89195.48})
    run = trtllm.undated(tmp_path / "report.json")
    (window,) = run.windows
    assert (window.begin_ns, window.duration_s, run.clock) == (0, 89.19548, ClockKind.MONOTONIC)
    assert (window.tokens.input, window.tokens.output, window.requests, window.requests_failed) == (384_000, 1_153_500, 3000, None)
    written(tmp_path, INFO, {"total_latency_ms": 1e12})
    with pytest.raises(FormatError, match="how long it lasted"):
        trtllm.undated(tmp_path / "report.json")
