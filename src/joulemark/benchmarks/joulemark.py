"""Our own runs: `phases.json` of a bundle, or any file that holds a run of schema `joulemark.run/1`."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark.benchmarks.files import found
from joulemark.errors import FormatError
from joulemark.runs import RUN_SCHEMA, Run
from joulemark.traces.stamps import in_range
from joulemark.traces.text import json_object, text

NAME: Final = "joulemark"
PATTERNS: Final = ("phases.json", "run.json", "*.run.json")


def places(root: Path) -> list[Path]:
    """The run files under `root`; `run.json` of another tool has another schema and is none."""
    if root.is_file() and root.suffix == ".json":
        return [root] if _is_run(root) else []
    return [path for path in found(root, *PATTERNS) if _is_run(path)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run in the file `place`. Times are UTC, so `tz` is not needed. Raises FormatError."""
    run = Run.from_json(json_object(text(place), where=str(place)))
    for window in run.windows:
        for edge_ns in (window.begin_ns, window.end_ns):
            if type(edge_ns) is not int:
                raise FormatError(f"{place}: phase {window.name!r} has an edge {edge_ns!r} that is no integer", "write times in ns")
            in_range(edge_ns, where=f"{place} phase {window.name!r}")
    return run


def _is_run(path: Path) -> bool:
    return RUN_SCHEMA in text(path)
