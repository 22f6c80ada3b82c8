"""What was measured: phases and tokens as the card has them, and what nobody recorded by name."""

from __future__ import annotations

import copy
import re

from joulemark.cards.figures import Place
from joulemark.cards.sections.measured import beside, phases, system, tokens
from tests.cards.pages import bare, publication


def test_what_nobody_recorded_is_named() -> None:
    """A run without workload says which facts are missing, once and in words."""
    document = publication("bare", "ES0").document
    text = system(Place(document)["system"])
    assert "Not recorded: model, precision, engine" in text
    assert "<dt>model</dt>" not in text
    assert "<dd>llama-3-8b</dd>" in system(Place(publication("ES1", "ES1").document)["system"])


def test_every_phase_has_a_row_and_those_that_count_are_bold() -> None:
    """As many rows as phases, in their order; energy, power, coverage and method of each."""
    card = publication("ES1", "ES1").document["card"]
    text = phases(Place(card))
    assert text.count("<tr") == 1 + len(card["phases"])
    assert text.count('class="strong"') == len(card["headline"]["phases"])
    assert re.findall(r'data-from="/phases/(\d+)/mean_power_w"', text) == [str(at) for at in range(len(card["phases"]))]


def test_a_phase_without_energy_says_so() -> None:
    """Null is not known, in every column, and never 0."""
    card = copy.deepcopy(dict(bare().card))
    for key in ("energy_j", "u95_j", "mean_power_w", "coverage", "energy_method"):
        card["phases"][0][key] = None
    assert phases(Place(card)).count("not known") == 4


def test_what_stands_beside_is_said() -> None:
    """Reasons, aborted repetitions with what they took, and findings; nothing where there is none."""
    card = {"incomplete_because": ["a gap"], "aborted": [{"phase": "m-2", "reason": "crash", "energy_j": None}], "findings": ["f"]}
    text = beside(Place(card))
    assert all(word in text for word in ("Not complete", "a gap", "crash", "not known", "Findings"))
    assert beside(Place({"incomplete_because": [], "aborted": [], "findings": []})) == ""


def test_tokens_are_exact_and_their_source_is_named() -> None:
    """Whole numbers, ungrouped in the data; a count nobody made is not known."""
    card = copy.deepcopy(dict(publication("ES1", "ES1").document["card"]))
    (first, *_) = [one for one in card["phases"] if one["kind"] == "measured"]
    first["tokens"]["input"] = None
    text = tokens(Place(card))
    assert f'value="{first["tokens"]["output"]}"' in text
    assert text.count("not known") == 1
    assert "server usage" in text
