"""An export: the text for another program, and what its reader has to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Export:
    """`text`: what the other program reads; `count`: rows or events in it. `findings`: what it leaves out or cannot say, in sentences."""

    text: str
    count: int
    findings: tuple[str, ...] = ()
