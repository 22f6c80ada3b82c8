"""A tally: what one gathering has read so far, for the record of the fetch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from joulemark.pricing.web import Reply


@dataclass(slots=True)
class Tally:
    """`url` of the first reply; status and time of the last one; `raw_bytes`, `pages`: of all.

    `etag` and `last_modified` are of a list of one page; of several pages no validator holds for all.
    """

    url: str = ""
    http_status: int | None = None
    fetched_at_ns: int | None = None
    pages: int = 0
    raw_bytes: int = 0
    etag: str = ""
    last_modified: str = ""
    hashes: list[str] = field(default_factory=list)

    @property
    def raw_sha256(self) -> str:
        """SHA-256 of the one page, or over the hashes of all pages in their order; empty where nothing was read."""
        return self.hashes[0] if len(self.hashes) == 1 else hashlib.sha256("".join(self.hashes).encode()).hexdigest() if self.hashes else ""

    def add(self, reply: Reply, length: int) -> None:
        """Count one reply of `length` bytes."""
        self.url = self.url or reply.url
        self.http_status, self.fetched_at_ns = reply.http_status, reply.fetched_at_ns
        if not reply.not_modified:
            self.pages += 1
            self.raw_bytes += length
            self.hashes.append(reply.sha256)
        alone = self.pages <= 1
        self.etag, self.last_modified = (reply.etag, reply.last_modified) if alone else ("", "")
