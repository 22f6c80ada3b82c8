"""The formats of a board, each read by other code than ours: `python -m tests.board.formats`, behind `make board-formats`.

A snapshot is made of entries of every kind. Its feed is read by the validator that is written from the specification and by our closed
schema, its table by the CSV reader of Python, its description and through it the table once more by `mlcroissant`. Then each format is
spoilt, and every spoilt one has to be refused. The last line is JSON; exit 0 only when all of it held.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from joulemark.board.entry import ENERGY_SCHEMA
from joulemark.board.site import Site
from joulemark.board.snapshot import Snapshot, faults
from joulemark.standard.schema import schemas
from tests.board import jsonfeed
from tests.board.entries import entry
from tests.board.test_feed import ENTRIES

READER: Final = Path(__file__).parent / "croissant_reader.py"
PYTHON: Final = Path(__file__).resolve().parents[3] / ".venv-croissant" / "bin" / "python"
SITE: Final = Site("https://board.example.org", license_url="https://spdx.org/licenses/CC-BY-4.0.html")
ODD: Final = entry(6, title='=1+1, a "quoted" name | \N{GREEK SMALL LETTER MU}', labels={"engine": "@engine", "gpu_count": "8"})
DATE: Final = "2026-12-31"

Spoil = Callable[[Path], None]


def edited(name: str, change: Callable[[Any], None]) -> Spoil:
    """Change the JSON file `name`."""

    def spoil(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        change(data)
        (folder / name).write_text(json.dumps(data))

    return spoil


def replaced(name: str, old: bytes, new: bytes) -> Spoil:
    """Change bytes of the file `name`, once."""

    def spoil(folder: Path) -> None:
        data = (folder / name).read_bytes()
        assert old in data
        (folder / name).write_bytes(data.replace(old, new, 1))

    return spoil


FEED: Final[dict[str, Spoil]] = {
    "a throughput in _energy": edited("feed.json", lambda feed: feed["items"][0]["_energy"].update(throughput=9000.0)),
    "a latency beside _energy": edited("feed.json", lambda feed: feed["items"][0].update(_latency={"p99_ms": 35})),
    "an id twice": edited("feed.json", lambda feed: feed["items"].append(feed["items"][0])),
    "an item without content": edited("feed.json", lambda feed: feed["items"][0].pop("content_text")),
    "another version": edited("feed.json", lambda feed: feed.update(version="https://jsonfeed.org/version/1")),
}
CROISSANT: Final[dict[str, Spoil]] = {
    "a figure changed in the table": replaced("energy.csv", b",250,5,", b",150,5,"),
    "a column that the table lacks": edited(
        "croissant.json", lambda data: data["recordSet"][0]["field"][0]["source"]["extract"].update(column="speed")
    ),
    "a file that is not described": edited(
        "croissant.json", lambda data: data["recordSet"][0]["field"][0]["source"]["fileObject"].update({"@id": "x.csv"})
    ),
    "a file without its hash": edited("croissant.json", lambda data: data["distribution"][0].pop("sha256")),
    "a file without its place": edited("croissant.json", lambda data: data["distribution"][1].pop("contentUrl")),
    "text where a number should be": edited("croissant.json", lambda data: data["recordSet"][0]["field"][8].update(dataType="sc:Integer")),
}


def read_by_croissant(folders: list[Path]) -> list[dict[str, Any]]:
    """What Croissant's library says of each folder."""
    out = subprocess.run([PYTHON, READER, *(folder / "croissant.json" for folder in folders)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]


def feed_faults(folder: Path) -> list[str]:
    """What the specification and our schema find in the feed."""
    feed = json.loads((folder / "feed.json").read_text())
    ours = [error.message for error in Draft202012Validator(schemas()[ENERGY_SCHEMA]).iter_errors(feed)]
    return [*jsonfeed.faults(feed), *ours]


def same(cell: str, value: Any) -> bool:
    """Whether Croissant's library read what stands in a cell of the table."""
    if value is None or isinstance(value, bool):
        return cell == {None: "", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return float(cell) == value
    return cell == value or (cell.endswith("Z") and cell[:10] == str(value)[:10])


def different(folder: Path, records: list[dict[str, Any]]) -> list[str]:
    """Cells that Python's reader and Croissant's library read differently."""
    rows = list(csv.DictReader(io.StringIO((folder / "energy.csv").read_bytes().decode(), newline=""), strict=True))
    if len(rows) != len(records):
        return [f"{len(records)} records of {len(rows)} rows"]
    pairs = zip(rows, records, strict=True)
    return [
        f"{name}: {row[name]!r} and {found.get(name)!r}" for row, found in pairs for name in row if not same(row[name], found.get(name))
    ]


def main() -> int:
    """Print what each reader said; 0 when all of it is as it should be."""
    with tempfile.TemporaryDirectory(prefix="joulemark-board-") as place:
        spoils = {**FEED, **CROISSANT}
        folders = {name: Path(place) / str(number) for number, name in enumerate(("good", *spoils))}
        for folder in folders.values():
            Snapshot.of([*ENTRIES, ODD], DATE, SITE).write(folder)
        for name, spoil in spoils.items():
            spoil(folders[name])
        good = folders["good"]
        read = dict(zip(("good", *CROISSANT), read_by_croissant([folders[name] for name in ("good", *CROISSANT)]), strict=True))
        records = read["good"].get("records", [])
        complaints = {
            "snapshot": faults(good),
            "feed": feed_faults(good),
            "croissant": [read["good"]["refused"]] if "refused" in read["good"] else read["good"]["errors"] + read["good"]["warnings"],
            "table": different(good, records),
        }
        named = {name: feed_faults(folders[name]) for name in FEED} | {name: read[name].get("refused", "") for name in CROISSANT}
    for name, found in complaints.items():
        print(f"{name}: {found or 'nothing to complain of'}")
    for name, answer in named.items():
        print(f"spoilt, {name}: {' '.join(str(answer).split())[:110] if answer else 'NOT SEEN'}")
    result = {"formats": len(complaints), "valid": sum(not found for found in complaints.values()), "records": len(records)}
    print(json.dumps({**result, "spoilt": len(named), "refused": sum(map(bool, named.values()))}))
    return 0 if not any(complaints.values()) and records and all(named.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
