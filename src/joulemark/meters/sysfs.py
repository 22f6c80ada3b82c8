"""Attributes of sysfs: one short text in one file, owned by the kernel. What drivers of host sensors share."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from joulemark.errors import MeterUnavailable

NUMBER: Final = re.compile(rb"\s*(-?\d+)\s*")
LONGEST: Final = 64
"""Bytes of the longest attribute that is a number: 64 bits have 20 digits."""


def text(path: Path) -> str:
    """The one line of an attribute, empty where there is none or it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def number(path: Path) -> int | None:
    """The number in an attribute, None where there is none."""
    found = NUMBER.fullmatch(text(path).encode())
    return int(found[1]) if found else None


def reread(descriptor: int) -> int:
    """The number that an open attribute shows now: sysfs asks the device anew at each read of its beginning.

    Raises OSError for a device that fails or left, ValueError for what is no decimal number.
    """
    answer = os.pread(descriptor, LONGEST, 0)
    found = NUMBER.fullmatch(answer)
    if found is None:
        raise ValueError(f"{answer[:20]!r} is no number")
    return int(found[1])


def opened(path: Path) -> int:
    """A descriptor for `reread`. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def refuse_unreadable(files: Sequence[Path]) -> None:
    """Raise MeterUnavailable when this user may not read one of `files`, with the command that allows it."""
    closed = [path for path in files if not os.access(path, os.R_OK, effective_ids=True)]
    if closed:
        raise MeterUnavailable(
            f"{closed[0]} may be read by root only",
            f"sudo chmod a+r {' '.join(map(str, closed))} (until the next boot), or give the agent CAP_DAC_READ_SEARCH",
        )
