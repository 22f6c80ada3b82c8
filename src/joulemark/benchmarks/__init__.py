"""Benchmark runs from the files their tools wrote: one reader per tool, the tool told by its files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark import nearest
from joulemark.benchmarks import (
    aiperf,
    codecarbon,
    genai_perf,
    inferencex,
    joulemark,
    llmperf,
    lm_eval,
    ml_energy,
    mlperf,
    openaiperf,
    sglang,
    trtllm,
    vllm,
    zeus,
)
from joulemark.errors import FormatError, UsageError
from joulemark.runs import ClockKind, Run
from joulemark.unpacked import unpacked

READERS: Final = (
    joulemark,
    aiperf,
    mlperf,
    openaiperf,
    ml_energy,
    vllm,
    sglang,
    genai_perf,
    llmperf,
    lm_eval,
    zeus,
    codecarbon,
    inferencex,
    trtllm,
)
"""In the order they are asked; each has `NAME`, `places(root)` and `read(place, tz=...)`."""

ARCHIVES: Final = (".zip", ".tgz", ".tar.gz")
"""Endings of files that are unpacked first."""

MAX_PHASES: Final = 10_000
"""Of a run: each costs a pass over the readings."""

TOOLS: Final = tuple(reader.NAME for reader in READERS)


def read(path: Path, *, tz: tzinfo | None, tool: str | None = None) -> Run:
    """The run in the folder, archive or file `path`; several runs become one whose phases carry their folder's name.

    `tz`: zone of times that carry none. `tool`: one of TOOLS, told by the files when None. Raises FormatError when no tool's
    files are there or none can be read, NaiveTimeError when a zone is needed and `tz` is None, UsageError for an unknown tool.
    """
    if tool is not None and tool not in TOOLS:
        raise UsageError(f"no reader for {tool!r}", nearest.hint(tool, TOOLS, otherwise=f"use one of: {', '.join(TOOLS)}"))
    if path.name.lower().endswith(ARCHIVES) and path.is_file():
        with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
            run = read(unpacked(path, Path(place)), tz=tz, tool=tool)
        if run.clock is ClockKind.MTIME:
            raise FormatError(f"{path} holds results without a time, and packing lost when they were written", "give the file itself")
        return run
    for reader in READERS:
        if tool in (None, reader.NAME) and (places := reader.places(path)):
            runs, left_out = {}, []
            for place in places:
                try:
                    runs[place] = reader.read(place, tz=tz)
                except FormatError as error:
                    left_out.append(error)
            if not runs:
                raise left_out[0]
            run = merged(path, runs, findings=tuple(f"Left out: {error}" for error in left_out))
            if len(run.windows) > MAX_PHASES:
                raise FormatError(f"{path} holds {len(run.windows)} phases, at most {MAX_PHASES} are taken", "give the folder of one run")
            return run
    raise FormatError(f"{path} holds no files of {tool or ' or '.join(TOOLS)}", "give the folder the benchmark wrote to")


def found(path: Path) -> bool:
    """Whether the files of any tool are in the folder `path`."""
    return any(reader.places(path) for reader in READERS)


def merged(root: Path, runs: Mapping[Path, Run], *, findings: tuple[str, ...] = ()) -> Run:
    """One run out of `runs`, by where each was read; with more than one, phases and findings carry the place under `root`.

    The clock is the runs' own when they agree, else unknown; labels that differ are left out.
    """
    if len(runs) == 1:
        (run,) = runs.values()
        return replace(run, findings=(*run.findings, *findings))
    named = [(place_name(root, place, tuple(runs)), run) for place, run in runs.items()]
    windows = [replace(window, name=f"{name}/{window.name}") for name, run in named for window in run.windows]
    figures = [replace(figure, window=f"{name}/{figure.window}") for name, run in named for figure in run.tool_reported]
    clocks = {run.clock for _, run in named}
    shared = set.intersection(*(set(run.labels.items()) for _, run in named))
    return Run(
        windows=tuple(sorted(windows, key=lambda window: (window.begin_ns, window.end_ns))),
        benchmark=named[0][1].benchmark,
        clock=clocks.pop() if len(clocks) == 1 else ClockKind.UNKNOWN,
        tool_reported=tuple(figures),
        labels=dict(sorted(shared)),
        findings=(*(f"{name}: {finding}" for name, run in named for finding in run.findings), *findings),
    )


def place_name(root: Path, place: Path, places: tuple[Path, ...]) -> str:
    """The folder of `place` under `root`, or its file name where several share a folder."""
    base = place if place.is_dir() or sum(other.parent == place.parent for other in places) > 1 else place.parent
    return base.relative_to(root).as_posix()
