"""What the routes work with."""

from __future__ import annotations

import pytest

from joulemark.collector.api.problems import NotFound
from tests.collector.api.conftest import Api


def test_an_unknown_run_is_not_found(api: Api) -> None:
    """A run of the catalogue comes back; another id is NotFound with where to look."""
    api.post("/v1/runs", {"run_id": "mine", "labels": {"model": "m"}, "moment": api.moment(0)})
    assert api.state.recorded("mine").labels == {"model": "m"}
    with pytest.raises(NotFound, match="GET /v1/runs"):
        api.state.recorded("Mine")
