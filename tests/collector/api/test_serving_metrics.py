"""The text of the counters of services."""

from __future__ import annotations

from joulemark.collector.api.serving_metrics import lines
from joulemark.collector.serving_totals import Totals


def test_the_lines_of_a_service() -> None:
    """Every counter has its type and its labels, quoted; without a service there is not a line."""
    totals = Totals()
    assert lines(totals) == []
    totals.joules[("service", "a"), ("boundary", "gpu")] = 12.5
    totals.tokens[("service", "a"), ("model", 'a "b"'), ("kind", "output")] = 3.0
    totals.until_ns[("service", "a"),] = 1_790_000_000_500_000_000
    found = lines(totals)
    assert 'joulemark_serving_until_timestamp_seconds{service="a"} 1790000000.5' in found
    assert "# TYPE joulemark_serving_joules_total counter" in found
    assert 'joulemark_serving_joules_total{service="a",boundary="gpu"} 12.5' in found
    assert 'joulemark_serving_tokens_total{service="a",model="a \\"b\\"",kind="output"} 3.0' in found
