"""From a folder to a case: a bundle of ours, or the artefacts of a benchmark alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import Final, TypeVar

from joulemark import benchmarks, foreign, traces
from joulemark.cards.bundle import FOLDER, SUMMARY, verify
from joulemark.cards.evidence import Evidence
from joulemark.cards.opened import opened
from joulemark.energy.series import Series
from joulemark.errors import JoulemarkError
from joulemark.pricing.snapshot import Snapshot
from joulemark.standard.case import Case
from joulemark.standard.trust import Trust

T = TypeVar("T")

POWER_LOGS: Final = (
    "*spl.txt",
    "*spl.txt.gz",
    "gpu_telemetry_export.jsonl",
    "gpu_telemetry_export.jsonl.gz",
    "*_gpu_telemetry.jsonl",
    "*_gpu_telemetry.jsonl.gz",
    "*nvidia-smi*.csv",
    "result_*.node_*.txt",
    "result_*.node_*.txt.gz",
    "*-energy.bin",
)
"""Names under which benchmarks leave power beside their own files; a format that is not read is named with the reason."""


def case(folder: Path, *, trust: Trust | None = None, tz: tzinfo | None = None) -> Case:
    """The case of what lies in `folder`, whoever wrote it. Raises what `bundle` does."""
    ours = (folder / FOLDER).is_dir() or (folder / SUMMARY).is_file()
    return bundle(folder, trust=trust) if ours else artefacts(folder, trust=trust, tz=tz)


def bundle(folder: Path, *, trust: Trust | None = None) -> Case:
    """The case of the bundle in `folder`. Raises FormatError when it is no folder, or one beyond the limits of `foreign.files`."""
    found = opened(folder)
    return Case(
        folder,
        found.evidence,
        found.document("card"),
        found.document("manifest"),
        found.documents,
        found.faults,
        tuple(verify(folder)),
        Trust.read() if trust is None else trust,
    )


def artefacts(folder: Path, *, trust: Trust | None = None, tz: tzinfo | None = None) -> Case:
    """The case of a benchmark's own files: its run, and the power logs beside it. Without a run it has no evidence, and its faults
    say why; it has no faults either where nothing of a benchmark was found.

    `tz`: zone of recorded times that carry none. Raises FormatError when `folder` cannot be listed.
    """
    faults: dict[str, str] = {}

    def tried(path: Path, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except JoulemarkError as error:
            faults[path.relative_to(folder).as_posix()] = str(error).replace(f"{folder}/", "")
            return None

    series: dict[str, Series] = {}
    for path in foreign.files(folder, *POWER_LOGS):
        read = tried(path, lambda path=path: traces.read(path, tz=tz))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        # two logs of one meter are two runs: the first stands, the other is named
        for one in read or ():
            if one.meter.meter_id in series:
                faults[path.relative_to(folder).as_posix()] = f"another log of {one.meter.meter_id}, left out"
            series.setdefault(one.meter.meter_id, one)
    run = None
    if benchmarks.found(folder):
        run = tried(folder, lambda: benchmarks.read(folder, tz=tz))
    elif series or faults:
        faults["."] = "no file says when what was measured"
    evidence = None
    if run is not None and run.windows:
        evidence = Evidence.gathered(run, tuple(series.values()), Snapshot(), produced_by={})
    return Case(folder, evidence, faults=faults, trust=Trust.read() if trust is None else trust, foreign=True)
