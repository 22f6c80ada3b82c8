"""Pages: what a provider answered, read as JSON without a float, and taken apart with an error that names the place."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from joulemark import document
from joulemark.errors import FormatError

T = TypeVar("T")

STEP = "the provider may have changed its interface; report it with the address"


def json_page(body: bytes, *, where: str) -> dict[str, Any]:
    """The JSON object of a reply, fractions as Decimal. Raises FormatError, naming `where`, for anything else."""
    try:
        content = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where} is not UTF-8: {error.reason}", STEP) from error
    return document.json_object(content, where=where, number=Decimal)


def taken(data: object, key: str, kind: type[T], *, where: str) -> T:
    """`data[key]`, which must be of `kind`. Raises FormatError where `data` is no object, has no such key or another kind of value."""
    value = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise FormatError(f"{where}: {key} is {document.shown(value)}, not {kind.__name__}", STEP)
    return value


def listed(data: object, key: str, kind: type[T], *, where: str) -> list[T]:
    """`data[key]` as a list whose items are all of `kind`. Raises FormatError as `taken` does, naming the item."""
    items = taken(data, key, list, where=where)
    for number, item in enumerate(items):
        if not isinstance(item, kind):
            raise FormatError(f"{where}: {key}[{number}] is {document.shown(item)}, not {kind.__name__}", STEP)
    return items
