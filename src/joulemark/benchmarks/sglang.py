"""SGLang `bench_serving`: JSON lines, one appended by each run, without any time.

The duration is monotonic, and the only anchor is when the file was last written: the end of the last run, as long as nobody copied,
downloaded or checked out the file. So that run is dated by `mtime` and says so, and the runs before it have no time at all.
Output tokens are what the server reported or, where it reported none, what was asked for; the count of the text is beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final

from joulemark import foreign
from joulemark.benchmarks import figures, serving
from joulemark.errors import FormatError
from joulemark.runs import ClockKind, Run
from joulemark.traces.stamps import in_range
from joulemark.units import NS_PER_S

NAME: Final = "sglang"
PATTERNS: Final = ("*.jsonl",)
MARKS: Final = ('"duration"', '"completed"', '"total_output_tokens_retokenized"')
LABELS: Final = {
    "backend": "backend",
    "dataset_name": "dataset",
    "request_rate": "request_rate",
    "max_concurrency": "max_concurrency",
    "random_input_len": "random_input_len",
    "random_output_len": "random_output_len",
    "tag": "tag",
}
DATED: Final = r"{}_(\d{{4}})_\d+_.*\.jsonl"
"""How the tool names its file itself: backend, month and day, number of prompts, dataset or lengths."""

DAY: Final = timedelta(days=1)
WRAP: Final = "measure it with joulemark run --result FILE -- COMMAND, which dates the run itself"


def places(root: Path) -> list[Path]:
    """The files of results under `root`."""
    return [path for path in foreign.files(root, *PATTERNS) if foreign.mentions(path, *MARKS)]


def read(place: Path, *, tz: tzinfo | None) -> Run:
    """The last run in the file, dated by the file; `tz` does not help. Raises FormatError."""
    results = serving.results(place)
    last = results[-1]
    end_ns = _written_ns(place)
    _same_day(place, last, end_ns)
    window = serving.window(last, name="serve", end_ns=end_ns, where=str(place))
    findings = [
        "The file tells no time: its end is the file's modification time, which any copy, download or checkout replaces. "
        f"Trust it only where the tool wrote it; better, {WRAP}."
    ]
    if len(results) > 1:
        findings.append(f"{len(results) - 1} earlier runs in the file were left out: nothing tells when they ran.")
    findings += serving.doubts(last, window)
    return Run((window,), benchmark=NAME, clock=ClockKind.MTIME, labels=_labels(last), findings=tuple(findings))


def undated(place: Path, *, after: int = 0) -> Run:
    """The run in the file past its first `after` bytes, whenever it was written. Raises FormatError."""
    return serving.undated(place, after=after, benchmark=NAME, labels=_labels)


def _labels(result: Mapping[str, Any]) -> dict[str, str]:
    return figures.facts({name: result.get(key) for key, name in LABELS.items()})


def _written_ns(place: Path) -> int:
    try:
        return in_range(place.stat().st_mtime_ns, where=f"{place} modification time")
    except OSError as error:
        raise FormatError(f"{place} cannot be read: {error.strerror}", "check the path and copy the file again") from error


def _same_day(place: Path, result: Mapping[str, Any], end_ns: int) -> None:
    """Raise FormatError when the day in the file's name, if the tool named it, is not the day it was last written, in any zone."""
    match = re.fullmatch(DATED.format(re.escape(str(result.get("backend")))), place.name, re.ASCII)
    written = datetime.fromtimestamp(end_ns // NS_PER_S, UTC)
    if match and match[1] not in {f"{day:%m%d}" for day in (written - DAY, written, written + DAY)}:
        raise FormatError(
            f"{place} was written on a day {match[1][:2]}-{match[1][2:]} by its name and {written:%m-%d} by its modification time: "
            "it is a copy, and nothing tells when it ran",
            f"{WRAP}; if that number is no day, rename the file",
        )
