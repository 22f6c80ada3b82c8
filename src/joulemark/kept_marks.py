"""Marks that could not be delivered: a file of lines for each run, shared by every process of a benchmark."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark import config, document, foreign
from joulemark.errors import FormatError

KINDS: Final = ("phases", "benchmark", "stop")
"""What a mark may be: the last part of the path it is posted to."""
MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """The marks of a run as they were found, one a line, oldest first."""

    path: Path
    lines: tuple[bytes, ...]

    def leave(self, lines: Sequence[bytes]) -> None:
        """Let only `lines` remain of them, and what was added since. A file that another delivered meanwhile is left alone."""
        with locked(self.path.parent):
            found, now = b"".join(self.lines), content(self.path)
            if not now.startswith(found):
                return
            if left := b"".join(lines) + now[len(found) :]:
                fresh = self.path.with_suffix(".new")
                fresh.write_bytes(left)
                fresh.replace(self.path)
            else:
                self.path.unlink(missing_ok=True)


def file_of(run_id: str) -> Path:
    """Where the marks of a run wait: in a folder that only this user opens."""
    folder = config.data_dir() / "marks"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{urllib.parse.quote(run_id, safe='')}.jsonl"


def keep(run_id: str, what: str, body: Mapping[str, Any]) -> None:
    """Add a mark. Raises OSError when it cannot be kept."""
    path, line = file_of(run_id), json.dumps({"what": what, "body": body}).encode() + b"\n"
    with locked(path.parent), path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        if size + len(line) > MAX_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            line = b"\n" + line  # a process died in the middle of its line: this one shall stand alone
        file.write(line)


def of(run_id: str) -> Waiting:
    """The marks of a run that wait. Raises FormatError when what lies there is no plain file."""
    path = file_of(run_id)
    with locked(path.parent):
        return Waiting(path, tuple(content(path).splitlines(keepends=True)))


def mark_of(line: bytes) -> tuple[str, dict[str, Any]]:
    """(what is posted, its body) of a line. Raises FormatError for one that is torn or no mark."""
    mark = document.json_object(line.decode("utf-8", "replace"), where="a kept mark")
    what, body = mark.get("what"), mark.get("body")
    if what not in KINDS or not isinstance(body, dict):
        raise FormatError("a kept mark names nothing that can be posted", "remove that line")
    return str(what), body


def content(path: Path) -> bytes:
    """All bytes of the file, none when there is none. Raises FormatError when it is no plain file."""
    if not path.exists():
        return b""
    with foreign.opened(path) as file:
        return file.read(2 * MAX_BYTES)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from these files; it is never held while a collector is asked."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
