"""The bundle: a card and everything it was computed from, in one folder, every file with its hash."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import types
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.cards import card
from joulemark.cards.contents import contents, json_bytes
from joulemark.cards.evidence import Evidence
from joulemark.chain import FILES, Chain, Signature
from joulemark.errors import FormatError, UsageError
from joulemark.runs import Run

MANIFEST_SCHEMA: Final = "joulemark.manifest/1"
FOLDER: Final = "energy"
MANIFEST: Final = f"{FOLDER}/manifest.json"
SUMMARY: Final = "energy_summary.json"
OLD: Final = f".{FOLDER}.old"
"""The folder before, until the new one is in its place."""

SIGNATURE: Final = f"{FOLDER}/signature.json"
"""Over the hash of the manifest, so it stands in no list."""

LISTS: Final = ("files", "originals", "site")
"""Of the manifest: what Joulemark made of the evidence, and where a card was attached the benchmark's own files and those for the site."""

Signer = Callable[[str], Signature]
"""Signs the hash of a chain's last event, hexadecimal."""

MAX_FILE_BYTES: Final = 1 << 32
"""Largest file that is hashed: readings of a week at 100 Hz."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a bundle: `kind` is missing, changed, extra, unsafe or unreadable; `path` is relative to its root."""

    kind: str
    path: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Plain dictionary."""
        return asdict(self)


def build(evidence: Evidence, *, sign: Signer | None = None) -> dict[str, bytes]:
    """Path below the bundle's root -> bytes, of every file that Joulemark adds: `energy/` and `energy_summary.json`.

    A chain of events is closed with the hashes of the evidence, and signed by `sign`. Raises InsufficientData and UsageError as
    `card.build` does.
    """
    inside = contents(evidence)
    made = card.build(evidence, files=inside)
    files = {f"{FOLDER}/{path}": data for path, data in inside.items()}
    chain = closed(evidence, inside, sign)
    if chain.events:
        files[f"{FOLDER}/chain.json"] = json_bytes(chain.to_json())
    files[f"{FOLDER}/card.json"] = json_bytes(made)
    files[SUMMARY] = json_bytes(summary(made))
    entries = [entry_of(path, data) for path, data in sorted(files.items())]
    root = chain.head_sha256 if chain.events else None
    files[MANIFEST] = json_bytes({"schema": MANIFEST_SCHEMA, "root_sha256": root, "files": entries})
    return files


def closed(evidence: Evidence, files: Mapping[str, bytes], sign: Signer | None) -> Chain:
    """The chain of `evidence` with the hashes of `files` as its last event, signed; an empty one stays empty."""
    if not evidence.chain.events:
        return evidence.chain
    hashes = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(files.items())}
    end_ns = max(evidence.chain.events[-1].t_ns, *(window.end_ns for window in evidence.run.windows))
    chain = evidence.chain.appended(FILES, hashes, t_ns=end_ns)
    return chain if sign is None else replace(chain, signatures=(sign(chain.head_sha256),))


def summary(made: Mapping[str, Any]) -> dict[str, Any]:
    """`energy_summary.json`: flat keys that other sites read, where known, and the card as `es`, without its nulls."""
    head = made["headline"]
    out: dict[str, Any] = {}
    if head["joules_per_request"] is not None:
        out["energy_per_request_j"] = head["joules_per_request"]
    told = [p for p in made["phases"] if p["name"] in head["phases"]]
    if len(told) == 1 and told[0]["mean_power_w"] is not None:
        out["avg_power_w"] = told[0]["mean_power_w"]
    return {**out, "es": without_nulls(made)}


def without_nulls(data: Any) -> Any:
    """`data` with every key left out whose value is null: some readers of summaries refuse null."""
    if isinstance(data, Mapping):
        return {key: without_nulls(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [without_nulls(value) for value in data]
    return data


def write(directory: Path, evidence: Evidence, *, sign: Signer | None = None) -> Path:
    """Write the bundle of `evidence` into `directory`; the path of its `energy` folder. Raises what `place` and `build` do."""
    return place(directory, build(evidence, sign=sign))


def place(directory: Path, files: Mapping[str, bytes], *, aside: Mapping[str, str] = types.MappingProxyType({})) -> Path:
    """Write the `files` of a bundle, by path below its root, into `directory`; the path of its `energy` folder.

    The folder appears whole or not at all; one that Joulemark wrote before is replaced, other files are not touched, but those of
    `aside`: name -> name under which somebody else's file stays. Raises UsageError when `energy` is somebody else's or the place is not
    writable.
    """
    folder, part, old = directory / FOLDER, directory / f".{FOLDER}.part", directory / OLD
    if folder.exists() and not (directory / MANIFEST).is_file():
        raise UsageError(f"{folder} exists and was not written by joulemark", "move it away, or give another folder")
    beside = [path for path in files if not path.startswith(f"{FOLDER}/")]
    try:
        remove(part)
        for path in files.keys() - set(beside):
            write_file(part / Path(path).relative_to(FOLDER), files[path])
        for path in beside:
            write_file(directory / f".{path}.part", files[path])
        if folder.exists():
            remove(old)
            folder.rename(old)
        part.rename(folder)
        for path in beside:
            if path in aside:
                put_aside(directory / path, directory / aside[path])
            (directory / f".{path}.part").replace(directory / path)
        sync_directory(directory)
        remove(old)
    except OSError as error:
        raise UsageError(f"cannot write the bundle to {directory}: {error.strerror}", "give a folder that is writable") from error
    return folder


def put_aside(path: Path, to: Path) -> None:
    """Give the file `path` a second name, so that its bytes are never without one; where no links can be made, another name."""
    try:
        os.link(path, to)
    except OSError:
        path.rename(to)


def verify(directory: Path) -> list[Finding]:
    """What is wrong with the bundle in `directory`: each file missing, changed, or not listed; empty when nothing is.

    The benchmark's own files are looked at where the card was attached in their midst, not from a folder beside them.
    A hostile bundle is expected: no listed path is followed out of the folder, links count as unsafe, sizes are compared before a file
    is read, and files that are no plain ones are not opened. A result file of the run counts where it lies in `directory`. Raises
    FormatError for a folder beyond the limits of `foreign.files`.
    """
    entries = listed(directory)
    if isinstance(entries, Finding):
        return [entries]
    findings = [finding for entry in entries if (finding := checked(directory, entry)) is not None]
    known = {entry["path"] for entry in entries} | {MANIFEST, SIGNATURE}
    extra = [Finding("extra", path, "not listed in the manifest") for path in present(directory) if path not in known]
    return findings + extra + [finding for finding in altered_results(directory) if finding.path not in known]


def altered_results(directory: Path) -> list[Finding]:
    """What is wrong with the result files of the run that lie in `directory`; those that lie elsewhere are not looked for."""
    path = directory / FOLDER / "phases.json"
    try:
        run = Run.from_json(document.load(path)) if foreign.inside(directory, path) else Run(())
    except FormatError:
        return []  # a run that cannot be read is named where it is opened
    files = {os.path.normpath(file.name): file for file in run.result_files}  # each is hashed once
    entries = ({"path": file.name, "bytes": file.size_bytes, "sha256": file.sha256} for file in files.values())
    found = (checked(directory, entry, listed_in="the run") for entry in entries)
    return [finding for finding in found if finding is not None and finding.kind != "missing"]


def listed(directory: Path) -> list[dict[str, Any]] | Finding:
    """The entries of the manifest for what lies in `directory`, or what is wrong with it."""
    path = directory / MANIFEST
    if linked(directory, MANIFEST) or not foreign.inside(directory, path):
        return Finding("missing", MANIFEST, "no manifest")
    try:
        data = document.load(path)
    except FormatError as error:
        return Finding("unreadable", MANIFEST, error.what)
    entries = entries_of(data)
    if isinstance(entries, str):
        return Finding("unreadable", MANIFEST, entries)
    return [entry for name in LISTS for entry in entries[name] if name != "originals" or not data.get("beside")]


def entries_of(manifest: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]] | str:
    """The lists of a manifest by name, those it lacks empty; or why it is none."""
    lists = {name: manifest.get(name, [] if name != "files" else None) for name in LISTS}
    if manifest.get("schema") != MANIFEST_SCHEMA or not all(isinstance(one, list) for one in lists.values()):
        return f"not a list of files of schema {MANIFEST_SCHEMA}"
    kinds = {"path": str, "sha256": str, "bytes": int}
    for entry in itertools.chain(*lists.values()):
        if not isinstance(entry, dict) or any(not isinstance(entry.get(key), kind) for key, kind in kinds.items()):
            return f"an entry lacks {', '.join(kinds)}"
    # each is hashed: one large file under a thousand entries would never come to an end
    elsewhere = "originals" if manifest.get("beside") else ""
    often = Counter((name == elsewhere, os.path.normpath(entry["path"])) for name, entries in lists.items() for entry in entries)
    if twice := next((path for (_, path), count in often.items() if count > 1), None):
        return f"{document.shown(twice)} stands in it twice"
    return lists


def entry_of(path: str, data: bytes) -> dict[str, Any]:
    """What the manifest says of a file of ours."""
    return {"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def checked(directory: Path, entry: Mapping[str, Any], *, listed_in: str = "the manifest") -> Finding | None:
    """What is wrong with one listed file, None when nothing is."""
    name = entry["path"]
    if not name.isprintable() or Path(name).is_absolute() or ".." in Path(name).parts:
        return Finding("unsafe", name, "the path leaves the folder or is not printable")
    path = directory / name
    if linked(directory, name):
        return Finding("unsafe", name, "a link is not followed")
    if not foreign.inside(directory, path):
        return Finding("missing", name, f"listed in {listed_in}, not there")
    size = path.stat().st_size
    if size != entry["bytes"]:
        return Finding("changed", name, f"{size} bytes, {listed_in} says {entry['bytes']}")
    if size > MAX_FILE_BYTES:
        return Finding("unreadable", name, f"longer than {MAX_FILE_BYTES} bytes")
    with foreign.opened(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return None if found == entry["sha256"] else Finding("changed", name, f"sha256 {found}, {listed_in} says {entry['sha256']}")


def linked(directory: Path, name: str) -> bool:
    """Whether any part of the path `name` below `directory` is a link."""
    return any(os.path.islink(directory / part) for part in (Path(name), *Path(name).parents[:-1]))


def present(directory: Path) -> list[str]:
    """Everything below `energy` but folders, as paths relative to the root, in order."""
    return [path.relative_to(directory).as_posix() for path in sorted(foreign.entries(directory / FOLDER))]


def remove(path: Path) -> None:
    """Remove what a killed writer left at `path`; a link goes, and what it leads to stays."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` durably to a new file at `path`, with its folders; a link in its place is replaced, never written through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with path.open("xb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


def sync_directory(directory: Path) -> None:
    """Make renames inside `directory` durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
