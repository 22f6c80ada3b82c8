"""Metrics of services: joules and tokens that grew over the same stretches of time."""

from __future__ import annotations

from collections.abc import Mapping

from joulemark.collector.api.price_metrics import metric
from joulemark.collector.serving_totals import Labels, Totals
from joulemark.units import NS_PER_S


def lines(totals: Totals) -> list[str]:
    """Lines of Prometheus text; none where nothing is served."""
    until_s = {labels: t_ns / NS_PER_S for labels, t_ns in totals.until_ns.items()}
    return [
        *metric("serving_joules_total", "counter", "Energy of a service since it was first asked for.", samples(totals.joules)),
        *metric("serving_tokens_total", "counter", "Tokens that its engines counted over the same time.", samples(totals.tokens)),
        *metric("serving_requests_total", "counter", "Requests that they counted.", samples(totals.requests)),
        *metric("serving_unknown_seconds_total", "counter", "Time in which one of them is not known.", samples(totals.unknown_s)),
        *metric("serving_until_timestamp_seconds", "gauge", "Until when these counters count.", samples(until_s)),
    ]


def samples(values: Mapping[Labels, float]) -> list[tuple[dict[str, str], float]]:
    """The values with their labels, in order."""
    return [(dict(labels), round(value, 6)) for labels, value in sorted(values.items())]
