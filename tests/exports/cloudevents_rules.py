"""The rules of CloudEvents 1.0 (attributes, JSON format, JSON batch format, size limits) and of OpenMeter's ingestion of it.

Written from the specifications, independently of the exporter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

REQUIRED: Final = ("id", "source", "specversion", "type", "subject")
"""`subject` is optional in CloudEvents and required by OpenMeter."""

CORE: Final = {*REQUIRED, "datacontenttype", "dataschema", "time"}
NAME: Final = re.compile(r"[a-z0-9]+")
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
URI_REFERENCE: Final = re.compile(r"([\w.~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)
MOST_BYTES: Final = 65536


def findings(text: str) -> list[str]:
    """What breaks a rule, empty for a batch that conforms."""
    try:
        batch = json.loads(text, parse_constant=lambda name: name)
    except ValueError as error:
        return [f"no JSON: {error}"]
    if not isinstance(batch, list) or not all(isinstance(event, dict) for event in batch):
        return ["a batch is an array of objects"]
    found = [f"event {number}: {finding}" for number, event in enumerate(batch) for finding in of_event(event)]
    names = [(event.get("source"), event.get("id")) for event in batch]
    if len(set(names)) != len(names):
        found.append("source and id of two events are the same")
    if len({event.get("specversion") for event in batch}) > 1:
        found.append("a batch has one specversion")
    return found


def of_event(event: dict[str, Any]) -> Iterator[str]:
    """All rules of one event."""
    yield from (f"{name} is required" for name in REQUIRED if not isinstance(event.get(name), str) or not event[name])
    for name, value in event.items():
        if name in ("data", "data_base64"):
            continue
        if not NAME.fullmatch(name):
            yield f"the attribute {name!r} is not of lower-case letters and digits"
        if name in CORE and not isinstance(value, str):
            yield f"{name} is no text"
        if isinstance(value, str) and any(unfit(ord(mark)) for mark in value):
            yield f"{name} holds a character that no attribute may"
    if event.get("specversion") != "1.0":
        yield f"specversion is {event.get('specversion')!r}"
    if not URI_REFERENCE.fullmatch(str(event.get("source"))):
        yield "source is no URI reference"
    yield from of_time(event.get("time"))
    yield from of_data(event)
    if len(json.dumps(event).encode()) > MOST_BYTES:
        yield "the event is larger than 64 KiB"


def of_time(time: Any) -> Iterator[str]:
    """RFC 3339."""
    if time is None:
        return
    if not isinstance(time, str) or not RFC3339.fullmatch(time):
        yield f"time {time!r} is not RFC 3339"
        return
    try:
        datetime.fromisoformat(time)
    except ValueError:
        yield f"time {time!r} is no moment"


def of_data(event: dict[str, Any]) -> Iterator[str]:
    """`data` is an object of JSON; tokens and joules are numbers, or text that spells one."""
    if event.get("datacontenttype", "application/json") != "application/json":
        yield f"datacontenttype is {event['datacontenttype']!r}"
    if "data" in event and "data_base64" in event:
        yield "data and data_base64 exclude each other"
    data = event.get("data")
    if data is not None and not isinstance(data, dict):
        yield "data is no object"
        return
    for name in ("tokens", "joules", "u95_joules"):
        value = (data or {}).get(name, "0")
        if not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
            yield f"data.{name} is {value!r}, no number"


def unfit(code: int) -> bool:
    """Control characters, half surrogates, and code points that are no characters."""
    control = code <= 0x1F or 0x7F <= code <= 0x9F
    return control or 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code % 0x10000 >= 0xFFFE
