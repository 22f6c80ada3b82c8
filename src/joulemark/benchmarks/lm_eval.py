"""lm-evaluation-harness: `results_*.json`.

`date` is a Unix time taken when the evaluation starts; `total_evaluation_time_seconds` runs on another clock from a moment before
that (the tool then still looks for its tasks) until the results are written. So the window may be late by that moment at both edges.
It holds the loading of the model. Tokens and requests are not counted, only samples.
"""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import figures, printed
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, Window
from joulemark.units import NS_PER_S

NAME: Final = "lm-eval"
MARKS: Final = ('"total_evaluation_time_seconds"', '"date"')
SETUP_NS: Final = 10 * NS_PER_S
"""Working value for what the tool does between the starts of its two clocks; never more than the whole run."""


def places(root: Path) -> list[Path]:
    """The result files under `root`."""
    pattern = "results*.json" if root.is_dir() else "*.json"
    return [path for path in foreign.files(root, pattern) if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run of one result file; its time is UTC, so `tz` is not needed. Raises FormatError."""
    data = document.load(place)
    begin_ns = printed.seconds_ns(data.get("date"), where=f"{place} date")
    total_ns = printed.seconds_ns(data.get("total_evaluation_time_seconds"), where=f"{place} total_evaluation_time_seconds")
    if not total_ns:
        raise FormatError(f"{place} tells a total_evaluation_time_seconds of 0", "give the results of a finished evaluation")
    window = Window("evaluation", PhaseKind.MEASURED, begin_ns, begin_ns + total_ns, unc_ns=min(SETUP_NS, total_ns))
    labels = {"model": data.get("model_name"), "lm_eval_version": data.get("lm_eval_version"), "samples": _samples(data.get("n-samples"))}
    findings = [
        "lm-eval counts samples, not tokens or requests.",
        "The window holds the loading of the model; its edges may be late by what lm-eval does before `date`.",
    ]
    return Run((window,), benchmark=NAME, labels=figures.facts(labels), findings=tuple(findings))


def _samples(tasks: Any) -> int | None:
    """The samples that were evaluated in all tasks, None unless every task tells."""
    if not isinstance(tasks, dict) or not tasks:
        return None
    counts = [figures.count(task.get("effective")) if isinstance(task, dict) else None for task in tasks.values()]
    return None if None in counts else sum(count for count in counts if count is not None)
