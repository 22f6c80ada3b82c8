"""The check itself: every way of tampering is named, on every layout it can be done to; what nobody can name turns it red."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_attach import attach
from tests.tamper import __main__ as check
from tests.tamper import subjects as made
from tests.tamper.subjects import Subject
from tests.tamper.ways import WAYS, Way

CASES = [(way, name) for way in WAYS for name in way.on]


def joulemark(*args: object) -> tuple[int, dict[str, Any]]:
    """The same command without a process of its own."""
    done = attach(*args, "--json")
    if not done.stdout:
        raise made.Wrong(done.stderr)
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Subject]]:
    """Every layout, attached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "joulemark", joulemark)
        patch.setattr(check, "joulemark", joulemark)
        yield {one.name: one for one in made.subjects(tmp_path_factory.mktemp("tamper"), random.Random(11))}


@pytest.mark.parametrize(("way", "name"), CASES, ids=[f"{way.does.__name__}-{name}" for way, name in CASES])
def test_every_way_is_named(found: dict[str, Subject], tmp_path: Path, way: Way, name: str) -> None:
    """Whatever is done is told with its file and its kind."""
    named, told = check.tampered(way, found[name], tmp_path / "way", random.Random(3))
    assert named, told


@pytest.mark.parametrize("mutate", ["untouched", "remade"])
def test_what_nobody_can_name_is_red(found: dict[str, Subject], tmp_path: Path, mutate: str) -> None:
    """Nothing done is nothing named; and evidence made anew consistently, unsigned, is not named either, unless a signature is wanted."""
    way = next(way for way in WAYS if way.name == "a digit of a reading")
    named, told = check.tampered(way, found["docs"], tmp_path / "way", random.Random(3), mutate=mutate)
    assert not named, told
    if mutate == "remade":
        status, proof = joulemark("--verify", tmp_path / "way" / "bundle", "--trust", found["docs"].trust)
        assert (status, [fault["kind"] for fault in proof["faults"]]) == (3, ["signature"])
