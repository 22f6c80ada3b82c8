"""llmperf: `*_summary.json`.

Its one time is `timestamp`, Unix seconds cut to whole ones, taken when the summary was made. The duration follows from completed
requests and completed requests per minute. Tokens are means times requests, counted by a Llama tokenizer whatever the model.
Some whole numbers are printed as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, Tokens, Window
from joulemark.traces.stamps import epoch_ns
from joulemark.units import NS_PER_S

NAME: Final = "llmperf"
PATTERNS: Final = ("*summary*.json",)
MARKS: Final = ('"results_num_completed_requests_per_min"', '"timestamp"')
UNC_NS: Final = NS_PER_S
"""The stamp is cut to whole seconds and taken once the summary is reckoned."""

LABELS: Final = {"model": "model", "num_concurrent_requests": "concurrency", "mean_output_tokens": "asked_output_tokens", "name": "name"}


def places(root: Path) -> list[Path]:
    """The summaries under `root`."""
    return [path for path in foreign.files(root, *PATTERNS) if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of one summary; its time is UTC, so `tz` is not needed. Raises FormatError."""
    summary = document.load(place)
    done = figures.count(summary.get("results_num_completed_requests"))
    per_min = figures.positive(summary.get("results_num_completed_requests_per_min"))
    duration_s = figures.seconds(60 * done / per_min) if done and per_min else None
    if done is None or duration_s is None:
        raise FormatError(
            f"{place}: no request completed, or not told how many a minute, so its duration is unknown",
            "measure it with joulemark run -- COMMAND, which dates the run itself",
        )
    end_ns = epoch_ns(str(summary.get("timestamp")), where=f"{place} timestamp")
    failed = figures.count(summary.get("results_number_errors"))
    window = Window(
        name="llmperf",
        kind=PhaseKind.MEASURED,
        begin_ns=end_ns - round(duration_s * NS_PER_S),
        end_ns=end_ns,
        unc_ns=UNC_NS,
        tokens=_tokens(summary, done, duration_s),
        requests=done,
        requests_failed=failed,
    )
    findings = [
        "`timestamp` is the end, cut to whole seconds and taken once the summary was made; the begin is the duration before it.",
        "Tokens are mean x requests; llmperf counts them with a Llama tokenizer whatever the model.",
    ]
    if failed:
        findings.append(f"{failed} requests failed; their energy is in, their tokens are not.")
    if failed is None:
        findings.append("The file does not tell how many requests failed.")
    labels = figures.facts({name: summary.get(key) for key, name in LABELS.items()})
    return Run((window,), benchmark=NAME, labels=labels, findings=tuple(findings))


def _tokens(summary: Mapping[str, Any], done: int, duration_s: float) -> Tokens:
    """Mean x requests, beside throughput x duration for the output."""
    sent, _ = figures.total(summary.get("results_number_input_tokens_mean"), done)
    made, off = figures.total(summary.get("results_number_output_tokens_mean"), done)
    rate = figures.positive(summary.get("results_mean_output_throughput_token_per_s"))
    if made is not None and rate is not None:
        off = max(off, abs(made - rate * duration_s))
    if sent is None and made is None:
        return Tokens()
    return Tokens(input=sent, output=made, source="Llama tokenizer of llmperf, mean x requests", disagreement=off)
