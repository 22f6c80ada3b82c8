"""The audit log: one JSON line for each request that writes. Nothing is done that has no line.

A line is appended before the request is carried out, with `status` null, and completed in place afterwards, so that a disk that
fills up meanwhile cannot swallow what was done: the place is taken. A null that stays says that the process died in between.
Lines survive the death of the process, not the loss of power.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

MAX_BYTES: Final = 8 * 1024 * 1024
KEPT_FILES: Final = 8
LONGEST_TEXT: Final = 300
RUN_ID_ROOM: Final = 64


@dataclass
class Entry:
    """A line that waits for its outcome."""

    facts: dict[str, Any]
    handle: int
    offset: int
    length: int
    done: bool = field(default=False)


class Audit:
    """An append-only file of lines, rotated by size: `path`, then `path.1` (the next older) and so on. One process writes it."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def begin(self, **facts: Any) -> Entry:
        """Append the line of a request that is about to be carried out. Raises OSError when there is no room for it."""
        shown = {key: value[:LONGEST_TEXT] if isinstance(value, str) else value for key, value in facts.items()}
        shown = {**shown, "status": None, "run_id": shown.get("run_id")}
        room = 0 if shown["run_id"] else RUN_ID_ROOM
        raw = json.dumps(shown).encode()
        line = raw + b" " * room + b"\n"
        self._rotate()
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            offset = whole_lines(handle)
            append(handle, line, offset)
        except OSError:
            os.close(handle)
            raise
        return Entry(shown, handle, offset, len(line))

    def end(self, entry: Entry, status: int, run_id: str | None = None) -> None:
        """Complete the line in the place it has. Later calls for the same entry change nothing."""
        if entry.done:
            return
        entry.done = True
        facts = {**entry.facts, "status": status, "run_id": entry.facts["run_id"] or run_id}
        raw = json.dumps(facts).encode()
        if len(raw) < entry.length:
            os.pwrite(entry.handle, raw.ljust(entry.length - 1) + b"\n", entry.offset)
        os.close(entry.handle)

    def note(self, status: int, **facts: Any) -> None:
        """A line that is complete at once. Raises OSError."""
        self.end(self.begin(**facts), status)

    def _rotate(self) -> None:
        """Begin a new file when this one is full; the oldest goes."""
        with suppress(FileNotFoundError):
            if self.path.stat().st_size < self._max_bytes:
                return
            for number in range(KEPT_FILES - 1, 0, -1):
                with suppress(FileNotFoundError):
                    self._older(number).replace(self._older(number + 1))
            self.path.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def whole_lines(handle: int) -> int:
    """Where the next line begins: behind the last whole one. What a death in mid-line left is ended, so that it spoils no other."""
    end = os.lseek(handle, 0, os.SEEK_END)
    if end and os.pread(handle, 1, end - 1) != b"\n":
        append(handle, b"\n", end)
        return end + 1
    return end


def append(handle: int, raw: bytes, offset: int) -> None:
    """Write all of `raw` at the end of the file or nothing. Raises OSError."""
    try:
        written = os.pwrite(handle, raw, offset)
    except OSError:
        os.ftruncate(handle, offset)
        raise
    if written < len(raw):
        os.ftruncate(handle, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
