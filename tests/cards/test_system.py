"""Facts of two systems: what differs is named with both values, and what both figures rest on too."""

from __future__ import annotations

from dataclasses import replace

from joulemark.cards.measured import Measured
from joulemark.cards.system import differences, facts, shared
from joulemark.pricing.snapshot import Snapshot
from tests.kit import spoil
from tests.kit.lab import Lab

ONE = Measured.of(spoil.good("ES1"))


def test_equal_systems_do_not_differ() -> None:
    """A second session in the same laboratory differs in nothing but its readings."""
    other = Measured.of(Lab.of("ES1", seed=2).evidence())
    assert differences(ONE, other) == []
    assert facts(ONE)["node.gpus"] == ["2 x NVIDIA H100 80GB HBM3"]


def test_each_change_is_named() -> None:
    """Driver, GPU, model, region, boundary: each that changes stands there by name with both values, and no other."""
    evidence = spoil.good("ES1")
    node, work = evidence.nodes.nodes[0], evidence.workload
    assert work is not None
    assert node.gpus is not None
    other_node = replace(node, driver="999.1", gpus=tuple(replace(gpu, model="H200") for gpu in node.gpus))
    changed = replace(evidence, nodes=replace(evidence.nodes, nodes=(other_node,)), workload=replace(work, model="other"))
    found = {one["what"]: (one["a"], one["b"]) for one in differences(ONE, Measured.of(changed))}
    assert set(found) == {"workload.model", "node.gpus", "node.driver"}
    assert found["node.driver"] == ([node.driver], ["999.1"])


def test_unknown_is_not_equal_to_known() -> None:
    """A run without workload and price differs in each of their facts, with None beside the known value."""
    evidence = spoil.good("ES1")
    bare = Measured.of(
        replace(evidence, workload=None, price=Snapshot().lookup(provider="a", region="b", instance_type="c", valid_at_ns=0))
    )
    found = {one["what"]: one["b"] for one in differences(ONE, bare)}
    assert {"workload.model", "workload.dataset_sha256", "price.amount", "price.sha256", "price.status"} <= set(found)
    assert found["workload.model"] is None


def test_what_both_rest_on_is_named() -> None:
    """The same meter, alignment, price, tariff and source of tokens are told; sensors that are not the headline's are not."""
    found = {one["what"]: one["which"] for one in shared(ONE, ONE)}
    assert set(found) == {"meter", "alignment", "price", "tariff", "token_source"}
    assert found["meter"] == ["redfish:node-1:CN0123456789:power"]
    elsewhere = Measured.of(Lab.of("ES2", seed=3).evidence())
    assert {one["what"] for one in shared(ONE, elsewhere)} == {"price", "tariff", "token_source"}
