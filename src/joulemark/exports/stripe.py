"""Stripe: tokens of each counted phase as meter events, in bodies for its meter event stream. Joules are never sent: values are whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from joulemark.errors import UsageError
from joulemark.exports.export import Export
from joulemark.exports.usage import DIRECTIONS, Usage
from joulemark.pricing.dates import moment_text
from joulemark.units import NS_PER_S

MOST_EVENTS: Final = 100
"""In one request."""

OLDEST_S: Final = 35 * 86_400
AHEAD_S: Final = 300
VALUE_END: Final = 10**15
"""A value has at most 15 digits."""

EVENTS: Final = {"input": "joulemark_input_tokens", "output": "joulemark_output_tokens"}
"""Direction of tokens -> name of the event: two meters, because they are priced apart."""

SHOWN: Final = 5


def export(usages: Iterable[Usage], *, customer: str, now_ns: int) -> Export:
    """The events of `usages`: one line of JSON for each request to `POST /v2/billing/meter_event_stream`, of at most MOST_EVENTS events.

    `customer`: the id of the customer in Stripe. An identifier is the same each time. Raises UsageError, and exports nothing, when one of
    the events would be refused there, or would put something on an invoice that was not measured; it says what to do.
    """
    if not customer.startswith("cus_"):
        raise UsageError(f"{customer!r} is no customer of Stripe", "give its id, cus_..., with --customer")
    made, left_out, refused = [], [], []
    for usage in usages:
        if not usage.counted:
            left_out.append(f"{usage.name} is left out: it is {usage.kind} and not counted")
            continue
        for direction in DIRECTIONS:
            count = usage.tokens[direction]
            if count is None:
                left_out.append(f"{usage.name} has no {direction} tokens: not known")
            elif wrong := findings(usage, direction, now_ns=now_ns):
                refused += wrong
            elif count:
                made.append(event(usage, direction, customer=customer))
    if refused:
        distinct = list(dict.fromkeys(refused))
        more = f"; and {len(distinct) - SHOWN} more" if len(distinct) > SHOWN else ""
        raise UsageError(f"nothing is exported: {'; '.join(distinct[:SHOWN])}{more}", "mend what is named, or leave the run out")
    batches = [made[start : start + MOST_EVENTS] for start in range(0, len(made), MOST_EVENTS)]
    lines = [json.dumps({"events": batch}, ensure_ascii=False) + "\n" for batch in batches]
    return Export("".join(lines), len(made), tuple(left_out))


def findings(usage: Usage, direction: str, *, now_ns: int) -> list[str]:
    """Why the tokens of a phase cannot be sent, each with what to do; empty when they can."""
    count, name = usage.tokens[direction], f"{usage.name}, {direction} tokens"
    age_s = (now_ns - timestamp_ns(usage)) / NS_PER_S
    found = []
    if usage.simulated:
        found.append("the run is simulated and may not be invoiced: measure a real one")
    if not usage.run_id:
        found.append("the run has no id, so its events could be counted twice: give a run of the collector, or its bundle")
    if isinstance(count, float) and not count.is_integer():
        found.append(f"{name}: {count} is not whole, it was estimated from a rate: hand in counted tokens")
    if count is not None and count >= VALUE_END:
        found.append(f"{name}: {count} has more than 15 digits: check what it was read from")
    if age_s > OLDEST_S:
        found.append(f"{usage.name} ended {age_s / 86_400:.1f} days ago, and Stripe takes 35: add its tokens to the invoice by hand")
    if age_s < -AHEAD_S:
        found.append(f"{usage.name} ends {-age_s:.0f} s in the future, and Stripe takes 300: set the clocks, this machine's first")
    return found


def event(usage: Usage, direction: str, *, customer: str) -> dict[str, Any]:
    """One meter event. The count is whole."""
    return {
        "event_name": EVENTS[direction],
        "identifier": identifier(usage, EVENTS[direction]),
        "payload": {"stripe_customer_id": customer, "value": str(int(usage.tokens[direction] or 0))},
        "timestamp": moment_text(timestamp_ns(usage)),
    }


def timestamp_ns(usage: Usage) -> int:
    """The end of the phase, to the second below."""
    return usage.end_ns // NS_PER_S * NS_PER_S


def identifier(usage: Usage, name: str) -> str:
    """74 characters that are the same for the same run, phase and kind, and for nothing else."""
    identity = json.dumps([usage.run_id, usage.phase, usage.nth, name])
    return f"joulemark_{hashlib.sha256(identity.encode()).hexdigest()}"
