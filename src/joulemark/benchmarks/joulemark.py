"""Our own runs: `phases.json` of a bundle, or any file that holds a run of schema `joulemark.run/1`."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark import document, foreign
from joulemark.errors import FormatError
from joulemark.runs import RUN_SCHEMA, Run
from joulemark.traces.stamps import in_range

NAME: Final = "joulemark"
PATTERNS: Final = ("phases.json", "run.json", "*.run.json")


def places(root: Path) -> list[Path]:
    """The run files under `root`; `run.json` of another tool has another schema and is none."""
    patterns = PATTERNS if root.is_dir() else ("*.json",)
    return [path for path in foreign.files(root, *patterns) if _is_run(path)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The run in the file `place`. Times are UTC, so `tz` is not needed. Raises FormatError."""
    run = Run.from_json(document.load(place))
    for window in run.windows:
        for edge_ns in (window.begin_ns, window.end_ns):
            if type(edge_ns) is not int:
                raise FormatError(f"{place}: phase {window.name!r} has an edge {edge_ns!r} that is no integer", "write times in ns")
            in_range(edge_ns, where=f"{place} phase {window.name!r}")
    return run


def _is_run(path: Path) -> bool:
    return RUN_SCHEMA in foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES)
