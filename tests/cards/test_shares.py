"""Time of use on a card: each part of a phase at its own tariff, with its own measured energy, and together the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulemark.cards import bundle, card, costs, text
from joulemark.cards.contents import contents
from joulemark.cards.evidence import Evidence
from joulemark.cards.opened import opened
from joulemark.cards.shares import Part, shared
from joulemark.energy.series import Series
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Tariff
from joulemark.runs import PhaseKind, Run, Window
from joulemark.standard.recompute import differences
from joulemark.units import NS_PER_S
from tests.cards.conftest import BEGIN_NS, seconds

Gather = Callable[..., Evidence]


def at(prices: Snapshot, *steps: tuple[float, str]) -> Snapshot:
    """`prices` with a tariff from each step (seconds after the begin of the phase, amount) until the next, the last for an hour."""
    begins = [seconds(begin) for begin, _ in steps]
    ends = [*begins[1:], begins[-1] + 3600 * NS_PER_S]
    tariffs = tuple(
        replace(prices.tariffs[0], amount=Decimal(amount), effective_from_ns=begin, effective_to_ns=end, feed="entsoe")
        for begin, end, (_, amount) in zip(begins, ends, steps, strict=True)
    )
    return Snapshot(prices.prices, tariffs)


def energy_of(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["headline"]["cost"]["energy"]
    return found


@pytest.fixture
def rising(wall: Series) -> Series:
    """1000 W at first, from 300 s on 4000 W: half the time takes a fifth of the energy."""
    at_s = (wall.t_ns - BEGIN_NS) / NS_PER_S
    return replace(wall, value=np.where(at_s <= 300, 1000, 4000))


def test_a_run_across_a_boundary_is_priced_piece_by_piece(gather: Gather, prices: Snapshot, rising: Series) -> None:
    """300 s at 1 kW and 0.10, then 300 s at 4 kW and 0.30 per kWh: each part at its tariff with its own energy, times PUE."""
    made = card.build(gather(series=(rising,), prices=at(prices, (-100, "0.10"), (300, "0.30"))))
    spent = energy_of(made)
    first, second = spent["parts"]
    assert (first["begin_ns"], first["end_ns"], second["end_ns"]) == (seconds(0), seconds(300), seconds(600))
    assert first["energy_j"] == pytest.approx(300e3, rel=1e-2)
    assert second["energy_j"] == pytest.approx(1200e3, rel=1e-2)
    assert first["energy_j"] + second["energy_j"] == pytest.approx(made["headline"]["energy_j"], rel=1e-15)
    assert Decimal(first["amount"]) + Decimal(second["amount"]) == pytest.approx(Decimal(spent["amount"]), rel=Decimal("1e-15"))
    expected = (first["energy_j"] * 0.10 + second["energy_j"] * 0.30) / 3.6e6 * 1.2
    assert float(spent["amount"]) == pytest.approx(expected, rel=1e-12)
    assert (spent["tariff"], spent["note"], spent["reason"]) == (None, "", "")
    assert [tariff["amount"] for tariff in spent["tariffs"]] == ["0.1", "0.3"]
    assert "0.1 to 0.3 USD/kWh measured (2 tariffs), PUE 1.2 assumed" in text.render(made)


def test_the_first_tariff_alone_would_be_wrong(gather: Gather, prices: Snapshot, wall: Series) -> None:
    """5 kW for 120 s at 0.10 and 480 s at 0.30 cost 0.22 before PUE, and not the 0.083 of the tariff at the begin (V04's trap)."""
    made = card.build(gather(series=(wall,), prices=at(prices, (-100, "0.10"), (120, "0.30"))))
    assert float(energy_of(made)["amount"]) == pytest.approx(5 * (120 * 0.10 + 480 * 0.30) / 3600 * 1.2, rel=1e-9)


def test_one_tariff_throughout_stays_as_it_was(gather: Gather, prices: Snapshot) -> None:
    """A phase inside one tariff names that one, without parts; the cost is that of the whole energy."""
    made = card.build(gather(prices=at(prices, (-100, "0.10"))))
    spent = energy_of(made)
    assert spent["tariff"]["amount"] == "0.1"
    assert (spent["tariffs"], spent["parts"], spent["note"]) == ([], [], "")
    assert Decimal(spent["amount"]) == pytest.approx(
        Decimal(made["headline"]["energy_j"]) / 3_600_000 * Decimal("0.12"), rel=Decimal("1e-15")
    )


def test_a_missing_interval_is_a_reason(gather: Gather, prices: Snapshot) -> None:
    """A tariff that ends in the middle of the phase is not drawn out: there is no cost, and the reason names the hole."""
    short = replace(prices.tariffs[0], effective_to_ns=seconds(300))
    spent = energy_of(card.build(gather(prices=Snapshot(prices.prices, (short,)))))
    assert (spent["amount"], spent["parts"]) == (None, [])
    assert spent["reason"].startswith("no tariff of site from ")


def test_two_currencies_are_not_summed(gather: Gather, prices: Snapshot) -> None:
    """A tariff that changes its currency within the phase leaves no amount."""
    first, second = at(prices, (-100, "0.10"), (300, "0.30")).tariffs
    known = Snapshot(prices.prices, (first, replace(second, currency="EUR")))
    spent = energy_of(card.build(gather(prices=known)))
    assert (spent["amount"], spent["reason"]) == (None, "the tariffs are in EUR and USD, and costs in two currencies are not summed")


def test_negative_prices_make_no_figure_surer(gather: Gather, prices: Snapshot, wall: Series) -> None:
    """Where one half is paid for and the other paid out, the amount shrinks, and its uncertainty relative to it grows."""
    plain = energy_of(card.build(gather(prices=at(prices, (-100, "0.10")))))
    mixed = energy_of(card.build(gather(prices=at(prices, (-100, "0.10"), (300, "-0.05")))))
    assert Decimal(mixed["amount"]) == pytest.approx(Decimal(plain["amount"]) / 4, rel=Decimal("1e-9"))
    assert mixed["u_rel"] == pytest.approx(3 * plain["u_rel"], rel=1e-9)
    paid_out = energy_of(card.build(gather(prices=at(prices, (-100, "-0.10")))))
    assert Decimal(paid_out["amount"]) == -Decimal(plain["amount"])


def test_repetitions_each_have_their_parts(gather: Gather, run: Run, prices: Snapshot) -> None:
    """The headline of two phases in three tariffs is the sum of its phases, and leaves out the pause between them."""
    (idle, decode) = run.windows
    halves = (replace(decode, end_ns=seconds(250)), replace(decode, name="again", begin_ns=seconds(350)))
    made = card.build(gather(run=replace(run, windows=(idle, *halves)), prices=at(prices, (-100, "0.10"), (200, "0.20"), (400, "0.30"))))
    each = [phase["cost"]["energy"] for phase in made["phases"] if "cost" in phase]
    assert Decimal(energy_of(made)["amount"]) == pytest.approx(sum(Decimal(one["amount"]) for one in each), rel=Decimal("1e-15"))
    assert [(part["begin_ns"], part["end_ns"], part["tariff"]) for part in energy_of(made)["parts"]] == [
        (seconds(0), seconds(200), 0),
        (seconds(200), seconds(250), 1),
        (seconds(350), seconds(400), 1),
        (seconds(400), seconds(600), 2),
    ]


def test_a_counter_is_dated_at_its_refreshes(gather: Gather, prices: Snapshot, counter: Series) -> None:
    """A counter that refreshes each 100 ms gives each part its energy, which come to the whole."""
    made = card.build(gather(series=(counter,), prices=at(prices, (-100, "0.10"), (150.05, "0.30"))))
    parts = energy_of(made)["parts"]
    assert [part["energy_j"] for part in parts] == pytest.approx([700 * 150.05, 700 * 449.95], rel=1e-3)
    assert sum(part["energy_j"] for part in parts) == pytest.approx(made["headline"]["energy_j"], rel=1e-14)


def test_the_bundle_holds_every_tariff_and_gives_the_same_card(gather: Gather, prices: Snapshot, tmp_path: Path) -> None:
    """prices.json of a bundle has the tariffs that were used and no others; the card recomputed from it has the same figures."""
    known = at(prices, (-4000, "0.05"), (-100, "0.10"), (300, "0.30"), (900, "0.70"))
    evidence = gather(prices=known)
    stored = json.loads(contents(evidence)["prices.json"])
    assert sorted(tariff["amount"] for tariff in stored["tariff"]) == ["0.1", "0.3"]
    made = card.build(evidence)
    bundle.write(tmp_path / "bundle", evidence)
    again = opened(tmp_path / "bundle").evidence
    assert again is not None
    rebuilt = card.build(again)
    assert rebuilt["headline"]["cost"] == made["headline"]["cost"]
    assert not [one for one in differences(made["headline"], rebuilt["headline"], name="headline") if one.beyond(1e-12)]
    made["headline"]["cost"]["energy"]["parts"][1]["amount"] = "0.0001"
    (wrong,) = [one.path for one in differences(made["headline"], rebuilt["headline"], name="headline") if one.beyond(1e-9)]
    assert wrong == "headline.cost.energy.parts[1].amount"


class Measured:
    """What the parts of a phase came to, as `energy.phase.measure` says it."""

    def __init__(self, energy_j: float | None, trapezoid_j: float | None, method: str | None = "counter") -> None:
        self.energy_j, self.energy_trapezoid_j, self.energy_method = energy_j, trapezoid_j, method


def split(energies: Sequence[Any]) -> tuple[list[float | None], str]:
    """3000 J of a counter shared out over as many seconds as there are energies."""
    windows = [Window("decode", PhaseKind.MEASURED, second, second + 1) for second in range(len(energies))]
    found = shared(windows, energies, whole_j=3000.0, method="counter")
    return [part.energy_j for part in found.parts], found.note


def test_where_the_counter_has_no_parts_the_power_samples_share() -> None:
    """A part that the counter does not resolve, or that another method had to measure, is shared by trapezoid, and the card says so."""
    for broken in (Measured(None, 100.0), Measured(90.0, 100.0, "trapezoid")):
        energies, note = split([Measured(2000.0, 200.0), broken])
        assert energies == pytest.approx([2000.0, 1000.0])
        assert note == "the counter gives no energy of each part: shared out in the proportion of the power samples, by trapezoid"


def test_where_nothing_tells_the_proportion_there_is_none() -> None:
    """Without energy and without power of a part the proportion is not guessed; nor is it from energies below zero, or of nothing."""
    for energies in ([Measured(2000.0, 200.0), None], [Measured(2000.0, None), Measured(None, 100.0)], [Measured(0.0, 0.0)] * 2):
        assert split(energies) == ([None, None], "no method gives the energy of each part")
    assert split([Measured(3000.0, None), Measured(-100.0, None)])[0] == [None, None]


def test_parts_that_do_not_come_to_the_whole_are_scaled_and_say_so() -> None:
    """Parts of a counter that come to one percent more are scaled to the whole, and the note says by how much they were off."""
    energies, note = split([Measured(2020.0, None), Measured(1010.0, None)])
    assert energies == pytest.approx([2000.0, 1000.0])
    assert note == "the parts come to 3030 J, +1.00e-02 of the whole, and are scaled to it"
    assert split([Measured(2000.0, None), Measured(1000.0, None)])[1] == ""


def test_an_uncut_phase_has_no_cost_at_two_tariffs(gather: Gather, prices: Snapshot) -> None:
    """Energy that nobody cut at the boundary is not priced with either tariff."""
    evidence = gather(prices=at(prices, (-100, "0.10"), (300, "0.30")))
    (window,) = evidence.run.measured
    whole = costs.Work(window.begin_ns, window.end_ns - window.begin_ns, 3e6, 3e4, window.tokens, 1)
    assert whole.pieces == (Part(window.begin_ns, window.end_ns, 3e6),)
    spent = costs.energy(whole, evidence, scope="NODE_AC")
    assert (spent["amount"], spent["reason"]) == (
        None,
        "the tariff changes, and the energy of each part is not known: it was not cut there",
    )
    zero = costs.together(
        [costs.bill(1e6, replace(tariff, amount=Decimal(0)), at_wall=True) for tariff in prices.tariffs], energy_u_rel=0.1
    )
    assert (zero.amount, zero.u_rel) == (Decimal(0), 0.1)


def test_every_tariff_is_one_of_the_run(gather: Gather, prices: Snapshot) -> None:
    """The evidence keeps what held during the counted phases, in order of time."""
    evidence = gather(prices=at(prices, (-4000, "0.05"), (-100, "0.10"), (300, "0.30"), (900, "0.70")))
    assert [str(tariff.amount) for tariff in evidence.tariffs if isinstance(tariff, Tariff)] == ["0.10", "0.30"]
