"""CodeCarbon: `emissions.csv`, and `emissions_<experiment>_<run>.csv` with one row for each task.

`timestamp` is the end of a run, local, without a zone, in whole seconds; `duration` leads back to the begin. A run that flushes writes
a row each time, with its totals until then, so the longest row of a run counts. The row of a run in tasks has the energy of all and the
duration of the last, so the file of its tasks is the one to give. Energies are in kWh, and those of CPU and RAM are often
a model (a constant power for the kind of processor) instead of a measurement, which the file does not say: they stay the tool's own.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.benchmarks import figures, printed
from joulemark.benchmarks.nesting import outermost
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, PhaseKind, Run, ToolReported, Window
from joulemark.traces.stamps import wall_ns
from joulemark.units import J_PER_KWH, NS_PER_S

NAME: Final = "codecarbon"
MARKS: Final = ("timestamp,project_name,run_id", "energy_consumed")
UNC_NS: Final = NS_PER_S
"""Half a second of the printed end, and what passes between the reading of the duration and of the time."""

ENERGIES: Final = {"cpu_energy": "cpu_energy", "gpu_energy": "gpu_energy", "ram_energy": "ram_energy", "energy_consumed": "total_energy"}
TASKS: Final = "emissions_*_*.csv"
POWERS: Final = ("cpu_power", "gpu_power", "ram_power")
LONGER: Final = 1.25
"""Working value: energy over power times duration beyond which the two are not of the same time."""

LABELS: Final = {"codecarbon_version": "codecarbon_version", "tracking_mode": "tracking_mode", "cpu_model": "cpu", "gpu_model": "gpu"}


def places(root: Path) -> list[Path]:
    """The logs under `root`, told by their columns."""
    pattern = "emissions*.csv" if root.is_dir() else "*.csv"
    return [path for path in foreign.files(root, pattern) if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The runs of one log, each with the energies CodeCarbon tells. Raises FormatError, and NaiveTimeError when `tz` is None."""
    rows = list(_rows(place))
    beside = {path.name for path in foreign.files(place.parent, TASKS, deep=False)} - {place.name}
    in_tasks = {row["run_id"] for row in rows if any(name.endswith(f"_{row['run_id']}.csv") for name in beside)}
    rows = [row for row in rows if row["run_id"] not in in_tasks]
    if in_tasks and not rows:
        raise FormatError(f"{place} has the totals of a run whose tasks have a file of their own beside it", "give that file")
    longest: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        key = (row["run_id"], row.get("task_name", ""))
        if key not in longest or (printed.figure(row.get("duration")) or 0.0) >= (printed.figure(longest[key].get("duration")) or 0.0):
            longest[key] = row
    windows: list[Window] = []
    told: list[ToolReported] = []
    seen = Counter[str]()
    for row in longest.values():
        window = _window(row, tz, where=f"{place} run {row['run_id'][:40]}")
        seen[window.name] += 1
        if seen[window.name] > 1:
            window = replace(window, name=f"{window.name} #{seen[window.name]}")
        windows.append(window)
        told += _figures(row, window.name, place.name)
    if not windows:
        raise FormatError(f"{place} holds no run of CodeCarbon", "stop the tracker before the program ends")
    findings = [
        f"timestamp is the end of a run in whole seconds, without a zone: read in {tz}, as told.",
        "CodeCarbon counts no tokens and no requests; its energies may be modelled instead of measured, and stay its own.",
    ]
    if len(rows) > len(windows):
        findings.append(f"{len(rows) - len(windows)} rows are earlier totals of the same runs and were left out.")
    if in_tasks:
        findings.append(f"{len(in_tasks)} runs have a file of their tasks beside this one, and were left to it.")
    findings += [finding for window, row in zip(windows, longest.values(), strict=True) if (finding := _longer(row, window.name))]
    shared = set.intersection(*(set(_facts(row).items()) for row in longest.values()))
    return Run(
        outermost(windows),
        benchmark=NAME,
        run_id=next(iter(longest))[0] if len(longest) == 1 else "",
        clock=ClockKind.UTC if tz is UTC else ClockKind.LOCAL,
        tool_reported=tuple(told),
        labels=dict(sorted(shared)),
        findings=tuple(findings),
    )


def _facts(row: Mapping[str, str]) -> dict[str, str]:
    return figures.facts({name: row.get(column) for column, name in LABELS.items()})


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows by column. Raises FormatError for one of another length, and for what is no CSV."""
    lines = csv.reader(foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES).splitlines())
    try:
        header = next(lines, [])
        for number, cells in enumerate(lines, start=2):
            if not cells:
                continue
            if len(cells) != len(header) or len(set(header)) < len(header) or "run_id" not in header:
                raise FormatError(f"{path}:{number} does not fit the columns of its first line", "copy the file again; it may be damaged")
            yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise FormatError(f"{path} is no CSV: {error}", "copy the file again; it may be damaged") from error


def _window(row: Mapping[str, str], tz: tzinfo | None, *, where: str) -> Window:
    end_ns = wall_ns(row.get("timestamp", ""), tz, where=f"{where} timestamp") + NS_PER_S // 2
    duration_ns = printed.seconds_ns(row.get("duration"), where=f"{where} duration")
    return Window(row.get("task_name") or row.get("project_name") or "run", PhaseKind.MEASURED, end_ns - duration_ns, end_ns, UNC_NS)


def _longer(row: Mapping[str, str], window: str) -> str:
    """Says so where the energy of a row is of longer than its duration, as that of a run in tasks is; empty else."""
    powers_w = [printed.figure(row.get(column)) for column in POWERS]
    duration_s, energy_kwh, pue = (printed.figure(row.get(column)) for column in ("duration", "energy_consumed", "pue"))
    expected_j = sum(power_w or 0.0 for power_w in powers_w) * (duration_s or 0.0) * (pue or 1.0)
    if not expected_j or energy_kwh is None or energy_kwh * J_PER_KWH <= LONGER * expected_j:
        return ""
    ratio = energy_kwh * J_PER_KWH / expected_j
    return f"{window}: its energy is {ratio:.2f} times its power over its duration; of a run in tasks the duration is that of the last one."


def _figures(row: Mapping[str, str], window: str, source: str) -> Iterator[ToolReported]:
    """The energies of one row in joules; that of a GPU only where there was one, since without one CodeCarbon writes 0."""
    for column, name in ENERGIES.items():
        energy_kwh = printed.figure(row.get(column))
        absent = column == "gpu_energy" and not energy_kwh and not printed.figure(row.get("gpu_count"))
        if energy_kwh is not None and not absent:
            yield ToolReported(name, energy_kwh * J_PER_KWH, "J", window=window, source=f"{source}, {column}")
