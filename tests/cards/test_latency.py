"""How long requests took: from the log, else as a benchmark printed it, else not told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.cards.latency import latencies, name_of, told_by
from joulemark.request_log import Request, Status
from joulemark.runs import ToolReported
from tests.kit import spoil

GOOD = spoil.good("ES1")
PHASE = GOOD.run.measured[0].name
MS = 1_000_000


def told(evidence: Evidence) -> dict[str, float]:
    """The latencies by name."""
    return {one.name: one.value_ms for one in latencies(evidence)}


def request(at: int, lasted_ms: float | None, **more: object) -> Request:
    """A completed request of the first measured phase."""
    end_ns = None if lasted_ms is None else round(lasted_ms * MS)
    return replace(Request(at, PHASE, 0, end_ns, Status.COMPLETED), **more)  # type: ignore[arg-type]  # fields by name


def with_requests(*requests: Request) -> Evidence:
    """A run with these requests and no figures of a tool."""
    return replace(GOOD, requests=requests, run=replace(GOOD.run, tool_reported=(), labels={}))


def reporting(*figures: ToolReported, **labels: str) -> Evidence:
    """A run without a log, of which a tool told these."""
    return replace(GOOD, requests=None, run=replace(GOOD.run, tool_reported=figures, labels=labels))


def test_the_log_gives_median_and_p99_of_what_was_completed() -> None:
    """From begin to end of the completed requests of what counts; failed ones and other phases are no part of it."""
    lasted = [float(ms) for ms in range(1, 101)]
    beside = [request(200, 9e6, status=Status.FAILED), request(201, 9e6, phase="warm-up")]
    found = told(with_requests(*(request(at, ms) for at, ms in enumerate(lasted)), *beside))
    assert found == {"median end-to-end latency": pytest.approx(50.5), "p99 end-to-end latency": pytest.approx(np.percentile(lasted, 99))}
    assert latencies(with_requests(request(0, 5.0)))[0].source == "request log, 1 requests"


@pytest.mark.parametrize("requests", [(), (request(0, 5.0), request(1, None)), (request(0, 5.0), request(1, 4.0, begin_ns=9 * MS))])
def test_a_log_that_lacks_an_end_tells_nothing(requests: tuple[Request, ...]) -> None:
    """Without the requests that never ended, or that end before they begin, a percentile would be too low."""
    assert told(with_requests(*requests)) == {}


@pytest.mark.parametrize(
    ("name", "value", "unit", "wanted"),
    [
        ("median_ttft_ms", 12.0, "ms", ("ttft", 50, 12.0)),
        ("p99_itl_ms", 3.0, "ms", ("itl", 99, 3.0)),
        ("time_to_first_token_p50", 0.2, "s", ("ttft", 50, 200.0)),
        ("request_latency p99", 2500.0, "us", ("end_to_end", 99, 2.5)),
        ("median_e2el_ms", 7.0, "ms", ("end_to_end", 50, 7.0)),
        ("mean_ttft_ms", 12.0, "ms", None),
        ("median_ttft_ms", 12.0, "J", None),
        ("median_ttft_ms", float("nan"), "ms", None),
        ("median_ttft_ms", -1.0, "ms", None),
        ("p999_itl_ms", 3.0, "ms", None),
        ("median_title_ms", 3.0, "ms", None),
        ("total_energy_j", 3.0, "J", None),
    ],
)
def test_figures_of_tools_are_known_by_name_and_unit(name: str, value: float, unit: str, wanted: tuple[str, int, float] | None) -> None:
    """Median and p99 in a unit of time; a mean, another percentile, another word and what is no number are none."""
    found = told_by(ToolReported(name, value, unit))
    assert (None if found is None else (found.kind, found.percentile, found.value_ms)) == wanted


def test_our_log_stands_before_a_tool_and_several_phases_have_no_percentile() -> None:
    """A log wins over a printed figure; two phases with two medians have none together, one of a phase that does not count is left out."""
    printed = ToolReported("median_e2el_ms", 70.0, "ms", PHASE)
    both = replace(with_requests(request(0, 5.0)), run=replace(GOOD.run, tool_reported=(printed,), labels={}))
    assert told(both)["median end-to-end latency"] == 5.0
    assert told(reporting(printed)) == {"median end-to-end latency": 70.0}
    assert told(reporting(printed, replace(printed, value=80.0))) == {}
    assert told(reporting(replace(printed, window="warm-up"))) == {}
    assert told(reporting(latency_p99_ms="81.5")) == {"p99 end-to-end latency": 81.5}
    assert told(reporting(latency_p99_ms="fast")) == {}


def test_a_latency_has_a_name() -> None:
    """As it stands on an axis."""
    assert name_of("ttft", 99) == "p99 time to first token"
