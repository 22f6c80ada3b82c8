"""Energy against latency of the runs of one class: what is known is drawn, nothing is computed for it, and what is missing is counted."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from joulemark.collector.api import traces
from joulemark.collector.reckoning import Kept, Reckoned
from joulemark.collector.summaries import Summary
from joulemark.collector.web.classmates import Classmates, classmates, shared
from tests.cards import pages
from tests.collector.api.conftest import Api
from tests.collector.web.reading import read


@functools.cache
def reckoned() -> Reckoned:
    """A run of the laboratory, which has a request log."""
    return Reckoned.made(pages.full("ES1"), settled=True)


def begun(api: Api, *, model: str = "m", stopped: bool = True, **labels: str) -> str:
    """Id of a run of a model."""
    start: dict[str, Any] = {"benchmark": "b", "labels": {"model": model, **labels}, "moment": api.moment(0)}
    run_id: str = api.post("/v1/runs", start).json()["run_id"]
    if stopped:
        api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    return run_id


def summed(api: Api, run_id: str) -> None:
    """Keep a summary of the run, as the list of runs does."""
    key = api.runner.run(traces.key_of(api.state, run_id))
    api.state.summaries.keep(run_id, key, api.clock.mono_ns(), Summary.of(pages.full("ES1"), settled=True))


def found(api: Api, run_id: str, run: Reckoned | None = None) -> Classmates:
    """The class of a run."""
    return api.runner.run(classmates(api.state, api.state.recorded(run_id), run or reckoned()))


def test_runs_of_the_same_benchmark_and_model(api: Api) -> None:
    """Another model and a run that goes on are not in it; this run is marked, and all lead to the page that compares."""
    here, mate = begun(api), begun(api, name="batch 8")
    other, going = begun(api, model="n"), begun(api, stopped=False)
    for run_id in (mate, other, going):
        summed(api, run_id)
    made = found(api, here)
    assert made.drawing is not None
    assert made.table is not None
    rows = read(made.table).rows()[1:]
    assert sorted(row[0].strip() for row in rows) == ["batch 8", "this run (this run)"]
    assert made.compare == f"/compare?run={here}&run={mate}"
    assert made.unknown == 0


def test_nothing_is_computed_for_it(api: Api) -> None:
    """Runs that no list had computed are counted."""
    here = begun(api)
    begun(api)
    made = found(api, here)
    assert (made.unknown, made.compare) == (1, "")
    assert made.drawing is not None


def test_a_run_that_tells_no_latency(api: Api) -> None:
    """There is no drawing for it, whatever the others tell."""
    here, mate = begun(api), begun(api)
    summed(api, mate)
    made = found(api, here, replace(reckoned(), latencies=()))
    assert (made.drawing, made.table) == (None, None)
    assert made.compare


def test_the_latency_that_most_tell() -> None:
    """Of those that the first run tells, the one that stands for most runs; none where it tells none."""
    one = Summary.of(pages.full("ES1"), settled=True)
    assert shared([one, one]) is not None
    assert shared([replace(one, latencies=()), one]) is None
    last = one.latencies[-1]
    assert shared([one, replace(one, latencies=(last,)), replace(one, latencies=(last,))]) == (last.kind, last.percentile)


def test_the_page_of_a_run_shows_its_class(api: Api) -> None:
    """The drawing stands on the page with its table and the way to compare."""
    here, mate = begun(api), begun(api)
    summed(api, mate)
    key = api.runner.run(traces.key_of(api.state, here))
    api.state.reckoning.kept[here] = Kept(key, 0, reckoned())
    page = read(api.get(f"/runs/{here}", headers={"accept": "text/html"}).text)
    assert page.all("svg", class_="scatter")
    assert page.all("a", href=f"/compare?run={here}&run={mate}")
