"""Progress of a long action: one line on stderr that is drawn over, only on a terminal, and only once it takes long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TextIO, TypeVar

from joulemark.cli import printable
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

Told = Callable[[int, int], None]
"""Called with how many parts are done, and of how many."""
QUIET_NS: Final = NS_PER_S
"""What is done by then shows nothing."""
EVERY_NS: Final = NS_PER_S // 10
BEAT_S: Final = 0.5
"""Between two drawings of an action that tells nothing for long."""
CLEAR: Final = "\r\x1b[K"
FORETOLD: Final = 20
"""The time left is told once one part in so many is done: the first one often loads what the others use."""
WIDTH: Final = 10
"""Characters of the bar."""
LONGEST: Final = 30
"""Characters of what is done; with bar and times it fits a line of 80."""

Part = TypeVar("Part")


@dataclass
class Line:
    """What is drawn of an action: its bar and the time left, were the rest as fast; the time so far where no part is done."""

    what: str
    out: TextIO
    clock: Clock
    begin_ns: int
    shown_ns: int
    done: int = 0
    total: int = 0
    told_ns: int = 0
    drawn: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, done: int, total: int) -> None:
        """So many parts of so many are done."""
        self.done, self.total, self.told_ns = done, total, self.clock.mono_ns()
        self.draw()

    def draw(self) -> None:
        """Draw the line anew, where there is a terminal and it takes long."""
        with self.lock:
            now_ns = self.clock.mono_ns()
            if self.out.isatty() and now_ns - self.begin_ns >= QUIET_NS and now_ns - self.shown_ns >= EVERY_NS:
                self.out.write(f"{CLEAR}{printable(self.what)[:LONGEST]}: {self.state(now_ns)}")
                self.out.flush()
                self.drawn, self.shown_ns = True, now_ns

    def state(self, now_ns: int) -> str:
        """Parts and time left, or how long it has taken."""
        if not self.total:
            return f"{(now_ns - self.begin_ns) / NS_PER_S:.0f} s"
        full = WIDTH * self.done // self.total
        parts = f"[{'#' * full}{'.' * (WIDTH - full)}] {self.done} of {self.total}"
        if self.done * FORETOLD < self.total:
            return f"{parts}, {(now_ns - self.begin_ns) / NS_PER_S:.0f} s"
        left_ns = (self.told_ns - self.begin_ns) * (self.total - self.done) / self.done - (now_ns - self.told_ns)
        return f"{parts}, about {max(0.0, left_ns / NS_PER_S):.0f} s left"


@contextmanager
def progress(what: str, *, stream: TextIO | None = None, clock: Clock | None = None) -> Iterator[Told]:
    """Shows `what` with the parts done, as the block tells them, and the time left; the line is gone at the end, also after an error."""
    out, clock = stream or sys.stderr, clock or SystemClock()
    line = Line(what, out, clock, clock.mono_ns(), clock.mono_ns())
    over = threading.Event()
    beat = threading.Thread(target=beating, args=(line, over), daemon=True)
    if out.isatty():
        beat.start()
    try:
        yield line.told
    finally:
        over.set()
        if beat.ident is not None:
            beat.join()
        if line.drawn:
            out.write(CLEAR)
            out.flush()


def beating(line: Line, over: threading.Event) -> None:
    """Draw `line` now and then until it is over."""
    while not over.wait(BEAT_S):
        line.draw()


def one_by_one(parts: Collection[Part], told: Told) -> Iterator[Part]:
    """The parts one after the other; `told` hears of each how many were before it."""
    for done, part in enumerate(parts):
        told(done, len(parts))
        yield part
