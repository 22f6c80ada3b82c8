"""What a look-up asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.errors import ConfigError, JoulemarkError
from joulemark.pricing.price import PriceModel
from joulemark.pricing.wanted import VOLATILE, AsOf, Limits, Question, Wanted, shared
from tests.pricing.records import price

P5 = Wanted("AWS", "P5.48xlarge", "us-east-1")


def test_it_is_named_with_all_that_was_chosen() -> None:
    """A message names every part that was asked for, and none that was left open."""
    assert str(P5) == "AWS P5.48xlarge us-east-1 linux on_demand"
    chosen = replace(P5, zone="us-east-1a", tenancy="dedicated", price_model=PriceModel.RESERVED, term_months=12, payment_option="none")
    assert str(chosen) == "AWS P5.48xlarge us-east-1 us-east-1a linux dedicated reserved 12 months none"


def test_near_are_first_those_of_the_same_name() -> None:
    """Other ways to rent the machine are nearer than the machine in other regions; another machine is not near."""
    spot, elsewhere, other = (
        replace(price(), price_model=PriceModel.SPOT),
        replace(price(), region="eu-west-1"),
        replace(price(), instance_type="p4d"),
    )
    assert P5.near([spot, elsewhere, other]) == [spot]
    assert P5.near([elsewhere, other]) == [elsewhere]
    assert P5.near([other]) == []


def test_limits_go_by_feed_then_by_way_of_renting() -> None:
    """A feed's own limits are taken as they are; without them spot and marketplace age within a day."""
    question = Question(P5, 0, limits={"manual": Limits(1, 2)})
    assert question.limits_of(price()) == Limits(1, 2)
    assert question.limits_of(replace(price(), feed="vast")) == Limits(172_800, 2_592_000)
    assert question.limits_of(replace(price(), feed="vast", price_model=PriceModel.MARKETPLACE)) == VOLATILE


def test_limits_round_trip() -> None:
    """Limits read back from what they write; an unknown key is refused."""
    assert Limits.from_json(Limits(1, 2).to_json()) == Limits(1, 2)
    with pytest.raises(ConfigError):
        Limits.from_json({"max_age_s": 1, "hard": 2})


@pytest.mark.parametrize(("name", "known"), [("", ""), ("Shared", ""), ("default", ""), ("Dedicated", "dedicated"), ("host", "host")])
def test_tenancies(name: str, known: str) -> None:
    """What providers call shared and default are the same."""
    assert shared(name) == known


def test_as_of_round_trip() -> None:
    """Under what was looked up reads back from what it writes; limits are written out for what ages, and only for that."""
    as_of = AsOf(0, {"vast": Limits(1, 2), "runpod": Limits(3, 4)}).of(
        [replace(price(), feed="vast"), replace(price(), feed="ecb"), price()]
    )
    assert as_of == AsOf(0, {"ecb": Limits(), "vast": Limits(1, 2)})
    assert AsOf.from_json(as_of.to_json()) == as_of
    assert AsOf.from_json({}) == AsOf() == AsOf.from_json(AsOf().to_json())
    assert as_of.asks(P5, 5) == Question(P5, 5, 0, as_of.limits)


@pytest.mark.parametrize(
    "data", [{"known_at": "soon"}, {"limits": []}, {"limits": {"vast": 1}}, {"limits": {"vast": {"max_age_s": "1"}}}, {"x": 1}]
)
def test_a_damaged_as_of_is_refused(data: dict[str, object]) -> None:
    """A date that is none, limits that are none and an unknown key are errors that name the place."""
    with pytest.raises(JoulemarkError, match="as_of"):
        AsOf.from_json(data)
