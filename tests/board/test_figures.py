"""Figures of an entry: what is not known is absent, with the reason."""

from __future__ import annotations

import math
from typing import Any

import pytest

from joulemark.board.figures import Figures, idle

HEADLINE = {
    "phases": ["measured"],
    "joules_per_1k_output_tokens": 200.0,
    "joules_per_1k_output_tokens_u95": 4.0,
    "joules_per_1k_total_tokens": 80.0,
    "joules_per_request": 90.0,
    "coverage": 0.99,
}
READY = {"idle_kind": "idle_ready", "duration_s": 60.0, "mean_power_w": 400.0}


def card(score: dict[str, Any] | None = None, idle: list[dict[str, Any]] | None = None, **changed: Any) -> dict[str, Any]:
    """As much of a card as figures are made of."""
    return {"headline": HEADLINE | changed, "score": score, "idle": idle or []}


def test_without_a_score_the_phases_count_together() -> None:
    """One phase has no score: the headline's figure stands, and the basis says so."""
    found = Figures.of(card())
    assert (found.basis, found.joules_per_1k_output_tokens, found.u95_j_per_1k_output_tokens) == ("all", 200.0, 4.0)
    assert found.uncertainty_rel == 0.02


def test_the_score_leads() -> None:
    """Where there is a score it is the figure, with its own uncertainty."""
    found = Figures.of(card({"method": "olympic", "joules_per_1k_output_tokens": 210.0, "u95_j": 2.1}))
    assert (found.basis, found.joules_per_1k_output_tokens, found.uncertainty_rel) == ("olympic", 210.0, 0.01)


def test_nothing_is_invented() -> None:
    """What is not known is None, with a reason; names of phases, which the submitter chose and may fill with speed, are not in it."""
    unknown = {"joules_per_1k_output_tokens": None, "joules_per_1k_output_tokens_u95": None, "coverage": None}
    found = Figures.of(card(phases=["steady at 12000 tok/s"], **unknown))
    assert set(found.absent) == {"joules_per_1k_output_tokens", "u95_j_per_1k_output_tokens", "uncertainty_rel", "idle_w", "coverage"}
    assert found.absent["joules_per_1k_output_tokens"] == "the energy, or the count, of the measured phases is not known"
    assert found.known() == {"joules_per_1k_total_tokens": 80.0, "joules_per_request": 90.0}


@pytest.mark.parametrize("value", [math.inf, math.nan, -1.0])
def test_no_figure_is_infinite_or_below_zero(value: float) -> None:
    """A hostile card cannot put such a number on the board."""
    found = Figures.of(card(joules_per_request=value))
    assert found.joules_per_request is None
    assert "joules_per_request" in found.absent


def test_idle_is_with_the_engine_loaded() -> None:
    """The mean is over time; a bare host counts never, and one unknown phase leaves none."""
    assert idle([READY, {**READY, "duration_s": 20.0, "mean_power_w": 480.0}]) == (420.0, "")
    assert idle([{**READY, "idle_kind": "idle_bare"}])[0] is None
    assert idle([READY, {**READY, "mean_power_w": None}])[0] is None
