"""Marks that wait in a file: bounded, one a line, and never mixed up by two processes or a torn line."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from joulemark import kept_marks
from joulemark.errors import FormatError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


def test_marks_come_back_in_order() -> None:
    """What was kept is read back line by line, also after a line that a dying process left torn."""
    kept_marks.keep("r", "phases", {"n": 1})
    with kept_marks.file_of("r").open("a") as file:
        file.write('{"what": "pha')
    kept_marks.keep("r", "stop", {"n": 2})
    first, torn, last = kept_marks.of("r").lines
    assert (kept_marks.mark_of(first), kept_marks.mark_of(last)) == (("phases", {"n": 1}), ("stop", {"n": 2}))
    with pytest.raises(FormatError):
        kept_marks.mark_of(torn)


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"what": "../../v1/hosts", "body": {}}', '{"what": "stop"}', '{"what": "stop", "body": {"a": NaN}}']
)
def test_a_line_that_is_no_mark_is_refused(line: str) -> None:
    """Neither a path of one's own choice nor what is no JSON object is ever posted."""
    with pytest.raises(FormatError):
        kept_marks.mark_of(line.encode())


def test_what_was_added_meanwhile_stays() -> None:
    """Delivered marks leave the file; those kept since, and those to stay, remain in their order."""
    for number in range(3):
        kept_marks.keep("r", "phases", {"n": number})
    waiting = kept_marks.of("r")
    kept_marks.keep("r", "phases", {"n": 3})
    waiting.leave(waiting.lines[1:2])
    assert [kept_marks.mark_of(line)[1]["n"] for line in kept_marks.of("r").lines] == [1, 3]
    waiting.leave([])
    assert len(kept_marks.of("r").lines) == 2
    kept_marks.of("r").leave([])
    assert not kept_marks.file_of("r").exists()


def test_the_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound a mark is not kept, which the caller hears as an OSError, and those before it stay whole."""
    monkeypatch.setattr(kept_marks, "MAX_BYTES", 60)
    kept_marks.keep("r", "phases", {"n": 1})
    with pytest.raises(OSError, match="large"):
        kept_marks.keep("r", "phases", {"n": 2})
    assert len(kept_marks.of("r").lines) == 1


def test_others_do_not_read_them() -> None:
    """Names of runs and phases are for the user who measured alone."""
    kept_marks.keep("r", "phases", {"n": 1})
    assert stat.S_IMODE(kept_marks.file_of("r").parent.stat().st_mode) == 0o700


def test_a_run_id_leads_nowhere_else(tmp_path: Path) -> None:
    """A hostile run id is a file name in the folder of marks."""
    assert kept_marks.file_of("../../etc/x").parent == tmp_path / "state" / "marks"


def test_what_is_no_plain_file_is_not_waited_for() -> None:
    """A pipe in the place of the file is an error, not a wait."""
    os.mkfifo(kept_marks.file_of("r"))
    with pytest.raises(FormatError, match="pipe"):
        kept_marks.of("r")
