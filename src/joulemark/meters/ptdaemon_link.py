"""One connection to SPEC PTDaemon: a command goes out as a line, an answer comes back as lines."""

from __future__ import annotations

import asyncio
from typing import Final, Self

from joulemark.errors import MeterTransient, MeterUnavailable

LINE_BYTES: Final = 16_384
"""Longest line: a row of the sum and 99 channels has some 8,000 bytes."""


class Link:
    """One connection: commands, and whole lines as their answers. After an error it is of no more use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def dial(cls, host: str, port: int) -> Self:
        """A connection to the daemon. Raises MeterUnavailable."""
        try:
            return cls(*await asyncio.open_connection(host, port, limit=LINE_BYTES))
        except (OSError, UnicodeError) as error:
            raise MeterUnavailable(
                f"PTDaemon at {host}:{port} cannot be reached: {error}",
                "check host and port, and that PTDaemon runs; with some analysers it takes 30 s to listen",
            ) from error

    async def ask(self, command: str, expected: str = "") -> str:
        """The line that answers `command`. Raises MeterTransient when it does not begin with `expected`, or does not come."""
        self._writer.write(f"{command}\r\n".encode())
        answer = await self.line()
        if not answer.startswith(expected):
            raise MeterTransient(f"PTDaemon answered {answer[:80]!r} to {command.split(',')[0]}")
        return answer

    async def line(self) -> str:
        """The next line; one without its end is none, since half a number is a wrong number. Raises MeterTransient."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError) as error:
            raise MeterTransient(f"the connection to PTDaemon failed: {error}") from error
        if not line.endswith(b"\n"):
            raise MeterTransient("PTDaemon closed the connection")
        return line.decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Give the connection up, whatever is on its way."""
        self._writer.transport.abort()
