"""An archive written anew: its own members in their order and with their bytes, ours behind them.

The old file stays until the new one is whole, and whoever could not read it cannot read the new one.
"""

from __future__ import annotations

import copy
import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final

from joulemark import foreign
from joulemark.errors import FormatError, UsageError

Names = Mapping[str, str | None]

MODE: Final = 0o644
"""Of a member of ours; its time is 1970, or 1980 in a ZIP, so that equal contents make equal archives."""


def repacked(archive: Path, to: Path, *, folder: Path, names: Names, ours: Sequence[str]) -> None:
    """Write to `to` the members of `archive`, whose files lie unpacked in `folder`, and then those of `ours`, paths below `folder`.

    `names`: path of a member -> the path in `folder` that it has now, None to leave it out; members that it lacks stay as they are.
    `archive` was read by `unpacked`, so its members are plain. Raises UsageError where `to` cannot be written, FormatError for an archive
    that is damaged.
    """
    part = to.with_name(f".{to.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(0o600)
        with archive.open("rb") as old, part.open("wb") as out:
            if zipfile.is_zipfile(old):
                with zipfile.ZipFile(old) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
                    zip_members(source, target, folder, names, ours)
            else:
                old.seek(0)
                with (
                    gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed,
                    tarfile.open(fileobj=old, mode="r:gz") as source_tar,
                    tarfile.open(fileobj=packed, mode="w") as target_tar,
                ):
                    tar_members(source_tar, target_tar, folder, names, ours)
            out.flush()
            os.fsync(out.fileno())
        shutil.copymode(archive, part)
        part.replace(to)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise FormatError(f"{archive} is damaged: {error}", "copy it again") from error
    except OSError as error:
        raise UsageError(f"cannot write {to}: {error.strerror or error}", "give a place that is writable with --output") from error
    finally:
        part.unlink(missing_ok=True)


def zip_members(source: zipfile.ZipFile, target: zipfile.ZipFile, folder: Path, names: Names, ours: Sequence[str]) -> None:
    """The members of a ZIP."""
    for old in source.infolist():
        if (place := names.get(plain(old.filename), plain(old.filename))) is None:
            continue
        info = zipfile.ZipInfo(old.filename if place == plain(old.filename) else place, old.date_time)
        info.compress_type, info.external_attr, info.create_system = old.compress_type, old.external_attr, old.create_system
        if old.is_dir():
            target.writestr(info, b"")
        else:
            with (folder / place).open("rb") as data, target.open(info, "w") as out:
                copied(data, out)
    for name in ours:
        info = zipfile.ZipInfo(name)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, (0o100000 | MODE) << 16
        with (folder / name).open("rb") as data, target.open(info, "w") as out:
            copied(data, out)


def tar_members(source: tarfile.TarFile, target: tarfile.TarFile, folder: Path, names: Names, ours: Sequence[str]) -> None:
    """The members of a tar."""
    for old in source:
        if (place := names.get(plain(old.name), plain(old.name))) is None:
            continue
        info = copy.copy(old)
        info.name = old.name if place == plain(old.name) else place
        info.pax_headers = {key: value for key, value in old.pax_headers.items() if key not in ("path", "size")}
        if old.isdir():
            target.addfile(info)
        else:
            add(target, info, folder / place)
    for name in ours:
        info = tarfile.TarInfo(name)
        info.mode = MODE
        add(target, info, folder / name)


def plain(name: str) -> str:
    """The path that a member was unpacked to."""
    return PurePosixPath(name).as_posix()


def add(target: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
    """One file with its header."""
    with path.open("rb") as data:
        info.size = os.fstat(data.fileno()).st_size
        target.addfile(info, data)


def copied(data: IO[bytes], out: IO[bytes]) -> None:
    """Copy in bounded steps."""
    while step := data.read(foreign.STEP_BYTES):
        out.write(step)
