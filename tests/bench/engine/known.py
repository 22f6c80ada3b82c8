"""Goals that are known to be missed, and why; docs/explanation/performance.md says what was tried. Any other miss fails the run."""

from __future__ import annotations

from typing import Final

MISSED: Final[dict[str, str]] = {
    "E1a": "each batch is hashed, decoded, bounded number by number and booked in twelve statements; the prototype only inserted it",
    "E1b": "the same work stands before the disk: at 32,000 values a batch the process is busy, not the disk",
    "E2b": "a stream holds three tasks, its account, and what it knows of each device; the prototype's held a generator",
    "E3": "decoding twice (to check, and to seal) and booking a batch of 1,600 values cost as much as compressing it",
    "E4a": "read brackets and the relation of both clocks are kept to the nanosecond for every read, which the prototype did not",
    "E5a": "two chunks of each GPU are opened at the edges, four columns of 6,000 rows each, and 1,152 sums become Python integers",
    "E5c": "as E5a",
}
