"""Requests that are turned away: why, as what answer, and how many there were."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping


class Reason(enum.StrEnum):
    """Why a request was turned away: the label of `joulemark_rest_refused_total`."""

    TOKEN = "token"
    """No token, or none that is valid."""
    SCOPE = "scope"
    """The token does not reach that far."""
    TOKENS_FILE = "tokens_file"
    """tokens.json cannot be read, so nobody is let in."""
    HOST = "host"
    """A name that is not this collector's, as in DNS rebinding."""
    ORIGIN = "origin"
    """A page from elsewhere tried to write."""
    MEDIA_TYPE = "media_type"
    """A body that is not application/json."""
    JSON = "json"
    """A body that is no JSON, or JSON beyond the limits."""
    INVALID = "invalid"
    """Values beyond what the OpenAPI document allows."""
    TOO_LARGE = "too_large"
    """A body, or a head, that is too long."""
    TOO_SLOW = "too_slow"
    """A head or a body that did not arrive in time, or an answer that nobody took."""
    TOO_MANY = "too_many"
    """More runs, marks or readings than are kept or given at once."""
    BUSY = "busy"
    """Too many requests or connections at once."""
    MALFORMED = "malformed"
    """What is no HTTP."""
    AUDIT = "audit"
    """The audit log has no room."""
    DISK = "disk"
    """The catalogue has no room."""


class Refusal(Exception):
    """A request is not carried out; the answer is a problem."""

    def __init__(self, reason: Reason, status: int, detail: str, next_step: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.reason, self.status, self.detail, self.next_step = reason, status, detail, next_step
        self.headers = dict(headers or {})


class Refused:
    """How many requests were turned away since the start, by reason."""

    def __init__(self) -> None:
        self._counts = Counter({str(reason): 0 for reason in Reason})

    def count(self, reason: Reason) -> None:
        """One more."""
        self._counts[reason] += 1

    def by_reason(self) -> dict[str, int]:
        """Every reason with its count, also those that never were."""
        return dict(self._counts)
