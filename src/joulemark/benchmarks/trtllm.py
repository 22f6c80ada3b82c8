"""TensorRT-LLM: the `--report_json` of `trtllm-bench`.

It tells how long and how many tokens, but not when, so there is nothing to integrate and it is refused with what it tells, unless the
command that wrote it was measured (`undated`).
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
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, Window
from joulemark.units import NS_PER_MS

NAME: Final = "trtllm"
MARKS: Final = ('"request_info"', '"performance"', '"total_latency_ms"')

LONGEST_MS: Final = 1e11
"""Three years: longer is damage."""


def places(root: Path) -> list[Path]:
    """The reports under `root`."""
    return [path for path in foreign.files(root, "*.json") if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """Raises FormatError: a report has a duration and counts, but no begin."""
    sent, made, requests, total_ms = _told(place)
    options = {"input-tokens": sent, "output-tokens": made, "requests": requests}
    given = " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)
    lasted = "an unknown time" if total_ms is None else f"{total_ms / 1000:.3f} s"
    raise FormatError(
        f"{place} is a report of trtllm-bench: it lasted {lasted}, but when is not told",
        " ".join(f"run it again under: joulemark run {given} -- trtllm-bench ...".split()),
    )


def undated(place: Path, *, after: int = 0) -> Run:
    """The run of a report, its phase from zero on a clock of its own; a report is written whole, so `after` is not needed.

    Raises FormatError.
    """
    sent, made, requests, total_ms = _told(place)
    if total_ms is None:
        raise FormatError(f"{place} does not tell how long it lasted: no total_latency_ms", "give the report of a finished trtllm-bench")
    tokens = Tokens() if sent is None and made is None else Tokens(input=sent, output=made, source="trtllm-bench, mean x requests")
    window = Window("bench", PhaseKind.MEASURED, 0, round(total_ms * NS_PER_MS), tokens=tokens, requests=requests)
    findings = ("bench: the report does not tell how many requests failed.",)
    return Run((window,), benchmark=NAME, clock=ClockKind.MONOTONIC, findings=findings)


def _told(place: Path) -> tuple[int | None, int | None, int | None, float | None]:
    """(input tokens, output tokens, requests, duration in ms). Raises FormatError for what is no JSON."""
    data = document.load(place)
    info, performance = _inside(data, "request_info"), _inside(data, "performance")
    requests = figures.count(info.get("num_requests"))
    sent, made = (_whole(info.get(f"avg_{way}_length"), requests) for way in ("input", "output"))
    return sent, made, requests, figures.positive(performance.get("total_latency_ms"), below=LONGEST_MS)


def _whole(mean: Any, requests: int | None) -> int | None:
    """How many tokens there were, from their mean per request; None when that gives no whole number."""
    return figures.count(figures.total(mean, requests)[0])


def _inside(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
