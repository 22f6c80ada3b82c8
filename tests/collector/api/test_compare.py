"""Two runs held against each other over REST."""

from __future__ import annotations

import json
from pathlib import Path

from joulemark.cards.comparison import compared
from joulemark.cards.measured import Measured
from joulemark.cli import subject
from joulemark.workload import Workload
from tests.collector.api.conftest import Api
from tests.collector.web.recording import readings, run


def test_it_is_what_the_command_prints(api: Api, tmp_path: Path) -> None:
    """The answer is the object of `joulemark compare --json` over the bundles of the same two runs, key by key."""
    readings(api)
    ids = [run(api), run(api, output=300, at_s=0.5)]
    measured = []
    for run_id in ids:
        bundle = tmp_path / f"{run_id}.zip"
        bundle.write_bytes(api.get(f"/v1/runs/{run_id}/bundle").content)
        measured.append(Measured.of(subject.read(str(bundle)).evidence))
    answer = api.get(f"/v1/compare?a={ids[0]}&b={ids[1]}")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(compared(*measured)))
    assert answer.json()["comparable"] is True


def test_a_run_against_itself_differs_by_nothing(api: Api) -> None:
    """Both sides are the same run, and no difference is resolved."""
    readings(api)
    run_id = run(api)
    found = api.get(f"/v1/compare?a={run_id}&b={run_id}").json()
    assert {figure["difference"] for figure in found["figures"] if figure["difference"] is not None} == {0.0}


def test_what_cannot_be_compared_is_a_problem(api: Api) -> None:
    """An unknown run is 404, one without readings 409 with what to do, and a missing one 422."""
    readings(api)
    known, unread = run(api), run(api, agents=["elsewhere"])
    assert api.get(f"/v1/compare?a={known}&b=nothing").status_code == 404
    for a, b in ((known, unread), (unread, known)):
        answer = api.get(f"/v1/compare?a={a}&b={b}")
        assert answer.status_code == 409
        assert "joulemark doctor" in answer.json()["next_step"]
    assert api.get(f"/v1/compare?a={known}").status_code == 422


def test_a_pair_that_does_not_change_is_compared_once(api: Api) -> None:
    """The same object is answered again for settled runs; of one that was told more since another is."""
    readings(api)
    a, b = run(api), run(api, output=300)
    first = api.get(f"/v1/compare?a={a}&b={b}").json()
    ((keys, kept),) = api.state.summaries.pairs.items()
    assert api.get(f"/v1/compare?a={a}&b={b}").json() == first
    assert api.state.summaries.pairs[keys] is kept
    assert api.post(f"/v1/runs/{b}/evidence", {"workload": Workload(model="m").to_json()}).status_code == 201
    again = api.get(f"/v1/compare?a={a}&b={b}").json()
    assert {"what": "workload.model", "a": None, "b": "m"} in again["differs"]
