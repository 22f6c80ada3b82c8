"""What every sample gave, as the page of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from joulemark import benchmarks
from joulemark.runs import Window
from tests.interop.trial import Trial, totals

HEAD: Final = """# Readers of benchmarks

What every reader returns for every recorded sample, and for made up ones where none may be copied. `make interop` reads them all,
counts them once more by code that shares nothing with the readers, and writes this page with `WRITE=1`. Figures are those of the measured
phases; `?` is what the files do not tell, and never 0. *Edges* is how far begin and end can be off; *told* is a clock whose zone had to be
given with `--tz`, here UTC. How to use them: [recorded logs](../how-to/use-recorded-logs.md).
"""
COLUMNS: Final = ("sample", "reader", "phases", "measured", "requests", "failed", "input", "output", "clock", "edges")


def page(found: Sequence[Trial]) -> str:
    """The whole page."""
    named = {trial.reader for trial in found}
    without = [name for name in benchmarks.TOOLS if name not in named]
    tail = f"\nReaders without a sample here, proved by their own tests: {', '.join(without)}.\n" if without else ""
    refused = "\n".join(f"| {trial.sample.name} | {trial.reader or 'none'} | {cell(trial.refusal)} |" for trial in found if trial.refused)
    return f"{HEAD}\n{rows(found)}\n\n## Refused\n\n| sample | reader | reason |\n|---|---|---|\n{refused}\n{tail}"


def rows(found: Sequence[Trial]) -> str:
    """The table of the samples that were read."""
    head = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    return "\n".join([*head, *(row(trial) for trial in found if trial.run is not None)])


def row(trial: Trial) -> str:
    """One sample that was read."""
    assert trial.run is not None
    windows = trial.run.measured
    told = totals(trial.run)
    cells = [
        trial.sample.name,
        ", ".join(trial.claimed),
        phases(trial.run.windows) or f"none; {len(trial.run.tool_reported)} figures of the tool's own",
        f"{sum(w.duration_s for w in windows):.3f} s" if windows else "",
        *(known(told.get(name)) for name in ("requests", "failed", "input", "output")),
        f"{trial.run.clock}{', told' if trial.zoned else ''}",
        edges(windows) if windows else "",
    ]
    return f"| {' | '.join(cell(text) for text in cells)} |"


def phases(windows: Sequence[Window]) -> str:
    """Names of the windows, or how many there are of a kind where they are many."""
    return ", ".join(window.name for window in windows) if len(windows) <= 3 else f"{len(windows)} windows"


def edges(windows: Sequence[Window]) -> str:
    """The largest half-width of an edge."""
    unc_ns = max((window.unc_ns for window in windows), default=0)
    return f"{unc_ns / 1e9:.3g} s" if unc_ns >= 10**9 else f"{unc_ns / 1e6:.3g} ms" if unc_ns >= 10**5 else f"{unc_ns / 1e3:.3g} us"


def known(value: float | None) -> str:
    """A count, or that it is unknown."""
    return "?" if value is None else f"{value:,.0f}"


def cell(text: str) -> str:
    """Text that cannot end a cell."""
    return text.replace("|", "\\|")
