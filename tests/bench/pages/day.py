"""A day of eight GPUs in a collector's store: 6.9 million readings, written as the chunks that sealing makes of them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.client import Client
from joulemark.collector.store.base import Received
from joulemark.collector.store.codec import Orders
from joulemark.collector.store.columns import SHARED, Columns
from joulemark.collector.store.pieces import Piece, first_clocks
from joulemark.collector.store.sealing import Sealed, Span, chunk_of
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.units import NS_PER_S

AGENT: Final = "node-of-a-day"
BOOT_ID: Final = "11111111-2222-3333-4444-555555555555"
GPUS: Final = 8
HZ: Final = 10
CHUNK_S: Final = 600
BOUND_NS: Final = 40_000
BOOTED_S: Final = 3600
"""How long before the first reading the host was started."""


def written(path: Path, *, hours: float, end_ns: int) -> int:
    """Fill the new readings.db at `path` with `hours` until `end_ns`; how many readings."""
    begin_ns = end_ns - round(hours * 3600) * NS_PER_S
    shift_ns = begin_ns - BOOTED_S * NS_PER_S
    store = SqliteStore(path)
    try:
        store.append(described(begin_ns, end_ns, shift_ns=shift_ns)).result()
        devices = store.devices()
    finally:
        store.close()
    rng, span = np.random.default_rng(1), Span(AGENT, begin_ns, 0)
    orders: Orders = {}
    rows = 0
    with closing(sqlite3.connect(path)) as db, db:
        clock = first_clocks(db).get((AGENT, begin_ns))
        for first_s in range(0, round(hours * 3600), CHUNK_S):
            mono_ns = (BOOTED_S + first_s) * NS_PER_S + np.arange(CHUNK_S * HZ, dtype=np.int64) * (NS_PER_S // HZ)
            for one in devices:
                columns = Columns(shared(mono_ns, shift_ns), (power(mono_ns, rng),), (None,), (None,), ({},))
                chunk = chunk_of(span, Piece(one, columns, None), orders)
                Sealed(span, (chunk,), clock=clock).store(db)
                rows += len(columns)
    return rows


def described(begin_ns: int, end_ns: int, *, shift_ns: int) -> Received:
    """The batch that tells of the devices; it brings their reading at the end of the day."""
    meters = {
        f"fake:{AGENT}:{number}": MeterInfo(
            f"fake:{AGENT}:{number}:power", "fake", Quantity.POWER, -3, Boundary.GPU, update_period_s=1 / HZ, simulated=True
        )
        for number in range(GPUS)
    }
    mono_ns = end_ns - shift_ns
    samples = {
        name: (Sample(name, mono_ns - 10_000, mono_ns + 10_000, shift_ns, (300_000,), (None,), (Quality.OK,), ("",), seq=10**7),)
        for name in meters
    }
    batch = Batch(
        epoch_ns=begin_ns,
        batch_seq=1,
        boot_id=BOOT_ID,
        closed_ns=end_ns,
        clock=ClockState(offset_known=True, bound_ns=BOUND_NS, probe_count=8),
        samples=samples,
        devices=tuple(DeviceInfo(name, (meter,)) for name, meter in meters.items()),
    )
    frozen = convert.freeze(batch)
    return Received(AGENT, convert.decode(frozen.body), frozen.body, end_ns)


def shared(mono_ns: Any, shift_ns: int) -> dict[str, Any]:
    """What all columns of a chunk have in common, see `Columns`."""
    n = len(mono_ns)
    told = {"utc_minus_mono_ns": shift_ns, "bracket_ns": 20_000, "bound_ns": BOUND_NS}
    known = {"mono_ns": mono_ns, "seq": np.arange(n), **{name: np.full(n, value) for name, value in told.items()}}
    return {name: known.get(name, np.zeros(n)).astype(np.int64) for name in SHARED}


def power(mono_ns: Any, rng: np.random.Generator) -> Any:
    """mW: a load that breathes, noise, and now and then a spike that no bucket may lose."""
    seconds = mono_ns / NS_PER_S
    watts = 420.0 + 160.0 * np.sin(seconds / 900.0) + 25.0 * np.sin(seconds / 7.0) + rng.normal(0.0, 6.0, len(seconds))
    watts[rng.integers(0, len(watts), 2)] += 250.0
    return np.round(watts * 1000).astype(np.int64)


def told(client: Client, *, hours: float, end_ns: int) -> str:
    """A run over nearly all of the day; its id."""
    begin_ns = end_ns - round(hours * 3600) * NS_PER_S
    minute_ns = 60 * NS_PER_S

    def moment(t_ns: int) -> dict[str, Any]:
        return {"utc_ns": t_ns, "boot_id": BOOT_ID}

    run_id: str = client.call("POST", "/v1/runs", {"benchmark": "a day", "moment": moment(begin_ns + minute_ns)})["run_id"]
    counts = {"tokens": {"output": 40_000_000, "input": 60_000_000, "source": "server_usage"}, "requests": 90_000}
    phases: tuple[tuple[str, str, int, int, dict[str, Any]], ...] = (
        ("idle", "idle_before", begin_ns + minute_ns, begin_ns + 10 * minute_ns, {}),
        ("measured", "measured", begin_ns + 12 * minute_ns, end_ns - 5 * minute_ns, counts),
    )
    for name, kind, first_ns, last_ns, produced in phases:
        window = {"name": name, "kind": kind, "edge": "window", "moment": moment(first_ns), "end_ns": last_ns, **produced}
        client.call("POST", f"/v1/runs/{run_id}/phases", window)
    client.call("POST", f"/v1/runs/{run_id}/stop", {"moment": moment(end_ns - minute_ns)})
    return run_id


def now_ns() -> int:
    """The end of the day: a minute ago, so that everything of it has arrived."""
    return time.time_ns() - 60 * NS_PER_S
