"""Documents: JSON read strictly, and records whose values have the kinds their class declares.

Refused is what two programs could understand differently (a key that stands twice, NaN, a number beyond double precision, bytes that are
not UTF-8), and what no store could hold (nesting beyond MAX_DEPTH, integers beyond MAX_DIGITS, NUL and half surrogates in text). RFC 8259
section 9 lets a parser set such limits, and RFC 7493 (I-JSON) names most of them.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from joulemark import foreign
from joulemark.errors import FormatError

T = TypeVar("T")

COMPARE: Final = "compare it with the schemas in docs/standard/schemas"
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 2_000_000
"""Of one text: `[],[],` takes thirty times its own length in memory. Bodies and bundles of honest size have a hundredth."""

STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Never tried twice, also where the closing quote is missing."""

MAX_DIGITS: Final = 40
"""Of an integer: 64 bits need twenty."""

LARGEST: Final = 2**63
"""Integers that stand for a real number lie below."""

NAMED: Final[dict[type, str]] = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false", type(None): "null"}


def parse(content: str, *, where: str, number: Callable[[str], Any] = float) -> Any:
    """The value that the JSON text `content` spells; `number` makes one out of a number that is not whole.

    Raises FormatError, naming `where`, for what is no JSON and for what the limits of this module refuse.
    """

    def fraction(printed: str) -> Any:
        if not math.isfinite(float(printed)):
            raise ValueError(f"the number {printed[:20]} is beyond double precision")
        return number(printed)

    if values(content) > MAX_VALUES:
        raise FormatError(f"{where} holds more than {MAX_VALUES} values", "check that it is the file it is named after")
    try:
        data = json.loads(content, object_pairs_hook=distinct, parse_int=whole, parse_float=fraction, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not valid JSON: {error}", "copy the file again; it may be cut off or damaged") from error
    if content.count("[") + content.count("{") > MAX_DEPTH or "\\u" in content or not content.isascii():
        storable(data, where=where)
    return data


def values(content: str) -> int:
    """No less than the values in a JSON text, and below MAX_VALUES where that is certain at a glance."""
    seen = marks(content)
    return seen if seen <= MAX_VALUES else marks(STRING.sub("", content))


def marks(content: str) -> int:
    """How often a value may begin: every one is the first, or follows one of these marks."""
    return 1 + sum(content.count(mark) for mark in ",[{:")


def json_object(content: str, *, where: str, number: Callable[[str], Any] = float) -> dict[str, Any]:
    """The JSON object in `content`. Raises FormatError, naming `where`, for anything else."""
    data = parse(content, where=where, number=number)
    if not isinstance(data, dict):
        raise FormatError(f"{where} holds a JSON {type(data).__name__}, not an object", "check that it is the file it is named after")
    return data


def load(path: Path) -> dict[str, Any]:
    """The JSON object in the file `path`. Raises FormatError."""
    return json_object(foreign.text(path, max_bytes=foreign.MAX_DOCUMENT_BYTES, errors="strict"), where=str(path))


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of `pairs`. Raises ValueError for a key that stands twice."""
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key[:40]!r} stands twice")
        out[key] = value
    return out


def whole(printed: str) -> int:
    """The integer `printed`. Raises ValueError beyond MAX_DIGITS."""
    if len(printed) > MAX_DIGITS:
        raise ValueError(f"a number of {len(printed)} digits")
    return int(printed)


def no_number(printed: str) -> Any:
    """Refuse `NaN` and `Infinity`, which are no JSON."""
    raise ValueError(f"{printed} is no number in JSON; a missing value is null")


def storable(data: Any, *, where: str) -> None:
    """Raise FormatError for nesting beyond MAX_DEPTH and for text that UTF-8 or a C string cannot hold."""
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise FormatError(f"{where} is nested more than {MAX_DEPTH} deep", "check that it is the file it is named after")
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += [*value, *value.values()]
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str) and not fit(value):
                raise FormatError(f"{where} holds text that is not Unicode: {value[:40]!r}", "copy the file again; it may be damaged")
        level = [value for value in below if isinstance(value, dict | list | str)]


def encodable(value: str) -> bool:
    """Whether UTF-8 can hold `value`: it has no half surrogate."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def record(cls: type[T], data: Any, *, where: str) -> T:
    """An instance of the dataclass `cls` from a JSON object, each value of the kind that its field declares.

    Raises FormatError, naming `where` and the key, for another kind, an unknown key and a missing one.
    """
    hints = kinds(cls)  # type: ignore[arg-type]  # every class is hashable
    if not isinstance(data, Mapping):
        raise FormatError(f"{where} is {shown(data)}, not an object", COMPARE)
    values = {}
    for key, value in data.items():
        if key not in hints:
            raise FormatError(f"{where}: unknown key {str(key)[:40]!r}", "use the joulemark version that wrote it")
        values[key] = converted(value, hints[key], where=f"{where}: {key}")
    try:
        return cls(**values)
    except TypeError as error:
        absent = [f.name for f in dataclasses.fields(cls) if f.name not in values and required(f)]  # type: ignore[arg-type]  # T is a dataclass
        raise FormatError(f"{where}: {', '.join(absent) or error} missing", COMPARE) from error


@functools.cache
def kinds(cls: type[Any]) -> dict[str, Any]:
    """Field of a dataclass to the type it declares."""
    return typing.get_type_hints(cls)


def required(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def converted(value: Any, wanted: Any, *, where: str) -> Any:
    """`value` as the type `wanted`. Raises FormatError when it is not one."""
    choices = typing.get_args(wanted) if typing.get_origin(wanted) in (types.UnionType, typing.Union) else (wanted,)
    for choice in choices:
        origin, inner = typing.get_origin(choice) or choice, typing.get_args(choice)
        if origin is tuple and isinstance(value, list | tuple):
            return tuple(converted(item, inner[0], where=f"{where}[{number}]") for number, item in enumerate(value))
        if origin is Mapping and isinstance(value, Mapping):
            return {converted(k, inner[0], where=where): converted(v, inner[1], where=f"{where}.{k}") for k, v in value.items()}
        if dataclasses.is_dataclass(origin) and isinstance(value, Mapping):
            return record(origin, value, where=where)  # type: ignore[arg-type]  # a class, since it is an annotation
        if issubclass(origin, enum.Enum) and value in list(origin):
            return origin(value)
        if (type(value) is origin and fit(value)) or (origin is float and type(value) is int and abs(value) < LARGEST):
            return value
    names = " or ".join(NAMED.get(choice, getattr(choice, "__name__", str(choice))) for choice in choices)
    raise FormatError(f"{where} is {shown(value)}, not {names}", COMPARE)


def fit(value: Any) -> bool:
    """Whether a value of a plain kind can be stored: finite, and text that is Unicode."""
    if isinstance(value, str):
        return "\0" not in value and encodable(value)
    return not isinstance(value, float) or math.isfinite(value)


def shown(value: Any) -> str:
    """`value` for a message, cut short."""
    try:
        printed = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        printed = "a number too long to print"
    return printed if len(printed) <= 40 else f"{printed[:37]}..."
