"""Log lines."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest

from joulemark import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the package's log lines go during one test; the logger is put back afterwards."""
    root = logging.getLogger("joulemark")
    before = root.handlers[:], root.level, root.propagate
    yield io.StringIO()
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


def test_one_line_per_event(stream: io.StringIO) -> None:
    """A line holds UTC time, level, logger and message; a level below the wanted one is not printed."""
    logs.configure("info", stream)
    logging.getLogger("joulemark.agent.uplink").info("collector unreachable address=%s", "127.0.0.1:7470")
    logging.getLogger("joulemark.agent.uplink").debug("not shown")
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z info    joulemark\.agent\.uplink collector unreachable address=127\.0\.0\.1:7470\n"
    assert re.fullmatch(pattern, stream.getvalue())


def test_configuring_twice_does_not_print_twice(stream: io.StringIO) -> None:
    """A second call replaces the first handler."""
    logs.configure("info", io.StringIO())
    logs.configure("warning", stream)
    logging.getLogger("joulemark").warning("once")
    assert stream.getvalue().count("once") == 1


def test_a_traceback_follows_its_line(stream: io.StringIO) -> None:
    """An exception that is logged prints its traceback below the line."""
    logs.configure("info", stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("joulemark").exception("runner stopped")
    assert "runner stopped\nTraceback" in stream.getvalue()
    assert stream.getvalue().endswith("RuntimeError: broken\n")


def test_what_somebody_sent_begins_no_line(stream: io.StringIO) -> None:
    """Line breaks, escape sequences and surrogates in a message are escaped; letters of any language stay."""
    logs.configure("info", stream)
    logging.getLogger("joulemark.x").warning("path %s", "/a\nforged\x1b[2J\u2028\udc80 é")
    assert stream.getvalue().endswith(r"path /a\nforged\x1b[2J\u2028\udc80 é" + "\n")
