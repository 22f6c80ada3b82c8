"""The archives of a board, kept as they were handed in, each under the hash of its bytes, within a bound of all together."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark import foreign
from joulemark.board.store import Crowded

CARD: Final = ".card"


@dataclass(frozen=True, slots=True)
class Archives:
    """`folder`: where they lie; `most_bytes`: of all together."""

    folder: Path
    most_bytes: int

    def path(self, sha256: str) -> Path:
        """Where an archive lies, or would."""
        return self.folder / sha256[:2] / sha256

    def card(self, sha256: str) -> Path:
        """Where the card of an archive lies, as it stood in it."""
        return self.path(sha256).with_suffix(CARD)

    def take(self, arrived: Path, sha256: str, size: int) -> None:
        """Move the file `arrived` here; one that is here already stays. Raises Crowded, and OSError."""
        place = self.path(sha256)
        if place.is_file():
            return
        if self.size() + size > self.most_bytes:
            raise Crowded(
                f"the archives of the board fill {self.most_bytes} bytes (board.max_bytes)", "ask who runs the board for more room"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        arrived.replace(place)
        for folder in (place.parent, self.folder):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def drop(self, sha256: str) -> None:
        """Remove an archive that no entry needs."""
        for path in (self.path(sha256), self.card(sha256)):
            path.unlink(missing_ok=True)

    def sweep(self, needed: Callable[[str], bool], *, before_ns: int) -> None:
        """Remove what a process that died left behind: archives from before `before_ns` that nothing needs and that can be removed."""
        for path in list(self.folder.glob("*/*")):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime_ns < before_ns and not needed(path.name.removesuffix(CARD)):
                    path.unlink()

    def size(self) -> int:
        """Bytes of all archives."""
        found = 0
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):  # one that was let go meanwhile
                found += path.stat().st_size
        return found

    def sound(self, sha256: str) -> bool:
        """Whether an archive is here and still has the bytes it is named after."""
        path = self.path(sha256)
        if not path.is_file():
            return False
        with foreign.opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
