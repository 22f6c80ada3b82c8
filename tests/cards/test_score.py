"""The score of repeated phases (REP-2, Example D of the standard)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from joulemark.cards.score import scored
from joulemark.energy.uncertainty import NAMES, effective_dof

EXAMPLE_D = (249.1, 250.4, 250.9, 248.7, 250.6)
EXAMPLE_A = {"spec": 5196.152, "cert": 1500.0, "time": 75.056, "gap": 230.940, "resolution": 0.707}
TOKENS = 12_000_000


def phase(value_j: float, number: int, **changed: float | None) -> dict[str, Any]:
    """A phase of Example A, with the J per 1k and the components given, in J."""
    lines = {**dict.fromkeys(NAMES, 0.0), **EXAMPLE_A, **changed}
    components = [
        {"name": name, "u_j": u_j, "distribution": "rectangular", "dof": None, "source": "example"} for name, u_j in lines.items()
    ]
    return {
        "name": f"measured-{number}",
        "joules_per_1k_output_tokens": value_j,
        "energy_j": value_j * TOKENS / 1000,
        "tokens": {"output": TOKENS, "disagreement": 6000.0},
        "uncertainty": {"components": components},
    }


def phases(*values: float) -> list[dict[str, Any]]:
    """One phase for each J per 1k."""
    return [phase(value, number) for number, value in enumerate(values, 1)]


def block(told: list[dict[str, Any]]) -> dict[str, Any]:
    """The score, which there must be."""
    score, reason = scored(told)
    assert score is not None
    assert reason == ""
    return score


def line(score: dict[str, Any], name: str) -> dict[str, Any]:
    """One component."""
    (found,) = (one for one in score["components"] if one["name"] == name)
    return dict(found)


def test_five_repetitions_are_example_d() -> None:
    """Example D: Olympic mean 250.03333, s 0.976217, CV 0.39058 %, u_rep 0.467138; the lowest and the highest do not count."""
    score = block(phases(*EXAMPLE_D))
    assert (score["method"], score["count"]) == ("olympic", 5)
    assert score["joules_per_1k_output_tokens"] == pytest.approx(250.03333, abs=5e-6)
    assert (score["mean_j"], score["sd_j"]) == pytest.approx((249.94, 0.976217), abs=5e-7)
    assert score["cv_rel"] == pytest.approx(0.0039058, abs=5e-8)
    assert score["u_rep_j"] == pytest.approx(0.467138, abs=5e-7)
    assert [one["phase"] for one in score["repetitions"] if not one["kept"]] == ["measured-3", "measured-4"]


def test_uncertainty_of_example_d() -> None:
    """Energy, tokens and repeats join in quadrature; by Welch-Satterthwaite 15 degrees of freedom are left of four, and k is 2.

    With s / sqrt n of the plain mean, without the factor 1.07 of the Olympic one, it is the 17 that the standard prints.
    """
    score = block(phases(*EXAMPLE_D))
    u_repeat = 0.467138 / 250.033333
    u_rest = math.hypot(5413.775684923293 / (3_000_000 * 248.7 / 250), 6000 / math.sqrt(3) / TOKENS)
    assert score["u_c_rel"] == pytest.approx(math.hypot(u_rest, u_repeat), rel=0.005)
    assert (score["nu_eff"], score["k"]) == (15.0, 2.0)
    assert score["u95_rel"] == 2 * score["u_c_rel"]
    assert score["u95_j"] == pytest.approx(score["u95_rel"] * 250.033333, rel=1e-6)
    u_mean_rel, u_phase_rel = 0.976217 / math.sqrt(5) / 249.94, 0.0018275352912435756
    assert effective_dof([(u_mean_rel, 4), (u_phase_rel, math.inf)]) == 17


def test_three_and_four_are_a_median_and_all_count() -> None:
    """Three and four repetitions have the median for a score, u_rep 1.16 and 1.09 s / sqrt n, and n - 1 degrees of freedom."""
    three, four = block(phases(*EXAMPLE_D[:3])), block(phases(*EXAMPLE_D[:4]))
    assert (three["method"], three["joules_per_1k_output_tokens"]) == ("median", 250.4)
    assert four["joules_per_1k_output_tokens"] == pytest.approx(249.75)
    assert three["u_rep_j"] == pytest.approx(1.16 * three["sd_j"] / math.sqrt(3))
    assert four["u_rep_j"] == pytest.approx(1.09 * four["sd_j"] / 2)
    assert all(one["kept"] for one in three["repetitions"])
    assert (line(three, "repeat")["dof"], line(four, "repeat")["dof"]) == (2, 3)


def test_few_repetitions_that_scatter_widen_k() -> None:
    """Where the scatter of three repetitions rules, fewer than ten degrees of freedom make k more than 2 (UNC-3)."""
    score = block(phases(240.0, 250.0, 260.0))
    assert score["nu_eff"] == 2.0
    assert score["k"] == pytest.approx(4.527, abs=5e-4)


def test_what_is_systematic_is_not_made_smaller_by_repeating() -> None:
    """The specification enters a score of twenty repetitions as it enters one phase; it is never divided by sqrt n."""
    five, twenty = block(phases(*EXAMPLE_D)), block(phases(*EXAMPLE_D * 4))
    assert line(five, "spec")["u_rel"] == pytest.approx(5196.152 / (249.1 * TOKENS / 1000))
    assert line(twenty, "spec")["u_rel"] >= 5196.152 / (250.9 * TOKENS / 1000)
    assert twenty["u_rep_j"] < five["u_rep_j"]


def test_the_largest_of_the_repetitions_that_count_enters_once() -> None:
    """A component is the largest among the phases that are kept; one that the Olympic mean leaves out says nothing."""
    told = phases(*EXAMPLE_D)
    told[1] = phase(EXAMPLE_D[1], 2, drift=9000.0)
    told[3] = phase(EXAMPLE_D[3], 4, drift=99000.0)
    score = block(told)
    assert line(score, "drift")["u_rel"] == pytest.approx(9000.0 / (250.4 * TOKENS / 1000))
    assert line(score, "drift")["source"].startswith("measured-2")
    assert [one["name"] for one in score["components"]] == list(NAMES)


def test_an_unknown_component_stays_unknown() -> None:
    """One repetition without its specification makes that line null and named as missing, not the figure of the others."""
    told = phases(*EXAMPLE_D[:3])
    told[2] = phase(EXAMPLE_D[2], 3, spec=None)
    score = block(told)
    assert line(score, "spec")["u_rel"] is None
    assert score["missing"] == ["spec"]
    assert score["u95_rel"] > 0


def test_infinite_degrees_of_freedom_are_null() -> None:
    """Repetitions without scatter leave only type B, whose degrees of freedom JSON cannot hold."""
    score = block(phases(250.0, 250.0, 250.0))
    assert (score["nu_eff"], score["k"], score["u_rep_j"]) == (None, 2.0, 0.0)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "0 measured phases carry no score"),
        (phases(250.0, 251.0), "2 measured phases carry no score"),
        ([*phases(*EXAMPLE_D), {**phase(1.0, 6), "joules_per_1k_output_tokens": None}], "of measured-6 are not known"),
        ([*phases(*EXAMPLE_D), {**phase(1.0, 6), "uncertainty": None}], "of measured-6 are not known"),
        ([*phases(*EXAMPLE_D), phase(0.0, 6)], "of measured-6 are not known"),
    ],
)
def test_no_score_has_a_reason(told: list[dict[str, Any]], why: str) -> None:
    """Fewer than three repetitions, or one without figure among many, have no score: the rest would be a choice."""
    score, reason = scored(told)
    assert score is None
    assert why in reason
