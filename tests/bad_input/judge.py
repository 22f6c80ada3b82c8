"""What counts as a clear error, as an acceptance and as a crash: the rules, apart from the doors they are applied to."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

MARKS_OF_A_CRASH = re.compile(r"Traceback \(most recent call last\)|Segmentation fault|MemoryError")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FALLEN = frozenset({"timeout", "no answer", "exit 1", "UNKNOWN", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
SENTENCES = re.compile(r"^joulemark: .+\. .+[.?]$")


class Verdict(enum.StrEnum):
    """How a door answered a bad input."""

    CLEAR = "clear_error"
    ACCEPTED = "accepted"
    CRASHED = "crashed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back through a door. `told`: the whole of standard error, of the body, or of the status text."""

    door: str
    status: str
    told: str
    harm: str = ""
    """What the input did beyond its answer: a file written, a store changed, a collector that is ill. Empty when nothing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bad input must get: one of `statuses`, with a text that matches `names` (the file or the key)."""

    statuses: tuple[str, ...]
    names: str


def judged(answer: Answer, wanted: Wanted) -> tuple[Verdict, str]:
    """The verdict, and why where it is not a clear error."""
    if answer.status in FALLEN or answer.status.startswith(("signal", "5")):
        return Verdict.CRASHED, f"{answer.status}: {answer.told[-400:]}"
    if MARKS_OF_A_CRASH.search(answer.told):
        return Verdict.CRASHED, answer.told[-400:]
    if answer.status in ("exit 0", "OK") or answer.status.startswith("2") or answer.harm:
        return Verdict.ACCEPTED, answer.harm or answer.told[-200:]
    unclear = unclear_because(answer, wanted)
    return (Verdict.UNCLEAR, f"{unclear}: {answer.status}: {answer.told[-400:]!r}") if unclear else (Verdict.CLEAR, "")


def unclear_because(answer: Answer, wanted: Wanted) -> str:
    """What an error lacks to be a clear one; empty when nothing."""
    if answer.status not in wanted.statuses:
        return f"not {' or '.join(wanted.statuses)}"
    if CONTROL.search(answer.told.rstrip("\n")):
        return "control characters"
    if not re.search(wanted.names, answer.told):
        return f"does not name {wanted.names!r}"
    if answer.door == "rest":
        return problem_lacks(answer.told)
    if answer.door == "grpc":
        return "" if len(answer.told.split()) > 3 else "no sentence"
    lines = answer.told.strip().split("\n")
    if len(lines) != 1:
        return f"{len(lines)} lines"
    return "" if SENTENCES.match(lines[0]) else "no next step"


def problem_lacks(body: str) -> str:
    """What a problem document lacks; empty when nothing."""
    try:
        problem = json.loads(body)
    except ValueError:
        return "no problem document"
    return "".join(f"no {key}" for key in ("detail", "next_step", "title", "status") if not problem.get(key))
