"""What may be wrong by the rules SCO."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.node import Component, Gpu, Node
from joulemark.readings import Boundary, Current
from joulemark.standard.verdict import Verdict
from tests.kit.change import chained, is_headline, meters, node, of_node, of_nodes, psu, without
from tests.kit.sensors import CORDS, GPUS
from tests.kit.spoil import Spoil

ES1, ES2 = ("ES1",), ("ES2",)


def one_more_gpu(one: Node) -> Node:
    return replace(one, gpus=(*(one.gpus or ()), Gpu("GPU-3f0c6b1e-0003")))


def two_of_one(one: Node) -> Node:
    gpus = one.gpus or ()
    return replace(one, gpus=(*gpus, gpus[0]))


def one_cord_alone(one: Series) -> bool:
    return CORDS[0] not in one.meter.covers


def on_dc_side(evidence: Evidence) -> Evidence:
    """The BMC behind the power supplies, without an alignment to what stands before them."""
    return replace(meters(current=Current.DC)(evidence), alignments=())


def sum_of_the_bmc(evidence: Evidence) -> Evidence:
    """The analyser's channels, called what the BMC sums up."""
    return meters(boundary=Boundary.SERVER_INPUT)(evidence)


def idle_subtracted(folder: Path) -> None:
    """The card claims what is above 250 W as its headline."""
    path = folder / "card.json" if (folder / "card.json").exists() else next(folder.rglob("card.json"))
    card = json.loads(path.read_text(encoding="utf-8"))
    seconds = sum(phase["duration_s"] for phase in card["phases"] if phase["kind"] == "measured")
    card["headline"]["energy_j"] -= 250.0 * seconds
    path.write_text(json.dumps(card), encoding="utf-8")


LOSSES: Final = tuple(psu(n, loss_model="manufacturer_curve") for n in range(2))

SPOILS: Final[Sequence[Spoil]] = (
    Spoil("SCO-1", "accelerators alone", without(lambda one: one.meter.boundary is not Boundary.GPU)),
    Spoil("SCO-1", "behind the supplies", on_dc_side, grades=ES1, verdict=Verdict.PASS),
    Spoil(
        "SCO-1",
        "one cord left out",
        without(lambda one: CORDS[1] in one.meter.covers and is_headline(one)),
        grades=ES2,
    ),
    Spoil("SCO-1", "one cord left out and nothing else read", without(one_cord_alone), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-2", "one of two nodes", of_nodes(participating=2)),
    Spoil("SCO-2", "a small node for ten", of_nodes(participating=10, extrapolated=True, chosen_at_random=True)),
    Spoil("SCO-2", "nobody said how many", of_nodes(participating=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-3", "one GPU not read", node(one_more_gpu)),
    Spoil("SCO-3", "one GPU twice", node(two_of_one)),
    Spoil("SCO-3", "one GPU hidden from the list", node(lambda one: replace(one, gpus=(one.gpus or ())[:1]))),
    Spoil("SCO-3", "no inventory", of_node(gpus=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-3", "no GPU read", without(lambda one: bool(set(GPUS) & set(one.meter.covers))), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-4", "one inlet without a meter", psu(1, inlet="node-1/C")),
    Spoil("SCO-4", "the sum of the BMC", sum_of_the_bmc, grades=ES2),
    Spoil("SCO-4", "a dead supply on a measured cord", psu(1, live=False), grades=ES2),
    Spoil("SCO-4", "supplies unknown", of_node(psus=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-4", "liveness unknown", psu(0, live=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-5", "a switch estimated", of_nodes(components=(Component("switch", "estimated", max_spec_w=100.0),))),
    Spoil("SCO-5", "a switch with its bound", of_nodes(components=(Component("switch", "upper_bound", max_spec_w=400.0),)), grades=ES2),
    Spoil(
        "SCO-5",
        "a switch with its bound, aligned",
        of_nodes(components=(Component("switch", "upper_bound", max_spec_w=400.0),)),
        grades=ES1,
        verdict=Verdict.PASS,
    ),
    Spoil("SCO-5", "measured by a meter that is none", of_nodes(components=(Component("switch", "measured", ("snmp:x:y:1",)),))),
    Spoil("SCO-5", "a method of one's own", of_nodes(components=(Component("switch", "guessed"),))),
    Spoil("SCO-5", "not recorded", of_nodes(components=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-6", "idle subtracted", files=idle_subtracted),
    Spoil("SCO-7", "a battery in the rack", psu(0, storage_between=True)),
    Spoil("SCO-7", "storage not declared", psu(1, storage_between=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SCO-8", "a loss by feel", chained(on_dc_side, *(psu(n, loss_model="about 4 %") for n in range(2)))),
    Spoil("SCO-8", "the maker's curve", chained(on_dc_side, *LOSSES), grades=ES1, verdict=Verdict.PASS),
    Spoil("SCO-8", "the maker's curve, metered", chained(on_dc_side, *LOSSES), grades=ES2),
    Spoil("SCO-8", "no model", on_dc_side, grades=ES1, verdict=Verdict.CANNOT_TELL),
)
