"""The feed: JSON Feed by its own specification, and nothing in it about speed."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from joulemark.board.entry import ENERGY_SCHEMA, Entry
from joulemark.board.feed import item, line, newest_first, page
from joulemark.board.site import Site
from joulemark.standard.schema import schemas
from tests.board.entries import KEY, entry, figures
from tests.board.jsonfeed import faults

SITE = Site("https://board.example.org")
BARE = dataclasses.replace(KEY, model_sha256="", precision="", input_length=None, concurrency=None, scope=None)
ENTRIES = [
    entry(1),
    entry(2).withdrawn("the meter was sick", at_ns=entry(9).published_ns),
    entry(3, level="ES0", key=BARE, boundary=None, figures=figures(None, None), labels={}),
    entry(4, simulated=True, replaces=entry(1).entry_id),
    entry(5, origin="https://other.example.org/v1/board"),
]
WORDS = (
    "throughput",
    "latency",
    "ttft",
    "tpot",
    "itl",
    "tps",
    "qps",
    "rps",
    "score",
    "quality",
    "accuracy",
    "speed",
    "goodput",
    "duration",
)
PLACES: tuple[tuple[str | int, ...], ...] = (
    (),
    ("_energy",),
    ("items", 0),
    ("items", 0, "authors", 0),
    ("items", 0, "attachments", 0),
    ("items", 0, "_energy"),
    ("items", 0, "_energy", "key"),
    ("items", 0, "_energy", "labels"),
    ("items", 0, "_energy", "absent"),
)


@pytest.fixture
def validator() -> Draft202012Validator:
    """Of our schema of the feed."""
    return Draft202012Validator(schemas()[ENERGY_SCHEMA])


def feed(entries: list[Entry], **given: Any) -> dict[str, Any]:
    """A page as it is read from the network."""
    read: dict[str, Any] = json.loads(json.dumps(page(entries, SITE, **given), allow_nan=False))
    return read


@pytest.mark.parametrize("entries", [[], ENTRIES[:1], ENTRIES])
def test_it_is_a_json_feed(entries: list[Entry], validator: Draft202012Validator) -> None:
    """Every page, the empty one too, is a JSON Feed by the specification and by our closed schema."""
    for read in (feed(entries), feed(entries, address=f"{SITE.file('feed.json')}?cursor=b", next_url=f"{SITE.file('feed.json')}?cursor=c")):
        assert faults(read) == []
        validator.validate(read)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), "https://jsonfeed.org/version/1"),
        (("title",), None),
        (("surprise",), 1),
        (("home_page_url",), "/v1/board"),
        (("next_url",), SITE.file("feed.json")),
        (("items", 0, "id"), 7),
        (("items", 1, "id"), entry(1).entry_id),
        (("items", 0, "content_text"), None),
        (("items", 0, "date_published"), "2026-10-26 10:00"),
        (("items", 0, "date_modified"), "2020-01-01T00:00:00Z"),
        (("items", 0, "author"), {"name": "x"}),
        (("items", 0, "tags"), "es1"),
        (("items", 0, "attachments", 0, "url"), "card.json"),
        (("items", 0, "_energy"), 7),
    ],
)
def test_the_feed_validator_finds_faults(path: tuple[str | int, ...], value: object) -> None:
    """The validator that is written from the specification refuses what the specification forbids."""
    read = feed(ENTRIES)
    put(read, path, value)
    assert faults(read)


def put(document: Any, path: tuple[str | int, ...], value: object) -> None:
    """Set one value; None takes the key away."""
    for step in path[:-1]:
        document = document[step]
    if value is None:
        del document[path[-1]]
    else:
        document[path[-1]] = value


def spellings(word: str) -> Iterator[str]:
    """How a field of that meaning may be called."""
    yield from (word, word.upper(), word.title(), f"_{word}", f"p99_{word}_ms", f"output_{word}", f"{word}-s", f"mean{word.title()}")
    yield from (f"{word}_per_s", f"{word}PerSecond", f"x.{word}", f" {word}", f"{word}\u200b")


@pytest.mark.parametrize("word", WORDS)
def test_performance_is_refused_wherever_it_stands(word: str, validator: Draft202012Validator) -> None:
    """A field about performance makes the feed invalid, under any spelling, at any depth, as a number, a text or an object."""
    good = feed(ENTRIES[:1])
    validator.validate(good)
    for path in PLACES:
        for name, value in zip(spellings(word), itertools.cycle((12000.0, "12000", {"value": 12000.0}, [1], None)), strict=False):
            spoilt = copy.deepcopy(good)
            place = spoilt
            for step in path:
                place = place[step]  # type: ignore[index]  # an object or a list, by the path
            place[name] = value
            assert not validator.is_valid(spoilt), (name, path, value)


def test_a_figure_is_a_number_and_nothing_that_holds_more(validator: Draft202012Validator) -> None:
    """No value of `_energy` may be an object or a list that could carry what its name does not say."""
    good = feed(ENTRIES[:1])
    for name, value in good["items"][0]["_energy"].items():
        for wrong in ({"throughput": 3.0}, [12000.0]):
            if name == "missing" and isinstance(wrong, list):
                wrong = ["throughput"]
            spoilt = copy.deepcopy(good)
            spoilt["items"][0]["_energy"][name] = wrong
            assert not validator.is_valid(spoilt), (name, value)


def names(schema: Any) -> Iterator[tuple[str, Any]]:
    """(name, schema) of every property at any depth, and of every object itself."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield "", schema
        yield from schema.get("properties", {}).items()
        for below in schema.values():
            yield from names(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from names(below)


@pytest.mark.parametrize("schema", [ENERGY_SCHEMA, "joulemark.board/1"])
def test_the_schemas_have_no_field_for_it(schema: str) -> None:
    """No property of the board's schemas is about speed, quality, power at work, time taken, sums or money; every object is closed."""
    forbidden = re.compile("|".join((*WORDS, "tok_s", "avg_w", "mean_w", "power", "energy_j", "end_ns", "elapsed", "cost", "usd", "wall")))
    found = list(names(schemas()[schema]))
    assert len(found) > 30
    assert [name for name, _ in found if forbidden.search(name) and name != "title"] == []
    assert [one for name, one in found if not name and one.get("additionalProperties") is not False] == []


def test_the_withdrawn_stay_with_their_reason(validator: Draft202012Validator) -> None:
    """A retraction keeps the item under its id, says so in three places, and needs its reason."""
    read = item(ENTRIES[1], SITE)
    assert (read["id"], read["_energy"]["status"]) == (entry(2).entry_id, "withdrawn")
    assert read["content_text"] == "Withdrawn: the meter was sick"
    assert "withdrawn" in read["tags"]
    spoilt = feed([ENTRIES[1]])
    spoilt["items"][0]["_energy"]["withdrawn_reason"] = ""
    assert not validator.is_valid(spoilt)


def test_what_changed_last_comes_first() -> None:
    """The withdrawal of an old entry stands on the first page."""
    assert [one.entry_id[-1] for one in newest_first(ENTRIES)] == list("25431")


def test_unknown_is_absent_and_named() -> None:
    """A figure that is not known has no key, and its reason stands in `absent`; a part of the key that lacks is listed."""
    read = item(ENTRIES[2], SITE)["_energy"]
    assert "joules_per_1k_output_tokens" not in read
    assert read["absent"]["joules_per_1k_output_tokens"]
    assert read["missing"] == ["model_sha256", "precision", "input_length", "scope", "concurrency or request_rate_per_s"]
    assert (read["class_id"], read["key"]) == (None, {"dataset_sha256": "33" * 32, "output_length": 480.0, "level": "ES0"})


def test_an_entry_in_one_line() -> None:
    """Value to the place of its uncertainty, level, scope and class."""
    assert line(entry(1)) == f"250.0 +- 5.0 J per 1k output tokens (U95), ES1, NODE_AC, class {entry(1).short_class}"
    assert line(ENTRIES[2]) == "J per 1k output tokens not known, ES0, scope not known, in no class"
    assert ", simulated, " in line(ENTRIES[3])
