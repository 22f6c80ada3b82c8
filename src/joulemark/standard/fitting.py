"""Whether a document fits the published schema of its kind (INT-4)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from joulemark.standard.schema import schemas

MESSAGE_CHARACTERS: Final = 120
"""So much of what the library says is printed: it repeats the value, which may be long."""


def unfit(name: str, data: Mapping[str, Any]) -> str:
    """The first place where `data` does not fit the schema `name`, with the reason; empty where it fits or no such schema is packaged."""
    if name not in schemas():
        return ""
    error = next(iter(validator(name).iter_errors(data)), None)
    if error is None:
        return ""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).removeprefix(".")
    return f"{place or 'the whole'}: {error.message[:MESSAGE_CHARACTERS]}"


@functools.cache
def validator(name: str) -> Validator:
    """What holds documents against the schema `name`, made once."""
    return Draft202012Validator(schemas()[name])
