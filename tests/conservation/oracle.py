"""The separate oracle: `python -m tests.conservation.oracle WORKDIR` prints one JSON line and exits 1 when red.

It shares no arithmetic and no reading path with the product. It opens the agents' spools (with the witness of every batch that was
written, sent and acknowledged) and the collector's log as SQLite files, decodes the columns itself, and knows the waves in integers.
"""

from __future__ import annotations

import itertools
import json
import math
import sqlite3
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulemark.proto.v1 import telemetry_pb2 as pb

LEAST_ACKS = 100
ENERGY_LIMIT_REL = 1e-9
NS_PER_S = 10**9

Key = tuple[str, int, int]
"""Agent, start of the agent, number of the batch."""

Sample = tuple[str, int, str, int]
"""Agent, start of the agent, device, number of the sample."""


@dataclass(frozen=True)
class Wave:
    """Low for half a period, then high, from `phase_ns` before 1970 on; all in whole watts and nanoseconds."""

    mean_w: int
    amplitude_w: int
    period_ns: int
    phase_ns: int
    step_ns: int

    @staticmethod
    def of(table: dict[str, Any]) -> Wave:
        period, phase, step = (round(table[key] * NS_PER_S) for key in ("period_s", "phase_s", "counter_step_s"))
        return Wave(table["mean_w"], table["amplitude_w"], period, phase, step)

    def power_mw(self, t_ns: int) -> int:
        high = 2 * ((t_ns + self.phase_ns) % self.period_ns) >= self.period_ns
        return 1000 * (self.mean_w + (self.amplitude_w if high else -self.amplitude_w))

    def _high_ns(self, t_ns: int) -> int:
        whole, rest = divmod(t_ns + self.phase_ns, self.period_ns)
        return whole * (self.period_ns // 2) + max(0, rest - self.period_ns // 2)

    def counter_mj(self, t_ns: int) -> int:
        """Energy since 1970; `t_ns` is a step of the counter, so that the division leaves nothing."""
        nanojoule = (self.mean_w - self.amplitude_w) * t_ns + 2 * self.amplitude_w * (self._high_ns(t_ns) - self._high_ns(0))
        millijoule, rest = divmod(nanojoule, 10**6)
        if rest:
            raise ValueError(f"{t_ns} is not a step of the counter")
        return millijoule


@dataclass(frozen=True)
class Row:
    """One sample of a device: both values with their own times."""

    power_ns: int
    power_mw: int
    counter_ns: int
    counter_mj: int


@dataclass
class Ledger:
    """Every sample in a set of batches, how often it was found, and the losses that the batches tell of."""

    rows: dict[Sample, Row] = field(default_factory=dict)
    seen: Counter[Sample] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    not_ok: int = 0

    def add(self, agent: str, body: bytes) -> int:
        """Take the samples of one batch; returns how many readings that were."""
        batch = pb.Batch.FromString(body)
        for loss in batch.losses:
            self.lost[loss.device_id] += loss.sample_count
        for block in batch.blocks:
            for number, row in self._rows(block):
                sample = agent, batch.epoch_ns, block.device_id, number
                self.seen[sample] += 1
                self.rows[sample] = row
        return sum(len(column.values) // 8 for block in batch.blocks for column in block.columns)

    def _rows(self, block: pb.Block) -> Iterator[tuple[int, Row]]:
        mono, offsets, numbers = (integers(c) for c in (block.mono_delta_ns, block.utc_minus_mono_ns, block.seq))
        n = len(mono)
        numbers = numbers if len(numbers) == n else [numbers[0] + i for i in range(n)]
        offsets = offsets if len(offsets) == n else offsets * n
        power, counter = ((integers(c.values), integers(c.device_delta_ns)) for c in block.columns)
        self.not_ok += sum(code != 1 for c in block.columns for code in c.quality)
        for i in range(n):
            utc_ns = block.base_mono_ns + mono[i] + offsets[i]
            yield numbers[i], Row(utc_ns + power[1][i], power[0][i], utc_ns + counter[1][i], counter[0][i])


def integers(column: bytes) -> list[int]:
    """Little-endian int64 values."""
    return [value for (value,) in struct.iter_unpack("<q", column)]


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    """The rows that a read-only look into a SQLite file answers."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(text).fetchall()


@dataclass
class Evidence:
    """What the databases in `work` hold: batches by what happened to them."""

    appended: dict[Key, bytes] = field(default_factory=dict)
    sent: set[Key] = field(default_factory=set)
    acked: set[Key] = field(default_factory=set)
    stored: list[tuple[Key, bytes]] = field(default_factory=list)
    waiting: int = 0
    twice_appended: int = 0
    duplicates: int = 0

    @staticmethod
    def found(work: Path, agents: list[str]) -> Evidence:
        evidence = Evidence()
        for agent in agents:
            path = work / f"{agent}.db"
            evidence.waiting += query(path, "SELECT count(*) FROM batch")[0][0]
            for what, epoch_ns, batch_seq, body in query(path, "SELECT what, epoch_ns, batch_seq, body FROM witness"):
                evidence.witness(what, (agent, epoch_ns, batch_seq), body)
        store = work / "collector" / "readings.db"
        rows = query(store, "SELECT agent_id, epoch_ns, batch_seq, body FROM log ORDER BY id")
        evidence.stored = [((agent, epoch_ns, batch_seq), body) for agent, epoch_ns, batch_seq, body in rows]
        evidence.duplicates = query(store, "SELECT sum(duplicate_count) FROM stream")[0][0]
        return evidence

    def witness(self, what: str, key: Key, body: bytes) -> None:
        if what == "appended":
            self.twice_appended += key in self.appended
            self.appended[key] = body
        else:
            (self.sent if what == "sent" else self.acked).add(key)


def batches(evidence: Evidence) -> list[str]:
    """Every batch once and with the bytes the spool had; none that no spool wrote."""
    stored = dict(evidence.stored)
    complaints = {
        "batches that no agent wrote": len(stored.keys() - evidence.appended.keys()),
        "batches with other bytes than the spool's": sum(evidence.appended.get(key, body) != body for key, body in stored.items()),
        "batches stored under one key twice": len(evidence.stored) - len(stored),
        "acknowledged batches missing in the store": len(evidence.acked - stored.keys()),
        "batches acknowledged that were never sent": len(evidence.acked - evidence.sent),
        "batches neither acknowledged nor waiting": len(evidence.appended.keys() - evidence.acked) - evidence.waiting,
        "batches left in a spool": evidence.waiting,
        "keys used twice by an agent": evidence.twice_appended,
    }
    return [f"{count} {what}" for what, count in complaints.items() if count]


def samples(stored: Ledger, written: Ledger) -> list[str]:
    """Every sample once; numbers of each device run from 0 without a hole but for the counted losses."""
    numbers: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for agent, epoch_ns, device, number in stored.seen:
        numbers[agent, epoch_ns, device].append(number)
    holes: Counter[str] = Counter()
    for (_, _, device), found in numbers.items():
        holes[device] += max(found) + 1 - len(found)
    complaints = {
        "samples stored twice": sum(times - 1 for times in stored.seen.values()),
        "samples written but not stored": len(written.seen.keys() - stored.seen.keys()),
        "samples stored but not written": len(stored.seen.keys() - written.seen.keys()),
        "holes in the numbers that no loss explains": sum(abs(holes[d] - stored.lost[d]) for d in holes.keys() | stored.lost.keys()),
        "readings not marked ok": stored.not_ok,
    }
    return [f"{count} {what}" for what, count in complaints.items() if count]


def values(waves: dict[str, Wave], stored: Ledger) -> list[str]:
    """Every stored value is what the wave has at the reading's own time."""
    wrong = 0
    for (agent, _, _, _), row in stored.rows.items():
        wave = waves[agent]
        right = row.counter_ns % wave.step_ns == 0 and row.counter_mj == wave.counter_mj(row.counter_ns)
        wrong += not right or row.power_mw != wave.power_mw(row.power_ns) or not 0 <= row.power_ns - row.counter_ns < wave.step_ns
    return [f"{wrong} samples differ from the wave"] if wrong else []


def streams(ledger: Ledger) -> dict[tuple[str, int, str], list[Row]]:
    """The rows of each start of each device, in the order of their numbers."""
    ordered: dict[tuple[str, int, str], list[Row]] = defaultdict(list)
    for sample in sorted(ledger.rows):
        ordered[sample[:3]].append(ledger.rows[sample])
    return ordered


def energy_error_rel(waves: dict[str, Wave], stored: Ledger, written: Ledger) -> float:
    """Larger error of the two sums of joules over all devices: counter differences, and trapezoids under the power readings.

    Found: from the stored values. True: from the wave alone, at the times that the spools witnessed.
    """
    found: dict[str, list[float]] = {"counter": [], "power": []}
    true: dict[str, list[float]] = {"counter": [], "power": []}
    for rows in streams(stored).values():
        found["counter"].append((rows[-1].counter_mj - rows[0].counter_mj) / 1e3)
        found["power"] += [(b.power_ns - a.power_ns) * (a.power_mw + b.power_mw) / 2e12 for a, b in itertools.pairwise(rows)]
    for (agent, _, _), rows in streams(written).items():
        wave = waves[agent]
        true["counter"].append((wave.counter_mj(rows[-1].counter_ns) - wave.counter_mj(rows[0].counter_ns)) / 1e3)
        powers = [(row.power_ns, wave.power_mw(row.power_ns)) for row in rows]
        true["power"] += [(t1 - t0) * (p0 + p1) / 2e12 for (t0, p0), (t1, p1) in itertools.pairwise(powers)]
    return max(abs(math.fsum(found[name]) - math.fsum(true[name])) / math.fsum(true[name]) for name in found)


def sometimes(plan: dict[str, Any], evidence: Evidence) -> list[str]:
    """The run was worth something: what the promise is for did happen."""
    red = []
    if evidence.duplicates < 1:
        red.append("no duplicate was suppressed")
    if plan["torn_and_back"] < 1:
        red.append("no agent came back after a cut in the middle of a batch")
    if len(evidence.acked) < LEAST_ACKS:
        red.append(f"only {len(evidence.acked)} batches were acknowledged")
    return red


def check(work: Path) -> tuple[dict[str, Any], list[str]]:
    """The line to print, counts in readings (values) where they are of readings; and what failed, in words."""
    plan = json.loads((work / "plan.json").read_text())
    waves = {agent: Wave.of(table) for agent, table in plan["agents"].items()}
    evidence = Evidence.found(work, list(waves))
    written, stored = Ledger(), Ledger()
    reading_count = {key: written.add(key[0], body) for key, body in evidence.appended.items()}
    stored_count = sum(stored.add(key[0], body) for key, body in evidence.stored)
    error = energy_error_rel(waves, stored, written)
    red = batches(evidence) + samples(stored, written) + values(waves, stored) + sometimes(plan, evidence)
    if not error <= ENERGY_LIMIT_REL:
        red.append(f"energy is off by {error:.3g}")
    line = {
        "seed": plan["seed"],
        "faults": sum(plan["faults"].values()),
        "sent": sum(reading_count[key] for key in evidence.sent),
        "acked": sum(reading_count[key] for key in evidence.acked),
        "stored": stored_count,
        "duplicates_suppressed": evidence.duplicates,
        "lost": 2 * len(written.seen.keys() - stored.seen.keys()),
        "counted_lost": 2 * sum(stored.lost.values()),
        "energy_error_rel": error,
    }
    print(f"faults: {plan['faults']}, late releases: {plan['late_released']}, back after a tear: {plan['torn_and_back']}", file=sys.stderr)
    return line, red


def main() -> None:
    """Print the verdict; exit 1 when red, with the reasons on stderr."""
    line, red = check(Path(sys.argv[1]))
    for complaint in red:
        print(f"red: {complaint}", file=sys.stderr)
    print(json.dumps(line))
    raise SystemExit(1 if red else 0)


if __name__ == "__main__":
    main()
