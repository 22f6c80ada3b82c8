"""A bundle that came as one file: a ZIP or a gzipped tar, unpacked so that nothing in it can do harm.

Taken are plain files and folders with names that stay inside; a link, a device, a name twice and anything beyond the bounds refuse the
whole archive.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import IO, Final

from joulemark import foreign
from joulemark.errors import FormatError

MAX_ENTRIES: Final = 20_000
MAX_BYTES: Final = 1 << 30
"""Of all files together, unpacked."""

MAX_HEADERS: Final = 1 << 16
"""Of one entry of a tar: a sparse file or a long name may have gigabytes of them, all held in memory."""

MAX_DIRECTORY: Final = 1 << 23
"""Of a ZIP: MAX_ENTRIES entries with names of 300 characters."""

MAX_NAME: Final = 1000
ENCRYPTED: Final = 1
"""Bit of a ZIP entry's flags."""

UNPACK: Final = "unpack it yourself and give the folder"

Entry = tuple[str, Callable[[], IO[bytes] | None]]
"""A name, and what opens its bytes; the bytes are None where it is a folder."""


def unpacked(path: Path, into: Path, *, own: str = "") -> Path:
    """The folder of the bundle in the archive `path`, unpacked below the empty folder `into`; `own` as in `root`.

    Raises FormatError for what is no archive, is damaged, or holds what is not taken.
    """
    with foreign.opened(path) as file:
        try:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(Stepwise(file)) as archive:
                    spread(in_zip(archive), into)
            elif file.seek(0) == 0 and file.peek(2)[:2] == foreign.GZIP_MAGIC:
                with gzip.GzipFile(fileobj=file) as plain:
                    stream = Bounded(plain)
                    with tarfile.open(fileobj=stream, mode="r|") as tar:
                        spread(in_tar(tar, stream), into)
            else:
                raise FormatError(f"{path} is neither a folder nor a ZIP or gzipped tar", "give the folder of a bundle, or one file of it")
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
            raise FormatError(f"{path} is damaged: {error}", "copy it again") from error
    return root(into, own=own)


def root(folder: Path, *, own: str) -> Path:
    """The folder that holds the bundle: `folder`, or the only folder in it, since archives are often made from outside.

    `own`: the name of a folder that is part of a bundle, and never the whole.
    """
    inside = [entry for entry in folder.iterdir() if entry.name != "__MACOSX"]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name != own else folder


class Bounded(io.BufferedIOBase):
    """A stream that ends with FormatError beyond MAX_BYTES, headers and padding included, and where one entry's headers alone are long."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.stream = stream
        self.left = MAX_BYTES
        self.expect(0)

    def expect(self, size: int) -> None:
        """The file that comes next has `size` bytes; all else until the next call is headers."""
        self.here = size + MAX_HEADERS

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes."""
        data = self.stream.read(size)
        self.left -= len(data)
        self.here -= len(data)
        if self.left < 0:
            raise too_large()
        if self.here < 0:
            raise FormatError(f"an entry of the archive has more than {MAX_HEADERS} bytes of headers", UNPACK)
        return data


class Stepwise:
    """The file of a ZIP, which is read in steps but for its directory: FormatError where that would be larger than MAX_DIRECTORY."""

    def __init__(self, file: BufferedReader) -> None:
        self.file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes."""
        data = self.file.read(size if 0 <= size <= MAX_DIRECTORY else MAX_DIRECTORY + 1)
        if len(data) > MAX_DIRECTORY:
            raise FormatError(f"the directory of the archive has more than {MAX_DIRECTORY} bytes", UNPACK)
        return data


def in_zip(archive: zipfile.ZipFile) -> Iterator[Entry]:
    """The entries of a ZIP."""
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & ENCRYPTED:
            raise refused(info.filename, "is encrypted, a link or a device")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise refused(info.filename, "is packed in a way that is not taken")
        yield info.filename, lambda info=info: None if info.is_dir() else archive.open(info)  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def in_tar(archive: tarfile.TarFile, stream: Bounded) -> Iterator[Entry]:
    """The entries of a tar, in its order: it is read as a stream, and nothing is kept of an entry that was passed."""
    while (info := archive.next()) is not None:
        if not (info.isreg() or info.isdir()) or info.issparse():
            raise refused(info.name, "is a link or a device")
        archive.members.clear()  # type: ignore[attr-defined]  # each holds a copy of every global header
        archive.pax_headers = {}
        stream.expect(info.size)
        yield info.name, lambda info=info: archive.extractfile(info)  # type: ignore[misc]  # as above


def spread(entries: Iterator[Entry], into: Path) -> None:
    """Write plain files below `into`, counting what really comes out. Raises FormatError."""
    left, seen = MAX_BYTES, set()
    for count, (name, opened) in enumerate(entries, 1):
        if count > MAX_ENTRIES:
            raise FormatError(f"the archive holds more than {MAX_ENTRIES} entries", "pack one bundle alone")
        place = into / inner(name)
        if (source := opened()) is None:
            continue
        if place in seen:
            raise refused(name, "stands in it twice")
        seen.add(place)
        left = copied(source, place, left_bytes=left, name=name)


def copied(source: IO[bytes], place: Path, *, left_bytes: int, name: str) -> int:
    """Copy one file in bounded steps; how many bytes may still come."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with source, place.open("xb") as out:
            while step := source.read(foreign.STEP_BYTES):
                left_bytes -= len(step)
                if left_bytes < 0:
                    raise too_large()
                out.write(step)
    except OSError as error:
        raise refused(name, f"cannot be unpacked: {error.strerror or error}") from error
    return left_bytes


def inner(name: str) -> PurePosixPath:
    """The path that an entry may be written to. Raises FormatError for one that leaves the folder or hides something."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and not any(mark in name for mark in "\\\0:")
    if not inside or not name.isprintable() or len(name) > MAX_NAME or len(path.parts) > foreign.MAX_FOLDERS_DEEP:
        raise refused(name, "has a name that leaves the folder or is not printable")
    return path


def refused(name: str, why: str) -> FormatError:
    """What to raise for an entry that is not taken."""
    return FormatError(f"entry {name[:80]!r} of the archive {why}", f"pack plain files and folders, or {UNPACK}")


def too_large() -> FormatError:
    """What to raise beyond the bound."""
    return FormatError(f"the archive unpacks to more than {MAX_BYTES} bytes", UNPACK)
