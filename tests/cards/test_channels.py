"""Channels put together: a sum over cords is a server's energy only when it is whole, levels close, listings are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from joulemark import traces, whitelist
from joulemark.cards import bundle, card, text
from joulemark.cards.card import CARD_SCHEMA
from joulemark.cards.compute import compute, tier_of
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.readings import Accuracy, Boundary, Current, MeterInfo, Quality, Quantity
from joulemark.runs import Run
from joulemark.standard.schema import schemas
from joulemark.units import NS_PER_S
from joulemark.whitelist import TIERS
from tests.cards.conftest import BEGIN_NS
from tests.cards.test_compute import valid

Gather = Callable[..., Evidence]
CORDS = ("node.1/psu1", "node.1/psu2")


def outlet(number: int, watts: int, *covers: str, cords: tuple[str, ...] = CORDS, boundary: Boundary = Boundary.OUTLET) -> Series:
    """An outlet of one strip, which the host pdu reads each second."""
    meter = MeterInfo(
        f"snmp:pdu:SN7:outlet-{number}",
        "snmp",
        Quantity.POWER,
        0,
        boundary,
        Current.AC,
        vendor="Raritan",
        model="PX3-5190R",
        averaging_window_s=1.0,
        accuracy=Accuracy(pct_reading=1.0, source="manual"),
        covers=covers,
        cords=cords,
    )
    at = np.arange(-80, 681)
    return Series.plain(meter, BEGIN_NS + at * NS_PER_S, np.full(len(at), watts))


BOTH = (outlet(1, 2600, CORDS[0]), outlet(2, 2500, CORDS[1]))
OTHERS = (outlet(3, 700, "SN7/outlet-3"), outlet(4, 800))


def test_outlets_of_every_cord_are_the_server(gather: Gather) -> None:
    """Two outlets on both cords make one figure, 2600 W and 2500 W for 600 s; the strip's other outlets are left out and named."""
    made = card.build(gather(series=(*BOTH, *OTHERS)))
    assert made["headline"]["energy_j"] == pytest.approx(5100 * 600)
    assert made["scope"] == "NODE_AC"
    assert made["scope_reason"] == "boundary outlet, ac, as the meters declare; they cover every cord of node.1"
    assert any("SN7:outlet-3, snmp:pdu:SN7:outlet-4" in finding for finding in made["findings"])
    assert {m["meter_id"]: m["used"] for m in made["meters"]}["snmp:pdu:SN7:outlet-3"] is False


def test_a_missing_cord_is_named_and_nothing_is_called_the_server(gather: Gather) -> None:
    """With one of two cords there is no sum, no scope, and a finding with the cord; what the one outlet saw stands by itself."""
    made = card.build(gather(series=BOTH[:1]))
    (phase,) = (p for p in made["phases"] if p["kind"] == "measured")
    assert (phase["energy_j"], phase["joules_per_1k_output_tokens"], made["headline"]["energy_j"]) == (None, None, None)
    assert [(d["device_id"], d["energy_j"]) for d in phase["devices"]] == [
        ("snmp:pdu:SN7", pytest.approx(2600 * 600)),
        ("node.1/psu2", None),
    ]
    assert "no meter at outlet covers the cord node.1/psu2: the sum would not be the energy of its host" in phase["findings"]
    assert (made["scope"], made["scope_reason"]) == (None, "no meter at outlet covers node.1/psu2")


def test_a_whole_level_leads_before_a_wider_one_that_is_not(gather: Gather, wall: Series) -> None:
    """Where the outlets miss a cord the server's own input leads, and the outlets stand beside it without an energy."""
    made = card.build(gather(series=(BOTH[0], wall)))
    (phase,) = (p for p in made["phases"] if p["kind"] == "measured")
    assert (phase["boundary"], phase["energy_j"]) == ("server_input", pytest.approx(5000 * 600))
    assert [(other["boundary"], other["energy_j"]) for other in phase["other_boundaries"]] == [("outlet", None)]
    assert made["scope_reason"].endswith("they cover every cord of node.1")


def test_the_inlet_of_a_strip_does_not_lead_before_the_cords(gather: Gather) -> None:
    """An inlet that feeds other machines too stands beside the outlets of all named cords; it leads if it is said to feed these alone."""
    inlet = outlet(0, 9000, "SN7/i1", boundary=Boundary.PDU_INLET)
    made = card.build(gather(series=(*BOTH, inlet)))
    assert (made["headline"]["boundary"], made["headline"]["energy_j"]) == ("outlet", pytest.approx(5100 * 600))
    (phase,) = (p for p in made["phases"] if p["kind"] == "measured")
    assert [(other["boundary"], other["energy_j"]) for other in phase["other_boundaries"]] == [("pdu_inlet", pytest.approx(9000 * 600))]
    own = outlet(0, 5200, *CORDS, boundary=Boundary.PDU_INLET)
    assert card.build(gather(series=(*BOTH, own)))["headline"]["boundary"] == "pdu_inlet"
    assert card.build(gather(series=(BOTH[0], inlet)))["headline"]["boundary"] == "pdu_inlet", "where no other meter sees all cords"
    bmc = outlet(9, 5000, *CORDS, boundary=Boundary.SERVER_INPUT)
    order = card.build(gather(series=(BOTH[0], inlet, bmc)))["phases"][1]
    assert [order["boundary"], *(other["boundary"] for other in order["other_boundaries"])] == ["server_input", "pdu_inlet", "outlet"]
    unnamed = [replace(one, meter=replace(one.meter, cords=())) for one in (*BOTH, inlet)]
    assert card.build(gather(series=tuple(unnamed)))["headline"]["boundary"] == "pdu_inlet"


def test_meters_on_both_sides_of_the_supply_have_no_scope(gather: Gather) -> None:
    """A sum of cords of which one is metered behind a rectifier is of neither scope."""
    behind = replace(BOTH[1], meter=replace(BOTH[1].meter, current=Current.DC))
    made = card.build(gather(series=(BOTH[0], behind)))
    assert (made["scope"], made["scope_reason"]) == (None, "the meters at outlet are on both sides of the power supply")


def test_the_bound_of_the_clock_reaches_every_phase(run: Run) -> None:
    """A clock that is known within 1 s only makes the energy less certain."""
    sure, vague = (compute(BOTH, run, power_idle_w=1000.0, clock_bound_ns=bound_ns)["phases"][1]["u95_j"] for bound_ns in (0, NS_PER_S))
    assert vague > sure


def test_two_meters_of_one_cord_are_alternatives(gather: Gather) -> None:
    """A second meter on the first cord changes no sum."""
    again = replace(BOTH[0], meter=replace(BOTH[0].meter, meter_id="shelly:lab:plug:power"))
    made = card.build(gather(series=(*BOTH, again)))
    assert made["headline"]["energy_j"] == pytest.approx(5100 * 600)


def test_unnamed_cords_prove_nothing(gather: Gather) -> None:
    """Without named cords the outlets add up as they did, and the card says that nothing is proven."""
    made = card.build(gather(series=tuple(replace(one, meter=replace(one.meter, cords=())) for one in BOTH)))
    assert made["headline"]["energy_j"] == pytest.approx(5100 * 600)
    assert made["scope_reason"].endswith("that they cover every node and cord is not proven")


def test_a_stranger_finds_the_same_cords(gather: Gather, run: Run, tmp_path: Path) -> None:
    """Cords and what covers them lie in the bundle: recomputed from its files the missing cord is missing again."""
    bundle.write(tmp_path, gather(series=BOTH[:1]))
    files = sorted((tmp_path / "energy" / "readings").iterdir())
    again = compute([one for file in files for one in traces.read(file, tz=None)], run)
    assert again["phases"][1]["energy_j"] is None
    assert any("node.1/psu2" in finding for finding in again["findings"])


def test_levels_close_on_the_card(gather: Gather, wall: Series, counter: Series) -> None:
    """Outlets of 5100 W hold a server of 5000 W and this its GPU, in idle and measured phases; the card says so, and fits its schema."""
    made = card.build(gather(series=(*BOTH, wall, counter)))
    jsonschema.Draft202012Validator(schemas()[CARD_SCHEMA]).validate(made)
    assert [(c["phase"], c["outer"], c["inner"], c["holds"]) for c in made["closure"]] == [
        (phase, *pair, True) for phase in ("idle", "decode") for pair in (("outlet", "server_input"), ("server_input", "gpu"))
    ]
    assert "closure: outlet >= server_input, server_input >= gpu" in text.render(made)


def test_a_swapped_wall_meter_turns_the_card_red(gather: Gather, wall: Series, run: Run) -> None:
    """An outlet that feeds another machine of 900 W around a server of 5000 W is a finding, and stands in the text."""
    swapped = outlet(9, 900, *CORDS)
    made = card.build(gather(series=(swapped, wall)))
    assert [(c["phase"], c["holds"]) for c in made["closure"]] == [("idle", False), ("decode", False)]
    assert any(finding.startswith("decode: server_input took") for finding in made["findings"])
    assert "CLOSURE BROKEN in decode: server_input took 3e+06 J" in text.render(made)
    valid(compute([swapped, wall], run))


def test_a_wall_meter_of_nobody_knows_which_host_is_not_judged(gather: Gather, wall: Series) -> None:
    """Without cords a strip that another host reads is not held against the server, and the finding asks for covers once."""
    unnamed = tuple(replace(one, meter=replace(one.meter, cords=(), covers=(), meter_id=f"snmp:lab:{i}:p")) for i, one in enumerate(BOTH))
    made = card.build(gather(series=(*unnamed, wall)))
    assert {c["holds"] for c in made["closure"]} == {None}
    assert made["findings"].count("outlet sees lab, server_input node.1: say in covers which cords each meter measures") == 1


def test_the_listing_of_each_meter_is_recorded(gather: Gather, wall: Series) -> None:
    """Each meter of a card says whether the whitelist knows it, as which entry, and whether its figures were read anywhere."""
    analyser = replace(wall, meter=replace(wall.meter, meter_id="scpi:h:1:p", vendor="YOKOGAWA", model="WT310E"))
    listed = {m["meter_id"]: m["whitelist"] for m in card.build(gather(series=(*BOTH, wall, analyser)))["meters"]}
    assert listed[wall.meter.meter_id] == {"status": "unlisted", "driver_tier": tier_of(wall.meter.kind)}
    assert (listed["scpi:h:1:p"]["id"], listed["scpi:h:1:p"]["verified"]) == ("yokogawa-wt310e", True)
    assert listed["scpi:h:1:p"]["usable_for"] == [
        level for level in whitelist.LEVELS if whitelist.LEAST_TIER[level] in TIERS[: TIERS.index(listed["scpi:h:1:p"]["driver_tier"]) + 1]
    ]
    assert (listed["snmp:pdu:SN7:outlet-1"]["id"], listed["snmp:pdu:SN7:outlet-1"]["verified"]) == ("raritan-px", False)


def test_a_remark_on_a_good_reading_is_no_gap(gather: Gather) -> None:
    """Only readings that are not integrated are counted as such, by their quality and commonest reasons; a remark on a good one is not."""
    one = outlet(1, 2600, *CORDS)
    quality = one.quality.copy()
    quality[100:104] = Quality.STALE
    quality[200] = Quality.GAP
    said = {**dict.fromkeys(range(100, 104), "unchanged for 30 s"), 200: "no answer within 1 s", 300: "2 samples were passed over"}
    findings = compute((replace(one, quality=quality, reasons=said),), gather().run)["findings"]
    assert [line for line in findings if "not integrated:" in line] == [
        "snmp:pdu:SN7:outlet-1: 5 of 761 readings are not integrated: 4 stale (unchanged for 30 s), 1 gap (no answer within 1 s)."
    ]
