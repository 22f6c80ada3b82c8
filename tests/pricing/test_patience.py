"""Patience: what providers ask for is understood, and waits grow and are spread."""

from __future__ import annotations

import random

import pytest

from joulemark.pricing.dates import moment_ns
from joulemark.pricing.patience import asked_wait_s, backoff_s

NOW = moment_ns("2026-08-01T12:00:00Z", "now")
AZURE = "x-ms-ratelimit-retailprices-retry-after"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({AZURE: "12"}, 12.0),
        ({"Retry-After": "30", AZURE: "45"}, 45.0),
        ({"Retry-After": "Sat, 01 Aug 2026 12:01:30 GMT"}, 90.0),
        ({"Retry-After": "Sat, 01 Aug 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sat, 01 Aug 2026 12:01:30"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 40}, None),
    ],
)
def test_what_an_answer_asks_for(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds and dates are understood, the longer of two counts, a date that passed is no wait, and nonsense says nothing."""
    assert asked_wait_s(headers, utc_ns=NOW) == wait_s


def test_waits_grow_to_a_bound_and_are_spread() -> None:
    """Each wait is at most twice the one before, at least half of that, never above the bound; two collectors differ."""
    for seed in range(20):
        waits = [backoff_s(attempt, first_s=1.0, most_s=10.0, rng=random.Random(seed)) for attempt in range(1, 8)]
        assert all(0.5 * min(10.0, 2.0**n) <= wait <= min(10.0, 2.0**n) for n, wait in enumerate(waits))
    assert len({backoff_s(1, first_s=1.0, most_s=10.0, rng=random.Random(seed)) for seed in range(20)}) == 20
