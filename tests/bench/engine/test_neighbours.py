"""A smoke of the comparison with other stores: our side as it is, what is sent to the others, and the judgement without them."""

from __future__ import annotations

import struct
from dataclasses import replace

from tests.bench.engine import neighbours
from tests.bench.engine.neighbours import Held
from tests.bench.engine.trace import KINDS, Node

OURS = Held(2e6, 2.5, (0.0, 1e-12), 0, "2 batches known and acknowledged again")


def test_ours_holds_each_reading_once() -> None:
    """Sent twice, stored once; the energy of a window is that of whole numbers; neighbours that are not there are not run."""
    goals = neighbours.goals("smoke")
    assert [goal.id for goal in goals if goal.not_run] == ["E13a", "E13b", "E13c", "E13d"]
    assert [goal.id for goal in goals if goal.met] == ["E13e", "E13f"]
    assert "20 batches known" in goals[-1].beside


def test_every_reading_is_sent_to_the_others() -> None:
    """Batch by batch, each quantity of each GPU under its own labels, in whole milliseconds."""
    node = Node.of(120, gpus=2)
    sent = list(neighbours.batches(node))
    assert len(sent) == 3
    assert sum(len(values) for batch in sent for _, _, values in batch) == node.values == 120 * 2 * len(KINDS)
    labels, times, values = sent[0][0]
    assert labels == {"__name__": "power", "gpu": "0"}
    assert (times[0], values[0]) == (int(node.axis_ns(0)[0]) // 1_000_000, int(node.gpus[0].values[0][0]))


def test_a_request_is_literal_snappy() -> None:
    """The length, then literals of at most 64 KiB; a time series is labels in order and samples."""
    packed = neighbours.literal(bytes(70_000))
    assert packed[:3] == neighbours.varint(70_000) == b"\xf0\xa2\x04"
    assert packed[3:6] == b"\xf4\xff\xff"
    assert packed[6 + 65536 :][:3] == b"\xf4" + struct.pack("<H", 70_000 - 65536 - 1)
    request = neighbours.write_request([({"gpu": "0", "__name__": "power"}, [300], [7])])
    label = b"\x0a\x11\x0a\x08__name__\x12\x05power" + b"\x0a\x08\x0a\x03gpu\x12\x010"
    sample = b"\x12\x0c\x09" + struct.pack("<d", 7.0) + b"\x10\xac\x02"
    assert request == b"\x0a" + bytes([len(label + sample)]) + label + sample


def test_a_store_is_judged_beside_its_neighbours() -> None:
    """More taken in and fewer bytes are better; a reading that is there twice is not met."""
    other = Held(1e6, 5.0, (1e-4,), 8, "8 values twice")
    goals = neighbours.judged(OURS, {"VictoriaMetrics": other, "Prometheus": "not there"})
    assert [(goal.id, goal.met) for goal in goals if not goal.not_run] == [("E13a", True), ("E13c", True), ("E13e", True), ("E13f", True)]
    assert [goal.figure for goal in goals[:3]] == [2.0, 0.0, 0.5]
    worse = neighbours.judged(replace(OURS, twice=4, errors=(1e-3,)), {"VictoriaMetrics": other, "Prometheus": other})
    assert [goal.id for goal in worse if not goal.met] == ["E13e", "E13f"]
