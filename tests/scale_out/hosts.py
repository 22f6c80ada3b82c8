"""What the hosts of a run send: the golden ones, whose clocks are unknown, ahead and local, and seeded nodes of four GPUs at 10 Hz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np

from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.collector.store.base import ChunkStore, Received
from joulemark.proto.messages import ClockState
from joulemark.runs import PhaseKind, Tokens
from tests.bench.engine.trace import BOOT_NS, T0_NS, Node
from tests.collector import golden

S = golden.S
ROWS_EACH = 50
"""Reads of a GPU in a batch: five seconds."""
SPAN_NS = 60 * S
"""So much is sealed at once: a minute, that a run has many spans."""
RATED = "rate"
"""Hosts whose sealing is timed, which the checker leaves out."""


def batches(seed: int, *, nodes: int, reads: int) -> list[Received]:
    """Every batch of every host, hosts interleaved as they would arrive."""
    known = [ClockState()] * 2 + [golden.AHEAD] * 8
    hosts = [
        list(golden.batches("ahead", 37_500_000_000, known)),
        list(golden.batches("local", 0, [ClockState()] * 8, same_clock=True)),
        list(golden.batches("alone", -2 * S, [ClockState()] * 4)),
        *(node.received(ROWS_EACH) for node in seeded(seed, nodes=nodes, reads=reads)),
    ]
    longest = max(len(host) for host in hosts)
    return list(chain.from_iterable([host[n] for host in hosts if n < len(host)] for n in range(longest)))


def seeded(seed: int, *, nodes: int, reads: int, gpus: int = 4, name: str = "node") -> list[Node]:
    """The nodes with GPUs. Their clocks scatter by the seed, not as this machine's do: a process started again sends the same."""
    found = []
    for number in range(nodes):
        node = Node.of(reads, gpus=gpus, seed=seed + 100 * number, agent_id=f"{name}-{number}")
        rng = np.random.default_rng(seed + number)
        noise = [T0_NS - BOOT_NS + rng.integers(-400, 400, reads) for _ in node.gpus]
        rows = tuple(replace(one, relation_ns=relation_ns) for one, relation_ns in zip(node.gpus, noise, strict=True))
        found.append(replace(node, gpus=rows))
    return found


def anchored(store: ChunkStore) -> None:
    """The collector's axis as the golden files have it."""
    store.anchored(golden.BOOT, mono_ns=1000 * S, utc_minus_mono_ns=golden.UTC_MINUS_MONO, keep=False)


def runs(*, nodes: int, reads: int) -> Iterator[Recorded]:
    """The golden run over its hosts, and one for each node over the middle of its readings."""
    yield run("golden", ("ahead", "local"), golden.T0 + 15 * S, golden.T0 + 30 * S)
    for number in range(nodes):
        yield run(f"run-{number}", (f"node-{number}",), T0_NS + 10 * S, T0_NS + (reads // 10 - 10) * S)


def run(run_id: str, hosts: tuple[str, ...], begin_ns: int, end_ns: int) -> Recorded:
    """A run of one phase."""

    def mark(edge: Edge, t_ns: int, **more: object) -> Mark:
        return Mark(edge, "decode", PhaseKind.MEASURED, t_ns, t_ns - golden.UTC_MINUS_MONO, golden.BOOT, t_ns, **more)  # type: ignore[arg-type]  # named

    tokens = Tokens(input=1000, output=5000)
    marks = (
        mark(Edge.START, begin_ns - S),
        mark(Edge.BEGIN, begin_ns),
        mark(Edge.END, end_ns, tokens=tokens, requests=10),
        mark(Edge.STOP, end_ns + S),
    )
    return Recorded(run_id, "golden", {"model": "m"}, hosts, marks)
