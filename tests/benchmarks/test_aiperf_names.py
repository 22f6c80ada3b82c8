"""AIPerf's files under a prefix: the same run by any name, and of two runs in a folder never a mixture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from joulemark import benchmarks, traces
from joulemark.benchmarks import aiperf_names, aiperf_requests, per_request
from joulemark.benchmarks.aiperf_names import DEFAULT, Names
from joulemark.errors import FormatError
from joulemark.standard import read

PREFIXED = {
    "profile_export.jsonl": "{}.jsonl",
    "profile_export_raw.jsonl": "{}_raw.jsonl",
    "profile_export_aiperf.json": "{}.json",
    "profile_export_aiperf.csv": "{}.csv",
    "profile_export_aiperf_timeslices.json": "{}_timeslices.json",
    "gpu_telemetry_export.jsonl": "{}_gpu_telemetry.jsonl",
}
STREAMING = "aiperf/generated_0.13.0_streaming"
TRUTH = "aiperf/generated_0.13.0_dcgm_truth"


def renamed(source: Path, folder: Path, prefix: str) -> Path:
    """The recorded run as `--profile-export-prefix` would have named it."""
    for path in source.rglob("*"):
        if path.is_file():
            place = folder / path.relative_to(source)
            if path.parent == source and path.name in PREFIXED:
                place = folder / PREFIXED[path.name].format(prefix)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return folder


@pytest.mark.parametrize("name", [STREAMING, TRUTH, "aiperf/ai-dynamo_run1_v0.1"])
@pytest.mark.parametrize("prefix", ["foo", "foo_raw", "my.run", "profile"])
def test_a_prefix_changes_names_alone(corpus: Path, tmp_path: Path, name: str, prefix: str) -> None:
    """Windows, tokens, requests and energies are those of the run under its usual names, whatever the prefix looks like."""
    plain, named = (benchmarks.read(root, tz=None) for root in (corpus / name, renamed(corpus / name, tmp_path, prefix)))
    assert named.windows == plain.windows
    assert (named.labels, named.run_id) == (plain.labels, plain.run_id)
    assert [(f.name, f.value, f.window) for f in named.tool_reported] == [(f.name, f.value, f.window) for f in plain.tool_reported]
    assert aiperf_names.located(tmp_path).names == Names.prefixed(prefix)
    assert aiperf_requests.slices(tmp_path) == aiperf_requests.slices(corpus / name)
    assert per_request.read(tmp_path) == per_request.read(corpus / name)
    assert benchmarks.read(tmp_path / f"{prefix}.jsonl", tz=None) == named


def test_telemetry_under_a_prefix_is_power(corpus: Path, tmp_path: Path) -> None:
    """The telemetry is told by its first line, and found beside the run: the case of the folder has the same energy counter."""
    renamed(corpus / TRUTH, tmp_path, "foo")
    plain, named = (
        traces.read(path, tz=None) for path in (corpus / TRUTH / "gpu_telemetry_export.jsonl", tmp_path / "foo_gpu_telemetry.jsonl")
    )
    assert [(one.meter.meter_id, one.value.tolist()) for one in named] == [(one.meter.meter_id, one.value.tolist()) for one in plain]
    case = read.case(tmp_path)
    assert case.faults == {}
    assert case.evidence is not None
    assert len(case.evidence.series) == len(plain)


def test_two_runs_in_a_folder_are_never_mixed(corpus: Path, tmp_path: Path) -> None:
    """Without a name both are refused by name; with one its records alone count, and not the manifest, which is of the last run."""
    renamed(corpus / TRUTH, tmp_path, "first")
    renamed(corpus / STREAMING, tmp_path, "second")
    with pytest.raises(FormatError, match=r"holds 2 runs of AIPerf: first\.jsonl, second\.jsonl.*name the records of one"):
        benchmarks.read(tmp_path, tz=None)
    run = benchmarks.read(tmp_path / "first.jsonl", tz=None)
    assert [(window.name, window.tokens.output) for window in run.measured] == [("profiling", 1920)]
    assert run.labels["model"] == benchmarks.read(corpus / TRUTH, tz=None).labels["model"]
    assert not any("phases/" in figure.source for figure in run.tool_reported)
    assert any("nothing tells whose phase_manifest.json" in finding for finding in run.findings)
    assert benchmarks.read(tmp_path / "second.jsonl", tz=None).measured[0].tokens.output == 2385
    (tmp_path / "first.jsonl").rename(tmp_path / DEFAULT.records)
    (tmp_path / "first.json").rename(tmp_path / DEFAULT.summary)
    with pytest.raises(FormatError, match=r"profile_export\.jsonl, second\.jsonl"):
        benchmarks.read(tmp_path, tz=None)
    assert benchmarks.read(tmp_path / DEFAULT.records, tz=None).measured[0].tokens.output == 1920


def test_a_copy_of_the_summary_is_no_other_run(corpus: Path, tmp_path: Path) -> None:
    """Beside records only records are a run: somebody's copy of the summary changes nothing."""
    renamed(corpus / TRUTH, tmp_path, "foo")
    shutil.copyfile(tmp_path / "foo.json", tmp_path / "copy.json")
    assert benchmarks.read(tmp_path, tz=None).windows == benchmarks.read(corpus / TRUTH, tz=None).windows


def test_a_run_without_records_has_its_summary(tmp_path: Path) -> None:
    """With `--profile-export-level summary` the manifest dates the run, and its summary is found under the prefix."""
    phase = {
        "phase_name": "profiling",
        "phase_kind": "profiling",
        "start_ns": 1_790_000_000_000_000_000,
        "end_ns": 1_790_000_009_000_000_000,
    }
    (tmp_path / "phase_manifest.json").write_text(json.dumps({"phases": [phase]}))
    summary = {"aiperf_version": "0.13.0", "benchmark_id": "abc", "input_config": {}}
    (tmp_path / "foo.json").write_text(json.dumps(summary))
    run = benchmarks.read(tmp_path, tz=None)
    assert (run.run_id, run.windows[0].duration_s) == ("abc", 9.0)
    assert any("No foo.jsonl" in finding for finding in run.findings)
    (tmp_path / "inputs.json").write_text('{"data": [{"payload": "aiperf_version and input_config"}]}')
    assert benchmarks.read(tmp_path, tz=None) == run
