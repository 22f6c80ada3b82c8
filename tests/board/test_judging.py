"""Judging by another process: its answer, its end, and what it may know."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from joulemark.board.examining import Question
from joulemark.board.judging import Died, Judge, alone, named
from tests.board import archives
from tests.board.entries import PUBLISHED_NS


def question(folder: Path) -> Question:
    """About an archive that is no bundle."""
    archive = archives.zipped({"readme.txt": b"x"})
    (folder / "archive").write_bytes(archive)
    return Question(str(folder / "archive"), archives.sha256(archive), "", "lab", PUBLISHED_NS)


def test_an_answer_comes_back_and_nothing_stays(tmp_path: Path) -> None:
    """The examination of the other process is read, and its folder is gone."""
    found = asyncio.run(Judge(tmp_path / "judging", 60.0, 1 << 32).judge(question(tmp_path)))
    assert found.reasons
    assert list((tmp_path / "judging").iterdir()) == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A process that would need more memory than it may have ends without an answer, and that is said."""
    with pytest.raises(Died, match="ended with"):
        asyncio.run(Judge(tmp_path / "judging", 60.0, 1 << 20).judge(question(tmp_path)))


def test_time_is_bounded(tmp_path: Path) -> None:
    """A process that is too slow is ended, with whatever it started."""
    with pytest.raises(Died, match=r"not judged within 0\.01 s"):
        asyncio.run(Judge(tmp_path / "judging", 0.01, 1 << 32).judge(question(tmp_path)))


def test_it_knows_no_secret_of_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of Joulemark, which may name files of tokens, do not reach the process that unpacks a stranger's archive."""
    monkeypatch.setenv("JOULEMARK_TOKEN_FILE", "/secret")
    assert not [name for name in alone() if name.startswith("JOULEMARK_")]
    assert alone()["PATH"] == os.environ["PATH"]


def test_an_end_has_a_name() -> None:
    """By signal, by status, or by a number that has no name."""
    assert [named(-9), named(1), named(-250)] == ["signal SIGKILL", "exit 1", "signal 250"]
