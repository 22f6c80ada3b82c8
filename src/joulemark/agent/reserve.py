"""Disk space held back beside the spool: on a full disk SQLite cannot even delete, because a deletion is written to its log first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LARGEST_BYTES: Final = 1024 * 1024


class Reserve:
    """An allocated file without content, an eighth of the spool's bound and at most 1 MiB."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path.with_name(path.name + ".reserve")
        self.size_bytes = min(LARGEST_BYTES, max_bytes // 8)

    def hold(self) -> bool:
        """Take the space if it is not held; False when the disk has none."""
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return False
        try:
            if os.fstat(file).st_size != self.size_bytes:
                os.truncate(file, 0)
                os.posix_fallocate(file, 0, self.size_bytes)
        except OSError:
            with suppress(OSError):
                os.truncate(file, 0)
            return False
        finally:
            os.close(file)
        return True

    @contextmanager
    def lent(self) -> Iterator[None]:
        """The space is free inside as far as the disk gives it, and taken back after it as far as it still has it."""
        with suppress(OSError):  # none was held, or the disk became read-only
            self.path.unlink()
        try:
            yield
        finally:
            self.hold()
