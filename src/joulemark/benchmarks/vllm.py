"""vLLM: the result of `vllm bench serve`, and of benchmark_serving.py before it.

The one time in it is `date`, the end in whole seconds of the local zone, taken after the tokens were counted. The duration is
monotonic, so the phase is the duration before `date`. `start_times` are of a clock without a known zero and are not read.
What `--metadata` names stands among the results, as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import foreign
from joulemark.benchmarks import serving
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, Run, ToolReported
from joulemark.traces.stamps import wall_ns

NAME: Final = "vllm"
PATTERNS: Final = ("*.json",)
MARKS: Final = ('"date"', '"duration"', '"completed"', '"total_input_tokens"', '"request_throughput"')
OTHERS: Final = ".pytorch.json"
"""The same run again, written beside the result for a dashboard."""

DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)", re.ASCII)
LONGEST_LABEL: Final = 200
NUMBERS: Final = ("num_prompts", "request_rate", "burstiness", "max_concurrency")


def places(root: Path) -> list[Path]:
    """The results under `root`, each one run or, with `--append-result`, several."""
    found = foreign.files(root, *PATTERNS)
    return [path for path in found if not path.name.endswith(OTHERS) and foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The runs of one result file. Raises FormatError, and NaiveTimeError without a zone."""
    results = serving.results(place)
    told: list[ToolReported] = []
    windows, findings = [], [f"`date` carries no zone: read in {tz}, as told."]
    findings.append("`date` is the end, cut to whole seconds and taken after the tokens were counted: both edges may be off by a second.")
    for number, result in enumerate(results, start=1):
        where = f"{place} result {number}" if len(results) > 1 else str(place)
        name = f"serve_{number}" if len(results) > 1 else "serve"
        window = serving.window(result, name=name, end_ns=_end_ns(result, tz, where=where), where=where)
        windows.append(window)
        findings += serving.doubts(result, window)
        told += serving.tool_reported(result, window)
    shared = set.intersection(*(set(_labels(result).items()) for result in results))
    clock = ClockKind.UTC if tz is UTC else ClockKind.LOCAL
    labels = dict(sorted(shared))
    return Run(tuple(windows), benchmark=NAME, clock=clock, tool_reported=tuple(told), labels=labels, findings=tuple(findings))


def undated(place: Path, *, after: int = 0) -> Run:
    """The run in one result file past its first `after` bytes, without its `date`. Raises FormatError."""
    return serving.undated(place, after=after, benchmark=NAME, labels=_labels)


def _end_ns(result: Mapping[str, Any], tz: tzinfo | None, *, where: str) -> int:
    date = result.get("date")
    match = DATE.fullmatch(date) if isinstance(date, str) else None
    if match is None:
        raise FormatError(
            f"{where}: date {str(date)[:40]!r} is not the YYYYMMDD-HHMMSS that vLLM writes",
            "if --metadata set a date of its own, take that out and run again, under joulemark run --result FILE -- COMMAND",
        )
    return wall_ns("{}-{}-{} {}:{}:{}".format(*match.groups()), tz, where=f"{where} date")


def _labels(result: Mapping[str, Any]) -> dict[str, str]:
    """What was run: every short text of the result, the user's metadata among them, and the load."""
    texts = {key: value for key, value in result.items() if isinstance(value, str) and 0 < len(value) <= LONGEST_LABEL and key != "date"}
    if model := texts.pop("model_id", None):
        texts["model"] = model
    numbers = {key: str(result[key]) for key in NUMBERS if isinstance(result.get(key), int | float)}
    return {**texts, **numbers}
