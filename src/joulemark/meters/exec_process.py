"""One command, run to its end: within a time and a length, alone, and leaving neither process nor descriptor behind."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from joulemark.errors import MeterTransient

KILL_S: Final = 0.3
"""How long a killed process may take to go; one that waits in its driver stays longer."""

SHOWN: Final = 200
"""Characters of a command's complaint that a reason repeats."""


@dataclass(slots=True)
class Capture(asyncio.SubprocessProtocol):
    """What a process says, up to `max_bytes` of each of its two streams; `over` when it ended with all its pipes, or said too much."""

    max_bytes: int
    said: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    @property
    def too_long(self) -> bool:
        return any(len(said) > self.max_bytes for said in self.said.values())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        said = self.said[fd]
        said += data[: self.max_bytes + 1 - len(said)]
        if self.too_long:
            self.over.set()

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self.over.set()


@dataclass(slots=True)
class Command:
    """A command line, run whenever `output` is called, one process at a time. Its messages show no more of `argv` than the program."""

    argv: tuple[str, ...]
    timeout_s: float
    max_bytes: int
    pid: int | None = None
    _left: Capture | None = None

    @property
    def program(self) -> str:
        """Name of the program, without its folder."""
        return os.path.basename(self.argv[0])

    async def output(self) -> bytes:
        """What the command prints. Raises MeterTransient when it cannot be started, fails, is late, or prints too much."""
        if self._left is not None and not self._left.exited.is_set():
            raise MeterTransient(f"process {self.pid} of an earlier read cannot be ended", "see what it waits for, as a driver that hangs")
        transport, capture = await self._started()
        try:
            async with asyncio.timeout(self.timeout_s):
                await capture.over.wait()
        except TimeoutError as error:
            raise MeterTransient(f"{self.program} did not end within {self.timeout_s:g} s", "try it by hand, or raise timeout_s") from error
        finally:
            await self._end(transport, capture)
        if capture.too_long:
            raise MeterTransient(f"{self.program} prints more than {self.max_bytes} bytes", "name a command that prints its value alone")
        status = transport.get_returncode()
        if status:
            how = f"status {status}" if status > 0 else f"signal {-status}"
            said = first_line(bytes(capture.said[2]) or bytes(capture.said[1]))
            raise MeterTransient(f"{self.program} ended with {how}{': ' if said else ''}{said}", "try it by hand")
        return bytes(capture.said[1])

    async def _started(self) -> tuple[asyncio.SubprocessTransport, Capture]:
        """The process, in a group of its own, with the language of its messages set to C."""
        try:
            transport, capture = await asyncio.get_running_loop().subprocess_exec(
                lambda: Capture(self.max_bytes),
                *self.argv,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C", "LANGUAGE": "C"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise MeterTransient(f"{self.program} cannot be started: {error}", "install it, or correct argv") from error
        self.pid, self._left = transport.get_pid(), capture
        return transport, capture

    async def _end(self, transport: asyncio.SubprocessTransport, capture: Capture) -> None:
        """Leave nothing: kill what is left of the group, which keeps its number while it has a member, and close the pipes."""
        if not capture.ended and self.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(KILL_S):
                    await capture.exited.wait()
        transport.close()


def first_line(said: bytes) -> str:
    """The first line with a word in it, printable and short."""
    lines = (" ".join(line.split()) for line in said.decode("utf-8", "replace").splitlines())
    return "".join(c if c.isprintable() else "?" for c in next(filter(None, lines), ""))[:SHOWN]
