"""What an attribution knows of requests from a bundle's log."""

from __future__ import annotations

from joulemark.cards.attribution_asked import Told
from joulemark.request_log import Request, Status


def test_a_log_tells_requests_and_no_first_tokens() -> None:
    """Each request of the log is one, without a first token; no log, and an empty one, tell nothing and name no source."""
    request = Request(3, "p", 5, 9, Status.FAILED)
    (flight,) = Told.logged([request]).flights
    assert (flight.request, flight.first_ns) == (request, None)
    assert "request log" in Told.logged([request]).source
    assert Told.logged(None) == Told.logged(()) == Told()
