"""Edges of prefill and decode and slices of time, on recorded artifacts and on made up ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import benchmarks
from joulemark.benchmarks.aiperf_requests import edges, flights, slices
from joulemark.energy.attribution_claims import Claimed, Method
from joulemark.errors import FormatError
from tests.mutations import mutated

T0 = 1_790_000_000_000_000_000
RECORD: dict[str, Any] = {
    "metadata": {"request_start_ns": T0, "request_end_ns": T0 + 99_000_000, "phase_name": "profiling"},
    "metrics": {
        "time_to_first_token": {"value": 50.5, "unit": "ms"},
        "request_latency": {"value": 80.5, "unit": "ms"},
        "inter_chunk_latency": {"value": [10.0, 20.0], "unit": "ms"},
    },
}
SLICE = {"start_ns": T0, "end_ns": T0 + 5, "request_count": {"avg": 2.0}, "output_sequence_length": {"sum": 7.0}, "is_complete": False}


def folder(place: Path, *records: Any, found: Any = None) -> Path:
    (place / "profile_export.jsonl").write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records))
    if found is not None:
        (place / "profile_export_aiperf_timeslices.json").write_text(json.dumps({"timeslices": found}))
    return place


def test_edges_of_a_streamed_request(tmp_path: Path) -> None:
    """Prefill ends with the first token, decode with the last one and not with the closed connection; the pieces lie between."""
    (request,) = edges(folder(tmp_path, RECORD))
    assert [t - T0 for t in (request.begin_ns, request.first_ns, request.last_ns)] == [0, 50_500_000, 80_500_000]
    assert [t - T0 for t in request.chunks_ns] == [50_500_000, 60_500_000, 80_500_000]


def test_requests_without_edges_are_left_out(tmp_path: Path) -> None:
    """What failed, was cancelled or not streamed has no edges; a torn last line is none, and one before it is refused."""
    failed = {**RECORD, "error": {"code": 499}}
    cancelled = {**RECORD, "metadata": {**RECORD["metadata"], "was_cancelled": True}}
    bare = {**RECORD, "metrics": {"request_latency": {"value": 3.0}}}
    assert len(edges(folder(tmp_path, failed, cancelled, bare, RECORD, '{"metadata"'))) == 1
    with pytest.raises(FormatError, match="jsonl:1"):
        edges(folder(tmp_path, '{"metadata"', RECORD))


@pytest.mark.parametrize(
    ("name", "count"), [("ai-dynamo_run1_v0.1", 89), ("generated_0.13.0_streaming", 64), ("generated_0.13.0_dcgm_truth", 48)]
)
def test_recorded_requests(corpus: Path, name: str, count: int) -> None:
    """Every completed request of old and new artifacts has its edges, in order, and inside the phase it belongs to."""
    place = corpus / "aiperf" / name
    found = edges(place)
    windows = {window.name: window for window in benchmarks.read(place, tz=None).windows}
    assert len(found) == count
    for request in found:
        window = windows[request.phase]
        assert window.begin_ns <= request.begin_ns < request.first_ns <= request.last_ns <= window.end_ns
        assert request.chunks_ns == () or abs(request.chunks_ns[-1] - request.last_ns) < 1_000_000


@pytest.mark.parametrize(("name", "tokens"), [("generated_0.13.0_streaming", 2385), ("generated_0.13.0_dcgm_truth", 1920)])
def test_recorded_slices(corpus: Path, name: str, tokens: int) -> None:
    """The slices of a run follow each other, and their requests and tokens are those of the profiling phase."""
    place = corpus / "aiperf" / name
    found = slices(place)
    (measured,) = benchmarks.read(place, tz=None).measured
    assert all(a.end_ns == b.begin_ns for a, b in itertools.pairwise(found))
    assert (sum(w.tokens.output or 0 for w in found), sum(w.requests or 0 for w in found)) == (tokens, measured.requests)


def test_slices_made_up(tmp_path: Path) -> None:
    """The last slice is told as cut off, what it does not count is unknown, and no list or no edge is refused; no file is no slice."""
    assert slices(tmp_path) == edges(tmp_path) == ()
    (window,) = slices(folder(tmp_path, RECORD, found=[SLICE]))
    assert (window.name, window.requests, window.tokens.output, window.tokens.input) == ("slice 0 (cut off)", 2, 7, None)
    for wrong in ({}, [1], [{"start_ns": T0}]):
        with pytest.raises(FormatError, match="slice"):
            slices(folder(tmp_path, RECORD, found=wrong))


@given(data=st.data())
def test_artifacts_made_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Records and slices with pieces cut, doubled or poisoned give edges in order or a refusal."""
    place = folder(tmp_path_factory.mktemp("wrong", numbered=True), RECORD, RECORD, found=[SLICE])
    for path in place.iterdir():
        path.write_bytes(data.draw(mutated(path.read_bytes())))
    try:
        found, parts, flown = edges(place), slices(place), flights(place)
    except FormatError:
        return
    assert all(request.begin_ns <= request.first_ns <= request.last_ns for request in found)
    assert all(part.begin_ns < part.end_ns for part in parts)
    claims = Claimed.of(flown, method=Method.TOKENS).claims
    assert len(claims.begin_ns) <= 2 * len(flown)
