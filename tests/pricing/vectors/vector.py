"""Worked vectors: inputs and expected figures as decimal text, and whether what the product computes is that text, digit for digit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from joulemark.errors import JoulemarkError
from joulemark.pricing.money import CONTEXT

FILE: Final = Path("pricing") / "test_vectors.json"


@dataclass(frozen=True)
class Vectors:
    """The vectors of a corpus, by id, and the folder that their sources lie in."""

    folder: Path
    by_id: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, corpus: Path) -> Vectors:
        """All of them. Nothing is left out: one without an id, or with that of another, is an error."""
        found = json.loads((corpus / FILE).read_text(encoding="utf-8"))["vectors"]
        by_id = {one["id"]: one for one in found}
        if len(by_id) != len(found):
            raise ValueError(f"{FILE}: two vectors have one id")
        return cls(corpus / "pricing", by_id)

    def input(self, name: str, key: str) -> Decimal:
        """The number `key` among the inputs of a vector."""
        return Decimal(self.by_id[name]["inputs"][key])

    def source(self, name: str) -> Path:
        """The file that a vector names first in its source."""
        return self.folder / self.by_id[name]["source"].split("; ")[-1].removeprefix("75 g from ").split(" ")[0]

    def changed(self, name: str, key: str) -> Vectors:
        """The same with one input changed."""
        other = copy.deepcopy(dict(self.by_id))
        other[name]["inputs"][key] = mutated(other[name]["inputs"][key])
        return Vectors(self.folder, other)


Figures = Callable[[Vectors, str], Mapping[str, Any]]
"""Expected key -> what the product computes for it. A key in brackets, `[usd]`, is an input as its source has it."""


def mutated(value: Any) -> Any:
    """`value` with its first digit, or without one its first letter, replaced by another."""
    if isinstance(value, list):
        return [mutated(value[0]), *value[1:]]
    place = next((i for i, mark in enumerate(value) if mark.isdigit()), 0)
    other = str((int(value[place]) + 1) % 10) if value[place].isdigit() else chr(ord(value[place]) + 1)
    return f"{value[:place]}{other}{value[place + 1 :]}"


def differences(vectors: Vectors, name: str, figures: Figures | None) -> list[str]:
    """What is not exact in a vector, one line each; empty where all is."""
    if figures is None:
        return ["nothing computes it"]
    vector = vectors.by_id[name]
    try:
        found = dict(figures(vectors, name))
    except (JoulemarkError, ArithmeticError, ValueError, LookupError) as error:
        return [f"{type(error).__name__}: {error}"]
    lines = []
    for key in [key for key in found if key.startswith("[")]:
        stated, ours = vector["inputs"][key.strip("[]")], found.pop(key)
        if Decimal(stated) != ours:
            lines.append(f"input {key}: {stated} in the vector, {ours} in its source")
    expected = vector["expected"]
    for key in [*expected, *(key for key in found if key not in expected)]:
        ours = shown(found[key], expected.get(key)) if key in found else "nothing"
        if key not in expected or ours != expected[key]:
            lines.append(f"{key}: expected {expected.get(key)!r}, computed {ours!r}")
    return lines


def shown(ours: Any, expected: Any) -> Any:
    """`ours` as text, cut to as many decimals as `expected` has; what is no number stays as it is."""
    if isinstance(ours, list) and isinstance(expected, list) and len(ours) == len(expected):
        return [shown(one, other) for one, other in zip(ours, expected, strict=True)]
    if not isinstance(ours, Decimal) or not isinstance(expected, str):
        return ours
    try:
        place = Decimal(expected)
    except InvalidOperation:
        return str(ours)
    return format(ours.quantize(place, rounding=ROUND_HALF_EVEN, context=CONTEXT), "f")
