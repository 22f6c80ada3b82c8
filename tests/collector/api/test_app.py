"""The application as a whole."""

from __future__ import annotations

from tests.collector.api.conftest import Api


def test_openapi_describes_every_route(api: Api) -> None:
    """The published document loads and names the routes of the API."""
    paths = api.get("/openapi.json").json()["paths"]
    assert {"/v1/runs", "/v1/runs/{run_id}/phases", "/v1/runs/{run_id}/energy", "/v1/readings", "/v1/meters", "/metrics"} <= paths.keys()
