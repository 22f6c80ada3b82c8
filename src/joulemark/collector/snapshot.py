"""What of a collector's data folder goes into a backup, also while the collector runs, and how it is put back.

A database is copied page by page through a read-only connection in one read transaction: the writers go on, and the copy is one moment of
theirs. The runs are copied before the readings, so that no run is restored without what was read for it by then. Other files are
written in one step or only grow, and are copied as they are.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark.collector.backups import Backup, Backups, Kept
from joulemark.collector.store import segments
from joulemark.config import Config
from joulemark.errors import EnvironmentFailed, UsageError
from joulemark.pricing import kept

LEFT_OUT: Final = ("board/incoming", "board/lock")
"""What means something only to the processes that run."""
PARTS: Final = (".db-wal", ".db-shm", ".db-journal", ".lock")
READINGS: Final = "readings"
PATIENCE_S: Final = 10.0


Away = Callable[[str, Path, Path], Iterable[tuple[str, Path] | Kept]]
"""Given name, copy and file of a database of readings: files of a backup that hold what the database only points to."""


def nothing(name: str, copy: Path, live: Path) -> Iterable[tuple[str, Path] | Kept]:
    """For a database that points nowhere."""
    del name, copy, live
    return ()


def contents(config: Config) -> list[tuple[str, Path]]:
    """(name, place) of every file that a backup of `config` holds: databases with readings last. Raises UsageError for no folder."""
    folder = config.collector.data_dir
    if not folder.is_dir():
        raise UsageError(f"there is no data folder {folder}", "name the configuration of the collector with --config")
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if wanted(path, folder)}
    if (prices := kept.place(config)).is_file():
        found.setdefault("prices.db", prices)
    return sorted(found.items(), key=lambda pair: (pair[0].endswith(".db"), pair[0].startswith(READINGS), pair[0]))


def wanted(path: Path, folder: Path) -> bool:
    """Whether it is a plain file that outlives the processes; a link is not followed."""
    name = path.relative_to(folder).as_posix()
    if any(name == left or name.startswith(f"{left}/") for left in LEFT_OUT) or name.endswith(PARTS):
        return False
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:  # it went while the folder was read
        return False


def copied(found: list[tuple[str, Path]], scratch: Path, away: Away = nothing) -> Iterator[tuple[str, Path] | Kept]:
    """The same with a copy below `scratch` in place of each database, which goes when the next one is asked for, and before that of each
    file of readings what `away` tells of it.

    A file that went meanwhile is left out. Raises EnvironmentFailed for a database that cannot be read.
    """
    for name, path in found:
        if not name.endswith(".db"):
            if path.exists():
                yield name, path
            continue
        place = scratch / name.replace("/", "-")
        copy_database(path, place)
        place.chmod(path.stat().st_mode & 0o777)
        if name.startswith(READINGS):
            yield from away(name, place, path)
        yield name, place
        for left in scratch.glob(f"{place.name}*"):
            left.unlink()


def copy_database(path: Path, place: Path) -> None:
    """One moment of a database, whoever writes it meanwhile. Raises EnvironmentFailed."""
    try:
        source = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=PATIENCE_S)
        with closing(source), closing(sqlite3.connect(place)) as copy:
            source.execute("PRAGMA wal_autocheckpoint = 0")
            source.backup(copy)
    except sqlite3.Error as error:
        place.unlink(missing_ok=True)
        raise EnvironmentFailed(
            f"{path} cannot be copied: {error}", "see that the disk has room for a copy, and that the file is sound"
        ) from error


def restored(backups: Backups, backup: Backup, folder: Path, *, from_shards: bool = True) -> int:
    """Write the files of a backup into `folder`, which appears whole or not at all. With `from_shards` spans that lay on shards become
    chunks of their readings.db; how many.

    Raises UsageError where something is there already, InsufficientData for a damaged backup, EnvironmentFailed.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(
            f"{folder} is not empty: nothing is written over", "move it away first, or restore into another folder with --into"
        )
    fresh = folder.with_name(f".{folder.name}.restoring")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir(mode=0o750)
        try:
            for file in backup.files:
                if file.name.startswith(f"{segments.FOLDER}/"):
                    continue
                place = fresh / file.name
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                with open(place, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
                    out.writelines(backups.bytes_of(file))
                    out.flush()
                    os.fsync(out.fileno())
                place.chmod(file.mode)
            count = sum(put_back(backups, backup, file.name, fresh / file.name) for file in readings(backup)) if from_shards else 0
            if folder.exists():
                folder.rmdir()
            fresh.replace(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        return count
    except sqlite3.Error as error:
        raise EnvironmentFailed(f"cannot restore into {folder}: {error}", "see that the disk has room for what lay on shards") from error
    except OSError as error:
        what = f"cannot restore into {folder}: {error.strerror}"
        raise EnvironmentFailed(what, "see that the disk has room and that you may write there") from error


def readings(backup: Backup) -> list[Kept]:
    """The files of readings in a backup."""
    return [file for file in backup.files if file.name.startswith(READINGS) and file.name.endswith(".db")]


def put_back(backups: Backups, backup: Backup, name: str, place: Path) -> int:
    """Give the readings at `place`, which are called `name` in a backup, what the backup has of their spans on shards; how many spans.

    Raises InsufficientData for a damaged segment, OSError, sqlite3.Error.
    """

    def written() -> Iterator[Path]:
        scratch = place.with_name(f".{place.name}.segment")
        for file in backup.files:
            if file.name.startswith(segments.folder_of(name)):
                with scratch.open("wb") as out:
                    out.writelines(backups.bytes_of(file))
                yield scratch
                scratch.unlink()

    return segments.put_back(place, written())
