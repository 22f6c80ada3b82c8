"""Attaching: originals untouched, the same twice, every state of a killed attach mended, nothing of somebody else's overwritten."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.cards import attached, bundle
from joulemark.cards.attached import Place
from joulemark.cards.evidence import Evidence
from joulemark.errors import FormatError, InsufficientData, NotCompliant, UsageError
from joulemark.runs import Run
from tests.interop import openaiperf_bundles as made

Gather = Callable[..., Evidence]
LOG = b'{"timestamp": "2026-11-21T10:29:47Z", "power_watts": 5000.0}\n'


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def attach(folder: Path, evidence: Evidence, *, site: dict[str, bytes] | None = None, **more: Any) -> attached.Attached:
    at = Place.of(folder)
    return attached.attach(at, attached.originals(at), bundle.build(evidence), site=site or {}, read=None, **more)


@pytest.fixture(params=sorted(made.DIALECTS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bundle in each dialect."""
    return made.bundle(tmp_path, made.DIALECTS[request.param]())


def test_additive_and_idempotent(folder: Path, gather: Gather) -> None:
    """Every original keeps its bytes, a summary of the benchmark's own under another name; attached again nothing changes."""
    before = bytes_of(folder)
    attach(folder, gather())
    after = bytes_of(folder)
    own = "energy_summary.json"
    assert {name: after[name] for name in before if name != own} == {name: data for name, data in before.items() if name != own}
    assert after.get("energy_summary.orig.json") == before.get(own)
    attach(folder, gather())
    assert bytes_of(folder) == after
    assert bundle.verify(folder) == []
    assert attached.findings(Place.of(folder)) == []


def test_the_manifest_names_the_originals(folder: Path, gather: Gather) -> None:
    """Each original stands in the manifest with its hash, and its own name where it stays under another."""
    before = bytes_of(folder)
    attach(folder, gather(), site={"system.log": LOG})
    manifest = json.loads((folder / "energy/manifest.json").read_text())
    listed = {entry.get("name", entry["path"]): entry["sha256"] for entry in manifest["originals"]}
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in before.items()}
    assert all((folder / entry["path"]).is_file() for entry in manifest["originals"])


def test_with_and_without_the_site(folder: Path, gather: Gather) -> None:
    """A log for the site takes its name and leaves the original aside; attached without it the original is back in its place."""
    before = bytes_of(folder)
    attach(folder, gather(), site={"system.log": LOG})
    assert (folder / "system.log").read_bytes() == LOG
    assert bytes_of(folder).get("system.orig.log") == before.get("system.log")
    assert bundle.verify(folder) == []
    attach(folder, gather())
    assert bytes_of(folder).get("system.log") == before.get("system.log")
    assert not (folder / "system.orig.log").exists()


def test_a_changed_original_is_not_listed_anew(folder: Path, gather: Gather) -> None:
    """An original changed, or removed, since a card was attached is named, and nothing is written."""
    attach(folder, gather())
    kept = (folder / "run.json").read_text()
    (folder / "run.json").write_text(kept + " ")
    assert ("changed", "run.json") in {(one.kind, one.path) for one in bundle.verify(folder)}
    with pytest.raises(NotCompliant, match=r"run\.json was changed"):
        attach(folder, gather())
    (folder / "run.json").write_text(kept)
    (folder / "system.json").rename(folder / "else.json")
    with pytest.raises(NotCompliant, match=r"system\.json was changed or removed"):
        attach(folder, gather())


def test_a_changed_file_of_ours_is_not_taken_for_an_original(tmp_path: Path, gather: Gather) -> None:
    """A summary that somebody edited is neither overwritten nor listed as the benchmark's."""
    folder = made.bundle(tmp_path, made.docs())
    attach(folder, gather())
    (folder / "energy_summary.json").write_text("{}")
    with pytest.raises(NotCompliant, match=r"energy_summary\.json was changed"):
        attach(folder, gather())


def test_an_extra_file_is_named(folder: Path, gather: Gather) -> None:
    """A file that was slipped in beside the cards, or into the evidence, stands in no list."""
    attach(folder, gather())
    (folder / "more.json").write_text("{}")
    (folder / "energy" / "more.json").write_text("{}")
    assert [(one.kind, one.path) for one in attached.findings(Place.of(folder))] == [("extra", "more.json")]
    assert [(one.kind, one.path) for one in bundle.verify(folder)] == [("extra", "energy/more.json")]


def test_a_name_that_is_taken(tmp_path: Path, gather: Gather) -> None:
    """A bundle that already has a file of the name that an original would get is refused, untouched."""
    folder = made.bundle(tmp_path, {**made.docs(), "system.orig.log": "theirs"})
    before = bytes_of(folder)
    with pytest.raises(UsageError, match=r"system\.orig\.log lies in"):
        attach(folder, gather())
    assert bytes_of(folder) == before


def test_a_name_that_is_taken_later(tmp_path: Path, gather: Gather) -> None:
    """A copy that somebody made after a card was attached is never overwritten by the original that would get its name."""
    folder = made.bundle(tmp_path, {**made.docs(), "system.log": "theirs"})
    attach(folder, gather())
    (folder / "system.orig.log").write_text("a copy of before")
    before = bytes_of(folder)
    with pytest.raises(UsageError, match=r"system\.orig\.log lies in"):
        attach(folder, gather(), site={"system.log": LOG})
    assert bytes_of(folder) == before


def test_a_folder_energy_of_somebody_else(tmp_path: Path, gather: Gather) -> None:
    """A folder `energy` without a manifest of ours is never replaced."""
    folder = made.bundle(tmp_path, made.docs())
    (folder / "energy").mkdir()
    (folder / "energy" / "theirs.csv").write_text("1")
    with pytest.raises(UsageError, match="not written by joulemark"):
        attach(folder, gather())
    assert (folder / "energy" / "theirs.csv").read_text() == "1"


def test_any_other_folder_gets_one_beside_it(tmp_path: Path, gather: Gather) -> None:
    """A folder that is no OpenAIPerf bundle stays as it is; its card lies beside it, and names its files."""
    own = tmp_path / "artifacts"
    (own / "deep").mkdir(parents=True)
    (own / "profile.jsonl").write_text("{}")
    (own / "deep" / "energy_summary.json").write_text("theirs")
    before = bytes_of(own)
    at = attach(own, gather()).place
    assert (at.into, at.beside, bytes_of(own)) == (tmp_path / "artifacts.energy", True, before)
    assert bundle.verify(at.into) == attached.findings(at) == []
    (own / "profile.jsonl").write_text("{ }")
    (own / "new").write_text("")
    assert {(one.kind, one.path) for one in attached.findings(at)} == {("changed", "profile.jsonl"), ("extra", "new")}
    assert bundle.verify(at.into) == []


def test_places(tmp_path: Path) -> None:
    """One bundle below a folder is meant by it, several are refused by name, and a packed one has its place beside the archive."""
    made.bundle(tmp_path / "a", made.docs())
    assert Place.of(tmp_path).root == (tmp_path / "a" / "bundle").resolve()
    made.bundle(tmp_path / "b", made.docs())
    with pytest.raises(UsageError, match="2 OpenAIPerf bundles: a/bundle, b/bundle"):
        Place.of(tmp_path)
    (tmp_path / "c").mkdir()
    assert Place.of(tmp_path / "c", packed=tmp_path / "c.tgz").into.name == "c.tgz.energy"
    with pytest.raises(FormatError, match="no folder"):
        Place.of(tmp_path / "none")


def test_what_lies_beside_is_no_bundle(tmp_path: Path, gather: Gather) -> None:
    """The folder of ours is not attached to in turn: the benchmark's own is named."""
    (tmp_path / "artifacts").mkdir()
    at = attach(tmp_path / "artifacts", gather()).place
    with pytest.raises(UsageError, match="give that one: artifacts"):
        Place.of(at.into)


def test_links_and_hidden_files_are_left_alone(tmp_path: Path, gather: Gather) -> None:
    """A link out of the bundle is not followed, and what a file manager leaves is not listed."""
    folder = made.bundle(tmp_path, made.docs())
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / ".DS_Store").write_text("")
    paths = {entry["path"] for entry in attach(folder, gather()).manifest["originals"]}
    assert paths == set(made.docs())


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("files", {"path": "run.log"}),
        ("site", {"path": "run.log"}),
        ("files", {"path": "../secret"}),
        ("originals", {"path": "x", "name": "../../secret"}),
        ("originals", {"path": "../secret", "name": "system.log"}),
    ],
)
def test_a_manifest_that_claims_too_much(tmp_path: Path, gather: Gather, name: str, entry: dict[str, str]) -> None:
    """A manifest that calls an original ours, or names a file elsewhere, is refused before anything is written."""
    folder = made.bundle(tmp_path, made.docs())
    attach(folder, gather())
    path = folder / bundle.MANIFEST
    manifest = json.loads(path.read_text())
    manifest[name] = [one for one in manifest[name] if one["path"] != entry["path"]]
    manifest["originals"] = [one for one in manifest["originals"] if one["path"] != entry["path"]]
    manifest[name].append({"bytes": 0, "sha256": "0" * 64, **entry})
    path.write_text(json.dumps(manifest))
    before = bytes_of(tmp_path)
    with pytest.raises(FormatError, match="which joulemark does not"):
        attach(folder, gather())
    assert bytes_of(tmp_path) == before


def test_a_link_in_the_place_of_ours_is_kept(tmp_path: Path, gather: Gather) -> None:
    """A bundle whose summary is a link is refused: the link is somebody's, and would be lost."""
    folder = made.bundle(tmp_path, made.docs())
    (folder / "energy_summary.json").symlink_to(folder / "run.json")
    with pytest.raises(UsageError, match=r"energy_summary\.json in .* is a link"):
        attach(folder, gather())
    assert (folder / "energy_summary.json").is_symlink()


def test_a_place_that_cannot_be_written(tmp_path: Path, gather: Gather, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be made beside the benchmark's is a clear error."""
    (tmp_path / "artifacts").mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UsageError, match=r"cannot write to .*: Permission denied"):
        attach(tmp_path / "artifacts", gather())


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("site", [False, True])
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("dialect", ["four_cards_one_log", "docs"])
def test_killed_at_every_step(
    tmp_path: Path, gather: Gather, monkeypatch: pytest.MonkeyPatch, dialect: str, again: bool, site: bool
) -> None:
    """Whichever change of a name is the last, every original has its bytes under one of its names, and a retry ends as if nothing was.

    `again`: over an older card of other figures, with a log for the site where the new one has none, and the reverse.
    """
    files = {name: data.encode() for name, data in made.DIALECTS[dialect]().items()}
    whole = {"system.log": LOG} if site else {}
    reference = made.bundle(tmp_path / "reference", made.DIALECTS[dialect]())
    attach(reference, gather(), site=whole)
    older = gather(clocks={})
    for step in range(40):
        folder = made.bundle(tmp_path / str(step), made.DIALECTS[dialect]())
        if again:
            attach(folder, older, site={} if site else {"system.log": LOG})
        left = [step]
        with monkeypatch.context() as patch:
            for where, name in ((os, "link"), (Path, "rename"), (Path, "replace"), (Path, "unlink")):
                patch.setattr(where, name, dying(getattr(where, name), left))
            try:
                attach(folder, gather(), site=whole)
                ended = True
            except Killed:
                ended = False
        for name, data in files.items():
            places = [folder / name, folder / attached.ASIDE.get(name, name)]
            assert data in [place.read_bytes() for place in places if place.is_file()], (step, name)
        attach(folder, gather(), site=whole)
        assert bytes_of(folder) == bytes_of(reference), step
        if ended:
            break
    assert ended
    assert step > 3


def dying(real: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """`real`, until `left` calls are through."""

    def call(*args: Any, **more: Any) -> Any:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(*args, **more)

    return call


def test_another_run_is_refused(run: Run) -> None:
    """A run that measured another time than the benchmark's log tells is not this benchmark's; a second apart is."""
    attached.covers(run, run)
    window = run.measured[0]
    attached.covers(run, replace(run, windows=(window.shifted(1_000_000_000),)))
    for hours in (-1, 1):
        with pytest.raises(InsufficientData, match="the benchmark's log says"):
            attached.covers(run, replace(run, windows=(window.shifted(hours * 3_600_000_000_000),)))


def test_a_signature_is_over_the_manifest(tmp_path: Path, gather: Gather) -> None:
    """What signs is given the hash of the manifest as it lies there, and the signature stands in no list."""
    folder = made.bundle(tmp_path, made.docs())
    attach(folder, gather(), sign=lambda sha256: {"manifest_sha256": sha256})
    told = json.loads((folder / bundle.SIGNATURE).read_text())
    assert told["manifest_sha256"] == hashlib.sha256((folder / bundle.MANIFEST).read_bytes()).hexdigest()
    assert bundle.verify(folder) == []
