"""A command on a leash: it ends with the process that started it, however that one ends.

Between the two stands a holder, `python -m joulemark.load.leash -- COMMAND`, whose standard input is a pipe of the owner's. When the owner
lets go, or dies, even by SIGKILL, the pipe ends, and the holder stops the whole process group of the command. Should the holder be killed,
the kernel kills the command (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from joulemark.errors import EnvironmentFailed

STOP_S: Final = 2.0
"""What the command has between SIGTERM and SIGKILL."""
PR_SET_PDEATHSIG: Final = 1
NOT_STARTED: Final = 127
"""Exit status of a command that is not there, as a shell's."""


class Leash:
    """`command`, running until `let_go`; what it prints goes to the file `log`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command, self.log = tuple(command), log
        holder = [sys.executable, "-m", "joulemark.load.leash", "--", *command]
        with log.open("wb") as out:
            self._holder = subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True)

    @property
    def status(self) -> int | None:
        """Exit status of the command, None while it runs."""
        return self._holder.poll()

    def wait(self, timeout_s: float) -> int | None:
        """The exit status once the command ended by itself, None when it still runs after `timeout_s`."""
        try:
            return self._holder.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def require(self) -> None:
        """Raise EnvironmentFailed, with the last line that it printed, when the command has ended by itself."""
        if self.status is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it printed nothing"]
            raise EnvironmentFailed(f"the load {' '.join(self.command)!r} ended with status {self.status}: {lines[-1]}", f"read {self.log}")

    def let_go(self) -> None:
        """Stop the command and all it started. Safe at any point, and twice."""
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        self._holder.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.let_go()


def hold(command: Sequence[str]) -> int:
    """Run `command` until it ends or standard input does; its exit status."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return NOT_STARTED
    ended = os.pidfd_open(child.pid)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        while ended not in (ready := select.select([ended, sys.stdin], [], [])[0]):
            if ready and not os.read(sys.stdin.fileno(), 1):
                break
    finally:
        stop(child.pid, ended)
    return child.wait()


def stop(group: int, ended: int) -> None:
    """End every process of `group`; `ended`, a descriptor of its first one, tells when that one is gone."""
    os.killpg(group, signal.SIGTERM)
    select.select([ended], [], [], STOP_S)
    os.killpg(group, signal.SIGKILL)  # the first one is not yet reaped, so that the group still has its number


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(hold(sys.argv[2:]))
