"""Zeus: the `log_file` of a ZeusMonitor, one row for each window that ended: begin, name, seconds, joules of each GPU.

The begin is a Unix time. Its energies are GPU only and stay the tool's own. Windows may lie in each other, as a step lies in an
epoch: then only the outer one is measured, so that no energy is counted twice. A name may hold commas, which Zeus does not quote.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.benchmarks import printed
from joulemark.benchmarks.nesting import outermost
from joulemark.errors import FormatError
from joulemark.runs import PhaseKind, Run, ToolReported, Window

NAME: Final = "zeus"
HEADER: Final = "start_time,window_name,elapsed_time"
UNC_NS: Final = 1_000
"""A Unix time as a double is good to a microsecond."""


def places(root: Path) -> list[Path]:
    """The logs under `root`, told by their first line."""
    marked = (path for path in foreign.files(root, "*.csv") if foreign.mentions(path, HEADER))
    return [path for path in marked if _lines(path)[0].startswith(HEADER)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The windows of one log with the energy Zeus saw in each; all times are UTC, so `tz` is not needed. Raises FormatError."""
    header, *rows = _lines(place)
    columns = header.split(",")[3:]
    gpus = [column for column in columns if column]
    windows, figures, seen = [], [], Counter[str]()
    untold, still = [], []
    for number, row in enumerate(rows, start=2):
        if not row.strip():
            continue
        window, energies_j = _row(row, len(columns), where=f"{place}:{number}")
        seen[window.name] += 1
        if seen[window.name] > 1:
            window = replace(window, name=f"{window.name} #{seen[window.name]}")
        windows.append(window)
        if not gpus:
            continue
        told = [energy_j for energy_j in energies_j if energy_j is not None]
        if len(told) < len(gpus):
            untold.append(window.name)
            continue
        if not all(told):
            still.append(window.name)
        source = f"{place.name}, sum of {len(gpus)} GPUs"
        figures.append(ToolReported("gpu_energy", math.fsum(told), "J", window=window.name, source=source))
    if not windows:
        raise FormatError(f"{place} holds no window of Zeus", "end each window with end_window before the program ends")
    findings = ["Zeus counts no tokens and no requests; its energy is that of the GPUs alone, and stays its own."]
    if untold:
        findings.append(f"{untold[0]}: not every GPU has an energy, so Zeus tells none. That is so in {len(untold)} windows.")
    if still:
        findings.append(
            f"{still[0]}: a GPU took 0 J, as when a window is shorter than its counter's step. That is so in {len(still)} windows."
        )
    return Run(outermost(windows), benchmark=NAME, tool_reported=tuple(figures), findings=tuple(findings))


def _row(row: str, columns: int, *, where: str) -> tuple[Window, list[float | None]]:
    """The window of one row, and the joules in its last `columns`, one for each GPU."""
    begin, *rest = row.split(",")
    name, elapsed, energies = rest[: -columns - 1], rest[-columns - 1 : -columns], rest[-columns:]
    if not name or not elapsed:
        raise FormatError(f"{where} has too few columns", "the log is cut off there; leave that row out")
    begin_ns = printed.seconds_ns(begin, where=f"{where} start_time")
    end_ns = begin_ns + printed.seconds_ns(elapsed[0], where=f"{where} elapsed_time")
    return Window(",".join(name), PhaseKind.MEASURED, begin_ns, end_ns, UNC_NS), [printed.figure(energy) for energy in energies]


def _lines(path: Path) -> list[str]:
    return foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES).splitlines() or [""]
