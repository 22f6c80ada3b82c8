"""The published limits of Stripe's meter event stream: a line here is the body of one request.

Written from the API reference and the guide to recording usage, independently of the exporter.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

FIELDS: Final = {"event_name", "identifier", "payload", "timestamp"}
DAY_S: Final = 86_400


def findings(text: str, *, now_s: float) -> list[str]:
    """What breaks a limit when it is sent at `now_s`, empty when nothing does."""
    found: list[str] = []
    identifiers: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        body = json.loads(line)
        if set(body) != {"events"} or not isinstance(body["events"], list) or not body["events"]:
            found.append(f"request {number}: not an object with events")
            continue
        if len(body["events"]) > 100:
            found.append(f"request {number}: more than 100 events")
        for event in body["events"]:
            found += [f"request {number}: {finding}" for finding in of_event(event, now_s)]
            identifiers[str(event.get("identifier"))] += 1
    return found + [f"identifier {name} stands {count} times" for name, count in identifiers.items() if count > 1]


def of_event(event: dict[str, Any], now_s: float) -> Iterator[str]:
    """All rules of one event."""
    if not {"event_name", "payload"} <= set(event) <= FIELDS:
        yield f"fields are {sorted(event)}"
    for name in ("event_name", "identifier"):
        if not isinstance(event.get(name), str) or not 0 < len(event[name]) <= 100:
            yield f"{name} has not 1 to 100 characters"
    payload = event.get("payload")
    if not isinstance(payload, dict) or not all(isinstance(value, str) for value in payload.values()):
        yield "payload is no object of texts"
        return
    if not payload.get("stripe_customer_id", "").startswith("cus_"):
        yield "payload names no customer"
    value = payload.get("value", "")
    if not re.fullmatch(r"-?\d+", value):
        yield f"value {value!r} is not whole"
    elif len(value.lstrip("-0")) > 15:
        yield f"value {value!r} has more than 15 digits"
    yield from of_timestamp(event.get("timestamp"), now_s)


def of_timestamp(timestamp: Any, now_s: float) -> Iterator[str]:
    """RFC 3339, at most 35 days ago and at most 5 minutes ahead."""
    try:
        at_s = datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        yield f"timestamp {timestamp!r} is no moment"
        return
    if not re.fullmatch(r"[\d-]{10}T[\d:]{8}(\.\d+)?Z", str(timestamp)):
        yield f"timestamp {timestamp!r} is not RFC 3339 in UTC"
    if at_s < now_s - 35 * DAY_S:
        yield "timestamp is more than 35 days ago"
    if at_s > now_s + 300:
        yield "timestamp is more than 5 minutes ahead"
