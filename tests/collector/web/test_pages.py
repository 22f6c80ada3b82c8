"""All pages together."""

from __future__ import annotations

from tests.collector.api.conftest import Api


def test_the_first_page_is_that_of_the_hosts(api: Api) -> None:
    """Whoever opens the bare address lands on the hosts."""
    answer = api.get("/")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/hosts"
