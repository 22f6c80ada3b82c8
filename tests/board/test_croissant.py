"""The description as a data set: what it says of the files is true. Croissant's own library reads it in `make board-formats`."""

from __future__ import annotations

import hashlib
import json

from joulemark.board import croissant, table
from joulemark.board.site import Site
from tests.board.entries import entry

SITE = Site("https://board.example.org", license_url="https://spdx.org/licenses/CC-BY-4.0.html")
FILES = {"energy.csv": table.written([entry(1)]), "feed.json": b"{}"}
ADDRESSES = {name: SITE.file(name) for name in FILES}


def test_files_are_named_with_hash_size_and_place() -> None:
    """Each file of the distribution has its address, its size and the SHA-256 of its bytes."""
    made = croissant.described(FILES, SITE, date="2026-12-31", addresses=ADDRESSES)
    for one in made["distribution"]:
        data = FILES[one["@id"]]
        assert one["sha256"] == hashlib.sha256(data).hexdigest()
        assert (one["contentSize"], one["contentUrl"]) == (f"{len(data)} B", SITE.file(one["@id"]))
    assert [one["encodingFormat"] for one in made["distribution"]] == ["text/csv", "application/json"]


def test_fields_are_the_columns() -> None:
    """The record set has the columns of the table, in order, each with its type and a description."""
    header = FILES["energy.csv"].decode().split("\r\n")[0].split(",")
    fields = croissant.described(FILES, SITE, date="2026-12-31", addresses=ADDRESSES)["recordSet"][0]["field"]
    assert [one["source"]["extract"]["column"] for one in fields] == header
    assert [one["@id"] for one in fields] == [f"entries/{name}" for name in header]
    assert all(one["dataType"].startswith("sc:") and one["description"] for one in fields)


def test_licence_and_date_are_the_boards() -> None:
    """The licence stands there when the operator names one and is not invented; the version is the date."""
    made = croissant.described(FILES, SITE, date="2026-01-05", addresses=ADDRESSES, live=True)
    assert (made["license"], made["version"], made["isLiveDataset"]) == (SITE.license_url, "2026.1.5", True)
    bare = croissant.described(FILES, Site("https://x.example.org"), date="2026-01-05", addresses=ADDRESSES)
    assert "license" not in bare
    assert "isLiveDataset" not in bare
    json.dumps(made, allow_nan=False)
