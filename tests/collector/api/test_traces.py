"""The power of a run over time: in buckets, as JSON and CSV, and computed once while nothing changes."""

from __future__ import annotations

import csv
import io

from joulemark.pricing import kept
from tests.collector.api.conftest import Api, S


def test_the_trace_of_a_run(api: Api) -> None:
    """Of each boundary one line with its extremes, the phases, and the highest reading of those that count."""
    run_id = api.run_of_three_seconds()
    answer = api.get(f"/v1/runs/{run_id}/trace")
    assert answer.status_code == 200
    found = answer.json()
    card = api.get(f"/v1/runs/{run_id}/card").json()
    assert (found["schema"], found["run_id"], found["settled"]) == ("joulemark.trace/1", run_id, True)
    assert found["phases"] == [{name: card["phases"][0][name] for name in ("name", "kind", "begin_ns", "end_ns")}]
    assert found["idle"] == card["idle"]
    (line,) = found["lines"]
    assert (line["boundary"], line["meters"], line["highest_w"]) == ("gpu", 1, 200.0)
    assert card["phases"][0]["begin_ns"] <= line["highest_ns"] <= card["phases"][0]["end_ns"]
    assert len(line["t_ms"]) == len(line["low_w"]) == len(line["mean_w"]) == len(line["high_w"]) > 50
    assert set(line["mean_w"]) == {200.0}
    assert found["from_ns"] == card["phases"][0]["begin_ns"] - 30 * S
    assert found["to_ns"] == card["phases"][0]["end_ns"] + 30 * S


def test_a_part_of_the_time(api: Api) -> None:
    """Rows lie in the time asked for, in as many stretches as asked for."""
    run_id = api.run_of_three_seconds()
    begin_ns = api.clock.utc_ns()
    found = api.get(f"/v1/runs/{run_id}/trace?from_ns={begin_ns}&to_ns={begin_ns + S}&buckets=4").json()
    assert found["bucket_ns"] == S // 4
    (line,) = found["lines"]
    assert len(line["t_ms"]) in (4, 5)
    assert all(0 <= t_ms <= 1000 for t_ms in line["t_ms"])


def test_as_csv(api: Api) -> None:
    """The same rows as text, with whole nanoseconds."""
    run_id = api.run_of_three_seconds()
    answer = api.get(f"/v1/runs/{run_id}/trace?buckets=5&format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    found = api.get(f"/v1/runs/{run_id}/trace?buckets=5").json()
    assert [int(row["t_ns"]) for row in rows] == [found["from_ns"] + t_ms * 1_000_000 for t_ms in found["lines"][0]["t_ms"]]
    assert {row["boundary"] for row in rows} == {"gpu"}


def test_bad_questions(api: Api) -> None:
    """What cannot be answered is refused with what to do."""
    run_id = api.run_of_three_seconds()
    for query in ("from_ns=5&to_ns=5", "from_ns=-1", "buckets=0", "buckets=4001", "format=svg", "since=1"):
        answer = api.get(f"/v1/runs/{run_id}/trace?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["next_step"]


def test_no_run_and_no_readings(api: Api) -> None:
    """No such run is 404; a run without readings is 409."""
    assert api.get("/v1/runs/nothing/trace").status_code == 404
    run_id = api.post("/v1/runs", {"benchmark": "b", "moment": api.moment(0)}).json()["run_id"]
    api.post(f"/v1/runs/{run_id}/stop", {"moment": api.moment(3)})
    assert api.get(f"/v1/runs/{run_id}/trace").status_code == 409


def test_what_changes_a_run_is_seen(api: Api) -> None:
    """A document that is handed in later, and a price that becomes known, are in the next answer; without them nothing is computed."""
    run_id = api.run_of_three_seconds()
    assert api.get(f"/v1/runs/{run_id}/trace").status_code == 200
    first = api.state.reckoning.kept[run_id]
    assert api.get(f"/v1/runs/{run_id}/trace").status_code == 200
    assert api.state.reckoning.kept[run_id] is first
    (api.state.config.collector.data_dir / "alignments").mkdir()
    api.get(f"/v1/runs/{run_id}/trace")
    second = api.state.reckoning.kept[run_id]
    assert second is not first
    nodes = {"schema": "joulemark.nodes/1", "nodes": [], "participating": 1}
    assert api.post(f"/v1/runs/{run_id}/evidence", {"nodes": nodes}).status_code == 201
    api.get(f"/v1/runs/{run_id}/trace")
    third = api.state.reckoning.kept[run_id]
    assert third is not second
    with kept.opened(api.state.config, api.clock):
        pass
    api.get(f"/v1/runs/{run_id}/trace")
    assert api.state.reckoning.kept[run_id] is not third
