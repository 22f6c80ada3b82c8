"""The audit log: a line before the deed, its outcome in the same place, and a bound on disk."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.audit import KEPT_FILES, Audit


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(tmp_path / "audit.jsonl")


def test_a_line_stands_before_its_outcome(audit: Audit) -> None:
    """Two requests at once: each line is there with status null first, and each gets its own outcome, in any order."""
    first, second = audit.begin(t_ns=1, who="ci", path="/a"), audit.begin(t_ns=2, who="ci", path="/b", run_id="given")
    assert [line["status"] for line in lines(audit.path)] == [None, None]
    audit.end(second, 200)
    audit.end(first, 201, "0192-new")
    audit.end(first, 500, "late")
    assert [(line["path"], line["status"], line["run_id"]) for line in lines(audit.path)] == [("/a", 201, "0192-new"), ("/b", 200, "given")]


def test_only_the_owner_reads_it(audit: Audit) -> None:
    """The log names who wrote what and is nobody else's."""
    audit.note(401, path="/")
    assert os.stat(audit.path).st_mode & 0o777 == 0o600


def test_a_full_disk_is_told_before_the_deed_and_spares_what_is_under_way(audit: Audit) -> None:
    """Where no further line fits, `begin` fails and leaves no torn line, while a line that has its place is still completed."""
    entry = audit.begin(path="/first")
    with file_size_limit(audit.path.stat().st_size + 20):
        with pytest.raises(OSError, match=r"File too large|No space"):
            audit.begin(path="/second")
        audit.end(entry, 201, "r" * 64)
    assert [(line["path"], line["status"], line["run_id"]) for line in lines(audit.path)] == [("/first", 201, "r" * 64)]
    audit.note(200, path="/third")
    assert [line["path"] for line in lines(audit.path)] == ["/first", "/third"]


def test_a_torn_line_spoils_no_other(audit: Audit) -> None:
    """After a death in the middle of a line the next line stands alone."""
    audit.path.write_text('{"t_ns": 1, "pa')
    audit.note(200, path="/next")
    assert json.loads(audit.path.read_text().splitlines()[1])["path"] == "/next"


def test_it_is_rotated_and_bounded(tmp_path: Path) -> None:
    """A full file becomes .1, the older ones move on, the oldest goes, and a line under way in a rotated file is completed there."""
    audit = Audit(tmp_path / "audit.jsonl", max_bytes=300)
    waiting = audit.begin(path="/waiting")
    for number in range(60):
        audit.note(200, path=f"/{number}")
        if number == 5:
            audit.end(waiting, 201)
            found = [line for path in tmp_path.iterdir() for line in lines(path)]
            assert {line["path"]: line["status"] for line in found}["/waiting"] == 201
    assert len(list(tmp_path.iterdir())) == KEPT_FILES + 1
    assert all(path.stat().st_size < 600 for path in tmp_path.iterdir())
    assert lines(audit.path)[-1]["path"] == "/59"


def test_hostile_text_stays_one_line_of_bounded_length(audit: Audit) -> None:
    """Line ends and quotes in a path are escaped, and a path of any length is cut."""
    audit.note(404, path='/v1/"\n{"status": 200}\u2028' + "x" * 10_000)
    (line,) = audit.path.read_bytes().split(b"\n")[:-1]
    assert json.loads(line)["path"].startswith('/v1/"\n{')
    assert len(line) < 700
