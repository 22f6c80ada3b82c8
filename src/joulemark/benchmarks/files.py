"""Which files of a benchmark's folder a reader takes."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from joulemark.errors import FormatError


def found(root: Path, *patterns: str) -> list[Path]:
    """Files under `root` whose name matches one of `patterns`, sorted; `root` itself when it is such a file.

    Links that lead out of `root` are left out. Raises FormatError when `root` does not exist or may not be listed.
    """
    if root.is_file():
        return [root] if any(fnmatch(root.name, pattern) for pattern in patterns) else []
    if not root.is_dir():
        raise FormatError(f"{root} does not exist", "give the folder the benchmark wrote to")
    inside = root.resolve()
    try:
        return sorted(
            path
            for path in root.rglob("*")
            if any(fnmatch(path.name, pattern) for pattern in patterns) and path.is_file() and path.resolve().is_relative_to(inside)
        )
    except OSError as error:
        raise FormatError(f"{root} cannot be listed: {error}", "check its permissions") from error
