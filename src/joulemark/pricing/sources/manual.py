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
from joulemark.pricing.snapshot import Snapshot

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


def write(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` to `path` as JSON, whole or not at all. Raises UsageError when the place is not writable, or is a TOML file."""
    if path.suffix == ".toml":
        raise UsageError(f"{path} is a hand-written file and is not overwritten", "set prices.file to a path ending in .json")
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as out:
            json.dump(snapshot.to_json(), out, indent=1, ensure_ascii=False, allow_nan=False)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", "set prices.file to a writable path") from error
