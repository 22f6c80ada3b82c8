"""TensorRT-LLM: the `--report_json` of `trtllm-bench`.

It tells how long and how many tokens, but not when, so there is nothing to integrate and it is refused with what it tells.
`trtllm-serve` is driven by a copy of vLLM's benchmark, whose result has a time and its own reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures
from joulemark.errors import FormatError
from joulemark.runs import Run

NAME: Final = "trtllm"
MARKS: Final = ('"request_info"', '"performance"', '"total_latency_ms"')


def places(root: Path) -> list[Path]:
    """The reports under `root`."""
    return [path for path in foreign.files(root, "*.json") if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """Raises FormatError: a report has a duration and counts, but no begin."""
    data = document.load(place)
    info, performance = _inside(data, "request_info"), _inside(data, "performance")
    requests, total_ms = figures.count(info.get("num_requests")), figures.positive(performance.get("total_latency_ms"))
    options = {
        "input-tokens": _whole(info.get("avg_input_length"), requests),
        "output-tokens": _whole(info.get("avg_output_length"), requests),
        "requests": requests,
    }
    given = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
    lasted = "an unknown time" if total_ms is None else f"{total_ms / 1000:.3f} s"
    raise FormatError(
        f"{place} is a report of trtllm-bench: it lasted {lasted}, but when is not told",
        " ".join(f"run it again under: joulemark run {given} -- trtllm-bench ...".split()),
    )


def _whole(mean: Any, requests: int | None) -> int | None:
    """How many tokens there were, from their mean per request; None when that gives no whole number."""
    return figures.count(figures.total(mean, requests)[0])


def _inside(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
