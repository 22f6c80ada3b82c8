"""The schemas of a bundle's files: what Joulemark writes keeps them, what it would refuse does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from joulemark.standard.schema import schemas, value
from tests.kit.bundles import gpu_only
from tests.kit.lab import Lab, write


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, Any]]]:
    """(name, content) of every JSON file with a schema in three bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    made = {level: Lab.of(level, seed=2).evidence() for level in ("ES1", "ES2")} | {"GPU": gpu_only(Lab.of("ES1", seed=2))}
    paths = [path for name, evidence in made.items() for path in sorted(write(folder / name, evidence).rglob("*.json"))]
    return [(path.name, data) for path in paths if "schema" in (data := json.loads(path.read_text()))]


def test_what_we_write_keeps_its_schema(documents: list[tuple[str, dict[str, Any]]]) -> None:
    """Each file of a bundle, of each level, is valid by the schema it names."""
    assert len(documents) > 30
    assert [name for name, _ in documents].count("card.json") == 3
    for name, data in documents:
        assert [error.message for error in Draft202012Validator(schemas()[data["schema"]]).iter_errors(data)] == [], name


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop(next(key for key in data if key != "schema")),
        lambda data: data.update({key: 7 for key in data if key != "schema"}),
        lambda data: data.update({"surprise": 1}),
        lambda data: data.update({"schema": "joulemark.other/1"}),
    ],
    ids=["missing key", "wrong kinds", "unknown key", "another schema"],
)
def test_what_is_wrong_does_not(documents: list[tuple[str, dict[str, Any]]], spoil: Callable[[dict[str, Any]], Any]) -> None:
    """A file that lacks a key, has one too many, or holds values of another kind is not valid."""
    closed = tuple(f"joulemark.{kind}/1" for kind in ("nodes", "chain", "manifest", "meters", "collection", "card"))
    seen = set()
    for _, data in documents:
        if data["schema"] in closed:
            spoilt, schema = json.loads(json.dumps(data)), schemas()[data["schema"]]
            seen.add(data["schema"])
            wrong = spoil(spoilt)
            optional = data["schema"] == "joulemark.nodes/1" or data["schema"] == "joulemark.chain/1"
            if wrong is not None and optional:
                continue  # their lists have defaults
            assert list(Draft202012Validator(schema).iter_errors(spoilt)), (data["schema"], spoilt)
    assert seen == set(closed)


def test_every_schema_is_one() -> None:
    """Each schema is valid itself and carries the name under which it is found."""
    for name, schema in schemas().items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == name
        told = schema["properties"].get("schema") or schema["properties"]["_energy"]["properties"]["schema"]  # a feed takes no key of ours
        assert told["const"] == name


def test_a_type_without_a_schema_is_refused() -> None:
    """A field of a kind that JSON does not hold is a mistake of ours and raises."""
    with pytest.raises(TypeError, match="no schema"):
        value(bytes)
