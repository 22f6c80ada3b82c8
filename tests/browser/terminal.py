"""A command on a terminal of its own, and what stood on it, screen by screen, as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from typing import Final

AGAIN: Final = re.compile(r"(?:\r?\x1b\[2K|\x1b\[1A)+")
"""Where a program goes back up to draw over what it drew: a new screen begins."""
CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def screens(command: Sequence[str], *, env: Mapping[str, str], columns: int = 100, lines: int = 40) -> list[str]:
    """Run `command` to its end on a terminal of so many columns and lines; the text of each screen without colours."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env={**os.environ, "TERM": "xterm-256color", **env})
    finally:
        os.close(theirs)
    shown = bytearray()
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the last process on the terminal is gone
        pass
    finally:
        os.close(ours)
        process.wait(60)
    texts = (CONTROL.sub("", one).replace("\r\n", "\n").rstrip() for one in AGAIN.split(shown.decode()))
    return [text for text in texts if text.strip()]
