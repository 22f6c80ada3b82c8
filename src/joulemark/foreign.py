"""Foreign files: what a stranger wrote is opened only when it is a plain file, read within bounds, and never left for another folder.

A pipe would block for ever, a device may act on being opened, a link may lead to somebody's secrets, and a kilobyte of gzip may unpack to
a gigabyte. So every reader of files that Joulemark did not just write itself goes through here.
"""

from __future__ import annotations

import gzip
import itertools
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from io import BufferedReader
from pathlib import Path
from typing import Final

from joulemark.errors import FormatError

MAX_BYTES: Final = 1 << 29
"""Largest power log, unpacked: a day of 100 Hz readings fits."""

MAX_DOCUMENT_BYTES: Final = 1 << 26
"""Largest file that is one document: a run, a manifest, prices, a configuration."""

MAX_FILES: Final = 100_000
MAX_FOLDERS_DEEP: Final = 40
STEP_BYTES: Final = 1 << 20
HEAD_BYTES: Final = 1 << 18
"""Of a file that is looked into to tell whose it is."""

GZIP_MAGIC: Final = b"\x1f\x8b"
BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks: PowerShell redirects nvidia-smi into UTF-16."""

KINDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The plain file at `path`, open for reading. Raises FormatError when there is none; a pipe or a device is not waited for."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                kind = next((name for fits, name in KINDS if fits(mode)), "no file")
                raise FormatError(f"{path} is {kind}, not a plain file", "save what it holds to a file and give that")
            yield file
    except IsADirectoryError as error:
        raise FormatError(f"{path} is a folder, not a plain file", "give a file in it") from error
    except (OSError, EOFError, zlib.error, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"{path} cannot be read: {reason}", "check the path and copy the file again") from error


def content(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of the plain file `path`, unpacked when it is gzip whatever its name says, in bounded steps.

    Raises FormatError when it cannot be read, is damaged, or is longer than `max_bytes`, packed or unpacked.
    """
    data = bytearray()
    with opened(path) as file:
        too_long = os.fstat(file.fileno()).st_size > max_bytes
        stream = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == GZIP_MAGIC else file
        while not too_long and (step := stream.read(STEP_BYTES)):
            data += step
            too_long = len(data) > max_bytes
    if too_long:
        raise FormatError(f"{path} is longer than {max_bytes} bytes", "split it, or leave out what is not needed")
    return bytes(data)


def mentions(path: Path, *marks: str) -> bool:
    """Whether the first HEAD_BYTES of the plain file `path`, unpacked, hold all of `marks`; a file that cannot be read holds none."""
    try:
        with opened(path) as file:
            head = (gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == GZIP_MAGIC else file).read(HEAD_BYTES)
    except FormatError:
        return False
    return all(mark.encode() in head for mark in marks)


def text(path: Path, *, max_bytes: int = MAX_BYTES, errors: str = "replace") -> str:
    """The text of `path`, of any Unicode that the recorder's shell wrote.

    Bytes that are no text become U+FFFD, or with `errors` = `strict` raise FormatError, as everything does that `content` refuses.
    """
    return decoded(content(path, max_bytes=max_bytes), path, errors=errors)


def decoded(data: bytes, path: Path, *, errors: str = "replace") -> str:
    """The text that the bytes `data` of `path` spell. Raises FormatError as `text` does."""
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), "utf-8")
    try:
        return data.decode(encoding, errors=errors)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not {encoding.upper()} text: {error.reason} at byte {error.start}", "save it as UTF-8") from error


def files(root: Path, *patterns: str, deep: bool = True) -> list[Path]:
    """Plain files under `root` whose name matches one of `patterns`, sorted; `root` itself when it is such a file.

    `deep`: also in the folders below. Links are followed only to files inside `root`. Raises FormatError when `root` does not exist,
    cannot be listed, or holds more than MAX_FILES entries or folders more than MAX_FOLDERS_DEEP deep.
    """
    try:
        mode = os.stat(root).st_mode
    except FileNotFoundError as error:
        raise FormatError(f"{root} does not exist", "give the folder the benchmark wrote to") from error
    except (OSError, ValueError) as error:
        raise unlisted(root, error) from error
    if stat.S_ISDIR(mode):
        return sorted(path for path in entries(root, deep=deep) if matches(path.name, patterns) and inside(root, path))
    return [root] if stat.S_ISREG(mode) and matches(root.name, patterns) else []


def entries(root: Path, *, deep: bool = True) -> Iterator[Path]:
    """Everything in the folder `root` but folders, in no order: files, links, pipes. `deep`: also in the folders below.

    Raises FormatError beyond MAX_FILES and MAX_FOLDERS_DEEP, and when a folder cannot be listed.
    """
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, level = waiting.pop()
        try:
            with os.scandir(folder) as scan:
                listed = list(itertools.islice(scan, MAX_FILES + 1))
        except OSError as error:
            raise unlisted(folder, error) from error
        seen += len(listed)
        if seen > MAX_FILES or level > MAX_FOLDERS_DEEP:
            limit = f"{MAX_FILES} files" if seen > MAX_FILES else f"{MAX_FOLDERS_DEEP} folders in each other"
            raise FormatError(f"{root} holds more than {limit}", "give the folder of one run")
        folders = {entry.name for entry in listed if entry.is_dir(follow_symlinks=False)}
        yield from (folder / entry.name for entry in listed if entry.name not in folders)
        if deep:
            waiting += [(folder / name, level + 1) for name in folders]


def unlisted(root: Path, error: Exception) -> FormatError:
    """What to raise when `root` cannot be looked into."""
    return FormatError(f"{root} cannot be listed: {getattr(error, 'strerror', None) or error}", "check its name and permissions")


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a file's name fits one of `patterns`."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def inside(root: Path, path: Path) -> bool:
    """Whether `path` is a plain file that lies in `root` once every link is followed."""
    try:
        real = path.resolve(strict=True)
        return stat.S_ISREG(os.stat(real).st_mode) and real.is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):
        return False
