"""JSON Schemas of the files in a bundle and of what commands print: made from the records where one exists, so that they
cannot part; else packaged as files.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import types
import typing
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from joulemark.calibration.alignment import CALIBRATION_SCHEMA, Record
from joulemark.cards.card import CARD_SCHEMA
from joulemark.cards.contents import METERS_SCHEMA
from joulemark.chain import CHAIN_SCHEMA, Chain
from joulemark.document import kinds, required
from joulemark.meter_log import METER_LOG_SCHEMA, MeterLog
from joulemark.node import NODES_SCHEMA, Nodes
from joulemark.readings import MeterInfo
from joulemark.runs import RUN_SCHEMA, Run
from joulemark.workload import WORKLOAD_SCHEMA, Workload

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
RECORDS: Final[Mapping[str, type[Any]]] = {
    RUN_SCHEMA: Run,
    NODES_SCHEMA: Nodes,
    WORKLOAD_SCHEMA: Workload,
    METER_LOG_SCHEMA: MeterLog,
    CALIBRATION_SCHEMA: Record,
    CHAIN_SCHEMA: Chain,
}
RENAMED: Final = {(Run, "windows"): "phases"}
"""Fields that have another name in the file."""

OPTIONAL: Final = {Run: ("result_files",)}
"""Keys that a file of a record leaves out where there is nothing to tell."""

PLAIN: Final[Mapping[type[Any], Mapping[str, Any]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
READINGS_FILE: Final = {
    "file": {"type": "string", "description": "path of its readings below the folder of this file"},
    "clock_bound_ns": {"type": "integer", "minimum": 0},
    "device_stamps": {"type": "boolean"},
}


@functools.cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """The value of the key `schema` of a file -> the schema of such files."""
    found = {name: whole(name, cls) for name, cls in RECORDS.items()}
    meter = record(MeterInfo)
    entry = {**meter, "properties": {**READINGS_FILE, **meter["properties"]}, "required": [*READINGS_FILE, *meter["required"]]}
    found[METERS_SCHEMA] = headed(METERS_SCHEMA, {"meters": {"type": "array", "items": entry}})
    for path in resources.files("joulemark.standard").joinpath("schemas").iterdir():
        data = json.loads(path.read_text(encoding="utf-8"))
        found[data["$id"]] = data
    card = found[CARD_SCHEMA]["properties"]["meters"]
    card["items"] = described(meter, card["items"])
    return dict(sorted(found.items()))


def described(meter: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a meter on a card: what it says of itself, and its `own` keys there; no other."""
    return {
        **own,
        "properties": {**meter["properties"], **own["properties"]},
        "required": list(dict.fromkeys([*own["required"], *meter["required"]])),
        "additionalProperties": False,
    }


def whole(name: str, cls: type[Any]) -> dict[str, Any]:
    """The schema of a file that holds one record under the key `schema`."""
    made = record(cls)
    file = headed(name, made["properties"])
    wanted = [key for key in file["required"] if key not in OPTIONAL.get(cls, ())]
    return {**file, "required": wanted, "description": summary(cls)}


def headed(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object with all of `properties`, told by its key `schema`."""
    return {
        "$schema": DIALECT,
        "$id": name,
        "type": "object",
        "properties": {"schema": {"const": name}, **properties},
        "required": ["schema", *properties],
        "additionalProperties": False,
    }


def record(cls: type[Any]) -> dict[str, Any]:
    """The schema of a dataclass, as `document.record` reads it."""
    hints = kinds(cls)  # type: ignore[arg-type]  # every class is hashable
    fields = dataclasses.fields(cls)
    name = {field.name: RENAMED.get((cls, field.name), field.name) for field in fields}
    return {
        "type": "object",
        "properties": {name[field.name]: value(hints[field.name]) for field in fields},
        "required": [name[field.name] for field in fields if required(field)],
        "additionalProperties": False,
    }


def value(kind: Any) -> dict[str, Any]:
    """The schema of a declared type. Raises TypeError for one that no file holds."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        choices = [value(choice) for choice in typing.get_args(kind)]
        plain = [choice["type"] for choice in choices if set(choice) == {"type"}]
        return {"type": plain} if len(plain) == len(choices) else {"anyOf": choices}
    origin, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin is tuple:
        return {"type": "array", "items": value(inner[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": value(inner[1])}
    if dataclasses.is_dataclass(origin):
        return record(typing.cast("type[Any]", origin))
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return {"enum": [str(member) for member in origin]}
    if origin in PLAIN:
        return dict(PLAIN[origin])
    raise TypeError(f"no schema of {kind}")


def summary(cls: type[Any]) -> str:
    """The first sentence of a class's documentation."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."
