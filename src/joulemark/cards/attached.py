"""Attaching: a card and its evidence given to a benchmark's own files, whose bytes stay what they are.

An OpenAIPerf bundle takes them in its midst, since its site looks for them there. Any other tool's folder gets a folder beside it: some
checkers hash everything they find in theirs, and one more file would make a valid submission an invalid one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.benchmarks import openaiperf
from joulemark.cards.bundle import (
    FOLDER,
    MANIFEST,
    MANIFEST_SCHEMA,
    OLD,
    SIGNATURE,
    SUMMARY,
    Finding,
    checked,
    entries_of,
    entry_of,
    place,
    remove,
)
from joulemark.cards.contents import json_bytes
from joulemark.cards.evidence import counted
from joulemark.errors import FormatError, InsufficientData, NotCompliant, UsageError
from joulemark.runs import Run
from joulemark.units import NS_PER_S

SIGNATURE_SCHEMA: Final = "joulemark.manifest-signature/1"
SYSTEM_LOG: Final = "system.log"
ASIDE: Final = {SUMMARY: openaiperf.SUMMARY_ASIDE, SYSTEM_LOG: "system.orig.log"}
"""Name that a file of ours takes in an OpenAIPerf bundle -> where the benchmark's own file of that name stays."""

LATER: Final = ("ring.json", "ranks.json")
"""What may be laid beside a bundle after it was closed."""

BASE: Final = ("schema", "root_sha256", "files")
"""Keys of a manifest that every bundle has."""

OTHER_RUN: Final = "give the run that measured this benchmark, or the right --tz"
CLOCKS_NS: Final = NS_PER_S
"""Two clocks that were set by hand still agree within a second."""


@dataclass(frozen=True, slots=True)
class Place:
    """`root` holds the benchmark's own files, `into` gets ours: the same folder in an OpenAIPerf bundle, else one beside it."""

    root: Path
    into: Path

    @property
    def beside(self) -> bool:
        """Whether ours lie in a folder of their own."""
        return self.root != self.into

    @classmethod
    def of(cls, bundle: Path, *, packed: Path | None = None) -> Place:
        """Where the card of `bundle` goes; `packed`: the archive that it was unpacked from. Raises UsageError for several in one."""
        root = bundle.resolve()
        found = openaiperf.places(root) if root.is_dir() else []
        if len(found) > 1:
            names = ", ".join(sorted(one.relative_to(root).as_posix() for one in found)[:3])
            raise UsageError(f"{bundle} holds {len(found)} OpenAIPerf bundles: {names}", "attach to each by itself")
        if found:
            return cls(found[0], found[0])
        told = manifest_in(root)
        if told is not None and told.get("beside"):
            raise UsageError(f"{bundle} is what was attached to another folder", f"give that one: {root.name.removesuffix(f'.{FOLDER}')}")
        if told is not None:
            return cls(root, root)  # what was attached holds, or does not, whatever became of the cards
        if not root.is_dir():
            raise FormatError(f"{bundle} is no folder", "give the folder that the benchmark wrote to, or an archive of it")
        own = root if packed is None else packed.resolve()
        return cls(root, own.with_name(f"{own.name}.{FOLDER}"))


@dataclass(frozen=True, slots=True)
class Original:
    """One of the benchmark's own files: its `name`, where it lies now, and its hash."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Attached:
    """What was written: `files` of ours by path; `aside`: name of an original -> where it stays; `manifest` as written."""

    place: Place
    files: Mapping[str, bytes]
    aside: Mapping[str, str] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)


def originals(place: Place) -> dict[str, Original]:
    """The benchmark's own files by the name they had, whether a card was attached before, or somebody was killed while attaching it.

    Links and hidden files are left alone. Raises NotCompliant when a file was changed since a card was attached, FormatError for a
    manifest that is none, UsageError where a name is taken that an original would be put aside under.
    """
    if links := [] if place.beside else sorted(name for name in ASIDE if (place.root / name).is_symlink()):
        raise UsageError(f"{links[0]} in {place.root} is a link", "put the file itself in its place")
    told = [manifest for folder in (FOLDER, OLD) if (manifest := manifest_in(place.into, folder)) is not None]
    for manifest in told:
        plausible(manifest)
    ours = {(entry["path"], entry["sha256"]) for one in told for name in ("files", "site") for entry in lists(one)[name]}
    kept = {entry["name"]: entry for one in reversed(told) for entry in lists(one)["originals"] if isinstance(entry.get("name"), str)}
    where = {entry["path"]: name for name, entry in kept.items()}
    listed = {entry.get("name", entry["path"]): entry["sha256"] for one in reversed(told) for entry in lists(one)["originals"]}
    found: dict[str, Original] = {}
    for name, path in own_files(place):
        sha256 = digest(path)
        if not place.beside and (name, sha256) in ours:
            continue
        if not place.beside and name not in kept and any(name == path for path, _ in ours):
            raise changed(name)
        found.setdefault(where.get(name, name), Original(where.get(name, name), path, sha256))
    if wrong := [name for name, one in found.items() if listed.get(name, one.sha256) != one.sha256]:
        raise changed(wrong[0])
    if gone := listed.keys() - found.keys():
        raise changed(min(gone))
    if taken := [] if place.beside else sorted(found.keys() & set(ASIDE.values())):
        raise UsageError(f"{taken[0]} lies in {place.root}", "attach to the bundle as the benchmark wrote it, or move that file away")
    return found


def changed(name: str) -> NotCompliant:
    """What to raise when an original is not what it was."""
    again = f"to attach anew, take the bundle as the benchmark wrote it, without {FOLDER}/ and {SUMMARY}"
    return NotCompliant(f"{name} was changed or removed since a card was attached", again)


def own_files(place: Place) -> Iterator[tuple[str, Path]]:
    """(path below the root, file) of what lies there besides our folder, sorted; what is aside comes first, since it is the original."""
    paths = sorted(foreign.entries(place.root), key=lambda path: (path.name not in ASIDE.values(), path))
    for path in paths:
        name = path.relative_to(place.root)
        ours = not place.beside and (name.parts[0] == FOLDER or name.as_posix() in LATER)
        if not ours and not any(part.startswith(".") for part in name.parts) and not path.is_symlink() and path.is_file():
            yield name.as_posix(), path


def manifest_in(into: Path, folder: str = FOLDER) -> dict[str, Any] | None:
    """The manifest in `into`, None where there is none. Raises FormatError."""
    path = into / folder / Path(MANIFEST).name
    return document.load(path) if foreign.inside(into, path) else None


def lists(manifest: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The lists of a manifest. Raises FormatError."""
    found = entries_of(manifest)
    if isinstance(found, str):
        raise FormatError(f"{MANIFEST}: {found}", "take the bundle as the benchmark wrote it, and attach anew")
    return found


def plausible(manifest: Mapping[str, Any]) -> None:
    """Raise FormatError where a manifest claims one of the benchmark's files for ours, or another name for one than we ever give.

    What it says decides which file is left out of an archive, and under which name one is read.
    """
    told = lists(manifest)
    ours = [entry["path"] for name in ("files", "site") for entry in told[name]]
    strange = [path for path in ours if path not in ASIDE and not path.startswith(f"{FOLDER}/")]
    strange += [entry["path"] for entry in told["originals"] if "name" in entry and ASIDE.get(str(entry["name"])) != entry["path"]]
    if strange:
        again = "take the bundle as the benchmark wrote it, and attach anew"
        raise FormatError(f"{MANIFEST} claims {document.shown(strange[0])}, which joulemark does not", again)


def digest(path: Path) -> str:
    """SHA-256 of a file. Raises FormatError."""
    with foreign.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def covers(run: Run, own: Run) -> None:
    """Raise InsufficientData unless the counted phases of `run` hold most of what the benchmark's own log says it measured."""
    begin_ns, end_ns = hull(run)
    own_begin_ns, own_end_ns = hull(own)
    slack_ns = CLOCKS_NS + max(window.unc_ns for window in own.windows)
    common_ns = min(end_ns, own_end_ns) - max(begin_ns, own_begin_ns) + slack_ns
    if common_ns * 2 < min(end_ns - begin_ns, own_end_ns - own_begin_ns):
        what = (
            f"run {run.run_id or '(no id)'} measured {shown(begin_ns, end_ns)}, the benchmark's log says {shown(own_begin_ns, own_end_ns)}"
        )
        raise InsufficientData(what, OTHER_RUN)


def hull(run: Run) -> tuple[int, int]:
    """From the first begin to the last end of what counts in a run, UTC ns."""
    windows = counted(run)
    return min(window.begin_ns for window in windows), max(window.end_ns for window in windows)


def shown(begin_ns: int, end_ns: int) -> str:
    """A time span for a message, in Unix seconds."""
    return f"{begin_ns / NS_PER_S:.3f} to {end_ns / NS_PER_S:.3f} s"


def attach(
    at: Place,
    own: Mapping[str, Original],
    files: Mapping[str, bytes],
    *,
    site: Mapping[str, bytes],
    read: Mapping[str, str | None] | None,
    sign: Callable[[str], Mapping[str, str]] | None = None,
) -> Attached:
    """Write `files`, those of a bundle, and `site`, those for the site, by path, with a manifest that names the originals too.

    `own`: from `originals`. `read`: by what reader and in what zone the phases were read from the originals; None where they were marked.
    `sign`: makes the object of a signature out of the hash of the manifest. What is attached again is the same, byte for byte. Raises
    UsageError where nothing can be written, and what `bundle.place` does.
    """
    aside = {} if at.beside else {name: ASIDE[name] for name in ASIDE if name in own and (name in files or name in site)}
    entries = [entry_of_original(one, aside) for one in sorted(own.values(), key=lambda one: one.name)]
    manifest = {key: value for key, value in document.json_object(files[MANIFEST].decode(), where=MANIFEST).items() if key in BASE}
    manifest |= {"originals": entries, "site": [entry_of(path, data) for path, data in sorted(site.items())]}
    manifest |= {"beside": True} if at.beside else {}
    manifest |= {"read": dict(read)} if read is not None else {}
    whole = {**{path: data for path, data in files.items() if path != SIGNATURE}, **site, MANIFEST: json_bytes(manifest)}
    if sign is not None:
        whole[SIGNATURE] = json_bytes({"schema": SIGNATURE_SCHEMA, **sign(hashlib.sha256(whole[MANIFEST]).hexdigest())})
    try:
        at.into.mkdir(exist_ok=True)
        if not at.beside:
            restore(at, own, keep=aside.keys() | whole.keys())
        place(at.into, whole, aside={name: to for name, to in aside.items() if own[name].path == at.root / name})
        for name in ASIDE:
            remove(at.into / f".{name}.part")
    except OSError as error:
        raise UsageError(f"cannot write to {at.into}: {error.strerror}", "give a bundle that is writable") from error
    return Attached(at, whole, aside, manifest)


def restore(at: Place, own: Mapping[str, Original], *, keep: Set[str]) -> None:
    """Undo what an older card needed and the new one does not, while the old manifest still tells both names of a file.

    An original gets its name back, and a file of ours goes whose name no original has; those of `keep` stay.
    """
    for name in ASIDE.keys() - keep:
        if name not in own:
            remove(at.into / name)
        elif own[name].path != at.root / name:
            own[name].path.replace(at.root / name)


def entry_of_original(one: Original, aside: Mapping[str, str]) -> dict[str, Any]:
    """What the manifest says of one of the benchmark's own files."""
    said = {"name": one.name} if one.name in aside else {}
    return {"path": aside.get(one.name, one.name), **said, "bytes": one.path.stat().st_size, "sha256": one.sha256}


def findings(at: Place) -> list[Finding]:
    """What the hashes say of the benchmark's own files: each that is missing, changed or not listed; those that `verify` has not seen."""
    manifest = manifest_in(at.into) or {"schema": MANIFEST_SCHEMA, "files": []}
    told = lists(manifest)
    found = [Finding("changed", MANIFEST, "it says that the originals lie elsewhere")] if manifest.get("beside") and not at.beside else []
    if at.beside or found:
        found += [finding for entry in told["originals"] if (finding := checked(at.root, entry)) is not None]
    known = {entry["path"] for entry in told["originals"]}
    known |= set() if at.beside else {entry["path"] for name in ("files", "site") for entry in told[name]}
    return found + [Finding("extra", name, "not listed in the manifest") for name, _ in own_files(at) if name not in known]
