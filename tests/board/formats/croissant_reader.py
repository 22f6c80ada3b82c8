"""Read a Croissant description with Croissant's own library, and the records that it describes. Runs in an environment of its own.

`croissant_reader.py FILE...` prints for each file one line of JSON: `errors`, `warnings` and `records`, or `refused` with the reason.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mlcroissant  # type: ignore[import-not-found]  # only in the environment that scripts/board-formats makes


def read(path: str) -> dict[str, Any]:
    """What the library says of one description."""
    try:
        found = mlcroissant.Dataset(jsonld=path)
        records = [{name.partition("/")[2]: plain(value) for name, value in one.items()} for one in found.records("entries")]
    except Exception as error:  # noqa: BLE001 # whatever a foreign library raises is its answer
        return {"refused": f"{type(error).__name__}: {error}"}
    issues = found.metadata.ctx.issues
    return {"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "records": records}


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, bytes):
        return value.decode()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(json.dumps(read(name), default=float))
