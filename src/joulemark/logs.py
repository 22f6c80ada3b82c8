"""Logging: one line per event on stderr, `time level logger message key=value`."""

from __future__ import annotations

import logging
import sys
from typing import IO

from joulemark.timebase import iso_utc


class LineFormatter(logging.Formatter):
    """Plain lines for a person, journald or a log shipper: UTC time, level, logger, message.

    What cannot be printed is escaped: a name or a path that somebody sent begins no line of its own, and moves no cursor.
    """

    def format(self, record: logging.LogRecord) -> str:
        message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in record.getMessage())
        text = f"{iso_utc(int(record.created * 1e9))[:-7]}Z {record.levelname.lower():7} {record.name} {message}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def configure(level: str = "info", stream: IO[str] | None = None) -> None:
    """Send the package's log lines to `stream` (stderr) from `level` (debug, info, warning, error) up."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger("joulemark")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
