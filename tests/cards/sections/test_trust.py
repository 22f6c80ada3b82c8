"""How well it is known: budgets with their unknown components, meters, clocks."""

from __future__ import annotations

import copy
import re
from typing import Any

from joulemark.cards.figures import Place
from joulemark.cards.sections.trust import accuracy, bar, certificate, clocks, meters, uncertainty
from tests.cards.pages import bare, full


def card(level: str = "ES1") -> dict[str, Any]:
    return copy.deepcopy(dict(full(level).card))


def test_unknown_components_come_first_and_zero_ones_with_their_reason() -> None:
    """A component that is not known leads the table with an empty frame; those that are zero stand below with why."""
    made = card()
    made["score"]["components"][3]["u_rel"] = None
    text = uncertainty(Place(made))
    names = re.findall(r"<tr><td>([a-z ]+)<div", text)
    assert names[0] == made["score"]["components"][3]["name"]
    assert text.count('class="void"') == 1
    sizes = [float(value) for value in re.findall(r'<data value="([^"]+)" data-from="/score/components/\d+/u_rel"', text)]
    assert sizes == sorted(sizes, reverse=True)
    zero = [one for one in made["score"]["components"] if one["u_rel"] == 0.0]
    assert zero
    assert all(f"<dd>{one['source']}</dd>" in text for one in zero)


def test_without_a_score_each_phase_has_its_budget() -> None:
    """In joules; and a phase without energy says that it has none."""
    made = copy.deepcopy(dict(bare().card))
    assert 'data-from="/phases/' in uncertainty(Place(made))
    for phase in made["phases"]:
        phase["uncertainty"] = None
    assert "without energy there is no budget" in uncertainty(Place(made))


def test_bars_are_as_long_as_their_share_of_the_largest() -> None:
    """Half of the largest is half as long; nothing to compare with draws nothing."""
    assert 'width="100.0"' in bar(1.0, 2.0)
    assert 'width="0.0"' in bar(0.0, 0.0)
    assert 'class="void"' in bar(None, 1.0)


def test_meters_say_how_good_they_are() -> None:
    """Formula, certificate and alignment of each meter that counts, and of the others the name."""
    text = meters(Place(card())["meters"])
    assert "gain <data" in text
    assert "the meter states none" in text
    assert "none was applied" in text
    made = card("ES2")
    made["meters"][0]["used"] = False
    text = meters(Place(made)["meters"])
    assert "Read and not counted: scpi:bench-1:C2XL24034V:ch1." in text
    assert "% of reading + <data" in text
    assert "DAkkS" in text


def test_formula_and_certificate_have_only_what_is_there() -> None:
    """A term of zero is no term, and without any there is no formula."""
    assert accuracy(Place({"pct_reading": 0, "pct_range": 0.5, "abs_w": 0, "range_w": None, "source": ""})).count("<data") == 1
    assert accuracy(Place({"pct_reading": 0.0})) == "no formula"
    assert certificate(Place({"laboratory": "L", "date": "2026-01-01"})) == "L, 2026-01-01"


def test_clocks_are_in_milliseconds_and_jumps_are_counted() -> None:
    """150 000 ns is 0.15 ms; jumps are counted; hosts that say nothing are not known."""
    made = card()
    text = clocks(Place(made))
    assert ">0.15</data>\u00a0ms" in text
    assert "No clock jumped" in text
    made["clock_steps"] = [{"step_ns": 1}]
    made["clocks"] = {"h": {}}
    text = clocks(Place(made))
    assert 'data-count="/clock_steps">1</data> jumps' in text
    assert text.count("not known") == 4
    made["clocks"] = {}
    assert "no host told" in clocks(Place(made))
