"""The schema of a card: what a card may hold, and what it may not."""

import json
from collections.abc import Callable
from pathlib import Path
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
from tests.cards import pages

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


def undescribed(data: Any, schema: Any, root: Any, way: str = "") -> list[str]:
    """Where an object has a key that its schema does not describe."""
    schema = resolved(schema, root)
    choices = [resolved(one, root) for one in schema.get("anyOf", ())]
    if choices:
        return min((undescribed(data, one, root, way) for one in choices if fits(data, one)), key=len)
    if isinstance(data, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        every = {key: known.get(key, other if isinstance(other, dict) else None) for key in data}
        wrong = [f"{way}/{key}" for key, one in every.items() if one is None]
        return wrong + [fault for key, one in every.items() if one for fault in undescribed(data[key], one, root, f"{way}/{key}")]
    if isinstance(data, list):
        return [fault for one in data for fault in undescribed(one, schema.get("items", {}), root, f"{way}[]")]
    return []


def resolved(schema: Any, root: Any) -> Any:
    return root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def fits(data: Any, schema: Any) -> bool:
    kinds = schema.get("type", ())
    name = "null" if data is None else {dict: "object", list: "array", str: "string", bool: "boolean"}.get(type(data), "number")
    return not kinds or name in kinds or (name == "number" and "integer" in kinds)


@pytest.mark.parametrize("kind", pages.EVIDENCE)
def test_every_key_of_a_real_card_is_described(kind: str, validator: jsonschema.Draft202012Validator) -> None:
    """Cards of the laboratory with everything on them, and with little: no key that the published schema does not tell of."""
    made = json.loads(json.dumps(pages.EVIDENCE[kind]().card))
    validator.validate(made)
    assert undescribed(made, validator.schema, validator.schema) == []


def test_what_is_not_described_is_found(validator: jsonschema.Draft202012Validator) -> None:
    """The search above sees a new key at any depth, also where the schema lets more through."""
    made = json.loads(json.dumps(pages.EVIDENCE["ES1"]().card))
    made["clocks"]["node-1"]["new"] = made["phases"][3]["uncertainty"]["new"] = made["meters"][0]["accuracy_new"] = 1
    assert undescribed(made, validator.schema, validator.schema) == [
        "/phases[]/uncertainty/new",
        "/meters[]/accuracy_new",
        "/clocks/node-1/new",
    ]


@pytest.mark.parametrize("path", [("meters", 0), ("phases", 1, "uncertainty", "components", 0)])
def test_meters_and_components_are_closed(gather: Gather, validator: jsonschema.Draft202012Validator, path: tuple[Any, ...]) -> None:
    """A key that is no description of a meter, or no part of a budget, fails."""
    made = json.loads(json.dumps(card.build(gather())))
    place = made
    for step in path:
        place = place[step]
    place["tokens_per_s"] = 1
    assert not validator.is_valid(made)


def test_the_published_schema_is_the_one_in_force(repository: Path, validator: jsonschema.Draft202012Validator) -> None:
    """docs/standard/schemas/card.schema.json is what the validator holds cards against."""
    published = json.loads((repository / "docs/standard/schemas/card.schema.json").read_text(encoding="utf-8"))
    assert published == validator.schema
