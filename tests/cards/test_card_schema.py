"""The schema of a card: what a card may hold, and what it may not."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from joulemark.cards import card
from joulemark.cards.compute import COMPUTE_SCHEMA
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.pricing.answer import Status
from joulemark.pricing.price import PriceModel, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Boundary
from joulemark.standard.schema import schemas

Gather = Callable[..., Evidence]


@pytest.fixture
def validator() -> jsonschema.Draft202012Validator:
    schema = schemas()[card.CARD_SCHEMA]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_cards_of_every_kind_validate(
    gather: Gather, wall: Series, counter: Series, with_gap: Series, validator: jsonschema.Draft202012Validator
) -> None:
    """Cards at the wall, of GPUs, of both, with gaps, without prices and with losses all fit the published schema."""
    kinds: list[dict[str, Any]] = [
        {},
        {"series": (counter,)},
        {"series": (wall, counter)},
        {"series": (with_gap,)},
        {"prices": Snapshot()},
        {"losses": ({"count": 1},)},
    ]
    for changes in kinds:
        validator.validate(card.build(gather(**changes)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), 1),
        (("headline",), 1),
        (("phases", 1), 1),
        (("headline", "cost"), 1),
        (("headline", "cost", "market"), 1),
        (("headline", "cost", "market", "price"), "x"),
        (("headline", "cost", "energy", "tariff"), "x"),
        (("headline", "display"), {"value": "1", "u95": "1", "unit": "tokens/s"}),
    ],
)
def test_unknown_keys_fail(gather: Gather, validator: jsonschema.Draft202012Validator, path: tuple[Any, ...], value: object) -> None:
    """A key that the schema does not know, such as a throughput, fails at every level."""
    made = json.loads(json.dumps(card.build(gather())))
    place = made
    for step in path:
        place = place[step]
    place["tokens_per_s"] = value
    assert not validator.is_valid(made)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("headline", "energy_j"), "3000000"),
        (("headline", "u95_j"), -1.0),
        (("headline", "cost", "market", "per_1k_output_tokens"), 0.0003),
        (("headline", "cost", "market", "amount"), "NaN"),
        (("headline", "cost", "market", "price", "amount"), "1e3"),
        (("headline", "cost", "market", "price", "unit"), "month"),
        (("hashes", "meters.json"), "abc"),
        (("level",), "ES3"),
        (("schema",), "joulemark.card/2"),
    ],
)
def test_wrong_values_fail(gather: Gather, validator: jsonschema.Draft202012Validator, path: tuple[Any, ...], value: object) -> None:
    """Money as a float, a negative uncertainty, a month as unit, a level that does not exist: each fails."""
    made = json.loads(json.dumps(card.build(gather())))
    place = made
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place
    place[path[-1]] = value
    assert not validator.is_valid(made)


def test_every_missing_key_fails(gather: Gather, validator: jsonschema.Draft202012Validator) -> None:
    """No key of the card, of its headline or of its cost may be left out."""
    whole = json.dumps(card.build(gather()))
    for path in ((), ("headline",), ("headline", "cost"), ("headline", "cost", "market"), ("headline", "cost", "energy")):
        keys = json.loads(whole)
        for step in path:
            keys = keys[step]
        for key in keys:
            made = json.loads(whole)
            place = made
            for step in path:
                place = place[step]
            del place[key]
            assert not validator.is_valid(made), (path, key)


def test_phases_are_those_of_compute(validator: jsonschema.Draft202012Validator) -> None:
    """A phase of the card has every key that `joulemark compute` publishes, and requires the same ones."""
    compute = schemas()[COMPUTE_SCHEMA]
    theirs, ours = compute["properties"]["phases"]["items"], validator.schema["$defs"]["phase"]
    assert set(theirs["properties"]) <= set(ours["properties"])
    assert ours["required"] == theirs["required"]


def test_lists_of_names_are_those_of_the_code(validator: jsonschema.Draft202012Validator) -> None:
    """Boundaries, price models, units and look-up statuses of the schema are those that the code knows."""
    defs = validator.schema["$defs"]
    assert defs["boundary"]["enum"] == [str(b) for b in Boundary]
    assert defs["price"]["properties"]["price_model"]["enum"] == [str(m) for m in PriceModel]
    assert defs["price"]["properties"]["unit"]["enum"] == [str(u) for u in Unit]
    assert defs["market"]["properties"]["status"]["enum"] == [str(s) for s in Status]
