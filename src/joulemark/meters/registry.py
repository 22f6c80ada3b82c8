"""Which kinds of meters exist: drivers are found by name through entry points, and loaded only when asked for.

Any installed distribution may add kinds in the group `joulemark.meters`, as `name = "module:DRIVER"`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any, Final

from joulemark import nearest
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterUnavailable
from joulemark.meters.base import Driver, Meter

GROUP: Final = "joulemark.meters"


def kinds() -> dict[str, EntryPoint]:
    """Every registered kind, sorted by name. Loads none of them."""
    return {entry.name: entry for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)}


def driver(kind: str) -> Driver[Any]:
    """The driver called `kind`.

    Raises ConfigError for an unknown kind, naming the nearest one; MeterUnavailable when a library that it needs is not
    installed, naming the command that installs it.
    """
    known = kinds()
    entry = known.get(kind)
    if entry is None:
        raise ConfigError(f"no meter kind {kind!r}", nearest.hint(kind, known, otherwise=f"known kinds are {', '.join(known)}"))
    try:
        found: Driver[Any] = entry.load()
    except ModuleNotFoundError as error:
        raise MeterUnavailable(f"meter kind {kind!r} needs the Python module {error.name}", f"run {_install_command(entry)}") from error
    except AttributeError as error:
        raise ConfigError(f"meter kind {kind!r} is registered as {entry.value}, which does not exist", "update its package") from error
    return found


def build(tables: Iterable[MeterTable], *, host: str) -> list[Meter]:
    """One meter per `[[meter]]` table, in order, none of them open. Raises ConfigError and MeterUnavailable as `driver` does."""
    return [driver(table.kind).build(table, host=host) for table in tables]


def discover() -> list[MeterTable]:
    """Tables for the meters found on this machine without configuration; kinds whose library is missing are passed over."""
    found: list[MeterTable] = []
    for kind in kinds():
        try:
            options = driver(kind).discover()
        except MeterUnavailable:
            continue
        found.extend(MeterTable(kind, entry) for entry in options)
    return found


def _install_command(entry: EntryPoint) -> str:
    """The pip command for what a kind lacks: its distribution, with the extras that the entry point names."""
    if entry.dist is None:
        return "pip install on the package that registers it"
    extras = f"[{','.join(entry.extras)}]" if entry.extras else ""
    return f"pip install '{entry.dist.name}{extras}'"
