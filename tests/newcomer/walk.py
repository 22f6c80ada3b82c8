"""One block of a tutorial run as it stands, in the folder that the one before ended in, every line of its output dated."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Final

from tests.newcomer.ground import Ground
from tests.newcomer.tutorial import Block

CARD: Final = "Energy card of run "
"""Begin of the line that says that there is a card."""
LONGEST_S: Final = 900
QUIET_S: Final = 30
"""After Ctrl-C."""


@dataclass(slots=True)
class Step:
    """What a block did: its status, 0 also for one that ended on Ctrl-C, and (seconds since the walk began, line) of its output."""

    block: Block
    begin_s: float
    end_s: float = 0.0
    status: int = 0
    said: list[tuple[float, str]] = field(default_factory=list)


@dataclass(slots=True)
class Walk:
    """A newcomer's way through a page: where, when it began (CLOCK_MONOTONIC, s), and the folder a shell would now be in."""

    ground: Ground
    began_s: float = field(default_factory=time.monotonic)
    folder: str = ""

    def now_s(self) -> float:
        return time.monotonic() - self.began_s

    def take(self, block: Block) -> Step:
        """Run a block."""
        step = Step(block, self.now_s())
        note = self.ground.seen_from_here / ".folder"
        script = f'cd "{self.folder or self.ground.home}"\n{block.text}\npwd > "$HOME/.folder"'
        asked_to_end = False
        with subprocess.Popen(
            self.ground.argv(script),
            env=self.ground.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            alarm = threading.Timer(LONGEST_S, os.killpg, (process.pid, signal.SIGKILL))
            alarm.start()
            assert process.stdout is not None
            for line in process.stdout:
                step.said.append((self.now_s(), line.rstrip("\n")))
                if block.until and block.until in line and not asked_to_end:
                    asked_to_end = True
                    os.killpg(process.pid, signal.SIGINT)
            alarm.cancel()
        step.status, step.end_s = process.returncode, self.now_s()
        if asked_to_end:
            step.status = 0 if _gone(process.pid) else 1
        elif block.until:
            step.status = step.status or 1
        if step.status == 0 and not block.until:
            self.folder = note.read_text(encoding="utf-8").strip()
        return step


def _gone(group: int) -> bool:
    """Whether every process of a group ended in time."""
    until_s = time.monotonic() + QUIET_S
    while time.monotonic() < until_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    return False


def card_s(steps: list[Step]) -> float | None:
    """When the first card stood on the screen, seconds; None when none did."""
    return next((at for step in steps for at, line in step.said if line.startswith(CARD)), None)
