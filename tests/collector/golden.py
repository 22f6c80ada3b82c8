"""Writes the golden files of this version, and says what a store and a catalogue answer: `python -m tests.collector.golden`.

The files of an older version are never written again: they are what its users have on their disks.
"""

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from joulemark.collector.catalog import Catalog
from joulemark.collector.measure import energy_json, gather
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.collector.store import schema
from joulemark.collector.store.base import Received
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Loss, MeterCost, Overhead
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.runs import PhaseKind, Run, Tokens, ToolReported

S = 1_000_000_000
T0 = 1_790_000_000 * S
FOLDER = Path(__file__).parent.parent / "data" / "golden"
BOOT = "00000000-0000-0000-0000-00000000c011"
UTC_MINUS_MONO = T0 - 1000 * S
AHEAD = ClockState(-37_500_000_000, 400_000, 1_200, offset_known=True, probe_count=24, kernel_synchronized=True, discipline="chrony")


def device(agent_id: str) -> DeviceInfo:
    """A GPU whose driver dates its power, with a counter that does not."""
    name = f"fake:{agent_id}:0"
    return DeviceInfo(
        name,
        (
            MeterInfo(f"{name}:power", "fake", Quantity.POWER, -3, Boundary.GPU, timestamp_source=TimestampSource.DRIVER),
            MeterInfo(f"{name}:energy", "fake", Quantity.ENERGY_COUNTER, -6, Boundary.GPU, update_period_s=0.5),
        ),
    )


def sample(agent_id: str, seq: int, shift_ns: int) -> Sample:
    """One read, `seq` half seconds after T0; every 17th is a gap, every fifth has no stamp of the driver."""
    mono_ns = 1000 * S + seq * S // 2 + seq * 7919 % 1000 * 1000
    gap = seq % 17 == 16
    return Sample(
        f"fake:{agent_id}:0",
        mono_ns,
        mono_ns + 40_000,
        UTC_MINUS_MONO + shift_ns + seq % 3,
        (None if gap else 300_000 + seq * 4409 % 90_000, 10**9 + seq * 150_000_000),
        (None if seq % 5 == 4 else mono_ns + UTC_MINUS_MONO + shift_ns - 9_000_000, None),
        (Quality.GAP if gap else Quality.OK, Quality.OK),
        ("driver did not answer" if gap else "", ""),
        seq,
        seq % 20 == 0,
    )


def batches(agent_id: str, shift_ns: int, clocks: list[ClockState], *, same_clock: bool = False) -> Iterator[Received]:
    """Batches of 20 reads, one for each state of the clock; the third reports a loss."""
    for number, clock in enumerate(clocks):
        mono_ns = (1000 + (number + 1) * 10) * S
        frozen = convert.freeze(
            Batch(
                T0 + shift_ns,
                number,
                BOOT if same_clock else f"boot of {agent_id}",
                T0 + shift_ns + (number + 1) * 10 * S,
                replace(clock, at_mono_ns=mono_ns, utc_minus_mono_ns=UTC_MINUS_MONO + shift_ns),
                {f"fake:{agent_id}:0": tuple(sample(agent_id, number * 20 + i, shift_ns) for i in range(20))},
                devices=(device(agent_id),) if number == 0 else (),
                losses=(Loss(f"fake:{agent_id}:0", 3, T0 + shift_ns, T0 + shift_ns + S, "spool full"),) if number == 2 else (),
                overhead=Overhead(number * S // 100, 30_000_000, number, (MeterCost("fake", number * 20, 0, number * 1000),)),
            )
        )
        yield Received(agent_id, convert.decode(frozen.body), frozen.body, T0 + (number + 1) * 10 * S, same_clock, UTC_MINUS_MONO)


def write_readings(path: Path) -> None:
    """A host 37.5 s ahead that is compared from its third batch on, a host under the collector's kernel, one nobody compared."""
    store = SqliteStore(path, seal_after_ns=25 * S)
    store.anchored(BOOT, mono_ns=1000 * S, utc_minus_mono_ns=UTC_MINUS_MONO, keep=False)
    store.stepped(mono_ns=1070 * S, utc_minus_mono_ns=UTC_MINUS_MONO + 2 * S).result()
    for received in batches("ahead", 37_500_000_000, [ClockState()] * 2 + [AHEAD] * 8):
        store.append(received).result()
        if received.view.batch_seq in (0, 7):
            store.seal(T0, everything=received.view.batch_seq == 0)
    for received in batches("local", 0, [ClockState()] * 8, same_clock=True):
        store.append(received).result()
    for received in batches("alone", -2 * S, [ClockState()] * 4):
        store.append(received).result()
    store.append(received).result()
    store.opened("ahead").result()
    store.close()


def write_catalog(path: Path) -> None:
    """A run of two phases, one window from files, and a run that nobody stopped."""
    catalog = Catalog(path)
    start = Mark(Edge.START, "", PhaseKind.OTHER, T0 + 3 * S, 1003 * S, BOOT, T0 + 3 * S)
    catalog.start(Recorded("run-1", "golden", {"model": "m"}, ("ahead", "local"), (start,)), T0 + 3 * S)
    for edge, name, at_s, more in (
        (Edge.BEGIN, "prefill", 5, {}),
        (Edge.END, "prefill", 15, {"tokens": Tokens(input=1000)}),
        (Edge.BEGIN, "decode", 15, {}),
        (Edge.END, "decode", 60, {"tokens": Tokens(output=5000), "requests": 10, "requests_failed": 1}),
        (Edge.STOP, "", 65, {}),
    ):
        catalog.mark("run-1", Mark(edge, name, PhaseKind.MEASURED, T0 + at_s * S, (1000 + at_s) * S, BOOT, T0 + at_s * S, **more))
    window = Mark(Edge.WINDOW, "load", PhaseKind.WARMUP, T0 + 4 * S, 0, BOOT, T0 + 66 * S, T0 + 9 * S, 1_000_000, source="a.jsonl")
    catalog.mark("run-1", window)
    catalog.tell("run-1", Run((), tool_reported=(ToolReported("gpu_energy", 12.5, "J"),), findings=("One finding.",)))
    catalog.start(Recorded("run-2", marks=(start,)), T0 + 70 * S)
    catalog.close()


def answers(readings: Path, catalog: Path) -> dict[str, Any]:
    """What the two files answer; not how uncertain it is, which a later version may know better."""
    store, runs = SqliteReadings(readings), Catalog(catalog)
    meter_ids = [meter.meter_id for described in store.devices() for meter in described.device.meters]
    recorded = runs.run("run-1")
    assert recorded is not None
    found = {
        "series": [
            {
                "meter": one.meter.to_json(),
                "clock_bound_ns": one.clock_bound_ns,
                "reasons": {str(row): text for row, text in one.reasons.items()},
                **{name: getattr(one, name).tolist() for name in ("t_ns", "value", "quality")},
            }
            for one in store.series(meter_ids, T0 - 100 * S, T0 + 200 * S)
        ],
        "losses": [[agent_id, asdict(loss)] for agent_id, loss in store.losses(T0 - 100 * S, T0 + 200 * S)],
        "streams": [asdict(stream) for stream in store.streams()],
        "opened": store.streams_opened(),
        "steps": [asdict(step) for step in store.clock_steps(T0 - 100 * S, T0 + 200 * S)],
        "clocks": sorted([s.agent_id, s.offset_ns, s.bound_ns, s.overhead.cpu_ns] for s in store.states(T0 - 100 * S, T0 + 200 * S)),
        "energy": [{key: phase[key] for key in FIGURES} for phase in energy_json(gather(recorded, store, BOOT))["phases"]],
        "runs": runs.runs(),
    }
    runs.close()
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def main() -> None:
    """Write readings, catalogue and their answers, named by the version of readings.db. Raises FileExistsError rather than replace one."""
    readings, catalog, said = (FOLDER / f"{name}-v{schema.VERSION}.{ending}" for name, ending in KINDS)
    if readings.exists():
        raise FileExistsError(
            f"{readings} is the golden file of this version: raise schema.VERSION first, or delete it if it was never released"
        )
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_readings(readings)
    write_catalog(catalog)
    said.write_text(json.dumps(answers(readings, catalog), indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    gc.collect()
    for path in (readings, catalog):
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
        print(path.name, path.stat().st_size, "bytes")


FIGURES = (
    *("name", "kind", "boundary", "begin_ns", "end_ns", "sample_count", "tokens", "requests"),
    *("energy_j", "energy_method", "energy_counter_j", "energy_trapezoid_j"),
)
KINDS = (("readings", "db"), ("catalog", "db"), ("answers", "json"))

if __name__ == "__main__":
    main()
