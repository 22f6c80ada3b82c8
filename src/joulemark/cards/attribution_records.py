"""The records of requests, and what they leave open: time without a known request is idle only where every request is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from joulemark.energy.attribution_claims import Flight
from joulemark.request_log import Status
from joulemark.runs import PhaseKind, Window

NO_RECORDS: Final = "no record tells when the requests of this phase ran"
WITHOUT_REQUESTS: Final = (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER)


def in_flight(flight: Flight, window: Window) -> bool:
    """Whether a request was in flight during a phase; one without an end cannot be told."""
    end_ns = flight.request.end_ns
    return bool(flight.stretches) and end_ns is not None and flight.request.begin_ns < window.end_ns and end_ns > window.begin_ns


def missing(window: Window, flights: Sequence[Flight]) -> str:
    """Why nothing of a phase can be shared out; empty where a request of it is on record, or its kind says that there was none."""
    if not flights or (window.kind not in WITHOUT_REQUESTS and not any(flight.request.phase == window.name for flight in flights)):
        return NO_RECORDS
    return ""


def partial(window: Window, flights: Sequence[Flight]) -> str:
    """Why the records of a phase that has some may not be all; empty where nothing speaks against it."""
    own = [flight for flight in flights if flight.request.phase == window.name]
    completed = sum(flight.request.status is Status.COMPLETED for flight in own)
    reasons = []
    if own and window.requests is not None and completed != window.requests:
        reasons.append(f"the records tell of {completed} of {window.requests} completed requests")
    if endless := sum(not flight.stretches for flight in own):
        reasons.append(f"{endless} requests have no end on record")
    return " and ".join(reasons)
