"""Strangers: what shows that the meters of a run also see work that is not the run's."""

from __future__ import annotations

from dataclasses import replace

from joulemark.cards.attribution_strangers import beside, strangers
from joulemark.node import Node, Nodes, Survey
from joulemark.readings import Boundary
from tests.cards.attribution_truth import GPU, T0, S, Served, counter, evidence

ONE = (Served(0, None, 10_000),)


def test_a_gpu_alone_has_no_strangers() -> None:
    """A whole GPU, and a meter that says nothing of what it covers, raise no doubt."""
    assert strangers([counter(ONE), counter(ONE, replace(GPU, covers=(), note="power of the board"))], Boundary.GPU) == ()


def test_a_divided_gpu_and_an_instance_are_named_once() -> None:
    """Counter and power of one divided GPU are one reason; a meter that claims an instance is another."""
    divided = replace(GPU, note="mig_shared: the whole GPU")
    power = replace(divided, meter_id="nvml:h:GPU-1:power")
    claimed = replace(GPU, meter_id="exec:h:x:energy", covers=("MIG-7",))
    found = strangers([counter(ONE, divided), counter(ONE, power), counter(ONE, claimed)], Boundary.GPU)
    assert [reason.split(" is ")[0] for reason in found] == ["GPU-1", "MIG-7"]


def test_an_inlet_feeds_others_unless_its_cords_are_named() -> None:
    """An inlet of which nobody said what hangs on it may feed a whole row of machines; one that covers all named cords does not."""
    inlet = replace(GPU, meter_id="snmp:h:pdu:energy", boundary=Boundary.PDU_INLET, covers=("inlet",))
    (reason,) = strangers([counter(ONE, inlet)], Boundary.PDU_INLET)
    assert "other machines" in reason
    assert strangers([counter(ONE, inlet), counter(ONE)], Boundary.GPU) == ()
    assert strangers([counter(ONE, replace(inlet, covers=("h/A",), cords=("h/A",)))], Boundary.PDU_INLET) == ()


def test_other_processes_are_told() -> None:
    """Processes that were seen beside the run during it are a finding for their node; those of before are not."""
    surveys = (Survey(T0 - 60 * S, ("backup",)), Survey(T0 + S, ("miner", "cron")), Survey(T0 + 2 * S, None))
    found = beside(evidence(counter(ONE), nodes=Nodes((Node("h", surveys=surveys), Node("quiet")))))
    assert found == ["2 other processes ran on h, such as cron: what they took is in the shares"]
