"""Progress of a long action: one line on stderr that is drawn over, only on a terminal, and only once it takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

from joulemark.cli import printable
from joulemark.timebase import Clock, SystemClock
from joulemark.units import NS_PER_S

Told = Callable[[int, int], None]
"""Called with how many parts are done, and of how many."""
QUIET_NS: Final = NS_PER_S
"""What is done by then shows nothing."""
EVERY_NS: Final = NS_PER_S // 10
CLEAR: Final = "\r\x1b[K"


@contextmanager
def progress(what: str, *, stream: TextIO | None = None, clock: Clock | None = None) -> Iterator[Told]:
    """Shows `what` with the parts done and the time left, were the rest as fast; the line is gone at the end, also after an error."""
    out, clock = stream or sys.stderr, clock or SystemClock()
    begin_ns = shown_ns = clock.mono_ns()
    drawn = False

    def told(done: int, total: int) -> None:
        nonlocal drawn, shown_ns
        now_ns = clock.mono_ns()
        if out.isatty() and now_ns - begin_ns >= QUIET_NS and now_ns - shown_ns >= EVERY_NS:
            left_s = (now_ns - begin_ns) / NS_PER_S * (total - done) / done if done else None
            out.write(f"{CLEAR}{printable(what)}: {done} of {total}{'' if left_s is None else f', about {left_s:.0f} s left'}")
            out.flush()
            drawn, shown_ns = True, now_ns

    try:
        yield told
    finally:
        if drawn:
            out.write(CLEAR)
            out.flush()
