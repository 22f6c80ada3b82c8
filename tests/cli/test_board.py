"""`joulemark board` against a running collector whose board has entries; judging of real bundles is proved in tests/e2e/test_boards.py."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.board.store import BoardStore
from joulemark.cli.board import media_type, packed
from joulemark.errors import UsageError
from tests.board.entries import entry
from tests.collector.conftest import Collector
from tests.command import joulemark


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with two entries on its board."""
    made = Collector(tmp_path_factory.mktemp("collector"))
    (made.folder / "data").mkdir()
    with BoardStore(made.folder / "data/board.db") as store:
        store.publish_all([(entry(number), f"run-{number}") for number in (1, 2)])
    made.start()
    yield made
    made.stop()


def run(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A command and its answer."""
    done = joulemark("board", *arguments)
    assert done.returncode == status, done.stderr
    return done


def test_a_board_is_listed(collector: Collector) -> None:
    """All of it, or a level, as text and as the answer of the collector."""
    assert "2 entries, page 1 of 1" in run("list", "--from", collector.rest).stdout
    found = json.loads(run("list", "--from", collector.rest, "--level", "ES2", "--json").stdout)
    assert (found["total"], found["asked"]) == (0, {"level": "ES2"})
    assert "no page 2" in run("list", "--from", collector.rest, "--page", "2", status=2).stderr


def test_a_refused_bundle_is_told_with_its_reasons(collector: Collector, tmp_path: Path) -> None:
    """A folder that is no bundle is packed, judged and refused: exit 3, each reason on stdout. What is no archive is not even sent."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/readme.txt").write_text("nothing of ours")
    done = run("submit", str(tmp_path / "folder"), "--to", collector.rest, status=3)
    assert done.stdout.startswith("refused, ES0: submission ")
    assert "no run, or no reading" in done.stdout
    assert "refused by ENTRY" in done.stderr
    assert "neither a folder nor a ZIP" in run("submit", str(tmp_path / "folder/readme.txt"), "--to", collector.rest, status=2).stderr


def test_a_report_is_written_of_a_board(collector: Collector) -> None:
    """Markdown, one page of HTML, or JSON, of the quarter that is asked for."""
    assert run("report", "--quarter", "2026Q4", "--from", collector.rest).stdout.startswith("#")
    assert run("report", "--quarter", "2026Q4", "--html", "--from", collector.rest).stdout.lower().startswith("<!doctype html>")
    assert (
        json.loads(run("report", "--quarter", "2026Q4", "--json", "--from", collector.rest).stdout)["schema"] == "joulemark.board-report/1"
    )
    assert "no quarter" in run("report", "--quarter", "2026Q5", "--from", collector.rest, status=2).stderr


def test_a_snapshot_is_made_and_written(collector: Collector, tmp_path: Path) -> None:
    """A day that is over is kept, and its files are the bytes that their hashes name."""
    lines = run("snapshot", "--date", "2026-11-01", "--out", str(tmp_path / "out"), "--to", collector.rest).stdout.splitlines()
    assert sorted(line.split("  ")[1] for line in lines) == sorted(path.name for path in (tmp_path / "out").iterdir())
    check = subprocess.run(["sha256sum", "--check"], cwd=tmp_path / "out", input="\n".join(lines), text=True, capture_output=True)
    assert check.returncode == 0, check.stderr
    assert "not over yet" in run("snapshot", "--date", "2099-01-01", "--to", collector.rest, status=2).stderr


def test_an_entry_is_withdrawn(collector: Collector) -> None:
    """By its id, with the reason that everybody reads from then on."""
    done = run("withdraw", entry(2).entry_id, "--reason", "the meter was not wired as stated", "--to", collector.rest)
    assert done.stdout == f"withdrawn: {entry(2).entry_id} (the meter was not wired as stated)\n"
    assert "no entry" in run("withdraw", entry(9).entry_id, "--reason", "x", "--to", collector.rest, status=2).stderr


def test_a_board_that_is_not_there_is_said(tmp_path: Path) -> None:
    """To follow what does not answer is exit 6, and what was taken before stays."""
    config = tmp_path / "joulemark.toml"
    config.write_text(f'[collector]\ndata_dir = "{tmp_path}/data"\n')
    assert "unreachable" in run("follow", "http://127.0.0.1:9", "--config", str(config), status=6).stdout
    assert "no address" in run("follow", "board.example", "--config", str(config), status=2).stderr


def test_a_folder_is_packed_the_same_each_time(tmp_path: Path) -> None:
    """Equal files give equal bytes, so that the same bundle is the same submission; an archive is sent as it is; a link is not packed."""
    folder = tmp_path / "bundle"
    (folder / "energy").mkdir(parents=True)
    (folder / "energy/a.json").write_bytes(b"{}")
    with packed(folder) as first, packed(folder) as second:
        assert first.read_bytes() == second.read_bytes()
        assert media_type(first) == "application/zip"
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as archive:
        archive.add(folder, "bundle")
    with packed(tmp_path / "b.tgz") as same:
        assert same == tmp_path / "b.tgz"
        assert media_type(same) == "application/gzip"
    (tmp_path / "text").write_text("x")
    with pytest.raises(UsageError, match="neither a folder"):
        media_type(tmp_path / "text")
