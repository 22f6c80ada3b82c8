"""Canonical JSON and its hash: the same facts give the same bytes, whoever writes them (RFC 8785, without floats)."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def encode(data: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no white space.

    Only text, integers, truth values, null, lists and objects with ASCII keys: there the sort order of RFC 8785 is Python's
    own. Raises TypeError for a float (amounts are text) and for a key that is not ASCII text.
    """
    require_exact(data)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(data: Any) -> str:
    """SHA-256 of `encode(data)`, in hex."""
    return hashlib.sha256(encode(data)).hexdigest()


def require_exact(data: Any) -> None:
    """Raise TypeError when `data` holds something whose text could differ between two writers."""
    if isinstance(data, dict):
        for key, value in data.items():
            if not isinstance(key, str) or not key.isascii():
                raise TypeError(f"key {key!r} is not ASCII text")
            require_exact(value)
    elif isinstance(data, list | tuple):
        for value in data:
            require_exact(value)
    elif data is not None and not isinstance(data, str | int):
        raise TypeError(f"{data!r} has no canonical text; write it as text")
