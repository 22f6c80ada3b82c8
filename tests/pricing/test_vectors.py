"""The worked vectors of the study: what the product computes is the expected text, and nothing of that is taken for granted."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.pricing.vectors import __main__ as command
from tests.pricing.vectors.formulas import FORMULAS
from tests.pricing.vectors.samples import SAMPLES
from tests.pricing.vectors.vector import Vectors, differences, mutated, shown

FIGURES = {**FORMULAS, **SAMPLES}


@pytest.fixture(scope="module")
def vectors(corpus: Path) -> Vectors:
    return Vectors.read(corpus)


def test_every_vector_is_exact(vectors: Vectors) -> None:
    """All 24 vectors, each of their figures, digit for digit."""
    assert len(vectors.by_id) == 24
    assert {name: lines for name in vectors.by_id if (lines := differences(vectors, name, FIGURES.get(name)))} == {}


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_no_input_is_ignored(vectors: Vectors, name: str) -> None:
    """Each input of each vector, when it is changed, turns its vector red: nothing is computed from a constant."""
    for key in vectors.by_id[name]["inputs"]:
        assert differences(vectors.changed(name, key), name, FIGURES[name]), key


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_no_expectation_is_ignored(vectors: Vectors, name: str) -> None:
    """Each expected figure, when it is changed or one more is asked for, turns its vector red: none is left out of the comparison."""
    for key, value in vectors.by_id[name]["expected"].items():
        other = copy.deepcopy(dict(vectors.by_id))
        other[name]["expected"][key] = another(value)
        assert differences(Vectors(vectors.folder, other), name, FIGURES[name]), key
    more = copy.deepcopy(dict(vectors.by_id))
    more[name]["expected"]["unheard of"] = "1"
    assert differences(Vectors(vectors.folder, more), name, FIGURES[name])


def another(value: Any) -> Any:
    """Another value than `value`: its last digit or letter changed, the first element of a list."""
    if value is None or isinstance(value, bool | int):
        return "1" if value is None else not value if isinstance(value, bool) else value + 1
    if isinstance(value, list):
        return [another(value[0]), *value[1:]]
    last = value[-1]
    return value[:-1] + (str((int(last) + 1) % 10) if last.isdigit() else chr(ord(last) + 1))


def test_what_nothing_computes_is_not_exact(vectors: Vectors) -> None:
    """A vector without a computation, and one whose computation fails, are told and never counted."""
    assert differences(vectors, "V01", None) == ["nothing computes it"]
    assert differences(vectors, "V01", lambda *_: {"cost_usd": Decimal(1) / 0}) == ["DivisionByZero: [<class 'decimal.DivisionByZero'>]"]


def test_the_command_counts(corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`make price-vectors` ends with 24 of 24 and success; with one input changed it names the vector and fails; without a corpus too."""
    monkeypatch.setenv("JOULEMARK_CORPUS", str(corpus))
    assert command.main() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"vectors": 24, "exact": 24}
    monkeypatch.setenv("MUTATE", "V22")
    assert command.main() == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "NOT EXACT" in line] == ["V22   NOT EXACT  4 of 8 GPUs used"]
    assert json.loads(last) == {"vectors": 24, "exact": 23}
    monkeypatch.delenv("JOULEMARK_CORPUS")
    assert command.main() == 1


def test_figures_are_cut_to_the_place_of_the_expectation() -> None:
    """Half a last place goes to the even digit; what is no number is compared as it is; nothing is cut to make it fit a text."""
    assert [shown(Decimal(text), "0.12") for text in ("0.125", "0.135", "0.1251")] == ["0.12", "0.14", "0.13"]
    assert shown(Decimal("1.5"), "1.500") == "1.500"
    assert shown(True, "1.5") is True
    assert shown(Decimal("98.32"), "98.32 (list 1)") == "98.32"
    assert shown([Decimal("1.25")], ["1.2"]) == ["1.2"]


@pytest.mark.parametrize(("value", "other"), [("0.70", "1.70"), ("9", "0"), ("p5", "p6"), ("type", "uype"), ([["1", "2"]], [["2", "2"]])])
def test_a_mutation_changes_the_value(value: Any, other: Any) -> None:
    """The first digit is replaced, else the first letter, in a list the first of its first."""
    assert mutated(value) == other
