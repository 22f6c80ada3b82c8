"""The bundle: complete, atomic, and every tampering named."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.cards import bundle
from joulemark.cards.evidence import Evidence
from joulemark.errors import UsageError
from joulemark.runs import ResultFile

Gather = Callable[..., Evidence]
READINGS = "energy/readings/ipmi%3Anode.1%3ABMC%2F7%3Apower.csv"


@pytest.fixture
def written(gather: Gather, tmp_path: Path) -> Path:
    bundle.write(tmp_path, gather())
    return tmp_path


def kinds(directory: Path) -> set[tuple[str, str]]:
    return {(finding.kind, finding.path) for finding in bundle.verify(directory)}


def test_everything_is_there_and_verifies(written: Path) -> None:
    """A fresh bundle holds the files of the design, and nothing is wrong with it."""
    files = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    names = ("card", "meters", "phases", "clock", "collection", "prices", "manifest")
    assert files == {"energy_summary.json", READINGS, *(f"energy/{name}.json" for name in names)}
    assert bundle.verify(written) == []


def test_the_manifest_lists_size_and_hash(written: Path) -> None:
    """Every listed size and hash is that of the file."""
    for entry in json.loads((written / "energy/manifest.json").read_text())["files"]:
        data = (written / entry["path"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_summary_is_flat_and_without_null(written: Path) -> None:
    """The summary has the flat keys of other sites and the card without its nulls; never joules per token alone."""
    data = json.loads((written / "energy_summary.json").read_text())
    assert data["energy_per_request_j"] == pytest.approx(3000)
    assert data["avg_power_w"] == pytest.approx(5000)
    assert set(data) == {"energy_per_request_j", "avg_power_w", "es"}
    assert ": null" not in (written / "energy_summary.json").read_text()
    assert data["es"]["headline"]["energy_j"] == pytest.approx(3e6)


def test_written_twice_is_the_same(written: Path, gather: Gather) -> None:
    """Writing again changes no byte, keeps foreign files, and leaves nothing half-written behind."""
    (written / "run.log").write_text("theirs", encoding="utf-8")
    before = {p: p.read_bytes() for p in written.rglob("*") if p.is_file()}
    bundle.write(written, gather())
    assert {p: p.read_bytes() for p in written.rglob("*") if p.is_file()} == before
    assert not list(written.glob(".*"))


def test_a_foreign_energy_folder_is_kept(gather: Gather, tmp_path: Path) -> None:
    """A folder `energy` that Joulemark did not write is never replaced."""
    (tmp_path / "energy").mkdir()
    (tmp_path / "energy" / "theirs.csv").write_text("1", encoding="utf-8")
    with pytest.raises(UsageError, match="not written by joulemark"):
        bundle.write(tmp_path, gather())
    assert (tmp_path / "energy" / "theirs.csv").exists()


def test_an_interrupted_write_is_repaired(gather: Gather, tmp_path: Path) -> None:
    """What a killed writer left behind does not stop the next one."""
    (tmp_path / ".energy.part").mkdir()
    (tmp_path / ".energy.part" / "card.json").write_text("{", encoding="utf-8")
    bundle.write(tmp_path, gather())
    assert bundle.verify(tmp_path) == []
    assert not (tmp_path / ".energy.part").exists()


def test_a_changed_reading_is_named(written: Path) -> None:
    """One watt changed in one reading, at the same length, is found."""
    path = written / READINGS
    path.write_text(path.read_text().replace(",5000,", ",5001,", 1))
    assert kinds(written) == {("changed", READINGS)}


def test_a_longer_or_missing_or_extra_file_is_named(written: Path) -> None:
    """Each kind of tampering has its own finding with its path."""
    with (written / "energy/card.json").open("a") as file:
        file.write(" ")
    (written / "energy/clock.json").unlink()
    (written / "energy/readings/more.csv").write_text("t_ns", encoding="utf-8")
    assert kinds(written) == {
        ("changed", "energy/card.json"),
        ("missing", "energy/clock.json"),
        ("extra", "energy/readings/more.csv"),
    }


@pytest.mark.parametrize("path", ["../outside.json", "/etc/hostname", "energy/../../outside.json", "energy/a\nb"])
def test_no_listed_path_leaves_the_folder(written: Path, path: str) -> None:
    """A manifest that points outside is named unsafe, and the file outside is not read."""
    manifest = written / "energy/manifest.json"
    data = json.loads(manifest.read_text())
    data["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    manifest.write_text(json.dumps(data))
    assert kinds(written) == {("unsafe", path)}


def test_links_are_unsafe(written: Path, tmp_path: Path) -> None:
    """A file replaced by a link is not followed."""
    path = written / "energy/card.json"
    path.rename(written / "elsewhere.json")
    path.symlink_to(written / "elsewhere.json")
    assert kinds(written) == {("unsafe", "energy/card.json")}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "other", "files": []}', '{"schema": "joulemark.manifest/1", "files": [{"path": 1}]}']
)
def test_a_damaged_manifest_is_a_finding(written: Path, text: str) -> None:
    """A manifest that cannot be read is a finding, not a crash."""
    (written / "energy/manifest.json").write_text(text)
    assert kinds(written) == {("unreadable", "energy/manifest.json")}


@pytest.mark.parametrize("path", ["energy/a\0b", "energy/\ud800"])
def test_a_path_that_no_file_has_spoils_the_manifest(written: Path, path: str) -> None:
    """A manifest with text that no file system holds is a finding as a whole."""
    manifest = written / "energy/manifest.json"
    data = json.loads(manifest.read_text())
    data["files"].append({"path": path, "bytes": 1, "sha256": "0" * 64})
    manifest.write_text(json.dumps(data))
    assert kinds(written) == {("unreadable", "energy/manifest.json")}


def test_a_path_too_long_for_the_system_is_missing(written: Path) -> None:
    """A listed name of more than 255 bytes is a finding, not a crash."""
    manifest = written / "energy/manifest.json"
    data = json.loads(manifest.read_text())
    data["files"].append({"path": "energy/" + "a" * 300, "bytes": 1, "sha256": "0" * 64})
    manifest.write_text(json.dumps(data))
    assert kinds(written) == {("missing", "energy/" + "a" * 300)}


@pytest.mark.timeout(20)
def test_pipes_and_linked_folders_are_not_followed(written: Path) -> None:
    """A pipe in a file's place is not waited for, and a linked folder is not looked into."""
    (written / "energy/card.json").unlink()
    os.mkfifo(written / "energy/card.json")
    (written / "energy/readings").rename(written / "moved")
    (written / "energy/readings").symlink_to(written / "moved")
    assert kinds(written) == {("missing", "energy/card.json"), ("unsafe", READINGS), ("extra", "energy/readings")}


def test_nothing_is_written_through_a_link(gather: Gather, tmp_path: Path) -> None:
    """Links planted where the writer works are replaced; what they lead to is not touched."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "summary").write_text("theirs")
    root = tmp_path / "root"
    root.mkdir()
    (root / ".energy.part").symlink_to(outside)
    (root / ".energy_summary.json.part").symlink_to(outside / "summary")
    (root / "energy_summary.json").symlink_to(outside / "summary")
    bundle.write(root, gather())
    assert bundle.verify(root) == []
    assert [p.name for p in outside.iterdir()] == ["summary"]
    assert (outside / "summary").read_text() == "theirs"


@pytest.mark.parametrize("other", ["energy/card.json", "energy//card.json", "energy/./card.json"])
def test_a_file_is_listed_once(written: Path, other: str) -> None:
    """A manifest that lists a file twice, under one name or two, is unreadable: else one large file is hashed a thousand times."""
    path = written / "energy/manifest.json"
    data = json.loads(path.read_text())
    entry = next(entry for entry in data["files"] if entry["path"] == "energy/card.json")
    data["files"].append({**entry, "path": other})
    path.write_text(json.dumps(data))
    assert kinds(written) == {("unreadable", "energy/manifest.json")}


def test_no_manifest_is_a_finding(tmp_path: Path) -> None:
    """A folder without a manifest is named so."""
    assert kinds(tmp_path) == {("missing", "energy/manifest.json")}


def test_a_result_file_beside_the_bundle_is_checked(gather: Gather, tmp_path: Path) -> None:
    """Not there, it is not missed; there, its bytes count; a name that leads out of the folder is unsafe; each file is hashed once."""
    made = gather()
    files = [ResultFile(name, hashlib.sha256(b"result").hexdigest(), 6, 1) for name in ("out.json", "./out.json", "../out.json")]
    bundle.write(tmp_path, replace(made, run=replace(made.run, result_files=tuple(files))))
    assert kinds(tmp_path) == {("unsafe", "../out.json")}
    (tmp_path / "out.json").write_bytes(b"result")
    assert kinds(tmp_path) == {("unsafe", "../out.json")}
    (tmp_path / "out.json").write_bytes(b"Result")
    assert len(bundle.verify(tmp_path)) == 2
    assert "the run says" in next(finding.detail for finding in bundle.verify(tmp_path) if finding.kind == "changed")
