"""`joulemark validate`: the level as an exit code, the rules in the way by name, and nothing that can be done to a file ends it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from joulemark.pki import seal
from joulemark.standard.edition import edition
from tests import command
from tests.kit import hands
from tests.kit.spoil import written

REPORT_SCHEMA = "joulemark.validation/1"


def joulemark(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return command.joulemark("validate", *args)


def program(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """The program, as a user runs it."""
    words = [sys.executable, "-m", "joulemark", "validate", *map(str, args)]
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(done.stdout)
    return data


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "bundle", "ES1")


def test_every_rule_is_reported_in_both_columns(good: Path) -> None:
    """The object lists all rules of the edition with verdict, limit and source, and the level with the mark of the kit."""
    data = report(joulemark(good, "--json"))
    assert (data["schema"], data["edition"], data["kit"]) == (REPORT_SCHEMA, "1.0", True)
    assert [rule["id"] for rule in data["rules"]] == [rule.id for rule in edition().rules]
    assert data["level_text"] == f"{data['level']} (kit)"
    assert all(
        {"verdict", "measured", "limit", "source", "detail"} <= set(rule[grade]) for rule in data["rules"] for grade in ("ES1", "ES2")
    )


def test_a_tampered_bundle_ends_with_three_and_names_the_rule(good: Path) -> None:
    """One digit of one reading: INVALID, exit 3, and INT-1 on both streams."""
    hands.lowered(good)
    done = program(good)
    assert done.returncode == 3
    assert done.stdout.startswith("INVALID (kit): ")
    assert "INT-1   fail in ES1, a contradiction" in done.stdout
    assert "INVALID by INT-1" in done.stderr


def test_a_level_that_is_asked_for_decides(good: Path) -> None:
    """A short run read by its BMC never reaches ES2: exit 3 with the rules in the way, in text as in JSON."""
    done = joulemark(good, "--level", "ES2", "--json")
    assert done.returncode == 3
    assert "PHA-2" in report(done)["failing"]["ES2"]
    assert "does not reach ES2" in done.stderr


def test_an_archive_is_a_bundle_too(good: Path, tmp_path: Path) -> None:
    """A ZIP and a gzipped tar of the folder come to the report of the folder."""
    expected = report(joulemark(good, "--json"))
    zipped, tarred = tmp_path / "b.zip", tmp_path / "b.tgz"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(good.rglob("*")):
            out.write(path, path.relative_to(good))
    with tarfile.open(tarred, "w:gz") as tar:
        tar.add(good, arcname="some-name")
    assert report(joulemark(zipped, "--json")) == expected
    assert report(joulemark(tarred, "--json")) == expected


def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    """A tar with a name above its folder is refused whole, and nothing is written there."""
    hostile = tmp_path / "b.tgz"
    with tarfile.open(hostile, "w:gz") as tar:
        info = tarfile.TarInfo("../escaped")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    done = joulemark(hostile)
    assert (done.returncode, done.stdout) == (2, "")
    assert "leaves the folder" in done.stderr


@pytest.mark.parametrize(("args", "code"), [(("nowhere",), 2), ((".", "--edition", "0.1"), 2), ((".", "--level", "ES9"), 2), ((".",), 4)])
def test_usage_and_nothing_to_judge(tmp_path: Path, args: tuple[str, ...], code: int) -> None:
    """What is not there and what is not known is usage; a folder with nothing of ours or of a benchmark is nothing to judge."""
    (tmp_path / "note.txt").write_text("hello")
    done = joulemark(*(tmp_path / arg if arg in (".", "nowhere") else arg for arg in args))
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_read_is_judged(tmp_path: Path) -> None:
    """An analyser's log without a time zone is informative and no error: exit 3, the file and what to do are named."""
    log = "Time,01-02-2024 10:00:00.000,Watts,100.0,Volts,230.0,Amps,0.5,PF,0.9,Mark,run\n"
    (tmp_path / "spl.txt").write_text(log)
    done = joulemark(tmp_path)
    assert done.returncode == 3
    assert done.stdout.startswith("ES0: ")
    assert "not read: spl.txt: " in done.stdout
    assert "--tz" in done.stdout


def test_a_trusted_key_is_told_by_a_file(good: Path, tmp_path: Path) -> None:
    """A stranger's signature warns at ES1; with its key in the list of --trust it passes at ES2."""
    hands.signed_by_a_stranger(good)
    trust = tmp_path / "trust.toml"
    trust.write_text(f'[[key]]\npublic_key = "{seal.public_text(hands.STRANGER)}"\nrole = "agent"\nowner = "lab 7"\n')
    unknown = next(r for r in report(joulemark(good, "--json"))["rules"] if r["id"] == "INT-7")
    known = next(r for r in report(joulemark(good, "--json", "--trust", trust))["rules"] if r["id"] == "INT-7")
    assert (unknown["ES1"]["verdict"], unknown["ES2"]["verdict"]) == ("warn", "fail")
    assert (known["ES1"]["verdict"], known["ES2"]["verdict"]) == ("pass", "pass")
    assert "lab 7" in known["ES2"]["detail"]


def test_budgets_stand_below_the_report(good: Path) -> None:
    """With --budget the text ends with the budget of every measured phase and of the score; the object stays the report."""
    done = joulemark(good, "--budget")
    assert "measured-1: " in done.stdout
    assert "score, median of 3: " in done.stdout
    assert report(joulemark(good, "--budget", "--json"))["schema"] == REPORT_SCHEMA
