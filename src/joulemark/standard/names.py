"""Names that name nothing: what devices and people write into a field of which they know no value."""

from __future__ import annotations

from typing import Final

NOTHING: Final = frozenset(
    {"unknown", "none", "n/a", "na", "null", "-", "?", "0", "default string", "to be filled by o.e.m.", "todo", "tbd", "not specified"}
)


def nothing(text: str) -> bool:
    """Whether `text` stands where a name should, and is none."""
    return text.strip().lower() in NOTHING
