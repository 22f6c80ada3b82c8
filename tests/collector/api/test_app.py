"""The application as a whole."""

from __future__ import annotations

from joulemark.collector.api.bodies import DATE_END_NS
from tests.collector.api.conftest import Api


def test_openapi_describes_every_route(api: Api) -> None:
    """The published document loads and names the routes of the API."""
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/v1/runs", "/v1/runs/{run_id}/phases", "/v1/runs/{run_id}/energy", "/v1/readings", "/v1/meters", "/metrics"} <= paths.keys()


def test_a_misspelt_parameter_is_refused(api: Api) -> None:
    """A parameter that a route does not have is named, instead of giving the answer to another question."""
    answer = api.get("/v1/runs?limt=5")
    assert (answer.status_code, "'limt'" in answer.json()["detail"], answer.json()["next_step"]) == (422, True, "it has limit")
    assert api.get("/v1/runs?limit=5").status_code == 200


def test_bounds_of_integers_are_exact(api: Api) -> None:
    """The last date stands in the document as it is, not as a float."""
    moment = api.get("/openapi.json").json()["components"]["schemas"]["Moment"]["properties"]["utc_ns"]
    assert moment["exclusiveMaximum"] == DATE_END_NS
    assert isinstance(moment["exclusiveMaximum"], int)


def test_a_parameter_that_stands_twice_is_refused(api: Api) -> None:
    """Of two values of one parameter none is chosen; a list may have several."""
    answer = api.get("/v1/runs?limit=1&limit=2")
    assert (answer.status_code, "limit stands twice" in answer.json()["detail"]) == (422, True)
    assert api.get("/v1/readings?meter=a&meter=b&from_ns=0&to_ns=1").status_code == 404
