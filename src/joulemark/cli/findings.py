"""What a check of `joulemark doctor` answers."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any


class Status(enum.StrEnum):
    """What a check says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check. `mend`: the exact command, or the change, that mends it; empty when nothing is to be done."""

    name: str
    status: Status
    detail: str
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "status": str(self.status)}


def ok(name: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Status.OK, detail)


def warn(name: str, detail: str, mend: str) -> Finding:
    """Works, but worse than it could."""
    return Finding(name, Status.WARN, detail, mend)


def fail(name: str, detail: str, mend: str) -> Finding:
    """Will not work."""
    return Finding(name, Status.FAIL, detail, mend)
