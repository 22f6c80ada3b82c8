"""What stands side by side: words for differences, facts, classes and phases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulemark.cards.comparison import compared
from joulemark.cards.figures import Place
from joulemark.cards.latency import Latency
from joulemark.cards.measured import Measured
from joulemark.collector.recorded import Recorded
from joulemark.collector.summaries import Summary
from joulemark.collector.web.sides import (
    NAMES,
    Delta,
    Side,
    boundaries,
    classed,
    conclusion,
    deltas,
    differing,
    overlaid,
    phases,
    short,
    told,
)
from joulemark.standard.comparability import Key
from tests.kit import spoil
from tests.kit.lab import Lab

ONE = Measured.of(spoil.good("ES1"))
OTHER = Measured.of(Lab.of("ES1", seed=2).evidence())
PAIR = compared(ONE, OTHER)
KEY = Key("m", "fp8", "d", 1.0, 2.0, 8, None, "NODE_AC")


def sides() -> list[Side]:
    """A baseline, a run compared with it, and one without a card."""
    ways = (Latency("end_to_end", 50, 20.0, "request log"),)
    first = replace(Summary.of(ONE, settled=True), latencies=ways)
    return [
        Side.of(1, Recorded("a" * 8, "vllm"), first, None, baseline=True),
        Side.of(2, Recorded("b" * 8, "vllm"), Summary.of(OTHER, settled=True), PAIR, baseline=False),
        Side.of(3, Recorded("c" * 8, "vllm"), Summary(None, why="no reading"), None, baseline=False),
    ]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"difference": 1.0, "resolved": True}, "significant"),
        ({"difference": 1.0, "resolved": False}, "not significant"),
        ({"difference": 1.0, "resolved": None, "reason": "an uncertainty is not known"}, "cannot be told"),
        ({"difference": None, "resolved": None, "reason": "scope differs"}, "not compared"),
    ],
)
def test_whether_a_difference_is_one(more: dict[str, Any], word: str) -> None:
    """The word follows `resolved`, and what is not resolved has its reason."""
    found = Delta.of(Place({"reason": "", **more}))
    assert found.word == word
    assert bool(found.why) == (word != "significant")
    assert found.look in ("good", "soft", "doubt")


@pytest.mark.parametrize(
    ("ratio", "u95", "text"), [(1.25, 0.004, "+25.00 ± 0.40 %"), (0.5, 0.03, "-50.0 ± 3.0 %"), (1.1, None, "+10.00 %"), (None, None, "")]
)
def test_the_share_of_the_baseline_has_its_uncertainty(ratio: float | None, u95: float | None, text: str) -> None:
    """In percent, rounded as the U95 of the ratio allows."""
    assert Delta(Place({"ratio": ratio, "u95_ratio": u95}), "", "").percent == text


def test_every_figure_of_a_comparison_has_a_name() -> None:
    """No figure is left out of the table because nobody named it, and the table has what one of the two knows."""
    assert set(NAMES) == {figure["name"] for figure in PAIR["figures"]}
    rows = deltas(sides())
    known = {figure["name"] for figure in PAIR["figures"] if (figure["a"], figure["b"]) != (None, None)}
    assert [name for name, _ in rows] == [said for name, said in NAMES.items() if name in known]
    assert all(row[0] is not None and row[1] is None for _, row in rows)


def test_facts_that_differ() -> None:
    """One row for each fact that differs from the baseline in any run, as the comparison has it."""
    assert [what for what, _, _ in differing(sides())] == [one["what"] for one in PAIR["differs"]]
    assert short(None) == short([]) == "not known"
    assert short([1, "a"]) == '[1, "a"]'
    assert len(short("x" * 100)) == 61
    assert short(False) == "false"


def test_classes() -> None:
    """The same, another one with the parts that differ, or which part is not known of whom."""
    assert classed(KEY, KEY)[0] == "the same class"
    assert classed(KEY, replace(KEY, precision="bf16", concurrency=4))[::2] == ("another class", "they differ in precision, concurrency")
    assert classed(KEY, None)[2].startswith("this run does not say")
    assert classed(None, KEY)[2].startswith("the baseline does not say")
    assert classed(replace(KEY, concurrency=None), KEY)[2] == "not known of the baseline: concurrency or request_rate_per_s"


def test_places_phases_and_what_is_told() -> None:
    """Boundaries and phases of all, the headline's and the counted ones first; how many runs tell each latency."""
    them = sides()
    assert boundaries(them)[0] == ONE.headline["boundary"]
    assert phases(them)[0] in ONE.headline["phases"]
    assert {one["name"] for one in ONE.card["phases"]} <= set(phases(them))
    assert {value: count for value, _, count in told(them)}["end_to_end-50"] >= 1
    assert {value: count for value, _, count in told(them)}["ttft-50"] == 0


def test_a_side_without_a_card() -> None:
    """It has no phase and no place in the drawing, and says so; of the others each has its phase where it begins."""
    them = sides()
    assert them[2].phase("") is None
    assert them[2].point("ttft", 50).why == "it has no card and it tells no median time to first token"
    point = them[0].point("end_to_end", 50)
    assert (point.energy_j, point.latency_ms, point.here) == (ONE.card["score"]["joules_per_1k_output_tokens"], 20.0, True)
    assert conclusion(them, "").endswith("3 vllm cccccc: no such phase.")
    assert conclusion([replace(them[2], name="a\u202eb")], "") == "3 a\ufffdb: no such phase."
    found = overlaid(them, "", "wall")
    assert [one["number"] for one in found["runs"]] == [1, 2]
    name = ONE.headline["phases"][0]
    begin_ns = next(one["begin_ns"] for one in ONE.card["phases"] if one["name"] == name)
    assert f"from_ns={begin_ns - 30 * 10**9}&" in found["runs"][0]["trace"]
    assert them[0].phase("nobody's") is None
