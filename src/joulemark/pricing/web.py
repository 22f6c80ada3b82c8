"""How a source reads the web: at pinned origins, within bounds of pages, bytes and time, patient where it is told to wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `body` in memory, or `path` of the file it was streamed into. `not_modified`: HTTP 304, and neither."""

    url: str
    http_status: int
    fetched_at_ns: int
    sha256: str = ""
    body: bytes = b""
    path: Path | None = None
    etag: str = ""
    last_modified: str = ""

    @property
    def not_modified(self) -> bool:
        """Whether the list is the one that was read last."""
        return self.http_status == 304


class NotModified(Exception):
    """The list is the one that was read last; `reply` says so. Raised by `Web.get` and `Web.stream` when asked with validators."""


class Web(Protocol):
    """What a source may do. `secret` headers are sent and never written down; so are the query keys named in `secret_keys`."""

    async def get(
        self, url: str, *, params: Mapping[str, str] = ..., secret: Mapping[str, str] = ..., secret_keys: tuple[str, ...] = ()
    ) -> Reply:
        """GET of one page, counted against the caps. Raises RemoteUnreachable, FormatError, or NotModified."""
        ...

    async def post(self, url: str, body: Mapping[str, Any], *, secret: Mapping[str, str] = ...) -> Reply:
        """POST of JSON."""
        ...

    async def stream(self, url: str) -> Reply:
        """GET of a large list into a file that is deleted after the gathering."""
        ...
