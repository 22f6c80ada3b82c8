"""lm-eval: one window from a Unix time and a duration, samples as a label, no tokens made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind

MADE_UP = {
    "results": {"gsm8k": {"exact_match,strict-match": 0.5}},
    "n-samples": {"gsm8k": {"original": 1319, "effective": 100}, "mmlu": {"original": 50, "effective": 50}},
    "date": 1731655933.25,
    "model_name": "m",
    "lm_eval_version": "0.4.9",
    "start_time": 533768.078025213,
    "end_time": 533868.5,
    "total_evaluation_time_seconds": "100.421974787",
}


def written(folder: Path, **changed: Any) -> Path:
    """A made-up result in the documented layout."""
    path = folder / "m" / "results_2024-11-15T07-33-53.672.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({key: value for key, value in {**MADE_UP, **changed}.items() if value is not None}))
    return folder


def test_window_samples_and_what_is_not_told(tmp_path: Path) -> None:
    """The window runs from `date` for the printed time, its edges within the working value; samples are no requests."""
    run = benchmarks.read(written(tmp_path), tz=None)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns - window.begin_ns) == (1_731_655_933_250_000_000, 100_421_974_787)
    assert (window.kind, window.unc_ns, run.clock) == (PhaseKind.MEASURED, 10_000_000_000, ClockKind.UTC)
    assert (window.tokens.input, window.tokens.output, window.requests, window.requests_failed) == (None, None, None, None)
    assert run.labels == {"model": "m", "lm_eval_version": "0.4.9", "samples": "150"}
    assert "not tokens or requests" in run.findings[0]


def test_samples_of_one_task_alone_are_no_total(tmp_path: Path) -> None:
    """A task that does not tell its samples makes their total unknown."""
    run = benchmarks.read(written(tmp_path, **{"n-samples": {"a": {"effective": 5}, "b": {}}}), tz=None)
    assert "samples" not in run.labels


@pytest.mark.parametrize("changed", [{"date": "yesterday"}, {"date": -1}, {"total_evaluation_time_seconds": "0"}])
def test_no_window_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """A date or a duration that is none is refused by name, not replaced."""
    with pytest.raises(FormatError, match=next(iter(changed))):
        benchmarks.read(written(tmp_path, **changed), tz=None)


def test_corpus_result(corpus: Path) -> None:
    """The recorded result: 5.286 s from 2024-11-15 07:32:13 UTC, 1144 samples; the doubt is no longer than the run."""
    run = benchmarks.read(corpus / "bench" / "lm_eval", tz=None)
    (window,) = run.windows
    assert (window.begin_ns, window.end_ns - window.begin_ns) == (1_731_655_933_000_000_000, 5_286_083_491)
    assert window.unc_ns == 5_286_083_491
    assert (run.benchmark, run.labels["samples"]) == ("lm-eval", "1144")
