"""The proof of an attached card: what holds, and each way in which it does not, named with file, kind and rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulemark import benchmarks, traces
from joulemark.cards import attached, bundle, card, site
from joulemark.cards.attached import Place
from joulemark.cards.evidence import Evidence
from joulemark.pki import seal
from joulemark.pricing.snapshot import Snapshot
from joulemark.standard import attachment
from joulemark.standard.trust import Key, Trust
from tests.interop import openaiperf_bundles as made

KEY = seal.new_key()
OURS = Trust((Key(seal.public_text(KEY), "submitter", "us"),))
POWER = "timestamp,power_w\n" + "".join(f"2026-11-21T10:29:{s}.000Z,{1000 + 10 * s}\n" for s in range(30, 60))
Change = Callable[[Any], None]


@pytest.fixture(params=["docs", "ob_tools"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An attached bundle, signed, with a log for the site."""
    folder = made.bundle(tmp_path, made.DIALECTS[request.param]())
    (tmp_path / "power.csv").write_text(POWER)
    run = benchmarks.read(folder, tz=None, tool="openaiperf")
    evidence = Evidence.gathered(run, traces.read(tmp_path / "power.csv", tz=None), Snapshot(), rule_set="1.0")
    log = site.system_log(evidence, card.build(evidence))
    at = Place.of(folder)
    attached.attach(
        at,
        attached.originals(at),
        bundle.build(evidence),
        site={"system.log": log},
        read={"tool": "openaiperf", "tz": None},
        sign=lambda sha256: seal.over_manifest(KEY, sha256, role=attachment.ROLE),
    )
    return folder


def faults(folder: Path, trust: Trust | None = None) -> set[tuple[str, str]]:
    return {(fault.file, fault.kind) for fault in attachment.proof(Place.of(folder), trust=trust).faults}


def edit(path: Path, change: Change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1))


def rehashed(folder: Path) -> None:
    """As who changed a file and hashes everything anew, and leaves no signature that would tell."""
    (folder / bundle.SIGNATURE).unlink(missing_ok=True)
    path = folder / bundle.MANIFEST
    manifest = json.loads(path.read_text())
    for entry in (entry for name in bundle.LISTS for entry in manifest[name]):
        data = (folder / entry["path"]).read_bytes()
        entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    path.write_text(json.dumps(manifest))


def test_what_is_attached_holds(folder: Path) -> None:
    """A fresh attachment has no fault, and its signature is known by whose key it is."""
    found = attachment.proof(Place.of(folder), trust=OURS)
    assert (found.faults, found.signed_by, found.owner) == ((), seal.public_text(KEY), "us")
    assert attachment.proof(Place.of(folder)).owner is None


def test_signatures(folder: Path) -> None:
    """With a list of keys an absent, a false and a stranger's signature are faults; without one an absent one is none."""
    stranger = Trust((Key(seal.public_text(seal.new_key()), "submitter"),))
    assert faults(folder, stranger) == {(bundle.SIGNATURE, "signature")}
    edit(folder / bundle.SIGNATURE, lambda told: told.update(manifest_sha256="0" * 64))
    assert faults(folder) == {(bundle.SIGNATURE, "signature")}
    (folder / bundle.SIGNATURE).write_text("{}")
    assert faults(folder) == {(bundle.SIGNATURE, "signature")}
    (folder / bundle.SIGNATURE).unlink()
    assert (faults(folder), faults(folder, OURS)) == (set(), {(bundle.SIGNATURE, "signature")})


def test_a_signature_of_another_manifest(folder: Path) -> None:
    """A signature that holds, over the manifest before it was made anew, is none of this one."""
    kept = (folder / bundle.SIGNATURE).read_bytes()
    (folder / "run.log").write_text((folder / "run.log").read_text() + "\n")
    rehashed(folder)
    (folder / bundle.SIGNATURE).write_bytes(kept)
    assert faults(folder) == faults(folder, OURS) == {(bundle.SIGNATURE, "signature")}


def test_the_published_key_of_the_kit_signs_nothing(folder: Path) -> None:
    """A key whose private half is published is no trusted key of a submitter."""
    kit = Trust((Key(seal.public_text(KEY), "kit"),))
    assert faults(folder, kit) == {(bundle.SIGNATURE, "signature")}


CARD, PHASES, SUMMARY, CLOCK = "energy/card.json", "energy/phases.json", "energy_summary.json", "energy/clock.json"
EDITS: dict[str, tuple[str, Change, set[tuple[str, str]]]] = {
    "card figure": (CARD, lambda c: c["headline"].update(energy_j=1.0), {(CARD, "recomputed")}),
    "phase edge": (PHASES, lambda r: r["phases"][0].update(end_ns=r["phases"][0]["end_ns"] - 10**9), {(PHASES, "phases")}),
    "tokens": (PHASES, lambda r: r["phases"][0]["tokens"].update(output=9999), {(PHASES, "phases"), (CARD, "recomputed")}),
    "flat key": (SUMMARY, lambda s: s.update(avg_power_w=1.0), {(SUMMARY, "recomputed")}),
    "flat key per token": (SUMMARY, lambda s: s.update(energy_per_token_j=0.3), {(SUMMARY, "recomputed")}),
    "summary's card": (SUMMARY, lambda s: s["es"].update(simulated=True), {(SUMMARY, "recomputed")}),
    "schema": (CLOCK, lambda c: c.update(more=1), {(CLOCK, "schema")}),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits_with_hashes_made_anew(folder: Path, name: str) -> None:
    """A change that was hashed anew is named by what does not come out of it; with a list of keys the lost signature is named too."""
    path, change, expected = EDITS[name]
    edit(folder / path, change)
    rehashed(folder)
    assert expected <= faults(folder)
    assert (bundle.SIGNATURE, "signature") in faults(folder, OURS)


def test_readings_and_the_log_of_the_site(folder: Path) -> None:
    """A changed reading, hashed anew, contradicts card and log; a changed line of the log contradicts the readings."""
    path = next((folder / "energy/readings").iterdir())
    path.write_text(path.read_text().replace(",1500,", ",1400,").replace(",1500000,", ",1400000,"))
    rehashed(folder)
    assert {("energy/card.json", "recomputed"), ("system.log", "recomputed")} <= faults(folder)


def test_a_line_of_the_site_log(folder: Path) -> None:
    """One watt in one line, hashed anew, is named; so is a line that was added or taken away."""
    path = folder / "system.log"
    lines = path.read_text().splitlines(keepends=True)
    first = json.loads(lines[0])
    for changed in (
        [json.dumps({**first, "power_watts": first["power_watts"] - 1}) + "\n", *lines[1:]],
        lines[1:],
        [*lines, lines[-1]],
    ):
        path.write_text("".join(changed))
        rehashed(folder)
        assert faults(folder) == {("system.log", "recomputed")}


@pytest.mark.parametrize("path", ["energy/approved.json", "approved.json"])
def test_a_file_that_was_slipped_in_and_listed(folder: Path, path: str) -> None:
    """A file that no bundle has is a fault although the manifest lists it with its hash."""
    (folder / path).write_text("{}")
    edit(folder / bundle.MANIFEST, lambda told: told["files"].append({"path": path, "bytes": 0, "sha256": ""}))
    rehashed(folder)
    assert faults(folder) == {(path, "extra")}


@pytest.mark.parametrize("path", ["energy/approved.json", "certificate.pdf", "energy/site/system.json"])
def test_a_file_that_was_slipped_in_for_the_site(folder: Path, path: str) -> None:
    """What the manifest lists for the site, and the site does not read, was slipped in."""
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("{}")
    edit(folder / bundle.MANIFEST, lambda told: told["site"].append({"path": path, "bytes": 0, "sha256": ""}))
    rehashed(folder)
    assert (path, "extra") in faults(folder)


def test_a_copy_of_a_card_for_the_site(folder: Path) -> None:
    """A copy follows from the benchmark's card and from ours: another engine, or other watts, hashed anew, are named."""
    at, path = Place.of(folder), "energy/site/stack.json"
    edit(folder / "stack.json", lambda told: told.update(engine={"name": "vllm", "version": "0.11"}))
    copies = site.cards(folder, bundle.summary(json.loads((folder / CARD).read_text())))
    assert path in copies
    for name, data in copies.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    entries = [bundle.entry_of(name, data) for name, data in copies.items()]
    edit(folder / bundle.MANIFEST, lambda told: told["site"].extend(entries))
    rehashed(folder)
    assert faults(folder) == set()
    edit(folder / path, lambda told: told.update(engine="another engine"))
    rehashed(folder)
    assert {(one.file, one.kind) for one in attachment.proof(at).faults} == {(path, "recomputed")}


def test_originals_are_looked_at_whatever_the_manifest_says_of_the_place(folder: Path) -> None:
    """A manifest in the midst of a benchmark that says it lies beside it keeps no original from being looked at."""
    (folder / "run.log").write_text((folder / "run.log").read_text() + " ")
    edit(folder / bundle.MANIFEST, lambda told: told.update(beside=True))
    (folder / bundle.SIGNATURE).unlink()
    assert {("run.log", "changed"), (bundle.MANIFEST, "changed")} <= faults(folder)


@pytest.mark.parametrize("role", ["agent", "collector", "board"])
def test_a_key_of_another_role_attaches_nothing(folder: Path, role: str) -> None:
    """A key that is trusted for something else is none of a submitter's."""
    assert faults(folder, Trust((Key(seal.public_text(KEY), role),))) == {(bundle.SIGNATURE, "signature")}


def test_the_benchmarks_own_log(folder: Path) -> None:
    """A log of the benchmark that was changed and hashed anew does not tell the same phases any more."""
    path = folder / "run.log"
    for name in ("run.log", "run.json"):
        path = folder / name
        path.write_text(path.read_text().replace("10:29:56.000", "10:29:55.000").replace("1795256996.5", "1795256995.5"))
    rehashed(folder)
    assert faults(folder) == {("energy/phases.json", "phases")}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema": "other"}', '{"schema": "joulemark.manifest/1", "files": [], "originals": 3}', "{" * 200]
)
def test_a_manifest_that_is_none(folder: Path, content: str) -> None:
    """Whatever stands in the place of the manifest, there is a fault and no crash."""
    (folder / bundle.MANIFEST).write_text(content)
    assert any(file == bundle.MANIFEST for file, _ in faults(folder))


@pytest.mark.parametrize("name", ["card", "phases", "meters", "collection", "manifest"])
def test_a_file_of_ours_that_is_gone_or_damaged(folder: Path, name: str) -> None:
    """A file that is missing, and one that is no JSON, is named."""
    path = folder / f"energy/{name}.json"
    for content in (b"{", None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert any(file == f"energy/{name}.json" for file, _ in faults(folder))


def test_nothing_attached(tmp_path: Path) -> None:
    """A bundle to which nothing was attached has no manifest, and that is the fault."""
    folder = made.bundle(tmp_path, made.docs())
    assert (bundle.MANIFEST, "missing") in faults(folder)
