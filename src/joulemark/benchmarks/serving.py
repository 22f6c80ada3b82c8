"""What `vllm bench serve` and SGLang's `bench_serving` share, one being made from the other: the results in a file and their counts.

Both write with Python's json, which prints `Infinity` and `NaN` where there is no number: SGLang's default request rate is one.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, Tokens, ToolReported, Window
from joulemark.units import NS_PER_S

NOT_JSON: Final = re.compile(r'("\w++":\s*+)(-?Infinity|NaN)\b')
"""Cannot match inside a text, where every quote has a backslash before it."""

MAX_RESULTS: Final = 10_000
"""In one file: nobody appends more, and each costs its parsing."""

TOLD: Final = {"total_gpu_energy": ("total_energy_j", "J"), "total_gpu_power": ("total_gpu_power_w", "W")}
"""Our name of a figure to TensorRT-LLM's key and its unit (pull request 11855)."""

UNC_NS: Final = NS_PER_S
"""The end is dated after the tokens were counted, which takes no more than this where clients are not overloaded."""


def results(path: Path, *, after: int = 0) -> list[dict[str, Any]]:
    """The results in `path`, past its first `after` bytes: one of many lines, or one on each line. Raises FormatError."""
    content = foreign.content(path, max_bytes=foreign.MAX_DOCUMENT_BYTES)[after:]
    text = NOT_JSON.sub(r'\1"\2"', foreign.decoded(content, path, errors="strict"))
    filled = ((number, line.strip()) for number, line in enumerate(io.StringIO(text), start=1) if not line.isspace())
    lines = list(itertools.islice(filled, MAX_RESULTS + 1))
    if len(lines) < 2 or not all(line.startswith("{") and line.endswith("}") for _, line in lines):
        return [document.json_object(text, where=str(path))]
    if len(lines) > MAX_RESULTS:
        raise FormatError(f"{path} holds more than {MAX_RESULTS} results", "give the file of one series of runs")
    return [document.json_object(line, where=f"{path}:{number}") for number, line in lines]


def window(result: Mapping[str, Any], *, name: str, end_ns: int, where: str) -> Window:
    """The measured phase of one result: its duration, by the monotonic clock, before `end_ns`. Raises FormatError."""
    duration_s = figures.seconds(result.get("duration"))
    if duration_s is None:
        raise FormatError(f"{where}: duration {str(result.get('duration'))[:40]!r} is none in s", "give the result of a finished benchmark")
    return Window(
        name=name,
        kind=PhaseKind.MEASURED,
        begin_ns=end_ns - round(duration_s * NS_PER_S),
        end_ns=end_ns,
        unc_ns=UNC_NS,
        tokens=tokens(result),
        requests=figures.count(result.get("completed")),
        requests_failed=failed(result),
    )


def undated(path: Path, *, after: int, benchmark: str, labels: Callable[[Mapping[str, Any]], dict[str, str]]) -> Run:
    """The one run that `path` tells of past its first `after` bytes, its phase from zero on a clock of its own.

    Raises FormatError, also for several: nothing tells when each of them began.
    """
    found = results(path, after=after)
    if len(found) > 1:
        raise FormatError(
            f"{path} got {len(found)} results from one command, and nothing tells when each began",
            "run the benchmark once for each, every time under joulemark run",
        )
    (result,) = found
    lasted_s = figures.seconds(result.get("duration")) or 0.0
    one = window(result, name="serve", end_ns=round(lasted_s * NS_PER_S), where=str(path))
    return Run((one,), benchmark=benchmark, clock=ClockKind.MONOTONIC, labels=labels(result), findings=tuple(doubts(result, one)))


def tool_reported(result: Mapping[str, Any], window: Window) -> tuple[ToolReported, ...]:
    """The energy that TensorRT-LLM's copy of the benchmark asked its server for (`/energy_metrics`), to stand beside ours."""
    told = result.get("energy")
    values = {name: figures.positive(told.get(key)) for name, (key, _) in TOLD.items()} if isinstance(told, dict) else {}
    return tuple(
        ToolReported(name, value, TOLD[name][1], window.name, f"energy.{TOLD[name][0]}: NVML, by the server")
        for name, value in values.items()
        if value is not None
    )


def tokens(result: Mapping[str, Any]) -> Tokens:
    """The totals of the completed requests, and how far the counts of their output differ."""
    sent, made = (figures.count(result.get(f"total_{way}_tokens")) for way in ("input", "output"))
    if sent is None and made is None:
        return Tokens()
    lengths = result.get("output_lens")
    listed = [figures.count(length) for length in lengths] if isinstance(lengths, list) and lengths else []
    others = [figures.count(result.get("total_output_tokens_retokenized"))]
    others.append(None if None in listed or not listed else sum(length for length in listed if length is not None))
    differences = [abs(made - other) for other in others if made is not None and other is not None]
    source = "input: client tokenizer; output: server usage, or the client's own count where the server sent none"
    return Tokens(input=sent, output=made, source=source, disagreement=float(max(differences, default=0)))


def failed(result: Mapping[str, Any]) -> int | None:
    """Requests that failed: as counted, else by the list of errors, None where the file has neither."""
    errors = result.get("errors")
    listed = sum(bool(error) for error in errors) if isinstance(errors, list) else None
    counted = figures.count(result.get("failed"))
    return listed if counted is None else counted


def doubts(result: Mapping[str, Any], one: Window) -> list[str]:
    """What the counts of one result leave open, as sentences."""
    out = []
    if one.requests_failed:
        out.append(f"{one.name}: {one.requests_failed} requests failed; their energy is in, their tokens are not.")
    if one.requests_failed is None:
        asked = figures.count(result.get("num_prompts"))
        fewer = asked is not None and one.requests is not None and one.requests < asked
        missing = f" {asked} prompts were asked for and {one.requests} completed." if fewer else ""
        out.append(f"{one.name}: the file does not tell how many requests failed.{missing}")
    if one.tokens.output is None:
        out.append(f"{one.name}: the file does not tell the output tokens.")
    if one.tokens.disagreement:
        out.append(f"{one.name}: two counts of the output tokens differ by {one.tokens.disagreement:.0f}.")
    return out
