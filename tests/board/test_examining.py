"""Examining: from a stranger's archive to an entry, or to the reasons why there is none."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.board.examining import Question, examined
from joulemark.board.submission import Examined, entry_id_of
from tests.board import archives
from tests.board.entries import PUBLISHED_NS
from tests.kit.bundles import edited


def asked(folder: Path, archive: bytes) -> Question:
    """The question about an archive."""
    (folder / "archive").write_bytes(archive)
    (folder / "place").mkdir()
    given = {"archive": str(folder / "archive"), "place": str(folder / "place"), "card": str(folder / "card")}
    return Question(**given, bundle_sha256=archives.sha256(archive), submitter="lab", now_ns=PUBLISHED_NS)


def test_a_good_bundle_becomes_an_entry(tmp_path: Path) -> None:
    """The level is the validator's, the hashes are those of the files, the card is kept as it stood in the archive."""
    question = asked(tmp_path, archives.kit("ES1"))
    found = examined(question)
    assert found.entry is not None
    card = (tmp_path / "card").read_bytes()
    manifest = (tmp_path / "place/energy/manifest.json").read_bytes()
    assert found.level == found.entry.level == "ES1"
    assert found.simulated
    assert found.run_id == json.loads(card)["run_id"]
    assert (found.entry.card_sha256, found.entry.bundle_sha256) == (archives.sha256(card), question.bundle_sha256)
    assert found.entry.entry_id == entry_id_of(archives.sha256(manifest))
    assert not found.failing["ES1"]
    assert "MET-2" in [reason.rule for reason in found.failing["ES2"]]
    assert Examined.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_tampered_bundle_has_no_entry(tmp_path: Path) -> None:
    """A reading that was changed makes it INVALID, by the rule that saw it, and no card is kept."""
    found = examined(asked(tmp_path, archives.changed("ES1", change=edited)))
    assert (found.level, found.entry) == ("INVALID", None)
    assert "INT-1" in [reason.rule for reason in found.reasons]
    assert not (tmp_path / "card").exists()


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (b"no archive", "the archive is neither a folder nor a ZIP"),
        (archives.zipped({"readme.txt": b"nothing of ours"}), "no run, or no reading"),
        (archives.zipped({"../../etc/passwd": b"x"}), "leaves the folder"),
        (archives.zipped({"energy/card.json": b'{"schema": "joulemark.card/1"}'}), "no run, or no reading"),
    ],
)
def test_what_is_no_bundle_is_refused_with_the_reason(tmp_path: Path, archive: bytes, said: str) -> None:
    """Nothing raises, nothing names a path of this machine."""
    found = examined(asked(tmp_path, archive))
    assert found.entry is None
    told = " ".join(reason.why for reason in found.reasons)
    assert said in told
    assert str(tmp_path) not in told


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    """The process bounds its own memory and time before it looks at the archive; the answer is one JSON object."""
    archive = archives.zipped({"readme.txt": b"x"})
    question = {**asked(tmp_path, archive).to_json(), "memory_bytes": 1 << 32, "cpu_s": 60}
    done = subprocess.run([sys.executable, "-m", "joulemark.board.examining"], input=json.dumps(question), capture_output=True, text=True)
    assert Examined.from_json(json.loads(done.stdout)).reasons
    code = f"from joulemark.board.examining import *; import resource; bounded(Question.from_json({question!r})); "
    told = subprocess.run(
        [sys.executable, "-c", code + "print(resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_CPU)[0])"],
        capture_output=True,
        text=True,
    )
    assert told.stdout.split() == [str(1 << 32), "60"]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 1 << 32
