"""What the rules SCO come to at their limits and on odd evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.node import Component, Gpu, Node, Nodes, Psu
from joulemark.readings import Boundary
from joulemark.standard.checks.scope import CHECKS, extrapolated_from
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Outcome, Verdict
from tests.kit.change import chained, each_series, is_headline, meters, nodes, of_node, of_nodes, psu, scaled, without
from tests.kit.sensors import CORDS, HOST
from tests.kit.spoil import case_of, good, good_case, unwritten


def asked(rule_id: str, evidence: Evidence, grade: str) -> Outcome:
    """One rule over a bundle of `evidence`."""
    return CHECKS[rule_id](unwritten(evidence), edition().rule(rule_id), grade)


@pytest.mark.parametrize(("participating", "least"), [(5, 5), (20, 15), (150, 15), (160, 16.0), (1000, 100.0)])
def test_how_many_nodes_stand_for_the_others(participating: int, least: float) -> None:
    """A tenth of the nodes, but fifteen at least, and never more than there are; at ES2 there is no extrapolation."""
    assert extrapolated_from(edition().rule("SCO-2"), "ES1", participating) == least
    assert extrapolated_from(edition().rule("SCO-2"), "ES2", participating) is None


def fleet(evidence: Evidence, *, measured: int, power_factor: float = 1.0) -> Evidence:
    """The BMC of as many nodes, each with so many times the power of the kit's; without accelerators and alignment."""
    (bmc,) = [one for one in evidence.series if is_headline(one)]
    series = []
    for number in range(1, measured + 1):
        cords = (f"fleet-{number}/A",)
        meter = replace(bmc.meter, meter_id=f"redfish:fleet-{number}:SN{number}:power", covers=cords, cords=cords)
        series.append(scaled(power_factor)(replace(bmc, meter=meter)))
    return replace(evidence, series=tuple(series), alignments=())


def fleet_of(measured: int, participating: int, *, power_factor: float, at_random: bool | None = True) -> Evidence:
    """A run of many nodes, some of which were measured."""
    own = tuple(Node(f"fleet-{number}") for number in range(1, measured + 1))
    described = Nodes(own, participating=participating, extrapolated=True, chosen_at_random=at_random)
    return replace(fleet(good("ES1"), measured=measured, power_factor=power_factor), nodes=described)


@pytest.mark.parametrize(
    ("measured", "participating", "power_factor", "at_random", "verdict"),
    [
        (15, 40, 1.2, True, Verdict.PASS),
        (14, 40, 1.2, True, Verdict.FAIL),
        (15, 40, 1.0, True, Verdict.FAIL),
        (15, 40, 1.2, False, Verdict.FAIL),
        (15, 40, 1.2, None, Verdict.CANNOT_TELL),
    ],
)
def test_a_part_of_the_nodes_stands_for_all(
    measured: int, participating: int, power_factor: float, at_random: bool | None, verdict: Verdict
) -> None:
    """Fifteen nodes of forty, drawn at random, of 2 kW or more are enough at ES1, and not with one of these less; never at ES2."""
    evidence = fleet_of(measured, participating, power_factor=power_factor, at_random=at_random)
    assert asked("SCO-2", evidence, "ES1").verdict is verdict
    assert asked("SCO-2", evidence, "ES2").verdict is Verdict.FAIL


def test_more_nodes_measured_than_did_the_work() -> None:
    """The energy of a node that took no part is none of the run."""
    assert asked("SCO-2", fleet_of(2, 1, power_factor=1.2), "ES1").verdict is Verdict.FAIL


def test_a_gpu_read_as_two_devices_is_a_contradiction() -> None:
    """Two devices of one kind with one uuid make the bundle contradict itself; two kinds that read one GPU do not."""
    evidence = good("ES1")
    (gpu, *_) = [one for one in evidence.series if one.meter.boundary is Boundary.GPU]
    twin = replace(gpu, meter=replace(gpu.meter, meter_id=gpu.meter.meter_id.replace(HOST, "node-2")))
    outcome = asked("SCO-3", replace(evidence, series=(*evidence.series, twin)), "ES1")
    assert outcome.verdict is Verdict.FAIL
    assert outcome.contradiction
    other = replace(gpu, meter=replace(gpu.meter, meter_id=gpu.meter.meter_id.replace("nvml", "dcgm"), kind="dcgm"))
    assert asked("SCO-3", replace(evidence, series=(*evidence.series, other)), "ES1").verdict is Verdict.PASS


def test_conditions_of_a_gpu_beside_its_power_are_no_second_gpu() -> None:
    """Temperature, utilization and throttling may stand in a device of their own; a GPU of which only they were read is there."""

    def apart(one: Series) -> Series:
        meter = one.meter
        return replace(one, meter=replace(meter, meter_id=f"{meter.device_id}-conditions:{meter.channel}"))

    def is_condition(one: Series) -> bool:
        return one.meter.boundary is Boundary.GPU and not one.meter.quantity.measures_energy

    moved = each_series(apart, where=is_condition)(good("ES1"))
    assert asked("SCO-3", moved, "ES1").verdict is Verdict.PASS
    alone = without(lambda one: one.meter.boundary is Boundary.GPU and not is_condition(one))(moved)
    assert asked("SCO-3", alone, "ES1").verdict is Verdict.PASS


def test_a_listed_gpu_that_nobody_read_is_no_contradiction() -> None:
    """A wrong inventory fails, but the bundle does not contradict itself by it."""
    outcome = asked("SCO-3", of_node(gpus=(Gpu("GPU-x"),))(good("ES1")), "ES1")
    assert outcome.verdict is Verdict.FAIL
    assert not outcome.contradiction


def test_a_machine_without_accelerators_has_an_inventory() -> None:
    """None listed and none read is equal."""
    bare = chained(without(lambda one: one.meter.boundary is Boundary.GPU), of_node(gpus=()))(good("ES1"))
    assert bare.workload is not None
    assert asked("SCO-3", replace(bare, workload=replace(bare.workload, gpu_count=0)), "ES1").verdict is Verdict.PASS


def test_two_machines_of_one_serial_are_a_contradiction() -> None:
    """A node listed twice under two names is one identity for two."""
    twins = nodes(lambda found: replace(found, nodes=(*found.nodes, replace(found.nodes[0], host="node-2", gpus=()))))
    assert asked("SCO-3", twins(good("ES1")), "ES1").contradiction


def test_a_dead_supply_needs_no_channel() -> None:
    """What draws nothing needs no meter, in either column."""
    spare = nodes(
        lambda found: replace(
            found, nodes=tuple(replace(one, psus=(*(one.psus or ()), Psu("PSU3", "node-1/C", False))) for one in found.nodes)
        )
    )
    assert asked("SCO-4", spare(good("ES2")), "ES2").verdict is Verdict.PASS
    assert asked("SCO-4", psu(0, live=False)(good("ES1")), "ES1").verdict is Verdict.PASS


def test_a_sum_channel_that_names_its_cords_covers_them() -> None:
    """One channel may measure two inlets, if it says so; without a word it covers none at ES2."""
    alone = without(lambda one: is_headline(one) and one.meter.channel != "ch1")
    assert asked("SCO-4", chained(alone, meters(covers=CORDS))(good("ES2")), "ES2").verdict is Verdict.PASS
    silent = chained(alone, without(lambda one: one.meter.boundary is Boundary.GPU), meters(covers=(), cords=()))
    assert asked("SCO-4", silent(good("ES2")), "ES2").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("method", "share_rel", "es1", "es2"),
    [
        ("upper_bound", 0.0199, Verdict.PASS, Verdict.PASS),
        ("upper_bound", 0.0201, Verdict.PASS, Verdict.FAIL),
        ("estimated", 0.0199, Verdict.FAIL, Verdict.PASS),
        ("estimated", 0.0201, Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_what_is_not_measured_has_a_limit(method: str, share_rel: float, es1: Verdict, es2: Verdict) -> None:
    """At ES2 all that is not measured is 2 % of the energy at most, with it; at ES1 a bound has no limit, and an estimate is none."""
    plain = good_case("ES2")
    seconds = sum(window.duration_s for window in plain.measured)
    assert plain.rebuilt is not None
    mean_w = plain.rebuilt["headline"]["energy_j"] / seconds
    part = Component("switch", method, max_spec_w=2 * mean_w * share_rel / (1 - share_rel), provisioning=0.5)
    evidence = of_nodes(components=(part,))(good("ES2"))
    assert asked("SCO-5", evidence, "ES1").verdict is es1
    assert asked("SCO-5", evidence, "ES2").verdict is es2


def test_a_bound_without_a_number_is_none() -> None:
    """The bound of a part whose specification is not known cannot be told, and is not 0."""
    evidence = of_nodes(components=(Component("switch", "upper_bound"),))(good("ES1"))
    assert asked("SCO-5", evidence, "ES1").verdict is Verdict.CANNOT_TELL


def test_a_part_measured_by_the_headline_passes() -> None:
    """A component counts as measured by meters that the headline is made of."""
    meter_ids = tuple(one.meter.meter_id for one in good("ES2").series if is_headline(one))
    evidence = of_nodes(components=(Component("cdu", "measured", meter_ids),))(good("ES2"))
    assert asked("SCO-5", evidence, "ES2").verdict is Verdict.PASS


def test_without_readings_nothing_is_told() -> None:
    """No rule that rests on the headline takes no readings for a pass."""
    empty = replace(good_case("ES1"), evidence=None)
    for rule_id in CHECKS:
        assert CHECKS[rule_id](empty, edition().rule(rule_id), "ES1").verdict is Verdict.CANNOT_TELL, rule_id


def test_a_card_that_claims_nothing_is_not_gross() -> None:
    """Without a claim there is nothing to hold against the readings."""
    silent = replace(good_case("ES1"), card=None)
    assert CHECKS["SCO-6"](silent, edition().rule("SCO-6"), "ES1").verdict is Verdict.CANNOT_TELL
    assert CHECKS["SCO-1"](silent, edition().rule("SCO-1"), "ES1").verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(("factor", "verdict"), [(1.0 - 0.9e-6, Verdict.PASS), (1.0 - 1.1e-6, Verdict.FAIL)])
def test_a_claim_below_the_gross_energy(factor: float, verdict: Verdict) -> None:
    """A claim may be below what the meters saw by rounding only."""
    case = good_case("ES1")
    assert case.card is not None
    headline = {**case.card["headline"], "energy_j": case.card["headline"]["energy_j"] * factor}
    claimed = replace(case, card={**case.card, "headline": headline})
    assert CHECKS["SCO-6"](claimed, edition().rule("SCO-6"), "ES1").verdict is verdict


def test_a_card_that_declares_another_scope() -> None:
    """The scope of the card has to be the one that its meters show."""
    case = good_case("ES2")
    assert case.card is not None
    declared = replace(case, card={**case.card, "scope": "RACK_AC"})
    assert CHECKS["SCO-1"](declared, edition().rule("SCO-1"), "ES2").verdict is Verdict.FAIL


def test_readings_scaled_change_no_scope() -> None:
    """The scope rests on where meters sit, not on what they show."""
    case = case_of(each_series(scaled(0.5))(good("ES2")))
    assert CHECKS["SCO-1"](case, edition().rule("SCO-1"), "ES2").verdict is Verdict.PASS


def test_nodes_that_are_described_did_the_work() -> None:
    """Two nodes described, one measured and one called participating: the other did work that nobody measured, and none is no node."""
    second = nodes(lambda found: replace(found, nodes=(*found.nodes, Node("node-2"))))
    assert asked("SCO-2", second(good("ES1")), "ES1").verdict is Verdict.FAIL
    nobody = nodes(lambda found: replace(found, nodes=(Node("node-2"),), participating=0))
    assert asked("SCO-2", nobody(good("ES1")), "ES1").verdict is Verdict.FAIL


def test_a_gpu_without_a_reading_was_not_read() -> None:
    """A stream that is named and holds nothing of a measured phase shows no GPU."""
    evidence = good("ES1")
    (first, *_) = [one for one in evidence.series if one.meter.boundary is Boundary.GPU]
    last_ns = evidence.run.measured[-1].begin_ns
    silent = each_series(lambda one: one.rows(one.t_ns < last_ns), where=lambda one: one.meter.covers == first.meter.covers)
    outcome = asked("SCO-3", silent(evidence), "ES1")
    assert outcome.verdict is Verdict.FAIL
    assert first.meter.covers[0] in outcome.detail


def test_the_workload_used_no_more_gpus_than_are_listed() -> None:
    """An inventory without accelerators under a workload that used two of them is none."""
    bare = chained(without(lambda one: one.meter.boundary is Boundary.GPU), of_node(gpus=()))
    assert asked("SCO-3", bare(good("ES1")), "ES1").verdict is Verdict.FAIL


def test_the_power_supplies_of_the_bmc_are_no_external_meter() -> None:
    """Channels inside the power supplies are allowed at ES1, not at ES2."""
    inside = meters(boundary=Boundary.PSU_INPUT)(good("ES2"))
    assert asked("SCO-4", inside, "ES1").verdict is Verdict.PASS
    assert asked("SCO-4", inside, "ES2").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("method", "max_spec_w", "provisioning"),
    [("upper_bound", -500.0, 1.0), ("upper_bound", 0.0, 1.0), ("upper_bound", 400.0, 0.0), ("estimated", -1.0, 1.0)],
)
def test_a_bound_adds_to_the_energy(method: str, max_spec_w: float, provisioning: float) -> None:
    """A bound of 0 W or less would take energy from the headline, or hide a part of the system."""
    part = Component("switch", method, max_spec_w=max_spec_w, provisioning=provisioning)
    assert asked("SCO-5", of_nodes(components=(part,))(good("ES1")), "ES2").verdict is Verdict.FAIL


def test_an_empty_list_of_components_tells_nothing() -> None:
    """What is absent is listed as absent: an empty list is no answer."""
    assert asked("SCO-5", of_nodes(components=())(good("ES1")), "ES1").verdict is Verdict.CANNOT_TELL
