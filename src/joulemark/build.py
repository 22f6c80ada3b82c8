"""The source that runs: one digest of all files of the package, so that a figure says by which program it was made."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent
KINDS: Final = (".py", ".toml", ".json")


def digest(folder: Path) -> str:
    """SHA-256, hexadecimal, over the path and the SHA-256 of every source file below `folder`, in order of the paths."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in KINDS and path.is_file()):
        found.update(f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


@functools.cache
def source_sha256() -> str:
    """Of this package, as it stood when it was first asked for."""
    return digest(PACKAGE)
