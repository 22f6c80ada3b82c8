"""The card: figures that follow from the evidence, nothing invented, everything named."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.cards import card
from joulemark.cards.contents import contents, json_bytes
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.pricing.snapshot import Snapshot
from joulemark.readings import Accuracy, Boundary, Current
from joulemark.runs import IdleKind, PhaseKind, Run, Tokens, Window
from tests.cards.conftest import seconds

Gather = Callable[..., Evidence]


def split(run: Run, *, at_s: float = 300, **of_second: Any) -> Run:
    """The measured phase as two, `a` until `at_s` and `b` from there on, the fields of `b` changed as given."""
    whole, cut_ns = run.windows[1], seconds(at_s)
    return replace(run, windows=(replace(whole, name="a", end_ns=cut_ns), replace(whole, name="b", begin_ns=cut_ns, **of_second)))


def test_worked_numbers(gather: Gather) -> None:
    """5000 W for 600 s and 12 million output tokens: 250 J per 1k, 0.000333333 USD rent and 8.33333e-6 USD electricity."""
    head = card.build(gather())["headline"]
    assert head["energy_j"] == pytest.approx(3_000_000, rel=1e-12)
    assert head["joules_per_1k_output_tokens"] == pytest.approx(250.0, rel=1e-12)
    assert head["joules_per_1k_total_tokens"] == pytest.approx(62.5, rel=1e-12)
    assert head["joules_per_request"] == pytest.approx(3000.0, rel=1e-12)
    assert float(head["cost"]["market"]["per_1k_output_tokens"]) == pytest.approx(0.0003333333333333333, rel=1e-6)
    assert float(head["cost"]["energy"]["per_1k_output_tokens"]) == pytest.approx(8.333333333333334e-06, rel=1e-6)


def test_uncertainty_of_a_ratio_holds_the_tokens(gather: Gather) -> None:
    """U95 of J per 1k output joins that of the energy with the disagreement of the token counts, in quadrature."""
    phase = card.build(gather())["phases"][1]
    u_rel = math.hypot(phase["uncertainty"]["u_c_j"] / phase["energy_j"], 6000 / math.sqrt(3.0) / 12_000_000)
    assert phase["joules_per_1k_output_tokens_u95"] == pytest.approx(2 * u_rel * 250.0, rel=1e-12)


def test_costs_stand_apart_with_their_records(gather: Gather, prices: Snapshot) -> None:
    """Each cost carries the whole record it comes from, with its hash, and no key holds a sum of the two."""
    cost = card.build(gather())["headline"]["cost"]
    assert set(cost) == {"basis", "market", "energy", "fx"}
    assert cost["market"]["price"] == prices.prices[0].record()
    assert cost["energy"]["tariff"] == prices.tariffs[0].record()
    assert len(cost["market"]["price"]["sha256"]) == 64


def test_scope_follows_the_boundary(gather: Gather, wall: Series, counter: Series) -> None:
    """A BMC on the AC side is NODE_AC, on the DC side NODE_DC; GPU sensors are GPU; a rack inlet on DC has no scope."""
    assert card.build(gather())["scope"] == "NODE_AC"
    assert card.build(gather(series=(counter,)))["scope"] == "GPU"
    dc = replace(wall, meter=replace(wall.meter, current=Current.DC))
    assert card.build(gather(series=(dc,)))["scope"] == "NODE_DC"
    rack = card.build(gather(series=(replace(dc, meter=replace(dc.meter, boundary=Boundary.RACK)),)))
    assert rack["scope"] is None
    assert "DC side" in rack["scope_reason"]


def test_no_level_is_claimed(gather: Gather) -> None:
    """An unvalidated card has no level and names no rule set."""
    made = card.build(gather())
    assert (made["level"], made["level_reason"], made["rule_set"]) == (None, "not_validated", None)


def test_complete_until_something_is_lost(gather: Gather, with_gap: Series) -> None:
    """Gaps and losses make a card incomplete and are named; without them it is complete."""
    assert card.build(gather())["complete"] is True
    gapped = card.build(gather(series=(with_gap,)))
    assert gapped["complete"] is False
    assert any("3 failed readings of ipmi:node.1:BMC/7:power" in reason for reason in gapped["incomplete_because"])
    lost = card.build(gather(losses=({"count": 5, "reason": "spool full"},)))
    assert (lost["complete"], lost["losses"][0]["count"]) == (False, 5)


def test_simulated_where_one_meter_is(gather: Gather, wall: Series, counter: Series) -> None:
    """One replayed meter among real ones makes the whole card simulated."""
    played = replace(counter, meter=replace(counter.meter, simulated=True))
    assert card.build(gather())["simulated"] is False
    assert card.build(gather(series=(wall, played)))["simulated"] is True


def test_the_tools_own_figure_stands_beside(gather: Gather, wall: Series, counter: Series) -> None:
    """What the benchmark tool printed is kept beside ours at the same boundary, and changes nothing of ours."""
    phase = card.build(gather(series=(wall, counter)))["phases"][1]
    (figure,) = phase["tool_reported"]
    assert figure["value"] == 3.1e6
    assert figure["ours"] == pytest.approx(420_000, rel=1e-6)
    assert phase["energy_j"] == pytest.approx(3_000_000, rel=1e-12)


def test_no_readings_no_card(gather: Gather, wall: Series) -> None:
    """Readings that end before the phase make no card, and say how many seconds are missing."""
    with pytest.raises(InsufficientData, match="before its end"):
        card.build(gather(series=(wall.rows(slice(0, 300)),)))


def test_several_measured_phases_add_up(gather: Gather, run: Run) -> None:
    """Energies and tokens of two measured phases add; their uncertainties add linearly, since one meter erred in both alike."""
    made = card.build(gather(run=split(run)))
    a, b = made["phases"]
    assert made["headline"]["energy_j"] == pytest.approx(3_000_000, rel=1e-12)
    assert made["headline"]["tokens"]["output"] == 24_000_000
    assert made["headline"]["u95_j"] == pytest.approx(a["u95_j"] + b["u95_j"], rel=1e-12)
    assert made["headline"]["phases"] == ["a", "b"]


@pytest.mark.parametrize("begin_s", [0, 200])
def test_phases_that_share_time_are_not_added(gather: Gather, run: Run, begin_s: int) -> None:
    """Two clients at once, or one result twice: no sum, no score, not complete. Edges may meet within their uncertainty."""
    first, second = split(run).windows
    twice = replace(run, windows=(first, replace(second, begin_ns=first.begin_ns + begin_s * 10**9)))
    made = card.build(gather(run=twice))
    assert [made["headline"][name] for name in ("energy_j", "u95_j", "joules_per_1k_output_tokens")] == [None] * 3
    assert (made["complete"], made["score"]) == (False, None)
    assert "a and b overlap" in made["incomplete_because"][0]
    near = replace(run, windows=(first, replace(second, begin_ns=second.begin_ns - first.unc_ns - second.unc_ns)))
    assert card.build(gather(run=near))["headline"]["energy_j"] == pytest.approx(3_000_000, rel=1e-4)


def test_what_one_phase_does_not_know_the_headline_does_not(gather: Gather, run: Run) -> None:
    """A count that one of two phases lacks is null in the headline, never the count of the other phase alone."""
    uncounted = Tokens(input=36_000_000, output=None)
    head = card.build(gather(run=split(run, tokens=uncounted, requests=None)))["headline"]
    assert head["tokens"] == {"input": 72_000_000, "output": None}
    assert [head[name] for name in ("requests", "joules_per_request", "joules_per_1k_output_tokens")] == [None] * 3
    assert head["joules_per_1k_input_tokens"] == pytest.approx(3e6 / 72_000, rel=1e-12)


def test_a_phase_without_energy_leaves_none_to_the_headline(gather: Gather, run: Run, wall: Series) -> None:
    """Where readings end within the second phase the first keeps its energy, and the energy of both is null, not the half known."""
    made = card.build(gather(run=split(run), series=(wall.rows(wall.t_ns < seconds(500)),)))
    assert [phase["energy_j"] for phase in made["phases"]] == [pytest.approx(1_500_000, rel=1e-12), None]
    head = made["headline"]
    assert [head[name] for name in ("energy_j", "u95_j", "joules_per_request")] == [None] * 3
    assert head["cost"]["energy"]["reason"] == "the energy is not known"


def test_edges_and_token_disagreement_of_the_phases_add_up(gather: Gather, run: Run) -> None:
    """Two phases of +-1 ms edges make rent uncertain by +-2 ms edges, and 6000 tokens of disagreement in each are 12000 in both."""
    made = card.build(gather(run=split(run)))
    head, rent = made["headline"], made["headline"]["cost"]["market"]
    assert rent["u_rel"] == pytest.approx(math.sqrt(2 / 3) * 0.002 / 600, rel=1e-9, abs=0)
    u_rel = math.hypot(head["u95_j"] / 2 / head["energy_j"], 12_000 / math.sqrt(3.0) / 24_000_000)
    assert head["joules_per_1k_output_tokens_u95"] == pytest.approx(2 * u_rel * 125.0, rel=1e-9)


def test_a_phase_of_few_readings_widens_the_headline(gather: Gather, run: Run, wall: Series) -> None:
    """The headline takes the largest coverage factor of its phases: five readings that scatter make it more than 2."""
    sensor = replace(wall.meter, averaging_window_s=None, accuracy=Accuracy(pct_reading=0.01))
    noisy = replace(wall, meter=sensor, value=wall.value + 500 * (np.arange(len(wall)) % 2))
    made = card.build(gather(run=split(run, at_s=596), series=(noisy,)))
    long, short = (phase["uncertainty"] for phase in made["phases"])
    assert long["k"] == 2.0
    assert short["k"] > 2.0
    assert made["headline"]["u95_j"] == pytest.approx(short["k"] * (long["u_c_j"] + short["u_c_j"]), rel=1e-12)


def test_hashes_are_of_the_files(gather: Gather) -> None:
    """The card names the hash of every file it was computed from."""
    evidence = gather()
    files = contents(evidence)
    assert card.build(evidence)["hashes"] == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert set(files) == {
        "readings/ipmi%3Anode.1%3ABMC%2F7%3Apower.csv",
        "meters.json",
        "phases.json",
        "clock.json",
        "collection.json",
        "prices.json",
    }


def test_display_rounds_and_the_fields_do_not(gather: Gather, wall: Series) -> None:
    """Printed figures have two digits of uncertainty; the stored ones keep every digit."""
    odd = replace(wall, value=wall.value * 3 + 1)
    head = card.build(gather(series=(odd,)))["headline"]
    shown = head["display"]["joules_per_1k_output_tokens"]
    assert len(shown["u95"].replace(".", "").lstrip("0")) == 2
    assert len(shown["value"].partition(".")[2]) == len(shown["u95"].partition(".")[2])
    assert head["joules_per_1k_output_tokens"] == pytest.approx(750.05, rel=1e-12)


def test_the_same_evidence_is_the_same_card(gather: Gather) -> None:
    """A card is a function of its evidence: twice built, the same bytes."""
    assert json_bytes(card.build(gather())) == json_bytes(card.build(gather()))


def test_cards_are_json(gather: Gather) -> None:
    """A card survives JSON unchanged: it holds plain values only."""
    made = card.build(gather())
    assert json.loads(json_bytes(made)) == made


def test_repetitions_have_a_score(gather: Gather, run: Run) -> None:
    """Three measured phases with tokens have the block `score`; one or two have null and the reason."""
    tokens = Tokens(output=1_000_000, source="server usage")
    parts = tuple(Window(f"measured-{n}", PhaseKind.MEASURED, seconds(200 * n), seconds(200 * n + 199), tokens=tokens) for n in range(3))
    made = card.build(gather(run=replace(run, windows=parts)))
    assert made["score"]["joules_per_1k_output_tokens"] == pytest.approx(995.0, rel=1e-9)
    assert made["score_reason"] == ""
    alone = card.build(gather())
    assert alone["score"] is None
    assert "1 measured phases" in alone["score_reason"]


def test_phases_that_nobody_marked_as_measured_have_no_score(gather: Gather, run: Run) -> None:
    """A run that marks no phase as measured has a headline, and no score."""
    tokens = Tokens(output=1_000_000, source="server usage")
    parts = tuple(Window(f"part-{n}", PhaseKind.OTHER, seconds(200 * n), seconds(200 * n + 199), tokens=tokens) for n in range(3))
    assert card.build(gather(run=replace(run, windows=parts)))["score"] is None


def test_energy_above_idle_stands_beside_the_gross_one(gather: Gather, run: Run) -> None:
    """With idle_ready at 2400 W, 3 MJ in 600 s are 1.56 MJ above idle; the headline stays gross."""
    idle, measured = run.windows
    made = card.build(gather(run=replace(run, windows=(replace(idle, idle_kind=IdleKind.READY), measured))))
    (shown,) = made["idle"]
    assert (shown["phase"], shown["idle_kind"], shown["mean_power_w"]) == ("idle", "idle_ready", pytest.approx(2400.0))
    assert made["phases"][1]["energy_dynamic_j"] == pytest.approx(1_560_000, rel=1e-9)
    assert made["phases"][1]["energy_j"] == made["headline"]["energy_j"] == pytest.approx(3_000_000, rel=1e-9)


@pytest.mark.parametrize("kind", [IdleKind.BARE, None])
def test_only_an_idle_that_was_ready_is_taken_off(gather: Gather, run: Run, kind: IdleKind | None) -> None:
    """Idle without engine, or of no declared kind, is shown and never subtracted."""
    idle, measured = run.windows
    made = card.build(gather(run=replace(run, windows=(replace(idle, idle_kind=kind), measured))))
    assert made["idle"][0]["mean_power_w"] == pytest.approx(2400.0)
    assert made["phases"][1]["energy_dynamic_j"] is None


def test_aborted_repetitions_are_listed_with_what_they_took(gather: Gather, run: Run) -> None:
    """A repetition that does not count is named with its reason and its energy, and is no part of the headline."""
    idle, measured = run.windows
    stopped = replace(measured, name="first", begin_ns=seconds(-8), end_ns=seconds(-1), aborted="server crashed")
    made = card.build(gather(run=replace(run, windows=(idle, stopped, measured))))
    assert made["aborted"] == [{"phase": "first", "reason": "server crashed", "energy_j": pytest.approx(35_000)}]
    assert made["headline"]["phases"] == ["decode"]
