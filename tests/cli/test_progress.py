"""Progress on a terminal, and nowhere else."""

from __future__ import annotations

import io
import threading

import pytest

from joulemark.cli.progress import CLEAR, Line, one_by_one, progress

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
    assert drawn(Terminal(), 0.5, 2.0, 2.05, 6.0) == [
        "feeds: [##........] 2 of 10, about 8 s left",
        "feeds: [####......] 4 of 10, about 9 s left",
        "",
    ]


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
    assert out.getvalue() == f"{CLEAR}x\\x1b[2J: [..........] 0 of 4, 3 s{CLEAR}"


def test_an_action_that_tells_nothing_shows_how_long_it_takes() -> None:
    """Between parts, or without any, the line is drawn anew: the time so far, or what is left of the time that was foretold."""
    out, clock = Terminal(), Ticking()
    line = Line("bundle read", out, clock, 0, 0)
    for now_s in (0.5, 3, 4):
        clock.now_ns = round(now_s * S)
        line.draw()
    line.told(1, 4)
    clock.now_ns = 10 * S
    line.draw()
    clock.now_ns = 30 * S
    line.draw()
    assert out.getvalue().split(CLEAR)[1:] == [
        "bundle read: 3 s",
        "bundle read: 4 s",
        "bundle read: [##........] 1 of 4, about 6 s left",
        "bundle read: [##........] 1 of 4, about 0 s left",
    ]


def test_the_first_parts_of_many_foretell_nothing() -> None:
    """Below a twentieth stands the time so far: the first part often loads what the others use."""
    out, clock = Terminal(), Ticking()
    line = Line("rules judged", out, clock, 0, 0)
    for done, now_s in ((4, 2), (5, 3)):
        clock.now_ns = now_s * S
        line.told(done, 84)
    assert out.getvalue().split(CLEAR)[1:] == [
        "rules judged: [..........] 4 of 84, 2 s",
        "rules judged: [..........] 5 of 84, about 47 s left",
    ]


def test_the_line_is_drawn_by_itself_until_the_action_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread draws while the work goes on, on a terminal only, and is gone with it."""
    monkeypatch.setattr("joulemark.cli.progress.BEAT_S", 0.001)
    out, clock = Terminal(), Ticking()
    shown = threading.Event()
    out.flush = shown.set  # type: ignore[method-assign]  # to hear of a drawing
    with progress("slow", stream=out, clock=clock):
        clock.now_ns = 7 * S
        assert shown.wait(10)
    assert out.getvalue().startswith(f"{CLEAR}slow: 7 s")
    assert out.getvalue().endswith(CLEAR)
    count = threading.active_count()
    with progress("file", stream=io.StringIO(), clock=clock):
        assert threading.active_count() == count


def test_parts_are_one_by_one_as_they_are_begun() -> None:
    """Each part comes in its order, told how many were before it."""
    told: list[tuple[int, int]] = []
    assert list(one_by_one("abc", lambda done, total: told.append((done, total)))) == ["a", "b", "c"]
    assert told == [(0, 3), (1, 3), (2, 3)]


def test_a_long_name_fits_the_line() -> None:
    """What is done is cut, so that the line is not broken and can be drawn over."""
    out, clock = Terminal(), Ticking()
    clock.now_ns = 2 * S
    Line("x" * 200, out, clock, 0, 0).told(9_999, 10_000)
    assert len(out.getvalue()) < 80 + len(CLEAR)
