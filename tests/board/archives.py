"""Archives for tests: bundles of the simulated laboratory, and others that are none."""

from __future__ import annotations

import functools
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.kit.lab import Lab, write


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of `files`, equal for equal files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def folder_of(folder: Path) -> dict[str, bytes]:
    """The files below `folder` by their paths."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@functools.cache
def kit(level: str, *, seed: int = 1) -> bytes:
    """The bundle of a laboratory as an archive; ES1 and ES2 of one seed are two bundles of one run."""
    return changed(level, seed=seed)


def changed(level: str, *, seed: int = 1, change: Callable[[Path], None] = lambda folder: None) -> bytes:
    """Such an archive, its files changed before it was packed."""
    with tempfile.TemporaryDirectory() as place:
        folder = write(Path(place) / "bundle", Lab.of(level, seed=seed).evidence())
        change(folder if folder.name != "energy" else folder.parent)
        return zipped(folder_of(Path(place) / "bundle"))


def sha256(data: bytes) -> str:
    """Of bytes."""
    return hashlib.sha256(data).hexdigest()
