"""E4: bytes that a value takes on the disk: four quantities at 10 Hz, exact nanoseconds; and recorded analysers beside Gorilla's codec."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC
from itertools import pairwise
from json import loads
from pathlib import Path

import numpy as np

from joulemark.collector.store.codec import packed, unpacked
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.energy.series import Series
from joulemark.traces import spl
from joulemark.traces.recording import Recording
from tests.bench.engine import gorilla
from tests.bench.engine.goal import Goal
from tests.bench.engine.trace import BOOT_NS, KINDS, T0_NS, Node

MLPERF = (
    "traces/mlperf_inference_v1.0_power_localtime/closed/NVIDIA/results/A100-PCIex8_TRT_MaxQ/bert-99/Offline/performance/run_1/spl.txt",
    "traces/mlperf_inference_v2.0_power/closed/Dell/results/XR12_A2x1_TRT_MaxQ/bert-99/Offline/performance/run_1/spl.txt",
    "traces/mlperf_inference_v2.0_power/closed/NVIDIA/results/DGX-A100_A100-SXM-80GBx8_TRT_MaxQ/bert-99/Server/performance/run_1/spl.txt",
    "mlperf_power/inference_v4.1_nvidia_h200x8_llama2-70b-99/llama2-70b-99__Offline__spl.txt.gz",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A node in a sealed store: its bytes on the disk, of which columns they are by row, and whether everything came back as it was."""

    values: int
    disk_bytes: int
    column_bytes: dict[str, int]
    lossless: bool


def stored(node: Node, *, rows_each: int) -> Stored:
    """`node` appended in batches, sealed and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.db"
        store = SqliteStore(path)
        empty = used_bytes(path)
        for done in [store.append(one) for one in node.received(rows_each)]:
            done.result()
        store.seal(2**62, everything=True)
        lossless = all(same(store, node, place) for place in range(len(node.gpus)))
        found = Counter[str]()
        with closing(sqlite3.connect(path)) as db:
            for (layout,) in db.execute("SELECT layout FROM chunk"):
                found.update(loads(layout)["columns"])
        store.close()
        return Stored(node.values, used_bytes(path) - empty, dict(found), lossless)


def used_bytes(path: Path) -> int:
    """Pages of a database that hold something."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return int((pages - free) * size)


def same(store: SqliteStore, node: Node, place: int) -> bool:
    """Whether the store gives back the values of a GPU, and its times to the nanosecond."""
    rows, known = node.gpus[place], node.devices[place]
    found = store.series([meter.meter_id for meter in known.meters], 0, 2**62)
    if [len(one) for one in found] != [len(rows.mono_ns)] * len(KINDS):
        return False
    widths = found[0].t_read1_ns
    assert widths is not None
    assert found[0].t_read0_ns is not None
    return (
        int(np.abs(found[0].t_ns - node.axis_ns(place)).max()) <= 2
        and all(np.array_equal(one.value, values) for one, values in zip(found, rows.values, strict=True))
        and np.array_equal(widths - found[0].t_read0_ns, rows.bracket_ns)
    )


def mlperf(corpus: Path) -> list[Series]:
    """The totals of recorded analysers."""
    return [spl.read(Recording.load(corpus / name, tz=UTC, accuracy=None, boundary=None))[0] for name in MLPERF]


def packed_bytes(series: Series) -> int:
    """Times and values as a chunk holds them; asserts that they come back."""
    parts = [packed(series.t_ns), packed(series.value)]
    assert np.array_equal(unpacked(parts[0], len(series)), series.t_ns)
    assert np.array_equal(unpacked(parts[1], len(series)), series.value)
    return sum(map(len, parts))


def gorilla_bytes(series: Series) -> int:
    """The same by the rival, without the gaps that it cannot hold."""
    t_ms, values = (series.t_ns // 1_000_000).tolist(), series.si().tolist()
    cuts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(t_ms)) if not 0 <= b - a < 1 << 14), len(t_ms)]
    return sum(len(gorilla.encoded(t_ms[a:b], values[a:b])) for a, b in pairwise(cuts))


def bare(node: Node) -> Node:
    """The same without what the prototype did not hold: every bracket is as wide, and the clocks' relation never moves."""
    return replace(
        node,
        gpus=tuple(
            replace(one, bracket_ns=np.full_like(one.bracket_ns, 34_000), relation_ns=np.full_like(one.relation_ns, T0_NS - BOOT_NS))
            for one in node.gpus
        ),
    )


def goals(scale: str) -> list[Goal]:
    """All that is stored; what the prototype stored of it; recorded analysers."""
    node = Node.of(600 if scale == "smoke" else 108_000, gpus=1 if scale == "smoke" else 8)
    whole, part = stored(node, rows_each=50), stored(bare(node), rows_each=50)
    assert whole.lossless, "what was sealed does not come back as it was"
    assert part.lossless, "what was sealed does not come back as it was"
    rows = whole.values / len(KINDS)
    columns = ", ".join(f"{name} {size / rows:.2f}" for name, size in sorted(whole.column_bytes.items(), key=lambda one: -one[1]))
    told = f"columns a read: {columns}; pages, rows and indexes {(whole.disk_bytes - sum(whole.column_bytes.values())) / rows:.2f}"
    each, prototype = whole.disk_bytes / whole.values, "1.63-1.72"
    out = [
        Goal("E4a", "bytes per value on disk, 4 quantities at 10 Hz, exact ns, with read brackets", 1.75, each, "B", False, "-", told),
        Goal("E4c", "the same without brackets, as the prototype", 1.75, part.disk_bytes / part.values, "B", False, prototype),
    ]
    corpus = os.environ.get("JOULEMARK_CORPUS")
    if corpus:
        series = mlperf(Path(corpus))
        ours, theirs = sum(map(packed_bytes, series)), sum(map(gorilla_bytes, series))
        count = sum(map(len, series))
        said = f"ours {ours / count:.2f} B, Gorilla {theirs / count:.2f} B a sample"
        out.append(Goal("E4b", "recorded MLPerf analysers, to Gorilla", 0.25, ours / theirs, "x", False, "0.17", said, ours / theirs))
    return out
