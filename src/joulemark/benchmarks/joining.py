"""The result files of a measured command: joined to its run by hash, and only where the command wrote them.

A file that tells a duration and no begin is dated by the command itself. A file that lay there before, or whose phases are of another
time, is the result of another run: to join it would put this run's energy over that one's tokens.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark import benchmarks, foreign
from joulemark.benchmarks import sglang, trtllm, vllm
from joulemark.errors import FormatError, JoulemarkError
from joulemark.runs import ClockKind, ResultFile, Run, Window
from joulemark.timebase import Span, iso_utc
from joulemark.units import NS_PER_MS, NS_PER_S

UNDATED: Final = (vllm, sglang, trtllm)
"""Readers of files that tell a duration and no begin, or none that needs no zone; each has `undated(place, after=...)`."""

CUT_NS: Final = 2 * NS_PER_S
"""File systems cut the time of a file to as much as this."""

SLACK_NS: Final = 100 * NS_PER_MS
"""A command's own clock readings may be off by as much as starting and ending a process takes."""

MOST_FILES: Final = 100
"""Of one command; beyond it lies a folder of something else."""

Before = Mapping[Path, ResultFile]
"""What lay there before the command began."""


def before(paths: Iterable[Path]) -> Before:
    """Those of `paths` that are there already."""
    return {path: described(path, path.name) for path in paths if foreign.inside(path.parent, path)}


def described(path: Path, name: str) -> ResultFile:
    """The file as it lies there now. Raises FormatError for one that cannot be read, or that changes under the reading."""
    with foreign.opened(path) as file:
        first = os.fstat(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        last = os.fstat(file.fileno())
    if (first.st_size, first.st_mtime_ns) != (last.st_size, last.st_mtime_ns):
        raise FormatError(f"{path} was changed while it was read", "wait until the benchmark has ended")
    return ResultFile(name, sha256, last.st_size, max(0, last.st_mtime_ns))


def joined(paths: Iterable[Path], *, lay: Before, span: Span, tz: tzinfo | None) -> tuple[list[Run], list[str]]:
    """The runs that `paths` tell of the command in `span`, and in words those that are not joined. `lay`: what was there before."""
    runs: list[Run] = []
    undated: list[Run] = []
    refused = []
    taken: dict[str, Path] = {}
    for path in paths:
        try:
            run, dated = join(path, earlier=lay.get(path), span=span, tz=tz)
            sha256 = run.result_files[0].sha256
            if sha256 in taken:
                raise FormatError(f"{path} holds the same as {taken[sha256]}, which is joined", "name each result once")
            taken[sha256] = path
            (runs if dated else undated).append(run)
        except JoulemarkError as error:
            refused.append(f"The result file was not joined: {error}")
    if undated and len(undated) + len(runs) > 1:
        names = ", ".join(file.name for run in undated for file in run.result_files)
        refused.append(
            f"Not joined: {names}. What tells a duration alone is dated by the whole command, and other results stand beside it."
        )
        undated = []
    return [*runs, *(by_command(run, span) for run in undated)], refused


def join(path: Path, *, earlier: ResultFile | None, span: Span, tz: tzinfo | None) -> tuple[Run, bool]:
    """The run that the file tells, with its hash, and whether it tells when it was.

    Raises FormatError for a file that the command did not write or that is of another run, and what `benchmarks.read` does.
    """
    if not foreign.inside(path.parent, path):
        raise FormatError(f"{path} is no plain file: the command wrote none there", "give the path as the benchmark names it")
    file = described(path, path.name)
    refuse_stale(path, file, earlier=earlier, span=span)
    reader = next((one for one in UNDATED if one.places(path)), None)
    if reader is None:
        run = fitting(benchmarks.read(path, tz=tz), span)
    else:
        run = reader.undated(path, after=grown(path, earlier))
        refuse_longer(path, run, span=span)
    if described(path, path.name) != file:
        raise FormatError(f"{path} was changed while it was read", "wait until the benchmark has ended")
    return replace(run, result_files=(file,)), reader is None


def refuse_stale(path: Path, file: ResultFile, *, earlier: ResultFile | None, span: Span) -> None:
    """Raise FormatError for a file that the command in `span` did not write."""
    rerun = "check that the benchmark writes to this path, and measure it again"
    if earlier is not None and earlier.sha256 == file.sha256:
        raise FormatError(f"{path} is the result of an earlier run: it holds what it held before the command began", rerun)
    early_ns = span.begin.utc_ns - file.mtime_ns
    if early_ns > CUT_NS:
        what = f"{path} is the result of an earlier run: it was last written {early_ns / NS_PER_S:.1f} s before the command began"
        raise FormatError(what, rerun)


def refuse_longer(path: Path, run: Run, *, span: Span) -> None:
    """Raise FormatError for a duration that does not fit into the command."""
    (window,) = run.windows
    if window.duration_s > span.duration_s + SLACK_NS / NS_PER_S:
        raise FormatError(
            f"{path} tells of {window.duration_s:.3f} s, and the command ran {span.duration_s:.3f} s: it is the result of another run",
            "check that the benchmark writes to this path, and measure it again",
        )


def grown(path: Path, earlier: ResultFile | None) -> int:
    """How many bytes of the file are of before the command: all that there were where it added to them, else none."""
    if earlier is None:
        return 0
    content = foreign.content(path, max_bytes=foreign.MAX_DOCUMENT_BYTES)
    return earlier.size_bytes if hashlib.sha256(content[: earlier.size_bytes]).hexdigest() == earlier.sha256 else 0


def by_command(run: Run, span: Span) -> Run:
    """The run dated by the command that wrote its file, from the begin to the end of the process."""
    (told,) = run.windows
    window = replace(told, begin_ns=span.begin.utc_ns, end_ns=max(span.end.utc_ns, span.begin.utc_ns + 1), unc_ns=span.unc_ns)
    finding = (
        f"{told.name}: dated by the command, since its file tells no begin. The tool timed {told.duration_s:.3f} s of the "
        f"{span.duration_s:.3f} s that the command ran; the energy is of all of it."
    )
    stepped = (
        (f"{told.name}: the wall clock of this host was stepped by {span.step_ns / NS_PER_S:+.3f} s while the command ran.",)
        if span.step_ns
        else ()
    )
    return replace(run, windows=(window,), clock=ClockKind.UTC, findings=(finding, *stepped, *run.findings))


def fitting(run: Run, span: Span) -> Run:
    """The run without the phases of another time, each a finding, as is one that the command does not hold whole.

    Raises FormatError when no phase is left.
    """
    kept, findings = [], []
    for window in run.windows:
        early_ns, late_ns = beyond(window, span)
        if early_ns > 0 or late_ns > 0:
            where = f"from {iso_utc(window.begin_ns)} to {iso_utc(window.end_ns)}"
            apart = window.end_ns + window.unc_ns < span.begin.utc_ns or window.begin_ns - window.unc_ns > span.end.utc_ns
            told = f"{window.name}: the file dates it {where}, outside the time of the command"
            findings.append(f"{told}: left out." if apart else f"{told} by {max(early_ns, late_ns) / NS_PER_S:.3f} s.")
            if apart:
                continue
        kept.append(window)
    if not kept:
        raise FormatError(
            f"no phase of {run.benchmark} lies in the time of the command: {' '.join(findings) or 'there is none'}",
            "check --tz and the clock of the host that wrote it; else it is the result of an earlier run",
        )
    return replace(run, windows=tuple(kept), findings=(*run.findings, *findings))


def beyond(window: Window, span: Span) -> tuple[int, int]:
    """How far a phase begins before the command and ends after it, ns, beyond what both may be off; not positive where it does not."""
    off_ns = window.unc_ns + span.unc_ns + SLACK_NS
    return span.begin.utc_ns - window.begin_ns - off_ns, window.end_ns - span.end.utc_ns - off_ns


def states(folder: Path) -> dict[Path, tuple[int, int]]:
    """(size, time it was last written) of every plain file below `folder`, none where there is no folder. Raises FormatError."""
    found: dict[Path, tuple[int, int]] = {}
    for path in foreign.files(folder, "*") if folder.exists() else ():
        with suppress(FileNotFoundError):  # somebody's temporary file
            stat = path.stat()
            found[path] = stat.st_size, stat.st_mtime_ns
    return found


def in_folder(folder: Path, *, lay: Mapping[Path, tuple[int, int]], span: Span, tz: tzinfo | None) -> Run:
    """The run that the benchmark's files in `folder` tell, with the hashes of those the command wrote. `lay`: `states` before it.

    Raises FormatError when it wrote none there, and what `fitting` and `benchmarks.read` do.
    """
    fresh = {path: state for path, state in states(folder).items() if lay.get(path) != state}
    if not fresh:
        raise FormatError(f"the command wrote no file in {folder}", "check that the benchmark writes there, and measure it again")
    run = fitting(benchmarks.read(folder, tz=tz), span)
    root = folder if folder.is_dir() else folder.parent
    small = [path for path, (size, _) in fresh.items() if size <= foreign.MAX_BYTES][:MOST_FILES]
    files = tuple(described(path, path.relative_to(root).as_posix()) for path in small)
    left = len(fresh) - len(files)
    more = (f"The command wrote {len(fresh)} files; {left} that are many or large have no hash on record.",) if left else ()
    return replace(run, result_files=files, findings=(*run.findings, *more))
