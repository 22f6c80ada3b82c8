"""What a benchmark's files tell of each request: of a folder, of several runs below one, of an archive, of a tool without records."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from joulemark import benchmarks
from joulemark.benchmarks import per_request
from joulemark.request_log import Status

TRUTH = "aiperf/generated_0.13.0_dcgm_truth"


def test_every_request_of_a_recorded_run(corpus: Path) -> None:
    """48 requests with first token and tokens, each inside the phase that the run's windows have; six slices."""
    found = per_request.read(corpus / TRUTH)
    windows = {window.name: window for window in benchmarks.read(corpus / TRUTH, tz=None).windows}
    assert len(found.flights) == 48
    for flight in found.flights:
        request, window = flight.request, windows[flight.request.phase]
        assert flight.first_ns is not None
        assert request.end_ns is not None
        assert window.begin_ns <= request.begin_ns < flight.first_ns < request.end_ns <= window.end_ns
    assert sum(flight.request.output_tokens or 0 for flight in found.flights if flight.request.phase == "profiling") == 1920
    assert [part.name for part in found.slices][-2:] == ["slice 4", "slice 5 (cut off)"]


def test_requests_that_failed_are_there(corpus: Path) -> None:
    """Those of a public run that were cancelled took energy too: all 100 are told, 89 with first token and end, and no end is made up."""
    found = per_request.read(corpus / "aiperf/ai-dynamo_run1_v0.1").flights
    assert len(found) == 100
    assert sum(flight.request.status is not Status.COMPLETED for flight in found) == 11
    assert sum(flight.first_ns is not None for flight in found) == 89
    assert sum(flight.request.end_ns is not None for flight in found) == 89


def test_several_runs_below_one_folder(corpus: Path, tmp_path: Path) -> None:
    """Phases carry the folder of their run, as those of the merged run do, and every request has a number of its own."""
    for name in ("a", "b"):
        shutil.copytree(corpus / TRUTH, tmp_path / name)
    found, slices = per_request.read(tmp_path).flights, per_request.read(tmp_path).slices
    assert [part.name for part in slices][::6] == ["a/slice 0", "b/slice 0"]
    assert {flight.request.phase for flight in found} == {window.name for window in benchmarks.read(tmp_path, tz=None).windows}
    assert sorted(flight.request.id for flight in found) == list(range(96))


def test_an_archive_is_read_as_its_folder(corpus: Path, tmp_path: Path) -> None:
    """A packed run tells the same."""
    with tarfile.open(tmp_path / "run.tgz", "w:gz") as archive:
        archive.add(corpus / TRUTH, arcname="run")
    assert per_request.read(tmp_path / "run.tgz") == per_request.read(corpus / TRUTH)


def test_other_tools_tell_nothing(tmp_path: Path) -> None:
    """A folder without AIPerf's records has no requests, and that is no error."""
    (tmp_path / "run.json").write_text("{}")
    assert per_request.read(tmp_path) == per_request.Inside()


@pytest.mark.parametrize(
    ("changes", "end", "status"),
    [
        ({"error": {"code": 500}}, 99, Status.FAILED),
        ({"metadata": {"was_cancelled": True}}, 99, Status.CANCELLED),
        ({"metrics": {}}, 99, Status.COMPLETED),
        ({"metadata": {"request_end_ns": None}, "metrics": {}}, None, Status.COMPLETED),
        ({}, 80, Status.COMPLETED),
    ],
    ids=["failed", "cancelled", "not streamed", "without an end", "streamed"],
)
def test_when_a_request_ended(tmp_path: Path, changes: dict[str, dict[str, object]], end: int | None, status: Status) -> None:
    """A streamed request ends with its last token, any other with its connection; an end that nobody recorded is not known."""
    begin_ns = 1_790_000_000_000_000_000
    metadata = {"request_start_ns": begin_ns, "request_end_ns": begin_ns + 99_000_000} | changes.get("metadata", {})
    metrics = {"time_to_first_token": {"value": 50.0}, "request_latency": {"value": 80.0}} if "metrics" not in changes else {}
    record = {"metadata": metadata, "metrics": metrics} | ({"error": changes["error"]} if "error" in changes else {})
    (tmp_path / "profile_export.jsonl").write_text(json.dumps(record))
    (flight,) = per_request.read(tmp_path).flights
    assert flight.request.status is status
    assert flight.request.end_ns == (None if end is None else begin_ns + end * 1_000_000)
    assert (flight.first_ns is None) == (end != 80)
