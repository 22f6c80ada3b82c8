"""Metrics of prices: how old each feed is, how its attempts ended, when it was last read well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from joulemark.collector.standing import Standing
from joulemark.units import NS_PER_S

Sample = tuple[Mapping[str, str], float]


def lines(standings: Sequence[Standing], now_ns: int) -> list[str]:
    """Lines of Prometheus text; a feed that was never read well has no age."""
    ages: list[Sample] = []
    successes: list[Sample] = []
    fetches: list[Sample] = []
    for one in standings:
        labels = {"feed": one.feed.kind, "scope": one.feed.scope}
        if (age_s := one.age_s(now_ns)) is not None and one.good_ns is not None:
            ages.append((labels, round(age_s, 3)))
            successes.append((labels, round(one.good_ns / NS_PER_S, 3)))
        fetches += [({**labels, "outcome": outcome}, count) for outcome, count in one.counts.items()]
    return [
        *metric("price_age_seconds", "gauge", "Seconds since the last good reading of a feed.", ages),
        *metric("price_last_success_timestamp_seconds", "gauge", "When a feed was last read well.", successes),
        *metric("price_fetches_total", "counter", "Attempts to read a feed.", fetches),
    ]


def metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> list[str]:
    """The lines of one metric; none without a sample."""
    full = f"joulemark_{name}"
    rows = [f"{full}{{{labelled(labels)}}} {value}" for labels, value in samples]
    return [f"# HELP {full} {text}", f"# TYPE {full} {kind}", *rows] if rows else []


def labelled(labels: Mapping[str, str]) -> str:
    """What stands in the braces."""
    return ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items())


def escaped(value: str) -> str:
    """A value as it stands between quotes."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
