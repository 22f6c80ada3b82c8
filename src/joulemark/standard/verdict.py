"""What a rule says of a bundle: a verdict with the measured value, the limit and where the value came from."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

LEVELS: Final = ("INVALID", "ES0", "ES1", "ES2")
"""Lowest first (Energy Standard v1, section 2)."""

GRADES: Final = ("ES1", "ES2")
"""The columns of the table of rules."""


class Verdict(enum.StrEnum):
    """What a rule comes to. `warn` is recorded only; what cannot be told counts as failed for a level."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    NOT_APPLICABLE = "n/a"
    CANNOT_TELL = "cannot_tell"

    @property
    def harmless(self) -> bool:
        """Whether a level may be given in spite of it."""
        return self in (Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)


Measured = float | int | str | bool | None | Mapping[str, float | int | str | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rule in one column. `measured`: the value held against `limit`, by part where a rule has several. `source`: the data it came
    from, as file and key. `detail`: one sentence where the verdict is not plain. `contradiction`: the bundle contradicts itself,
    which makes it INVALID (INT-1, INT-2, INT-7, SCO-3 alone may say so).
    """

    verdict: Verdict
    measured: Measured = None
    limit: str = ""
    source: str = ""
    detail: str = ""
    contradiction: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        measured = self.measured
        return {
            "verdict": str(self.verdict),
            "measured": {k: finite(v) for k, v in measured.items()} if isinstance(measured, Mapping) else finite(measured),
            "limit": self.limit,
            "source": self.source,
            "detail": self.detail,
            "contradiction": self.contradiction,
        }


def finite(value: float | int | str | bool | None) -> float | int | str | bool | None:
    """`value`, as text where it is a number that JSON does not have."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def judged(good: bool, *, measured: Measured, limit: str, source: str, detail: str = "") -> Outcome:
    """Pass where `good`, else fail."""
    return Outcome(Verdict.PASS if good else Verdict.FAIL, measured, limit, source, detail)


def cannot_tell(detail: str, *, source: str = "", limit: str = "") -> Outcome:
    """The evidence is absent; `detail` names what is missing."""
    return Outcome(Verdict.CANNOT_TELL, None, limit, source, detail)


def not_applicable(detail: str, *, source: str = "") -> Outcome:
    """The rule does not apply to this bundle; `detail` says why."""
    return Outcome(Verdict.NOT_APPLICABLE, None, "", source, detail)
