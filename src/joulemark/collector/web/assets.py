"""What pages load: our own style and scripts, and what is vendored, each under an address that changes with the bytes of any of them."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from joulemark.collector.api.problems import NotFound

TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOR_EVER: Final = "public, max-age=31536000, immutable"
HASH: Final = 16
"""Characters of the hash of all files that stand in an address."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True)
class Assets:
    """`files` by name; `version`: changes with any of them; `integrity`: hashes of what is vendored, as a browser checks them."""

    files: Mapping[str, bytes]
    version: str
    integrity: Mapping[str, str]

    def url(self, name: str) -> str:
        """Where the file `name` is. Raises KeyError for one that is not there: a template is wrong."""
        if name not in self.files:
            raise KeyError(name)
        return f"/assets/{self.version}/{name}"


@cache
def assets() -> Assets:
    """All files, read once."""
    web = resources.files("joulemark.collector.web")
    found = {"house.css": resources.files("joulemark").joinpath("house.css").read_bytes(), **read(web / "assets"), **read(web / "vendored")}
    told = tomllib.loads((web / "vendored" / "vendored.toml").read_text(encoding="utf-8"))
    version = hashlib.sha256(b"\0".join(part for name, data in sorted(found.items()) for part in (name.encode(), data))).hexdigest()[:HASH]
    return Assets(found, version, {name: entry["sha384"] for name, entry in told.items()})


def read(folder: Traversable) -> dict[str, bytes]:
    """The files of a folder that a page may load."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if PurePath(file.name).suffix in TYPES}


@router.get("/assets/{version}/{name}")
async def asset(version: str, name: str) -> Response:
    """A file. Of another version there is none: what stands at an address never changes."""
    known = assets()
    if version != known.version or name not in known.files:
        raise NotFound(f"no file {name[:80]!r} of version {version[:HASH]!r}", "load the page again")
    return Response(known.files[name], media_type=TYPES[PurePath(name).suffix], headers={"Cache-Control": FOR_EVER})
