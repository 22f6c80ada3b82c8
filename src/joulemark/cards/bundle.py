"""The bundle: a card and everything it was computed from, in one folder, every file with its hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.cards import card
from joulemark.cards.contents import contents, json_bytes
from joulemark.cards.evidence import Evidence
from joulemark.errors import UsageError

MANIFEST_SCHEMA: Final = "joulemark.manifest/1"
FOLDER: Final = "energy"
MANIFEST: Final = f"{FOLDER}/manifest.json"
SUMMARY: Final = "energy_summary.json"
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a bundle: `kind` is missing, changed, extra, unsafe or unreadable; `path` is relative to its root."""

    kind: str
    path: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Plain dictionary."""
        return asdict(self)


def build(evidence: Evidence) -> dict[str, bytes]:
    """Path below the bundle's root -> bytes, of every file that Joulemark adds: `energy/` and `energy_summary.json`.

    Raises InsufficientData and UsageError as `card.build` does.
    """
    inside = contents(evidence)
    made = card.build(evidence, files=inside)
    files = {f"{FOLDER}/{path}": data for path, data in inside.items()}
    files[f"{FOLDER}/card.json"] = json_bytes(made)
    files[SUMMARY] = json_bytes(summary(made))
    entries = [{"path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in sorted(files.items())]
    files[MANIFEST] = json_bytes({"schema": MANIFEST_SCHEMA, "files": entries})
    return files


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


def write(directory: Path, evidence: Evidence) -> Path:
    """Write the bundle of `evidence` into `directory`; the path of its `energy` folder.

    The folder appears whole or not at all; one that Joulemark wrote before is replaced, other files are not touched. Raises
    UsageError when `energy` is somebody else's or the place is not writable, and what `build` raises.
    """
    files = build(evidence)
    folder, part, old = directory / FOLDER, directory / f".{FOLDER}.part", directory / f".{FOLDER}.old"
    if folder.exists() and not (directory / MANIFEST).is_file():
        raise UsageError(f"{folder} exists and was not written by joulemark", "move it away, or give another folder")
    try:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        for path, data in files.items():
            if path != SUMMARY:
                write_file(part / Path(path).relative_to(FOLDER), data)
        write_file(directory / f".{SUMMARY}.part", files[SUMMARY])
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        (directory / f".{SUMMARY}.part").replace(directory / SUMMARY)
        sync_directory(directory)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"cannot write the bundle to {directory}: {error.strerror}", "give a folder that is writable") from error
    return folder


def verify(directory: Path) -> list[Finding]:
    """What is wrong with the bundle in `directory`: each file missing, changed, or not listed; empty when nothing is.

    A hostile bundle is expected: no listed path is followed out of the folder, links count as unsafe, and sizes are compared before a
    file is read.
    """
    entries = listed(directory)
    if isinstance(entries, Finding):
        return [entries]
    findings = [finding for entry in entries if (finding := checked(directory, entry)) is not None]
    known = {entry["path"] for entry in entries} | {MANIFEST}
    return findings + [Finding("extra", path, "not listed in the manifest") for path in present(directory) if path not in known]


def listed(directory: Path) -> list[dict[str, Any]] | Finding:
    """The entries of the manifest, or what is wrong with it."""
    path = directory / MANIFEST
    if path.is_symlink() or not path.is_file():
        return Finding("missing", MANIFEST, "no manifest")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        return Finding("unreadable", MANIFEST, f"longer than {MAX_MANIFEST_BYTES} bytes")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        return Finding("unreadable", MANIFEST, str(error))
    if not isinstance(data, dict) or data.get("schema") != MANIFEST_SCHEMA or not isinstance(data.get("files"), list):
        return Finding("unreadable", MANIFEST, f"not a list of files of schema {MANIFEST_SCHEMA}")
    kinds = {"path": str, "sha256": str, "bytes": int}
    for entry in data["files"]:
        if not isinstance(entry, dict) or any(not isinstance(entry.get(key), kind) for key, kind in kinds.items()):
            return Finding("unreadable", MANIFEST, f"an entry lacks {', '.join(kinds)}")
    entries: list[dict[str, Any]] = data["files"]
    return entries


def checked(directory: Path, entry: Mapping[str, Any]) -> Finding | None:
    """What is wrong with one listed file, None when nothing is."""
    name = entry["path"]
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        return Finding("unsafe", name, "the path leaves the folder")
    path = directory / name
    if path.is_symlink() or not path.resolve().is_relative_to(directory.resolve()):
        return Finding("unsafe", name, "a link is not followed")
    if not path.is_file():
        return Finding("missing", name, "listed in the manifest, not there")
    if path.stat().st_size != entry["bytes"]:
        return Finding("changed", name, f"{path.stat().st_size} bytes, the manifest says {entry['bytes']}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return None if found == entry["sha256"] else Finding("changed", name, f"sha256 {found}, the manifest says {entry['sha256']}")


def present(directory: Path) -> Iterator[str]:
    """Every file and link below `energy`, as paths relative to the root, in order."""
    for root, folders, names in sorted(os.walk(directory / FOLDER)):
        linked = [folder for folder in folders if Path(root, folder).is_symlink()]
        for name in sorted([*names, *linked]):
            yield Path(root, name).relative_to(directory).as_posix()


def write_file(path: Path, data: bytes) -> None:
    """Write `data` durably to a new file at `path`, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
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
