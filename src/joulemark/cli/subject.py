"""What a command is about: a bundle on disk, packed or not, or a run of the collector; read into its evidence and its prices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from joulemark.cli.progress import progress
from joulemark.errors import FormatError, InsufficientData, RemoteUnreachable

if TYPE_CHECKING:
    from joulemark.cards.evidence import Evidence
    from joulemark.pricing.snapshot import Snapshot

CARD = "card.json"


@dataclass(frozen=True)
class Subject:
    """`name`: as it was asked for. `prices`: those in the bundle. `level`: by the validator, None where nobody asked for it."""

    name: str
    evidence: Evidence
    prices: Snapshot
    level: str | None = None


def read(name: str, *, url: str | None = None, judged: bool = False) -> Subject:
    """The run in the folder or archive `name`, else the run of that id at the collector `url`. `judged`: with its level, after seconds.

    Raises FormatError, InsufficientData where there are no readings, and what the client does.
    """
    with folder_of(name, url=url) as folder:
        return in_folder(name, folder, judged=judged)


@contextmanager
def folder_of(name: str, *, url: str | None = None) -> Iterator[Path]:
    """The folder of the bundle `name`: as it is, unpacked for the while, or fetched from the collector `url`. Raises what `read` does."""
    path = Path(name)
    with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
        if name and path.is_dir():
            yield path
        elif path.is_file() and path.name == CARD:
            yield beside(path)
        else:
            yield packed(path if path.is_file() else fetched(name, Path(place), url), Path(place))


def in_folder(name: str, folder: Path, *, judged: bool) -> Subject:
    """The run in the bundle `folder`."""
    from joulemark.cards import opened
    from joulemark.cards.bundle import FOLDER

    with progress("bundle read"):
        found = opened.opened(folder)
    if found.evidence is None:
        why = "; ".join(f"{path}: {fault}" for path, fault in found.faults.items()) or "it holds no run with readings"
        raise InsufficientData(f"{name} tells nothing: {why}", "give the folder that holds energy/, or the id of a run")
    if fault := found.faults.get(f"{FOLDER}/prices.json"):
        raise FormatError(f"{name}: {fault}", "copy the bundle again")
    return Subject(name, found.evidence, opened.snapshot(folder), level_of(folder) if judged else None)


def level_of(folder: Path) -> str:
    """The level that a bundle reaches; no signature counts, since nobody named a key."""
    from joulemark.standard import read as reading
    from joulemark.standard.validator import validate

    with progress("rules judged") as told:
        return validate(reading.case(folder), told=told).level_text


def beside(card: Path) -> Path:
    """The bundle whose card `card` is. Raises FormatError for a card alone: what it says of itself is not taken for true."""
    from joulemark.cards.bundle import FOLDER

    folder = card.resolve().parent
    if folder.name != FOLDER:
        raise FormatError(f"{card} is a card without its bundle", "give the folder that holds energy/, with the readings")
    return folder.parent


def packed(archive: Path, place: Path) -> Path:
    """The folder of a packed bundle, unpacked below `place`."""
    from joulemark.cards.bundle import FOLDER
    from joulemark.unpacked import unpacked

    inside = place / "bundle"
    inside.mkdir()
    return unpacked(archive, inside, own=FOLDER)


def fetched(run_id: str, place: Path, url: str | None) -> Path:
    """The bundle of a run as the collector gives it, in a file below `place`. Raises FormatError for what looks like a path."""
    from joulemark.client import Client

    if "/" in run_id or not run_id:
        raise FormatError(f"there is no {run_id or 'bundle without a name'}", "give the folder of a bundle, or the id of a run")
    file = place / "bundle.zip"
    try:
        with progress("bundle fetched"):
            file.write_bytes(Client(url).download(f"/v1/runs/{quote(run_id, safe='')}/bundle"))
    except RemoteUnreachable as error:
        raise RemoteUnreachable(f"there is no folder or file {run_id} here, and {error.what}", error.next_step) from error
    return file
