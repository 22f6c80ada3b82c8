"""A fetch: one attempt to read prices from somewhere, with what came of it, and the records it brought."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from joulemark import __version__
from joulemark.pricing import canonical
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.snapshot import Record

MOMENTS = ("requested_at", "fetched_at", "published_at")


class Outcome(enum.StrEnum):
    """What came of an attempt.

    `held`: it was read, but looked so unlike the last good one that nothing of it is used.
    """

    OK = "ok"
    NOT_MODIFIED = "not_modified"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row of a list that became no record: where it stands and why not, for example `capacity_block_unpriced`."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a source made of one reply, or of all pages of one list: `records` and the rows it `rejected`.

    `published_at_ns`, `list_version`: of the list, where it says so.
    """

    records: tuple[Record, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    published_at_ns: int | None = None
    list_version: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One attempt. Immutable, failures too; `url` holds no secret.

    `feed`: the kind of the source; `scope`: what of it was asked for, so that like is compared with like. `repeats`: the fetch whose list
    was found unchanged (HTTP 304). `fetched_at_ns`: true time of the end of the reading, None where nothing was read.
    `raw_sha256`, `raw_bytes`, `pages`: of what was read. `rows_parsed`: rows that became records and were let in; `rows_rejected`: rows
    that were refused by the parser or by a gate.
    """

    feed: str
    url: str
    requested_at_ns: int
    outcome: Outcome
    scope: str = ""
    fetched_at_ns: int | None = None
    http_status: int | None = None
    etag: str = ""
    last_modified: str = ""
    published_at_ns: int | None = None
    list_version: str = ""
    raw_sha256: str = ""
    raw_bytes: int = 0
    pages: int = 0
    rows_parsed: int = 0
    rows_rejected: int = 0
    repeats: str = ""
    error: str = ""
    collector_version: str = __version__

    @property
    def fetch_id(self) -> str:
        """SHA-256 over all that it says."""
        return canonical.digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary, dates as RFC 3339."""
        out: dict[str, Any] = {f.name.removesuffix("_ns"): getattr(self, f.name) for f in fields(self)}
        out["outcome"] = str(self.outcome)
        for name in MOMENTS:
            t_ns = getattr(self, f"{name}_ns")
            out[name] = None if t_ns is None else moment_text(t_ns)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError for a wrong date."""
        values = dict(data)
        for name in MOMENTS:
            text = values.pop(name)
            values[f"{name}_ns"] = None if text is None else moment_ns(text, f"fetch {name}")
        return cls(**{**values, "outcome": Outcome(values["outcome"])})


@dataclass(frozen=True, slots=True)
class Check:
    """How one scope of a feed stands: its last attempt, and the last one that found its prices, the same or new ones (None: never)."""

    last: Fetch
    good: Fetch | None
