"""A folder of backups: files in blocks, each kept once under the hash of its bytes, so that a second backup adds only what changed.

    joulemark-backups.json        what this folder is
    blocks/ab/abcd...             BLOCK_BYTES of a file, or its end, under their SHA-256
    backups/20261122T031500Z.json which files there were, each as a list of blocks (joulemark.backup/1)

Blocks are durable before the backup that names them, which appears in one step: what was interrupted is no backup.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from joulemark import __version__, document
from joulemark.errors import EnvironmentFailed, FormatError, InsufficientData, UsageError
from joulemark.timebase import iso_utc

SCHEMA: Final = "joulemark.backups/1"
BACKUP: Final = "joulemark.backup/1"
MARK: Final = "joulemark-backups.json"
BLOCK_BYTES: Final = 262_144
"""A multiple of the pages of SQLite, most of which never change again once a chunk is sealed."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup. `name`: its path in the data folder; `mode`: who may read it; `blocks`: their hashes, in order."""

    name: str
    size: int
    sha256: str
    mode: int
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. `made_ns`: when it began, UTC."""

    name: str
    made_ns: int
    version: str
    files: tuple[Kept, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Backups:
    """The folder. Raises UsageError for one that holds something else, EnvironmentFailed when it cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.added_bytes = 0
        """Bytes of blocks that were not there before."""

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder alone, made when there is none. Raises UsageError, EnvironmentFailed."""
        try:
            if self.folder.exists() and not (self.folder / MARK).exists() and any(self.folder.iterdir()):
                raise UsageError(f"{self.folder} holds something else than backups", "name an empty folder, or one that does not exist")
            for folder in (self.folder, self.folder / "blocks", self.folder / "backups"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # tokens and everybody's readings
            durable(self.folder / MARK, json.dumps({"schema": SCHEMA, "block_bytes": BLOCK_BYTES}).encode() + b"\n")
            with (self.folder / "lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise EnvironmentFailed(f"another backup into {self.folder} goes on", "wait until it has ended") from error
                yield
        except OSError as error:
            what = f"{error.filename or self.folder}: {error.strerror}"
            raise EnvironmentFailed(
                f"the backup was not made: {what}", "see that the disk has room and that you may write there"
            ) from error

    def add(self, made_ns: int, files: Iterable[tuple[str, Path] | Kept]) -> Backup:
        """Keep (name, place) of each file as one backup, or what another has of it. Raises OSError; then there is no such backup."""
        kept = tuple(file if isinstance(file, Kept) else self._kept(*file) for file in files)
        backup = Backup(self._free_name(made_ns), made_ns, __version__, kept)
        data = {"schema": BACKUP, "made_ns": made_ns, "version": __version__, "files": [asdict(file) for file in kept]}
        durable(self._place(backup.name), json.dumps(data).encode() + b"\n")
        return backup

    def names(self) -> list[str]:
        """Every backup, oldest first. Raises UsageError where there are none."""
        if not (self.folder / MARK).is_file():
            raise UsageError(f"{self.folder} holds no backups", "name the folder that joulemark collector backup wrote")
        return sorted(path.stem for path in (self.folder / "backups").glob("*.json"))

    def read(self, name: str | None = None) -> Backup:
        """The backup of that name, the newest unless one is named. Raises UsageError for one that is not there, FormatError."""
        names = self.names()
        if not names or (name is not None and name not in names):
            raise UsageError(f"{self.folder} holds no backup {name or 'at all'}", f"it holds: {', '.join(names) or 'nothing'}")
        path = self._place(name or names[-1])
        data: Any = document.load(path)
        try:
            if data["schema"] != BACKUP:
                raise ValueError(f"its schema is {data['schema']!r}, not {BACKUP!r}")
            files = tuple(Kept(**{**file, "blocks": tuple(file["blocks"])}) for file in data["files"])
            if unsafe := [file.name for file in files if PurePosixPath(file.name).is_absolute() or ".." in PurePosixPath(file.name).parts]:
                raise ValueError(f"it names {unsafe[0]!r}, outside of the data folder")
            return Backup(path.stem, int(data["made_ns"]), str(data["version"]), files)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path} cannot be used: {error}", "use another backup of that folder") from error

    def holds(self, file: Kept) -> bool:
        """Whether every block of a file is there, in its length: its content is not looked at."""
        lengths = [BLOCK_BYTES] * (len(file.blocks) - 1) + [file.size - BLOCK_BYTES * (len(file.blocks) - 1)]
        places = [self._block(sha256) for sha256 in file.blocks]
        return all(place.is_file() and place.stat().st_size == length for place, length in zip(places, lengths, strict=bool(places)))

    def bytes_of(self, file: Kept) -> Iterator[bytes]:
        """The blocks of a file, each checked. Raises InsufficientData where one is missing or damaged, or the whole is another."""
        whole = hashlib.sha256()
        for sha256 in file.blocks:
            try:
                raw = self._block(sha256).read_bytes()
            except OSError as error:
                raise InsufficientData(f"{file.name}: block {sha256} cannot be read: {error.strerror}", "use an older backup") from error
            if hashlib.sha256(raw).hexdigest() != sha256:
                raise InsufficientData(f"{file.name}: block {sha256} was damaged", "use an older backup, and look after that disk")
            whole.update(raw)
            yield raw
        if whole.hexdigest() != file.sha256:
            raise InsufficientData(f"{file.name} is not what was backed up", "use an older backup")

    def keep(self, count: int) -> list[str]:
        """Leave the newest `count` backups and the blocks that they name; the names of those that went. Raises FormatError, OSError."""
        gone = self.names()[:-count]
        for name in gone:
            self._place(name).unlink()
        needed = {sha256 for name in self.names() for file in self.read(name).files for sha256 in file.blocks}
        for path in (self.folder / "blocks").glob("*/*"):
            if path.name not in needed:
                path.unlink()
        return gone

    def _free_name(self, made_ns: int) -> str:
        """A name by the time that no backup has, and that sorts after the others of its second."""
        stem = iso_utc(made_ns)[:19].replace("-", "").replace(":", "") + "Z"
        taken = [name for name in self.names() if name.startswith(stem)]
        return f"{stem}.{len(taken) + 1}" if taken else stem

    def _kept(self, name: str, path: Path) -> Kept:
        whole, blocks, size = hashlib.sha256(), [], 0
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            while raw := file.read(BLOCK_BYTES):
                sha256 = hashlib.sha256(raw).hexdigest()
                place = self._block(sha256)
                if not place.is_file() or place.stat().st_size != len(raw):
                    place.parent.mkdir(exist_ok=True, mode=0o700)
                    durable(place, raw)
                    self.added_bytes += len(raw)
                whole.update(raw)
                blocks.append(sha256)
                size += len(raw)
        return Kept(name, size, whole.hexdigest(), mode, tuple(blocks))

    def _block(self, sha256: str) -> Path:
        return self.folder / "blocks" / sha256[:2] / sha256

    def _place(self, name: str) -> Path:
        return self.folder / "backups" / f"{name}.json"


def durable(path: Path, raw: bytes) -> None:
    """Write a file in one step, so that it is there after a loss of power. Raises OSError, and leaves nothing."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
