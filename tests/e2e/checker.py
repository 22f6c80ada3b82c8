"""The separate checker of the end-to-end run: `python -m tests.e2e.checker WORKDIR` prints one JSON line and exits 1 when red.

It shares no arithmetic with the product. It knows the wave's parameters (`wave.json`), reads the collector's log and the agent's
spools as SQLite files, decodes the columns itself, reads the benchmark's own files, and compares what the collector
reported (`energy.json`, `card.json`) with the closed integral of the wave.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulemark.proto.v1 import telemetry_pb2 as pb

MEDIAN_LIMIT = 5e-4
INSIDE_LIMIT = 0.95
COUNTER_TOLERANCE_J = 0.004


@dataclass(frozen=True)
class Wave:
    """A square wave per GPU: low for one half-period, high for the next; `phase_ns[g]` shifts GPU g."""

    low_w: float
    high_w: float
    half_period_ns: int
    energy_step_ns: int
    phase_ns: tuple[int, ...]

    def high_ns(self, t_ns: int) -> int:
        """Time spent high in [0, t]."""
        whole, rest = divmod(t_ns, 2 * self.half_period_ns)
        return whole * self.half_period_ns + max(0, rest - self.half_period_ns)

    def energy_j(self, gpu: int, begin_ns: int, end_ns: int) -> float:
        """Exact energy of one GPU in [begin, end]: integers until the last division."""
        a, b = begin_ns + self.phase_ns[gpu], end_ns + self.phase_ns[gpu]
        return (self.low_w * (b - a) + (self.high_w - self.low_w) * (self.high_ns(b) - self.high_ns(a))) / 1e9

    def total_j(self, begin_ns: int, end_ns: int) -> float:
        return sum(self.energy_j(gpu, begin_ns, end_ns) for gpu in range(len(self.phase_ns)))

    @property
    def step_of_swing_j(self) -> float:
        """One counter step of the power swing, all GPUs together: the largest error allowed."""
        return len(self.phase_ns) * (self.high_w - self.low_w) * self.energy_step_ns / 1e9


@dataclass
class Ledger:
    """Every sample found in a set of batches: (epoch, device, number) -> times seen; values of the counters by device."""

    seen: Counter[tuple[int, str, int]] = field(default_factory=Counter)
    width: dict[str, int] = field(default_factory=dict)
    counters: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    moments: dict[str, list[int]] = field(default_factory=dict)
    losses: int = 0

    def add(self, body: bytes) -> None:
        batch = pb.Batch.FromString(body)
        self.losses += sum(loss.sample_count for loss in batch.losses)
        for device in batch.devices:
            self.width[device.device_id] = len(device.meter_json)
        for block in batch.blocks:
            self.add_block(batch.epoch_ns, block)

    def add_block(self, epoch_ns: int, block: pb.Block) -> None:
        mono, offsets, numbers = (integers(c) for c in (block.mono_delta_ns, block.utc_minus_mono_ns, block.seq))
        n = len(mono)
        numbers = numbers if len(numbers) == n else [numbers[0] + i for i in range(n)]
        offsets = offsets if len(offsets) == n else offsets * n
        for number in numbers:
            self.seen[epoch_ns, block.device_id, number] += 1
        utc = [block.base_mono_ns + d + o for d, o in zip(mono, offsets, strict=True)]
        self.moments.setdefault(block.device_id, []).extend(utc)
        if block.device_id.startswith("nvml:"):
            energy = block.columns[-1]
            values, deltas = integers(energy.values), integers(energy.device_delta_ns)
            quality = energy.quality or bytes([1]) * n
            points = [(utc[i] + deltas[i], values[i]) for i in range(n) if quality[i] == 1]
            self.counters.setdefault(block.device_id, []).extend(points)

    def expected(self) -> set[tuple[int, str, int]]:
        """Every number up to the highest seen, for each device and start of the agent."""
        top: dict[tuple[int, str], int] = {}
        for epoch_ns, device_id, number in self.seen:
            top[epoch_ns, device_id] = max(top.get((epoch_ns, device_id), -1), number)
        return {(e, d, number) for (e, d), highest in top.items() for number in range(highest + 1)}


def integers(column: bytes) -> list[int]:
    """Little-endian int64 values."""
    return [value for (value,) in struct.iter_unpack("<q", column)]


def bodies(path: Path, table: str) -> list[bytes]:
    """The batches in a SQLite file, opened read-only."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return [row[0] for row in connection.execute(f"SELECT body FROM {table}")]  # table name from this file


def suppressed(path: Path) -> int:
    """Batches that arrived again and were kept once, as the store counted them."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT sum(duplicate_count) FROM stream").fetchone()[0])


def accuracy(wave: Wave, phases: list[dict[str, Any]], lengths_s: list[float]) -> tuple[list[float], float, float]:
    """Median relative error by length, share inside own U95, and the largest error in joules."""
    by_length: dict[float, list[float]] = {length: [] for length in lengths_s}
    inside, worst_j = 0, 0.0
    for phase in phases:
        truth_j = wave.total_j(phase["begin_ns"], phase["end_ns"])
        error_j = abs(phase["energy_j"] - truth_j)
        length = min(lengths_s, key=lambda x: abs(x - phase["duration_s"]))
        by_length[length].append(error_j / truth_j)
        inside += error_j <= phase["u95_j"]
        worst_j = max(worst_j, error_j)
    return [statistics.median(errors) for errors in by_length.values()], inside / len(phases), worst_j


def counters_follow(wave: Wave, ledger: Ledger) -> float:
    """Largest departure of stored counter values from the wave, joules, each GPU against its own first reading."""
    worst = 0.0
    for device_id, points in ledger.counters.items():
        gpu = int(device_id.rsplit("-", 1)[1])
        points.sort()
        (t0, v0), *rest = points
        worst = max([worst, *(abs((v - v0) / 1000 - wave.energy_j(gpu, t0, t)) for t, v in rest)])
    return worst


def check(work: Path) -> dict[str, Any]:
    """Compare everything; `red` lists what failed, in words."""
    plan = json.loads((work / "plan.json").read_text())
    reported = json.loads((work / "energy.json").read_text())
    wave = Wave(**{**plan["wave"], "phase_ns": tuple(plan["wave"]["phase_ns"])})
    stored, spooled = Ledger(), Ledger()
    for body in bodies(work / "collector" / "readings.db", "log"):
        stored.add(body)
    for snapshot in sorted(work.glob("spool-*/spool.db")):
        for body in bodies(snapshot, "batch"):
            spooled.add(body)
    everything = Ledger(seen=stored.seen + spooled.seen)
    width = {**spooled.width, **stored.width}
    sent = sum(width[device] for _, device, _ in everything.expected())
    kept = sum(width[device] for _, device, _ in stored.seen)
    duplicates = sum(width[device] * (times - 1) for (_, device, _), times in stored.seen.items())
    missing = sum(width[device] for _, device, _ in everything.expected() - set(stored.seen))
    median, inside, worst_j = accuracy(wave, reported["accuracy"], plan["windows_s"])
    departure_j = counters_follow(wave, stored)
    red = []
    if any(m > MEDIAN_LIMIT for m in median):
        red.append(f"median error above {MEDIAN_LIMIT}")
    if worst_j > wave.step_of_swing_j:
        red.append(f"an error of {worst_j:.3f} J is above one counter step of the swing, {wave.step_of_swing_j:.3f} J")
    if inside < INSIDE_LIMIT:
        red.append(f"only {inside:.3f} inside U95")
    if len(reported["accuracy"]) < 40 * len(plan["windows_s"]):
        red.append("fewer than 40 windows of a length")
    if departure_j > COUNTER_TOLERANCE_J:
        red.append(f"stored counters depart {departure_j:.3f} J from the wave")
    if duplicates or missing:
        red.append(f"{duplicates} readings stored twice, {missing} missing")
    red += kills(wave, plan, reported["kills"], stored) + benchmark(wave, work)
    return {
        "seed": plan["seed"],
        "windows_s": plan["windows_s"],
        "median_error_rel": median,
        "inside_u95": inside,
        "worst_error_j": worst_j,
        "readings_sent": sent,
        "readings_stored": kept,
        "duplicates": duplicates,
        "missing": missing,
        "kills_agent": len(plan["kills_agent"]),
        "kills_collector": len(plan["kills_collector"]),
        "duplicates_suppressed": suppressed(work / "collector" / "readings.db"),
        "reconnects": (work / "agent.log").read_text().count(" is back after "),
        "counted_lost": stored.losses,
        "red": red,
    }


def kills(wave: Wave, plan: dict[str, Any], phases: list[dict[str, Any]], stored: Ledger) -> list[str]:
    """Phases that span the kills: counter energy inside U95; each time the agent was down is a hole in every stream."""
    red = []
    for phase in phases:
        truth_j = wave.total_j(phase["begin_ns"], phase["end_ns"])
        energy_j = phase["energy_j"]
        if energy_j is None or phase["u95_j"] is None or abs(energy_j - truth_j) > phase["u95_j"]:
            red.append(f"phase {phase['name']} across kills: {energy_j} J, true {truth_j:.3f} J, U95 {phase['u95_j']} J")
        if phase["energy_method"] != "counter":
            red.append(f"phase {phase['name']} across kills used {phase['energy_method']}")
    for down_ns, up_ns in plan["kills_agent"]:
        for device_id, moments in stored.moments.items():
            inside = [t for t in moments if down_ns < t < up_ns]
            if inside:
                red.append(f"{device_id} has {len(inside)} readings while the agent was dead")
    if not phases or not plan["kills_agent"] or not plan["kills_collector"]:
        red.append("nothing was killed")
    return red


def benchmark_files(directory: Path) -> dict[str, int]:
    """Window and output tokens as the benchmark's own files tell, AIPerf's or the small client's."""
    if (directory / "requests.jsonl").exists():
        records = [json.loads(line) for line in (directory / "requests.jsonl").read_text().splitlines()]
        mine = [r for r in records if r["phase"] == "measured"]
        begin_ns, end_ns = min(r["begin_ns"] for r in mine), max(r["end_ns"] for r in mine)
        return {"begin_ns": begin_ns, "end_ns": end_ns, "output_tokens": sum(r["output_tokens"] for r in mine)}
    manifest = json.loads((directory / "phase_manifest.json").read_text())
    (phase,) = [p for p in manifest["phases"] if p["phase_kind"] == "profiling"]
    records = [json.loads(line) for line in (directory / "profile_export.jsonl").read_text().splitlines()]
    tokens = [r["metrics"]["usage_completion_tokens"]["value"] for r in records if r["metadata"]["phase_kind"] == "profiling"]
    return {"begin_ns": phase["start_ns"], "end_ns": phase["end_ns"], "output_tokens": sum(tokens)}


def benchmark(wave: Wave, work: Path) -> list[str]:
    """The card of the benchmark: its tokens are the tool's own, its joules per 1k follow from them and from the wave."""
    card = json.loads((work / "card.json").read_text())
    truth = benchmark_files(work / "benchmark")
    (phase,) = [p for p in card["phases"] if p["kind"] == "measured"]
    (gpu,) = [p for p in [phase, *phase["other_boundaries"]] if p["boundary"] == "gpu"]
    true_j = wave.total_j(truth["begin_ns"], truth["end_ns"])
    red = []
    if phase["tokens"]["output"] != truth["output_tokens"]:
        red.append(f"card counts {phase['tokens']['output']} output tokens, the benchmark wrote {truth['output_tokens']}")
    if (phase["begin_ns"], phase["end_ns"]) != (truth["begin_ns"], truth["end_ns"]):
        red.append("the card's window is not the benchmark's")
    joules_per_1k = gpu["joules_per_1k_output_tokens"]
    true_per_1k, u95_per_1k = (1000 * joules / truth["output_tokens"] for joules in (true_j, gpu["u95_j"]))
    if joules_per_1k is None or abs(joules_per_1k - true_per_1k) > u95_per_1k:
        red.append(f"card says {joules_per_1k} J per 1k output tokens, true {true_per_1k:.6f}, U95 {u95_per_1k:.6f}")
    return red


def main() -> None:
    """Print the verdict; exit 1 when red."""
    result = check(Path(sys.argv[1]))
    print(json.dumps(result))
    raise SystemExit(1 if result["red"] else 0)


if __name__ == "__main__":
    main()
