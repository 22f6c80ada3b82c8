"""Bodies: what is not exactly as documented is refused, and nothing unknown becomes 0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from joulemark.collector.api.bodies import BenchmarkBody, PhaseBody, StartBody, StopBody
from joulemark.collector.recorded import Edge
from joulemark.errors import FormatError
from joulemark.runs import IdleKind, PhaseKind, Run, Tokens, Window

MOMENT = {"utc_ns": 1_000, "mono_ns": 5, "boot_id": "b"}
WINDOW = {"name": "p", "edge": "window", "moment": MOMENT}


def test_counts_that_were_not_given_stay_unknown() -> None:
    """A stop without counts has none; a count of 0 is a count."""
    bare = StopBody.model_validate({"moment": MOMENT}).mark(9)
    assert (bare.edge, bare.tokens, bare.requests, bare.requests_failed) == (Edge.STOP, Tokens(), None, None)
    zero = StopBody.model_validate({"moment": MOMENT, "tokens": {"output": 0}, "requests": 0}).mark(9)
    assert (zero.tokens, zero.requests) == (Tokens(output=0), 0)


def test_a_window_needs_its_second_edge_after_the_first() -> None:
    """`end_ns` later than the moment makes a window mark with both; equal, missing, or with another edge it is refused."""
    mark = PhaseBody.model_validate({**WINDOW, "end_ns": 1_001, "unc_ns": 7}).mark(2_000)
    assert (mark.edge, mark.kind, mark.utc_ns, mark.end_ns, mark.unc_ns) == (Edge.WINDOW, PhaseKind.MEASURED, 1_000, 1_001, 7)
    for wrong in (WINDOW, {**WINDOW, "end_ns": 1_000}, {**WINDOW, "edge": "begin", "end_ns": 2_000}):
        with pytest.raises(ValidationError, match="end_ns"):
            PhaseBody.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_id": "a/b"},
        {"run_id": ""},
        {"run_id": "x" * 65},
        {"run_id": "x\n"},
        {"labels": {"": "x"}},
        {"labels": {"model": 7}},
        {"agents": [""]},
        {"moment": {"utc_ns": 2**63}},
        {"moment": {}},
        {"benchmrk": "x"},
    ],
)
def test_a_start_that_could_not_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    """Ids that are no path part, empty names, values of another type, times beyond int64 and misspelt keys are errors."""
    StartBody.model_validate({"moment": MOMENT})
    with pytest.raises(ValidationError):
        StartBody.model_validate({"moment": MOMENT, **wrong})


def test_every_window_of_a_benchmark_becomes_a_mark() -> None:
    """Name, kind, both edges, uncertainty and counts of the file's windows go over, with the clocks of the client that read it."""
    windows = (Window("load", PhaseKind.WARMUP, 10, 20), Window("decode", PhaseKind.MEASURED, 20, 50, 3, Tokens(output=8), 2, 1))
    body = BenchmarkBody.model_validate({"moment": MOMENT, "run": Run(windows).to_json(), "source": "f.json"})
    load, decode = body.marks(99)
    assert (load.name, load.kind, load.utc_ns, load.end_ns, load.tokens) == ("load", PhaseKind.WARMUP, 10, 20, Tokens())
    assert (decode.unc_ns, decode.tokens, decode.requests, decode.requests_failed) == (3, Tokens(output=8), 2, 1)
    assert (decode.mono_ns, decode.boot_id, decode.received_ns, decode.source) == (5, "b", 99, "f.json")


def test_a_benchmark_that_is_no_run_is_refused() -> None:
    """An object of another schema, a figure that is no number, and a phase that ends before it begins are refused when they are read."""
    with pytest.raises(ValidationError):
        BenchmarkBody.model_validate({"moment": MOMENT, "run": {"schema": "else/1"}})
    for figure in (float("inf"), 1e308, "5", None, True):
        run = {"schema": "joulemark.run/1", "phases": [], "tool_reported": [{"name": "energy", "value": figure, "unit": "J"}]}
        with pytest.raises(ValidationError):
            BenchmarkBody.model_validate_json(json.dumps({"moment": MOMENT, "run": run}), strict=True)
    backwards = {"schema": "joulemark.run/1", "phases": [{"name": "p", "kind": "measured", "begin_ns": 2, "end_ns": 1}]}
    with pytest.raises(FormatError, match="not after its begin"):
        BenchmarkBody.model_validate({"moment": MOMENT, "run": backwards}).marks(0)


@pytest.mark.parametrize(
    "counts", [{"requests": 10**30}, {"tokens": {"output": float("inf")}}, {"tokens": {"output": 10**400}}, {"requests_failed": -1}]
)
def test_counts_that_no_store_can_hold_are_refused(counts: dict[str, Any]) -> None:
    """Counts beyond 64 bits and infinite ones never reach the catalogue."""
    with pytest.raises(ValidationError):
        StopBody(moment={"utc_ns": 1}, **counts)


def test_a_run_id_can_be_reached_by_url() -> None:
    """Names that a URL takes for its own folders are no run ids."""
    for run_id in (".", "..", "a/b", ""):
        with pytest.raises(ValidationError):
            StartBody(run_id=run_id, moment={"utc_ns": 1})


def test_idling_and_aborts_are_told_by_either_body() -> None:
    """A phase mark and a file's phase carry them to the mark; a kind of idling that is none is refused."""
    more = {"idle_kind": "idle_bare", "aborted": "why"}
    mark = PhaseBody.model_validate({"name": "p", "edge": "end", "moment": MOMENT, **more}).mark(9)
    told = Run((Window("p", PhaseKind.MEASURED, 1, 2, idle_kind=IdleKind.BARE, aborted="why"),)).to_json()
    (filed,) = BenchmarkBody.model_validate({"moment": MOMENT, "run": told}).marks(9)
    assert (mark.idle_kind, mark.aborted) == (filed.idle_kind, filed.aborted) == (IdleKind.BARE, "why")
    with pytest.raises(ValidationError, match="idle_kind"):
        PhaseBody.model_validate({"name": "p", "edge": "end", "moment": MOMENT, "idle_kind": "resting"})
