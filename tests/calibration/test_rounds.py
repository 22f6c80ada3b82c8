"""A round of the ring test: plan, results, evaluation, badges."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from joulemark.calibration.ring import Result
from joulemark.calibration.ring_page import page
from joulemark.calibration.rounds import Artefact, Evaluation, Laboratory, Round, planned, toml
from joulemark.errors import FormatError, JoulemarkError, UsageError

HASH = "ab" * 32


@pytest.fixture
def example(worked: dict[str, Any]) -> Round:
    """Example E of the standard as a round."""
    ring = worked["ring"]
    laboratories = tuple(Laboratory(name, value=one["x"], u95=one["U95"]) for name, one in ring["labs"].items())
    reference = Laboratory("institute", value=ring["reference"][0], u95=ring["reference"][1])
    return Round("2026-1", Artefact.TRAVELLING, HASH, laboratories, date="2026-11-20", reference=reference)


def test_example_e_comes_out(example: Round, worked: dict[str, Any]) -> None:
    """The evaluation of Example E holds the worked numbers of the standard, and gives the badge to all but E and H."""
    found = Evaluation.of(example).to_json()
    ring = worked["ring"]
    assert found["assigned"]["value"] == pytest.approx(ring["robust_mean"], rel=1e-9)
    assert found["assigned"]["robust_sd"] == pytest.approx(ring["robust_sd"], rel=1e-9)
    for one in found["laboratories"]:
        expected = ring["labs"][one["name"]]
        assert (one["z"], one["z_prime"], one["zeta"], one["en"]) == pytest.approx(
            (expected["z"], expected["zprime"], expected["zeta"], expected["En_vs_ref"]), rel=1e-9
        )
    refused = {one["name"]: one["badge_refused_because"] for one in found["laboratories"] if not one["badge"]}
    assert set(refused) == {"E", "H"}
    assert any("understated" in reason for reason in refused["H"])
    assert not any("understated" in reason for reason in refused["E"])


def test_a_badge_names_the_evaluation_and_ends_after_a_year(example: Round) -> None:
    """A badge has the scores, the hash of the evaluation and an end 365 days later; a refused one is not made."""
    found = Evaluation.of(example)
    badge = found.badge("A")
    assert (badge["schema"], badge["round"], badge["date"], badge["expires"]) == (
        "joulemark.ring-badge/1",
        "2026-1",
        "2026-11-20",
        "2027-11-20",
    )
    assert badge["evaluation_sha256"] == hashlib.sha256(found.text).hexdigest()
    assert (badge["z_prime"], badge["en"]) == (found.scores["A"].z_prime, found.scores["A"].en)
    with pytest.raises(UsageError, match="understated"):
        found.badge("H")


def test_an_image_has_no_en(example: Round) -> None:
    """Where no node can travel the reference measured another one: En is null, z' decides, and H fails by its zeta alone."""
    found = Evaluation.of(replace(example, artefact=Artefact.IMAGE))
    assert {one.en for one in found.scores.values()} == {None}
    assert found.scores["A"].judged == found.scores["A"].z_prime
    assert [name for name in found.scores if found.refusals(name)] == ["E", "H"]
    assert len(found.refusals("H")) == 1


def test_who_has_not_reported_is_named_and_not_counted(example: Round) -> None:
    """A laboratory without result stands among those that have not reported; six of eight still make a round, five do not."""
    silent = tuple(replace(one, value=None, u95=None) if one.name in "GH" else one for one in example.laboratory)
    found = Evaluation.of(replace(example, laboratory=silent))
    assert found.to_json()["not_reported"] == ["G", "H"]
    assert set(found.scores) == set("ABCDEF")
    assert found.assigned is not None
    fewer = tuple(replace(one, value=None, u95=None) if one.name in "FGH" else one for one in example.laboratory)
    assert Evaluation.of(replace(example, laboratory=fewer)).assigned is None
    with pytest.raises(JoulemarkError):
        Evaluation.of(replace(example, laboratory=fewer, reference=None))


def test_a_plan_lets_a_node_travel_and_an_image_stay() -> None:
    """A node is in one place at a time, day after day; an image is everywhere at once."""
    names = tuple(Laboratory(name) for name in "AB")
    node = planned(Round("r", Artefact.TRAVELLING, HASH, names), begin="2026-12-28", days_each=7)
    assert [(one.begin, one.end) for one in node.laboratory] == [("2026-12-28", "2027-01-03"), ("2027-01-04", "2027-01-10")]
    image = planned(Round("r", Artefact.IMAGE, HASH, names), begin="2026-12-28", days_each=7)
    assert {(one.begin, one.end) for one in image.laboratory} == {("2026-12-28", "2027-01-03")}
    assert node.dated == "2027-01-10"


def test_a_plan_comes_back_from_its_file(example: Round) -> None:
    """What is written as TOML, with marks and all, reads as the same round."""
    odd = replace(example, round='a "quoted" \u00e4 \\ name', gpu_clock_mhz=1410, image_sha256=HASH)
    for one in (example, odd):
        assert Round.from_json(tomllib.loads(toml(one)), where="test") == one
    dated = toml(example).replace('"2026-11-20"', "2026-11-20")
    assert Round.from_json(tomllib.loads(dated), where="test") == example


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"repeats": 4}, "4 repeats"),
        ({"date": "20.11.2026"}, "no date"),
        ({"schema": "joulemark.other/1"}, "schema"),
        ({"laboratory": (Laboratory("A"), Laboratory("A"))}, "twice"),
        ({"laboratory": (Laboratory("A", value=1.0),)}, "u95 None"),
        ({"laboratory": (Laboratory("A", value=1.0, u95=0.0),)}, "u95 0.0"),
        ({"laboratory": (Laboratory("A", begin="soon"),)}, "no date"),
        ({"reference": Laboratory("X", u95=1.0)}, "value None"),
    ],
)
def test_what_no_round_can_be_is_refused(example: Round, change: dict[str, Any], told: str) -> None:
    """Too few repeats, a name twice, a value without uncertainty, and dates that are none do not become a round."""
    with pytest.raises(FormatError, match=told):
        replace(example, **change)


def test_a_round_without_any_date_is_not_evaluated(example: Round) -> None:
    """A badge has to end at a date: a round that has none says so."""
    with pytest.raises(FormatError, match="has no date"):
        Evaluation.of(replace(example, date="")).to_json()


def test_the_reference_is_not_among_the_judged(example: Round) -> None:
    """Its value moves no robust mean."""
    far = replace(example, reference=Laboratory("institute", value=400.0, u95=1.0))
    assert Evaluation.of(far).assigned == Evaluation.of(example).assigned
    assert Evaluation.of(far).reference == Result(400.0, 1.0)


@pytest.mark.parametrize(
    "result", [(5e-324, 5e-324), (1.7e308, 1.7e308), (100.0, 1e-200), (100.0, 1e-8), (1e13, 1.0), (100.0, 1e13)], ids=str
)
def test_values_beyond_belief_are_refused(example: Round, result: tuple[float, float]) -> None:
    """What no laboratory can mean is told as such: its scores would overflow, or divide by zero."""
    strange = replace(example.laboratory[0], value=result[0], u95=result[1])
    with pytest.raises(FormatError, match="check the unit"):
        replace(example, laboratory=(strange, *example.laboratory[1:]))
    with pytest.raises(FormatError, match="check the unit"):
        replace(example, reference=strange)


@pytest.mark.parametrize("result", [(1e-12, 1e-12), (1e12, 1001.0), (1e12, 1e12), (1e-12, 1e12)], ids=str)
def test_values_at_the_limits_are_scored_and_drawn(result: tuple[float, float]) -> None:
    """The largest and the smallest that are taken come to a page, alone and beside the others."""
    for others in (1.0, 100.0):
        every = tuple(Laboratory(f"l{n}", value=result[0], u95=result[1]) for n in range(6))
        found = Evaluation.of(
            Round("r", Artefact.TRAVELLING, "0" * 64, (*every, Laboratory("x", value=others, u95=3.0)), date="2026-01-01")
        )
        assert page(found).endswith("</html>")
        assert found.text


@pytest.mark.parametrize("date", ["9999-12-31", "0001-01-01", "1969-12-31"])
def test_dates_far_from_now_are_refused(example: Round, date: str) -> None:
    """A year cannot be added to the last day of the calendar."""
    with pytest.raises(FormatError, match="not between 1970 and 2999"):
        replace(example, date=date)


def test_laboratories_are_counted(example: Round) -> None:
    """More than a thousand are refused at once."""
    with pytest.raises(FormatError, match="1001 laboratories"):
        replace(example, laboratory=tuple(Laboratory(f"l{n}") for n in range(1001)))
