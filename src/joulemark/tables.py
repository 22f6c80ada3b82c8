"""Tables of TOML: keys and values checked against the dataclass that they fill, with the nearest name for a wrong one."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from joulemark import document, nearest
from joulemark.errors import ConfigError

T = TypeVar("T")

INT64_END: Final = 2**63


def unknown(data: Mapping[str, Any], known: list[str], where: str) -> None:
    """Raise ConfigError for the first key of `data` that is not in `known`, naming the nearest one that is."""
    for key in data:
        if key not in known:
            hint = nearest.hint(key, known, otherwise=f"valid keys are {', '.join(sorted(known))}")
            raise ConfigError(f"{where}: unknown key {key!r}", hint)


def build(cls: type[T], data: Mapping[str, Any], where: str) -> T:
    """An instance of the frozen dataclass `cls` from TOML keys: types are checked, paths expanded, unknown keys refused.

    Raises ConfigError; `where` names the table. Drivers use it for their own Config classes.
    """
    hints = document.kinds(cls)  # type: ignore[arg-type]  # every class is hashable
    names = [f.name for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]  # T is always a dataclass here
    unknown(data, names, where)
    values = {key: convert(value, hints[key], f"{where} {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        missing = [
            f.name
            for f in dataclasses.fields(cls)  # type: ignore[arg-type]  # as above
            if f.init and f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        step = "add it; joulemark config default explains every key"
        raise ConfigError(f"{where}: missing {', '.join(missing) or error}", step) from error


def convert(value: Any, wanted: Any, where: str) -> Any:
    """`value` as the type `wanted`. Raises ConfigError when it is not one; an int is taken for a float, text for a Path."""
    if typing.get_origin(wanted) in (types.UnionType, typing.Union):
        wanted = chosen(value, typing.get_args(wanted))
    if (typing.get_origin(wanted) or wanted) in (tuple, dict, Mapping) or dataclasses.is_dataclass(wanted):
        return compound(value, wanted, where)
    if wanted is Any:
        return value
    if not storable(value):
        raise ConfigError(f"{where} = {document.shown(value)} is no finite number of 64 bits and no plain text", "correct it")
    if wanted is Path and isinstance(value, str):
        return expanded(value, where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(wanted, type) and issubclass(wanted, str) and wanted is not str and isinstance(value, str):
        try:
            return wanted(value)
        except ValueError as error:
            raise ConfigError(f"{where} = {document.shown(value)} is not known", f"use one of {', '.join(list(wanted))}") from error  # type: ignore[call-overload]  # a StrEnum is iterable
    if not isinstance(wanted, type) or not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ConfigError(
            f"{where} = {document.shown(value)} is not {getattr(wanted, '__name__', wanted)}", "change the value or its quotes"
        )
    return value


def compound(value: Any, wanted: Any, where: str) -> Any:
    """`value` as a tuple, a mapping or a dataclass. Raises ConfigError."""
    origin, inner = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{where} = {document.shown(value)} is not a list", "write it in [ ]")
        return tuple(convert(item, inner[0], where) for item in value)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} = {document.shown(value)} is not a table", "write it in { }")
    if dataclasses.is_dataclass(origin):
        return build(wanted, value, where)
    return {key: convert(item, inner[1] if inner else Any, f"{where}.{key}") for key, item in value.items()}


def chosen(value: Any, choices: tuple[Any, ...]) -> Any:
    """The one of several types that a key may have which `value` is meant as: a list for a tuple, a table for a mapping, else the first."""
    kinds = [choice for choice in choices if choice is not type(None)]
    wanted = tuple if isinstance(value, list) else Mapping if isinstance(value, Mapping) else None
    return next((kind for kind in kinds if typing.get_origin(kind) is wanted), kinds[0])


def expanded(value: str, where: str) -> Path:
    """The path `value`, with `~` for the home of a user. Raises ConfigError when there is no such user."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{where} = {value!r}: {error}", "write the path out") from error


def storable(value: Any) -> bool:
    """Whether a plain value can be used: a number that is finite and fits 64 bits, text without NUL."""
    if isinstance(value, str):
        return "\0" not in value
    return not isinstance(value, int | float) or abs(value) < INT64_END
