"""MLLOG lines: events behind any prefix, the last one of a key, broken lines counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.benchmarks import mllog
from joulemark.errors import FormatError


def test_events_behind_a_prefix_and_broken_lines(tmp_path: Path) -> None:
    """Lines of any rank are read, other lines are passed over, and marked lines without an event are counted."""
    good = ':::MLLOG {"key": "k", "value": 2.5, "time_ms": 1, "metadata": ""}'
    broken = [':::MLLOG {"key"', ":::MLLOG [1]", ':::MLLOG {"key": "k", "time_ms": true}', ':::MLLOG {"key": "k", "time_ms": 1e400}']
    (tmp_path / "log").write_text("\n".join(["noise", f"3: {good}", *broken, good.replace("2.5", "7")]))
    log = mllog.read(tmp_path / "log")
    assert ([event.value for event in log.events], log.broken) == ([2.5, 7], 4)
    last = log.last("other", "k")
    assert last is not None
    assert (last.number, log.count("k"), log.count("other")) == (7.0, 7, None)


def test_log_without_events_is_refused(tmp_path: Path) -> None:
    """A file that holds no MLLOG line raises FormatError that names it."""
    (tmp_path / "log").write_text("nothing\n")
    with pytest.raises(FormatError, match="log"):
        mllog.read(tmp_path / "log")
