"""The figures of an entry: joules per unit of work and how well they are known; nothing from which a speed follows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from joulemark.board import words
from joulemark.runs import IdleKind

TOGETHER: Final = "all"
"""Basis of a run without a score: its measured phases together."""

BASES: Final = ("median", "olympic", TOGETHER)


@dataclass(frozen=True, slots=True)
class Figures:
    """Joules per 1000 tokens and per request, watts while idle with the engine loaded; None where not known, with the reason in `absent`.

    `basis`: whether the figure per output token and its uncertainty are the score of the repetitions (`median`, `olympic`) or of all
    measured phases together (`all`), as the other figures always are. `uncertainty_rel`: U95 as a part of the figure. `coverage`: the
    part of the time that has readings.
    """

    basis: str
    joules_per_1k_output_tokens: float | None = None
    u95_j_per_1k_output_tokens: float | None = None
    joules_per_1k_total_tokens: float | None = None
    joules_per_request: float | None = None
    idle_w: float | None = None
    uncertainty_rel: float | None = None
    coverage: float | None = None
    absent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, card: Mapping[str, Any]) -> Self:
        """The figures of a card of schema `joulemark.card/1`."""
        headline, score = card["headline"], card["score"]
        together = "the energy, or the count, of the measured phases is not known"
        if score is None:
            value, u95 = headline["joules_per_1k_output_tokens"], headline["joules_per_1k_output_tokens_u95"]
            why = together
        else:
            value, u95 = score["joules_per_1k_output_tokens"], score["u95_j"]
            why = "the score has no figure"
        told = {
            "joules_per_1k_output_tokens": (value, why),
            "u95_j_per_1k_output_tokens": (u95, why),
            "joules_per_1k_total_tokens": (headline["joules_per_1k_total_tokens"], together),
            "joules_per_request": (headline["joules_per_request"], together),
            "idle_w": idle(card["idle"]),
            "uncertainty_rel": (u95 / value if value and u95 is not None else None, why),
            "coverage": (headline["coverage"], "no measured phase has readings"),
        }
        sound = {name: (found if usable(found) else None, reason) for name, (found, reason) in told.items()}
        return cls(
            TOGETHER if score is None else score["method"],
            **{name: found for name, (found, _) in sound.items()},
            absent={name: words.clean(reason) for name, (found, reason) in sound.items() if found is None},
        )

    def known(self) -> dict[str, float]:
        """The figures that there are, by name."""
        values = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in ("basis", "absent")}
        return {name: value for name, value in values.items() if value is not None}


def idle(phases: Any) -> tuple[float | None, str]:
    """(mean watts of the idle phases with the engine loaded, why there are none); a host without engine is another idle (PHA-9)."""
    ready = [phase for phase in phases if phase["idle_kind"] == IdleKind.READY]
    if not ready:
        return None, "no idle phase with the engine loaded was measured"
    duration_s = math.fsum(phase["duration_s"] for phase in ready)
    if not duration_s or any(phase["mean_power_w"] is None for phase in ready):
        return None, "the power of an idle phase is not known"
    return math.fsum(phase["mean_power_w"] * phase["duration_s"] for phase in ready) / duration_s, ""


def usable(value: float | None) -> bool:
    """Whether a value can stand on the board: finite and not below zero, where no energy lies."""
    return value is not None and math.isfinite(value) and value >= 0
