"""Metrics of services: joules and tokens that grew over the same stretches of time."""

from __future__ import annotations

from joulemark.collector.api.price_metrics import metric
from joulemark.collector.serving_totals import Labels, Totals


def lines(totals: Totals) -> list[str]:
    """Lines of Prometheus text; none where nothing is served."""
    named = (
        ("serving_joules_total", "Energy of the machines of a service since it was first asked for.", totals.joules),
        ("serving_tokens_total", "Tokens that the engines of a service counted over the same time.", totals.tokens),
        ("serving_requests_total", "Requests that they counted.", totals.requests),
        ("serving_unknown_seconds_total", "Time in which one of them is not known, and did not grow.", totals.unknown_s),
    )
    return [line for name, text, values in named for line in metric(name, "counter", text, samples(values))]


def samples(values: dict[Labels, float]) -> list[tuple[dict[str, str], float]]:
    """The values with their labels, in order."""
    return [(dict(labels), round(value, 6)) for labels, value in sorted(values.items())]
