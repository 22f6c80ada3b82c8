"""A web for tests: pinned to a price server, impatient, on a clock that stands still."""

from __future__ import annotations

import random
from typing import Any

from joulemark.pricing.http_web import HttpWeb, Limits
from tests.conftest import ManualClock
from tests.standins.price_server import PriceServer

QUICK = Limits(
    pages=20, page_bytes=1 << 20, total_bytes=1 << 22, deadline_s=5.0, idle_s=1.0, attempts=3, first_wait_s=0.01, most_wait_s=2.0
)


def web_of(server: PriceServer, **changes: Any) -> HttpWeb:
    """A web that may ask `server` and nobody else."""
    values = {"clock": ManualClock(), "limits": QUICK, "rng": random.Random(1)}
    return HttpWeb(**{"origins": frozenset({server.origin}), **values, **changes})
