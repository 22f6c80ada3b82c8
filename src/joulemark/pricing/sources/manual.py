"""Price files: written by hand as TOML or JSON, or written by Joulemark as JSON. Amounts are read as written, never as floats."""

from __future__ import annotations

import json
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Final

from joulemark import document, foreign
from joulemark.errors import FormatError, UsageError
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.importer import Importer, Options
from joulemark.pricing.price import MANUAL
from joulemark.pricing.snapshot import PRICES_SCHEMA, Snapshot

MAX_BYTES: Final = foreign.MAX_DOCUMENT_BYTES


def read(path: Path) -> Snapshot:
    """The snapshot in `path`: TOML when its name ends so, else JSON.

    Raises FormatError when it cannot be read, is too large or is damaged, FormatError or ConfigError naming the wrong record.
    """
    return parse(foreign.text(path, max_bytes=MAX_BYTES, errors="strict"), where=str(path), toml=path.suffix == ".toml")


def parse(content: str, *, where: str, toml: bool) -> Snapshot:
    """The snapshot that the text of a price file describes. Raises FormatError or ConfigError; `where` names it."""
    if not toml:
        return Snapshot.from_json(document.json_object(content, where=where, number=Decimal), where)
    try:
        data = tomllib.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not valid TOML: {error}", "mend the line it names") from error
    return Snapshot.from_json(data, where)


def recognises(text: str) -> bool:
    """Whether a text names the schema of price files."""
    return PRICES_SCHEMA in text


def parse_file(text: str, *, name: str, fetched_at_ns: int, options: Options) -> Harvest:
    """The records of a price file: JSON when it begins as such, else TOML. They say themselves when they were read, and of what.

    Raises what `parse` does, and UsageError for `options`, which would contradict the file.
    """
    if options != Options():
        raise UsageError(f"{name} names provider and region itself", "leave out --provider and --region")
    toml = name.endswith(".toml") or not (name.endswith(".json") or text.lstrip().startswith(("{", "[")))
    return Harvest(parse(text, where=name, toml=toml).records())


IMPORTER: Final = Importer(MANUAL, recognises, parse_file, gated=False)


def text_of(snapshot: Snapshot) -> str:
    """The price file of `snapshot` as JSON: equal snapshots are equal text."""
    return json.dumps(snapshot.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` to `path` as JSON, whole or not at all. Raises UsageError when the place is not writable, or is a TOML file."""
    if path.suffix == ".toml":
        raise UsageError(f"{path} is a hand-written file and is not overwritten", "give a path ending in .json")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as out:
            out.write(text_of(snapshot))
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "give a path in a folder of yours") from error
