"""The files of an authority: replaced whole or not at all, and changed by one command at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed

SECRET: Final = 0o600
PUBLIC: Final = 0o644


def replace(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Make `data` the content of `path`: written beside it, synchronised, renamed. A reader sees the old file or the new one.

    Raises EnvironmentFailed when that cannot be done; then the old file is still there.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            os.fchmod(out.fileno(), mode)
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        synchronize(path.parent)
    except OSError as error:
        raise EnvironmentFailed(
            f"cannot write {path}: {error.strerror}", "run it as the owner of the folder, with space on its disk"
        ) from error


def synchronize(folder: Path) -> None:
    """Make the renames in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made when it is not there. Waits for another command; raises EnvironmentFailed when it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise EnvironmentFailed(f"cannot use {folder}: {error.strerror}", "give a folder you may write") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
