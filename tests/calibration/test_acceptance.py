from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from joulemark.calibration.acceptance import LIMITS, binding_of, faults, voided
from joulemark.calibration.alignment import Binding
from joulemark.node import Gpu, Node, Psu
from joulemark.standard.edition import edition
from tests.kit import alignment
from tests.kit.lab import BEGIN_NS

RECORD = alignment.made(1, before_ns=BEGIN_NS).record
THEN = Binding("S1", "R1", "N1", "01.05", "96.00", "560", ("A", "B"), 1.0)


@pytest.mark.parametrize("grade", ["ES1", "ES2"])
def test_the_procedure_accepts_by_the_limits_of_the_edition(grade: str) -> None:
    """No limit of the acceptance differs from that of the rules CAL-2, CAL-4 and CAL-5."""
    rules = {key: value for rule_id in ("CAL-2", "CAL-4", "CAL-5") for key, value in edition().rule(rule_id).limits[grade].items()}
    own = {key: float(value) for key, value in asdict(LIMITS[grade]).items()}
    assert {key: rules.get(key, 0.0) for key in own} == own


def test_a_good_record_has_no_faults_and_es2_wants_a_second_pass() -> None:
    """The kit's record passes at ES1; at ES2 only the pass in reverse order is missing."""
    assert faults(RECORD) == []
    assert faults(RECORD, LIMITS["ES2"]) == ["a second pass in reverse order is wanted, and there is none"]
    assert faults(alignment.made(1, before_ns=BEGIN_NS, reverse=True).record, LIMITS["ES2"]) == []


@pytest.mark.parametrize(("gain", "good"), [(0.9, True), (0.8999, False), (1.1, True), (1.1001, False)])
def test_the_gain_is_accepted_up_to_its_limits(gain: float, good: bool) -> None:
    """0.90 and 1.10 pass, what lies beyond does not (CAL-5)."""
    said = [what for what in faults(replace(RECORD, gain=gain)) if "the gain is" in what]
    assert (said == []) is good


def test_a_modelled_alignment_wants_two_workloads() -> None:
    """Across a boundary the gain is free, and a second workload confirms it."""
    assert any("two workloads" in what for what in faults(replace(RECORD, modelled=True)))
    other = replace(RECORD.plateaus[1], workload="gpt-j")
    two = replace(RECORD, modelled=True, plateaus=(RECORD.plateaus[0], other, RECORD.plateaus[2]))
    assert faults(two) == []


def test_without_a_held_out_run_nothing_is_accepted() -> None:
    """CAL-4 wants a run that was not in the fit."""
    assert faults(replace(RECORD, held_out=None)) == ["no run was held out of the fit"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bmc_firmware": "01.06"}, "firmware of the BMC"),
        ({"psus": ("A", "C")}, "power supplies"),
        ({"interval_s": 2.0}, "another interval"),
        ({"driver_major": "570"}, "driver"),
        ({"sensor_serial": ""}, "is not known now"),
    ],
)
def test_a_change_voids(change: dict[str, object], says: str) -> None:
    """Each thing the alignment is bound to voids it by its change, in words."""
    assert len(found := voided(THEN, replace(THEN, **change))) == 1  # type: ignore[arg-type]  # any of its fields
    assert says in found[0]


def test_nothing_changed_and_what_was_not_recorded_do_not_void() -> None:
    """The same binding holds, in any order of supplies; an empty field of the record is not compared."""
    assert voided(THEN, replace(THEN, psus=("B", "A"), interval_s=1.02)) == []
    assert voided(Binding(), THEN) == []


def test_a_node_tells_what_an_alignment_is_bound_to() -> None:
    """Serial, firmware, VBIOS, major version of the driver and supplies come from the description of the node."""
    node = Node("h", "N1", (Gpu("u", vbios="96.00"),), (Psu("B"), Psu("A")), "01.05", "560.35.03")
    assert binding_of(node, sensor_serial="S1", reference_serial="R1", interval_s=1.0) == THEN
