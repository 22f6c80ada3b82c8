"""OpenMeter: tokens and joules of each counted phase as a batch of CloudEvents 1.0 in JSON, with ids that are the same each time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from joulemark.errors import UsageError
from joulemark.exports.export import Export
from joulemark.exports.usage import DIRECTIONS, Usage
from joulemark.pricing import money
from joulemark.pricing.dates import moment_text

TOKENS: Final = "joulemark.tokens"
ENERGY: Final = "joulemark.energy"
SOURCE: Final = "urn:joulemark"
LARGEST_BYTES: Final = 64 * 1024
"""Events up to this size are forwarded by every intermediary (CloudEvents 1.0, size limits)."""

REFERENCE: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII)
"""The characters of a URI reference (RFC 3986)."""


def export(usages: Iterable[Usage], *, subject: str, source: str = SOURCE) -> Export:
    """The events of `usages` as one JSON array, `application/cloudevents-batch+json`.

    `subject`: the customer in OpenMeter; `source`: a URI reference that names this installation. Events with the same source and id are
    counted once, however often they are sent. Raises UsageError for what no CloudEvent can hold.
    """
    if not fit(subject):
        raise UsageError(f"the subject {subject!r} is empty, or holds control characters", "give the customer's key with --subject")
    if not REFERENCE.fullmatch(source):
        raise UsageError(f"the source {source!r} is no URI reference", f"give for example --source {SOURCE}:site-a")
    made, findings = [], []
    for usage in usages:
        if not usage.run_id:
            raise UsageError("the run has no id, so its events would be counted twice", "give a run of the collector, or its bundle")
        if not usage.counted:
            findings.append(f"{usage.name} is left out: it is {usage.kind} and not counted")
            continue
        found = list(events(usage, subject=subject, source=source))
        made += found
        findings += absent(usage, found)
    lines = ",\n".join(json.dumps(event, ensure_ascii=False, allow_nan=False) for event in made)
    return Export(f"[\n{lines}\n]\n" if made else "[]\n", len(made), tuple(findings))


def events(usage: Usage, *, subject: str, source: str) -> Iterator[dict[str, Any]]:
    """One event for each direction of tokens, and one for the energy; none for what is not known. Raises UsageError for one too big."""
    about = {"run_id": usage.run_id, "phase": usage.phase, "benchmark": usage.benchmark, "simulated": usage.simulated}
    found: list[tuple[str, str, Mapping[str, Any]]] = []
    for direction in DIRECTIONS:
        if (count := usage.tokens[direction]) is not None:
            found.append((f"{direction}_tokens", TOKENS, {"tokens": money.text(money.decimal(count)), "type": direction}))
    if usage.energy_j is not None:
        joules = {"joules": money.text(money.decimal(usage.energy_j)), "boundary": usage.boundary}
        if usage.u95_j is not None:
            joules["u95_joules"] = money.text(money.decimal(usage.u95_j))
        found.append(("energy", ENERGY, joules))
    for kind, event_type, data in found:
        event = {
            "specversion": "1.0",
            "id": identity(usage, kind),
            "source": source,
            "type": event_type,
            "subject": subject,
            "time": moment_text(usage.end_ns),
            "datacontenttype": "application/json",
            "data": {**data, **about},
        }
        if len(json.dumps(event).encode()) > LARGEST_BYTES:
            raise UsageError(f"an event of {usage.name} is larger than {LARGEST_BYTES} bytes", "give the phase a shorter name")
        yield event


def identity(usage: Usage, kind: str) -> str:
    """The id of an event: run, phase, which one of that name, and kind, each escaped so that no two are alike."""
    return "/".join(quote(part, safe="") for part in (usage.run_id, usage.phase, str(usage.nth), kind))


def fit(attribute: str) -> bool:
    """Whether an attribute may hold it: not empty, no control character, half surrogate or code point that is no character."""
    refused = (
        code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or 0xFDD0 <= code < 0xFDF0 or code & 0xFFFE == 0xFFFE
        for code in map(ord, attribute)
    )
    return bool(attribute) and not any(refused)


def absent(usage: Usage, found: list[dict[str, Any]]) -> list[str]:
    """What of a counted phase is not among the events, in sentences."""
    have = {event["id"] for event in found}
    kinds = [f"{direction}_tokens" for direction in DIRECTIONS] + ["energy"]
    return [f"{usage.name} has no {kind.replace('_', ' ')}: not known" for kind in kinds if identity(usage, kind) not in have]
