"""SGLang's results: no time but the file's own, which is only trusted where nothing speaks against it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks
from joulemark.errors import FormatError
from joulemark.runs import ClockKind

RESULT = {
    "tag": None,
    "backend": "sglang",
    "dataset_name": "random",
    "request_rate": float("inf"),
    "max_concurrency": None,
    "duration": 3.25,
    "completed": 8,
    "total_input_tokens": 4096,
    "total_output_tokens": 2048,
    "total_output_tokens_retokenized": 2040,
    "mean_ttft_ms": 5.0,
}
"""Made up, in the layout of SGLang 0.5.23 without `--output-details`."""

WRITTEN_NS = 1_795_226_277_000_000_000
"""2026-11-21T01:57:57Z."""


def appended(path: Path, *results: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(result) + "\n" for result in results))
    os.utime(path, ns=(WRITTEN_NS, WRITTEN_NS))
    return path


def test_the_window_ends_when_the_file_was_written(tmp_path: Path) -> None:
    """Made up: the phase is the duration before the modification time, the clock says so, and the first finding warns of copies."""
    run = benchmarks.read(appended(tmp_path / "out.jsonl", RESULT).parent, tz=None)
    (window,) = run.windows
    assert (window.end_ns, window.duration_s, window.unc_ns) == (WRITTEN_NS, 3.25, 10**9)
    assert (run.benchmark, run.clock) == ("sglang", ClockKind.MTIME)
    assert "modification time" in run.findings[0]
    assert "joulemark run" in run.findings[0]


def test_counts_and_the_default_rate(tmp_path: Path) -> None:
    """Made up: `Infinity`, the default rate, is read; retokenized text is a second count; failures without details are unknown."""
    run = benchmarks.read(appended(tmp_path / "out.jsonl", RESULT), tz=None)
    (window,) = run.windows
    assert (window.tokens.input, window.tokens.output, window.tokens.disagreement) == (4096, 2048, 8)
    assert (window.requests, window.requests_failed) == (8, None)
    assert run.labels == {"backend": "sglang", "dataset": "random", "request_rate": "Infinity"}


def test_only_the_last_run_has_a_time(tmp_path: Path) -> None:
    """Made up: of three runs in a file the last is dated; the others are left out by name, not placed by guess."""
    path = appended(tmp_path / "out.jsonl", {**RESULT, "completed": 1}, {**RESULT, "completed": 2}, {**RESULT, "completed": 3})
    run = benchmarks.read(path, tz=None)
    assert [window.requests for window in run.windows] == [3]
    assert any(finding.startswith("2 earlier runs") for finding in run.findings)


@pytest.mark.parametrize(
    ("name", "copied"),
    [
        ("sglang_1121_8_random.jsonl", False),
        ("sglang_1120_8_random.jsonl", False),
        ("sglang_1024_8_random.jsonl", True),
        ("run_1024_8_random.jsonl", False),
        ("sglang_1024.jsonl", False),
    ],
)
def test_a_copy_gives_itself_away(tmp_path: Path, name: str, copied: bool) -> None:
    """Made up: a file named by the tool carries its day, and another modification day, in any zone, means a copy: refused."""
    path = appended(tmp_path / name, RESULT)
    if copied:
        with pytest.raises(FormatError, match="it is a copy"):
            benchmarks.read(path, tz=None)
    else:
        assert benchmarks.read(path, tz=None).windows


def test_a_packed_file_has_lost_its_time(tmp_path: Path) -> None:
    """Made up: unpacked from an archive the file is new, so its modification time says nothing: refused."""
    path = appended(tmp_path / "out.jsonl", RESULT)
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        archive.write(path, "run/out.jsonl")
    with pytest.raises(FormatError, match="packing lost when"):
        benchmarks.read(tmp_path / "run.zip", tz=None)


def test_corpus_run_against_its_power(corpus: Path, tmp_path: Path) -> None:
    """Dated as its writer left it, 22 ms after the last request, the generated run begins with the load that the truth shows."""
    folder = corpus / "bench" / "sglang_bench_serving_generated"
    with (folder / "power_truth2.csv").open(newline="") as file:
        rows = [(int(row["t_wall_ns"]), int(row["active"])) for row in csv.DictReader(file)]
    idle = [number for number, (_, active) in enumerate(rows) if active == 0]
    first_ns, last_ns = rows[idle[0] + 1][0], rows[-1][0]
    path = tmp_path / "sglang_vllm_1121_24.jsonl"
    shutil.copyfile(folder / path.name, path)
    os.utime(path, ns=(last_ns + 21_700_000,) * 2)
    (window,) = benchmarks.read(path, tz=None).windows
    assert abs(window.begin_ns - first_ns) < 50_000_000 < window.unc_ns
    assert (window.requests, window.requests_failed) == (24, 0)
    assert (window.tokens.input, window.tokens.output, window.tokens.disagreement) == (1536, 768, 0)
