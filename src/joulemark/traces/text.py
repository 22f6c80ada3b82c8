"""Recorded files as text: plain or gzip, any Unicode the recorder's shell wrote, bounded in size."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final

from joulemark.errors import FormatError

MAX_BYTES: Final = 1 << 30
"""Largest file read, unpacked: a day of 100 Hz readings is a tenth of it, and a gzip bomb stops here."""

GZIP_MAGIC: Final = b"\x1f\x8b"
BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Byte order marks: PowerShell redirects nvidia-smi into UTF-16."""


def text(path: Path, *, max_bytes: int = MAX_BYTES) -> str:
    """The text of `path`, unpacked when it is gzip whatever its name says; bytes that are no text become U+FFFD.

    Raises FormatError when the file cannot be read, is damaged, or is longer than `max_bytes` unpacked.
    """
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == GZIP_MAGIC
            stream = gzip.GzipFile(fileobj=file) if packed else file
            data = stream.read(max_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{path} cannot be read: {error}", "check the path and copy the file again") from error
    if len(data) > max_bytes:
        raise FormatError(f"{path} is longer than {max_bytes} bytes", "split it, or cut it to the time of the run")
    encoding = next((name for bom, name in BOMS if data.startswith(bom)), "utf-8")
    return data.decode(encoding, errors="replace")


def json_object(content: str, *, where: str) -> dict[str, Any]:
    """The JSON object in `content`. Raises FormatError, naming `where`, for anything else."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON: {error}", "copy the file again; it may be cut off") from error
    if not isinstance(data, dict):
        raise FormatError(f"{where} holds a JSON {type(data).__name__}, not an object", "check that it is the file it is named after")
    return data
