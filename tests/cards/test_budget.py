"""The budget as a table: every component, the unknown by name, and the sums of the card."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest

from joulemark.cards.budget import of_card, of_score, table
from joulemark.energy import uncertainty as u
from joulemark.energy.uncertainty import NAMES, Budget, Component
from joulemark.readings import Accuracy
from tests.kit.spoil import good_case


@pytest.fixture
def phase() -> dict[str, Any]:
    """Example A of the standard as a phase."""
    known = {
        "spec": u.u_spec(3e6, 600.0, accuracy=Accuracy(0.2, 0.05, 10_000.0)),
        "cert": u.u_cert(3e6, u95_rel=0.0010),
        "time": u.u_time(0.050, power_load_w=5000.0, power_idle_w=2400.0),
        "gap": u.u_gap(2.0, span_w=400.0),
        "resolution": u.u_q(600.0, resolution_w=0.1, sd_w=150.0, count=600),
    }
    lines = [Component(name, known.get(name, 0.0), f"source of {name}") for name in NAMES]
    return {"name": "load", "energy_j": 3e6, "uncertainty": Budget.of(lines).to_json(3e6)}


def test_example_a_as_a_table(phase: dict[str, Any]) -> None:
    """The table of Example A names all components in order, u in J with its share, and ends with u_c 5413.8, k 2, U95 10828 J, 0.361 %."""
    lines = table(phase).splitlines()
    assert lines[0] == "load: 3000000 +- 11000 J"
    assert [line.split()[0] for line in lines[2:-1]] == list(NAMES)
    assert re.fullmatch(r"  spec +rectangular +inf +5196 +92\.1% +- +source of spec", lines[2])
    assert re.fullmatch(r"  cert +rectangular +inf +1500 +7\.7% +- +source of cert", lines[3])
    assert lines[-1] == "  u_c 5413.8, nu_eff infinite, k 2, U95 10828 J (0.361%)"


def test_the_unknown_is_named_and_is_no_zero(phase: dict[str, Any]) -> None:
    """A component that is null reads `not known`, has no share, and stands below the sum; a phase without energy has no table."""
    spoilt = copy.deepcopy(phase)
    spoilt["uncertainty"]["components"][0].update(u_j=None)
    spoilt["uncertainty"]["missing"] = ["spec"]
    lines = table(spoilt).splitlines()
    assert re.fullmatch(r"  spec +rectangular +inf +not known +- +source of spec", lines[2])
    assert lines[-1] == "  not known, and so not in it: spec"
    assert table({**phase, "energy_j": None}) == "load: no budget, the energy is not known"


def test_budgets_of_a_card_end_with_the_score() -> None:
    """Each measured phase and the score have their table; shares of the score add up and its repeats have their degrees of freedom."""
    card = good_case("ES2").rebuilt
    assert card is not None
    blocks = of_card(card).split("\n\n")
    assert [block.split(":")[0] for block in blocks] == [*(f"measured-{n}" for n in range(1, 6)), "score, olympic of 5"]
    score = blocks[-1].splitlines()
    assert re.search(r"^  repeat +normal +4 ", blocks[-1], re.MULTILINE)
    shares = [float(share) for share in re.findall(r"(\d+\.\d)%  ", "\n".join(score[2:-1]))]
    assert sum(shares) == pytest.approx(100.0, abs=0.5)
    without = {**card, "score": None}
    assert len(of_card(without).split("\n\n")) == 5
    assert of_score(card["score"]) == blocks[-1]
