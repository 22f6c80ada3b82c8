"""What a driver's field values are: which scopes exist, what a call costs, whose moment a stamp is, and how often a value is new."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pynvml

FIELDS = {
    "power_instant": pynvml.NVML_FI_DEV_POWER_INSTANT,
    "power_average": pynvml.NVML_FI_DEV_POWER_AVERAGE,
    "energy": pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
}
SCOPES = {"gpu": 0, "module": 1, "memory": 2, "gpu_base": 3}
MEMBERS = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
}
QUERY_SHARE, SAMPLE_SHARE = 0.5, 0.05


class Poll(NamedTuple):
    """One answer: when it was asked for (UTC, middle of the call), its stamp (0 for none), and the value."""

    t_ns: int
    stamp_ns: int
    value: int


def scopes(handle: Any) -> dict[str, dict[str, str]]:
    """Field -> scope -> the value in mW or mJ, or the driver's words why there is none."""
    return {name: {scope: asked(handle, field, number) for scope, number in SCOPES.items()} for name, field in FIELDS.items()}


def asked(handle: Any, field: int, scope: int) -> str:
    """One field of one scope, as text."""
    try:
        [answer] = pynvml.nvmlDeviceGetFieldValues(handle, [(field, scope)])
    except pynvml.NVMLError as error:
        return str(error)
    if answer.nvmlReturn != pynvml.NVML_SUCCESS:
        return str(pynvml.NVMLError(answer.nvmlReturn))
    return str(getattr(answer.value, MEMBERS.get(answer.valueType, "ullVal")))


def cost_us(call: Callable[[], Any], count: int) -> dict[str, float]:
    """Median and 99th percentile of a call in microseconds."""
    spans = []
    for _ in range(count):
        begin_ns = time.perf_counter_ns()
        call()
        spans.append((time.perf_counter_ns() - begin_ns) / 1000)
    return {"p50": statistics.median(spans), "p99": statistics.quantiles(spans, n=100)[98]}


def polled(handle: Any, seconds: float) -> dict[str, list[Poll]]:
    """All fields in one call, as fast as the driver answers."""
    found: dict[str, list[Poll]] = {name: [] for name in FIELDS}
    end_ns = time.monotonic_ns() + round(seconds * 1e9)
    while time.monotonic_ns() < end_ns:
        before_ns = time.time_ns()
        answers = pynvml.nvmlDeviceGetFieldValues(handle, list(FIELDS.values()))
        t_ns = (before_ns + time.time_ns()) // 2
        for name, answer in zip(FIELDS, answers, strict=True):
            if answer.nvmlReturn == pynvml.NVML_SUCCESS:
                value = getattr(answer.value, MEMBERS[answer.valueType])
                found[name].append(Poll(t_ns, answer.timestamp * 1000, round(value)))
    return found


def judged(polls: Sequence[Poll]) -> dict[str, Any]:
    """Whose moment the stamps are, the refresh period, and how old a value is when it is first seen.

    `stamp`: `sample` when it stands still while the value repeats, `query` when it moves on with each call, `none`, or `unclear`.
    """
    pairs = list(itertools.pairwise(polls))
    repeats = [(a, b) for a, b in pairs if a.value == b.value]
    news = [b for a, b in pairs if a.value != b.value]
    steps_ns = [b.t_ns - a.t_ns for a, b in itertools.pairwise(news)]
    moved = sum(a.stamp_ns != b.stamp_ns for a, b in repeats) / len(repeats) if repeats else None
    return {
        "polls": len(polls),
        "stamp": stamp_of(polls, moved),
        "stamp_moves_while_value_repeats": moved,
        "refresh_s": statistics.median(steps_ns) / 1e9 if steps_ns else None,
        "age_s": statistics.median(b.t_ns - b.stamp_ns for b in news) / 1e9 if news and news[0].stamp_ns else None,
    }


def stamp_of(polls: Sequence[Poll], moved: float | None) -> str:
    """The kind of the stamps, from how often one moved while its value repeated."""
    if not polls or all(poll.stamp_ns == 0 for poll in polls):
        return "none"
    if moved is None:
        return "unclear"
    return "query" if moved > QUERY_SHARE else "sample" if moved < SAMPLE_SHARE else "unclear"


def ring(handle: Any) -> dict[str, Any]:
    """The driver's ring of power samples: how many it holds and how far they are apart, or why there is none."""
    try:
        _, samples = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, 0)
    except pynvml.NVMLError as error:
        return {"supported": False, "reason": str(error)}
    stamps = sorted(sample.timeStamp for sample in samples)
    steps = [b - a for a, b in itertools.pairwise(stamps)]
    return {"supported": True, "samples": len(stamps), "spacing_s": statistics.median(steps) / 1e6 if steps else None}
