"""An archive that is handed in: streamed into a file within bounds of bytes and time, and never held in memory as a whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from starlette.requests import Request

from joulemark.collector.api.refusals import Reason, Refusal

PATH: Final = "/v1/board/submissions"
MEDIA_TYPES: Final = ("application/zip", "application/gzip")
ARRIVED: Final = "joulemark.arrived"
"""Key of the ASGI scope under which a route finds the archive that came with the request."""

STEP_BYTES: Final = 1 << 20
"""So much is collected before it is written, by another thread."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An archive in a file, which is gone after the request unless it was moved away."""

    path: Path
    sha256: str
    size: int


def is_archive(request: Request) -> bool:
    """Whether the body of a write is an archive and no JSON."""
    return request.scope["path"] == PATH and request.method == "POST"


@asynccontextmanager
async def arrived(request: Request, folder: Path, *, most_bytes: int, within_s: float) -> AsyncIterator[Arrived]:
    """The body of `request` in a file in `folder`. Raises Refusal for another kind, too long, too slow, no room."""
    checked(request, most_bytes)
    place = None
    try:
        try:
            place = fresh(folder)
            async with asyncio.timeout(within_s):
                whole = await written(request, place, most_bytes)
        except TimeoutError:
            what = f"the archive did not arrive within {within_s:g} s"
            raise Refusal(Reason.TOO_SLOW, 408, what, "send it at once", {"Connection": "close"}) from None
        except OSError as error:
            what = f"the archive cannot be kept: {error.strerror}"
            raise Refusal(Reason.DISK, 507, what, "free space in collector.data_dir") from error
        yield whole
    finally:
        if place is not None:
            place.unlink(missing_ok=True)


def checked(request: Request, most_bytes: int) -> None:
    """Raise Refusal for another media type, and for a length that is declared and too long."""
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() not in MEDIA_TYPES:
        next_step = f"send a bundle as {' or '.join(MEDIA_TYPES)}"
        raise Refusal(Reason.MEDIA_TYPE, 415, f"the body is declared as {declared[:80]!r}", next_step)
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:19]) > most_bytes:
        raise too_long(most_bytes)


def fresh(folder: Path) -> Path:
    """A new empty file in `folder`. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(prefix="arriving-", dir=folder)
    os.close(handle)
    return Path(path)


async def written(request: Request, place: Path, most_bytes: int) -> Arrived:
    """The body in the file `place`, durable. Raises Refusal beyond `most_bytes`, and OSError."""
    sha256, size, waiting = hashlib.sha256(), 0, bytearray()
    with place.open("r+b") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most_bytes:
                raise too_long(most_bytes)
            waiting += chunk
            if len(waiting) >= STEP_BYTES:
                await asyncio.to_thread(taken, file, sha256, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(taken, file, sha256, bytes(waiting))
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return Arrived(place, sha256.hexdigest(), size)


def taken(file: BinaryIO, sha256: Any, piece: bytes) -> None:
    """Write and hash a piece."""
    file.write(piece)
    sha256.update(piece)


def too_long(most_bytes: int) -> Refusal:
    """What to raise beyond the bound."""
    what = f"the archive has more than {most_bytes} bytes (board.max_bundle_bytes)"
    return Refusal(Reason.TOO_LARGE, 413, what, "leave the benchmark's large logs out of the archive", {"Connection": "close"})
