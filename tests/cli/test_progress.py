"""Progress on a terminal, and nowhere else."""

from __future__ import annotations

import io

import pytest

from joulemark.cli.progress import CLEAR, progress

S = 1_000_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Ticking:
    """A clock that the test moves."""

    now_ns = 0

    def utc_ns(self) -> int:
        return self.now_ns

    def mono_ns(self) -> int:
        return self.now_ns


def drawn(out: io.StringIO, *seconds: float) -> list[str]:
    """What is shown when the parts of ten are done after these times."""
    clock = Ticking()
    with progress("feeds", stream=out, clock=clock) as told:
        for done, at_s in enumerate(seconds, 1):
            clock.now_ns = round(at_s * S)
            told(done, 10)
    return out.getvalue().split(CLEAR)[1:]


def test_parts_and_time_left_after_a_second() -> None:
    """The first second is quiet; then the parts and the time left by the speed so far; at most ten times a second; at last nothing."""
    assert drawn(Terminal(), 0.5, 2.0, 2.05, 6.0) == ["feeds: 2 of 10, about 8 s left", "feeds: 4 of 10, about 9 s left", ""]


def test_what_is_short_or_no_terminal_shows_nothing() -> None:
    """A short action, and one whose stderr is a file, write nothing."""
    assert drawn(Terminal(), 0.1, 0.9) == []
    out = io.StringIO()
    drawn(out, 5.0, 9.0)
    assert out.getvalue() == ""


def test_the_line_goes_also_after_an_error() -> None:
    """What is said of the error does not stand behind the progress."""
    out, clock = Terminal(), Ticking()

    def broken() -> None:
        with progress("x\x1b[2J", stream=out, clock=clock) as told:
            clock.now_ns = 3 * S
            told(0, 4)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert out.getvalue() == f"{CLEAR}x\\x1b[2J: 0 of 4{CLEAR}"
