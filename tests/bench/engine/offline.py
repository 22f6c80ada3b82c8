"""E11: a day without a collector, played through the real batcher and spool in minutes: what the spool holds stays within its bound, what
it gives up is counted to the sample, and all of it is delivered to a real collector afterwards.

Eight GPUs of four quantities at 10 Hz, a batch each second, a phase mark every five minutes. The balance is closed from the collector's
files alone: read = stored + told as lost, every stored value what was read, every phase mark there, and of every batch the last reading
of a counter. `python -m tests.bench.engine.offline` runs it alone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from joulemark.agent.batcher import Batcher
from joulemark.agent.clock import ClockTracker
from joulemark.agent.spool import Spool
from joulemark.agent.thinning import REASONS, Level
from joulemark.agent.uplink import Uplink
from joulemark.config import AgentConfig, Config, SpoolConfig
from joulemark.energy.series import Int64
from joulemark.proto.messages import ClockState, Hello, Overhead
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Quality, Sample
from joulemark.timebase import SystemClock
from tests.bench.engine import server
from tests.bench.engine.goal import Goal
from tests.bench.engine.trace import BOOT_NS, KINDS, T0_NS, Node, Rows, S

DAY_S = 86_400
HOUR_S = 3_600
HZ = 10
MARK_S = 300
AGENT = "bench"
BOOT = "00000000-0000-0000-0000-0000000000be"
MB = 2**20
COUNTER = 1
"""Place of the energy counter among the quantities."""
OK = (Quality.OK,) * len(KINDS)
SILENT = ("",) * len(KINDS)
UNDATED = (None,) * len(KINDS)


@dataclass
class Turned:
    """A clock that stands where the replay is."""

    since_ns: int = 0

    def utc_ns(self) -> int:
        """UTC."""
        return T0_NS + self.since_ns

    def mono_ns(self) -> int:
        """Monotonic."""
        return BOOT_NS + self.since_ns


@dataclass(frozen=True, slots=True)
class Day:
    """What was read, hour by hour and thus in little memory: `seconds` of it, by so many GPUs."""

    seconds: int
    gpus: int

    def hours(self) -> Iterator[tuple[int, list[Rows]]]:
        """(first second, rows of each GPU) of each hour; counters go on from hour to hour."""
        counted = [0] * self.gpus
        for begin_s in range(0, self.seconds, HOUR_S):
            parts = Node.of(min(HOUR_S, self.seconds - begin_s) * HZ, gpus=self.gpus, seed=1 + begin_s).gpus
            rows = []
            for place, one in enumerate(parts):
                values = list(one.values)
                values[COUNTER] = values[COUNTER] + counted[place]
                counted[place] = int(values[COUNTER][-1])
                rows.append(Rows(one.mono_ns + begin_s * S, one.bracket_ns, one.relation_ns, tuple(values)))
            yield begin_s, rows


def is_marked(second: int) -> bool:
    """Whether a phase mark was set in it: its first read is pinned."""
    return second % MARK_S == MARK_S // 2


def samples(rows: Rows, device_id: str, first: int, begin_s: int) -> Iterator[Sample]:
    """The reads of one GPU in the second that begins at row `first` of the hour from `begin_s` on."""
    part = slice(first, first + HZ)
    columns = zip(*(column[part].tolist() for column in rows.values), strict=True)
    for i, (mono_ns, bracket_ns, relation_ns, values) in enumerate(
        zip(rows.mono_ns[part].tolist(), rows.bracket_ns[part].tolist(), rows.relation_ns[part].tolist(), columns, strict=True)
    ):
        read0_ns, seq = mono_ns - bracket_ns // 2, begin_s * HZ + first + i
        pinned = i == 0 and is_marked(seq // HZ)
        yield Sample(device_id, read0_ns, read0_ns + bracket_ns, relation_ns, values, UNDATED, OK, SILENT, seq, pinned)


@dataclass
class Spooled:
    """What the outage came to. `most_bytes`: the most that the spool's files ever were together; `written_bytes`: of a batch a minute."""

    epoch_ns: int
    most_bytes: int = 0
    written_bytes: int = 0
    batches: int = 0


def on_disk(folder: Path) -> int:
    """Bytes of every file of the spool: database, log, reserve, tally, and what is set aside."""
    return sum(entry.stat().st_size for entry in os.scandir(folder))


def outage(folder: Path, day: Day, *, max_bytes: int) -> Spooled:
    """Play `day` into a spool in `folder` while nobody takes anything; leaves the spool closed."""
    clock = Turned()
    spool = Spool(SpoolConfig(folder / "spool.db", max_bytes), clock)
    spool.open()
    with closing(spool):
        found = Spooled(spool.new_epoch())
        batcher = batcher_of(spool, clock, found.epoch_ns)
        devices = Node(AGENT, (Rows(*[np.empty(0, np.int64)] * 3, ()),) * day.gpus).devices
        for device in devices:
            batcher.describe(device, "fake")
        for begin_s, rows in day.hours():
            for first in range(0, len(rows[0].mono_ns), HZ):
                for one, device in zip(rows, devices, strict=True):
                    batcher.add(samples(one, device.device_id, first, begin_s))
                clock.since_ns = (begin_s + first // HZ + 1) * S
                found.batches += batcher.close()
                found.most_bytes = max(found.most_bytes, on_disk(folder))
                found.written_bytes += size_of_last(folder / "spool.db") if first % (60 * HZ) == 0 else 0
        assert found.batches == day.seconds, "a batch was not taken by the spool"
    return found


def size_of_last(path: Path) -> int:
    """Bytes of the newest batch; asked once a minute."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT length(body) FROM batch ORDER BY id DESC LIMIT 1").fetchone()[0])


def batcher_of(spool: Spool, clock: Turned, epoch_ns: int) -> Batcher:
    """A batcher of the outage, or of what comes after it."""
    return Batcher(spool, clock, epoch_ns=epoch_ns, boot_id=BOOT, clock_state=lambda _: ClockState(), overhead=Overhead)


def deliver(folder: Path, port: int, day: Day, *, max_bytes: int, patience_s: float) -> int:
    """Bring the spool to the collector, and after it batches of the next start until no loss is left to carry; how many batches waited."""
    clock, system = Turned((day.seconds + 10) * S), SystemClock()
    spool = Spool(SpoolConfig(folder / "spool.db", max_bytes), clock)
    spool.open()
    with closing(spool):
        epoch_ns, waited = spool.new_epoch(), spool.batch_count()
        uplink = Uplink(
            Config(agent=AgentConfig(agent_id=AGENT, collector=f"127.0.0.1:{port}")),
            Hello(AGENT, epoch_ns, BOOT, "bench", instance_id=spool.instance_id),
            spool=spool,
            tracker=ClockTracker(system, boot_id=BOOT),
            clock=system,
            on_directive=lambda _: None,
        )
        batcher = batcher_of(spool, clock, epoch_ns)
        device = Node(AGENT, (Rows(*[np.empty(0, np.int64)] * 3, ()),)).devices[0]
        batcher.describe(device, "fake")
        times = clock.mono_ns(), clock.mono_ns(), T0_NS - BOOT_NS
        uplink.start()
        try:
            give_up_s, seq = time.monotonic() + patience_s, 0
            while (left := spool.batch_count()) or spool.losses():
                assert time.monotonic() < give_up_s, f"{left} batches were not taken in {patience_s:.0f} s"
                if not left:
                    batcher.add([Sample(device.device_id, *times, (1, 1, 1, 1), UNDATED, OK, SILENT, seq)])
                    batcher.close()
                    uplink.appended()
                    seq += 1
                time.sleep(0.05)
        finally:
            uplink.stop()
    return waited


@dataclass
class Stored:
    """What lies at the collector, by device: sequence numbers and values as they came; samples told as lost, by reason."""

    seqs: defaultdict[str, list[Int64]] = field(default_factory=lambda: defaultdict(list))
    values: defaultdict[str, list[Int64]] = field(default_factory=lambda: defaultdict(list))
    lost: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @classmethod
    def of(cls, path: Path, epoch_ns: int) -> Stored:
        """The start `epoch_ns` in the collector's log, and the losses of all starts."""
        found = cls()
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            for (body,) in db.execute("SELECT body FROM log WHERE epoch_ns = ? ORDER BY batch_seq", (epoch_ns,)):
                for block in pb.Batch.FromString(body).blocks:
                    numbers, n = np.frombuffer(block.seq, "<i8"), len(block.mono_delta_ns) // 8
                    found.seqs[block.device_id].append(numbers if len(numbers) == n else numbers[0] + np.arange(n))
                    found.values[block.device_id].append(np.array([np.frombuffer(column.values, "<i8") for column in block.columns]))
            for device_id, reason, count in db.execute("SELECT device_id, reason, sample_count FROM loss"):
                found.lost[device_id][reason] += count
        return found


def balanced(stored: Stored, day: Day) -> dict[str, int]:
    """Samples read, stored and told as lost. Raises AssertionError for a sample that is none of both, or both, or another than was read."""
    sums: Counter[str] = Counter()
    tables = {}
    for place in range(day.gpus):
        name = f"fake:{AGENT}:{place}"
        seqs, values = np.concatenate(stored.seqs[name]), np.concatenate(stored.values[name], axis=1)
        read, kept, lost = day.seconds * HZ, len(seqs), stored.lost[name].total()
        assert len(np.unique(seqs)) == kept, f"{name}: a sample is stored twice"
        assert kept + lost == read, f"{name}: {read} samples were read, {kept} are stored and {lost} told as lost"
        marks = [second * HZ for second in range(day.seconds) if is_marked(second)]
        assert np.isin(marks, seqs).all(), f"{name}: a reading at a phase mark is gone"
        if set(stored.lost[name]) <= {REASONS[Level.COUNTERS_THINNED]}:
            assert np.isin(np.arange(HZ - 1, read, HZ), seqs).all(), f"{name}: the last reading of a batch is gone"
        order = np.argsort(seqs)
        tables[place] = seqs[order], values[:, order]
        sums.update(read=read, stored=kept, lost=lost, pinned=len(marks))
    for begin_s, rows in day.hours():
        for place, one in enumerate(rows):
            seqs, values = tables[place]
            here = slice(*np.searchsorted(seqs, [begin_s * HZ, begin_s * HZ + len(one.mono_ns)]))
            right = np.array(one.values)[:, seqs[here] - begin_s * HZ]
            assert np.array_equal(values[:, here], right), f"GPU {place}: a stored value is not what was read"
    return dict(sums)


def run(work: Path, day: Day, *, max_bytes: int, patience_s: float) -> dict[str, Any]:
    """The outage, the delivery and the balance."""
    (work / "spool").mkdir()
    (work / "collector").mkdir()
    begun_s = time.monotonic()
    spooled = outage(work / "spool", day, max_bytes=max_bytes)
    played_s = time.monotonic() - begun_s
    with server.running("unsealed", work / "collector") as collector:
        waited = deliver(work / "spool", collector.port, day, max_bytes=max_bytes, patience_s=patience_s)
    stored = Stored.of(work / "collector" / "readings.db", spooled.epoch_ns)
    sampled = len(range(0, day.seconds, 60))
    return {
        **balanced(stored, day),
        "reasons": sorted({reason for counts in stored.lost.values() for reason in counts}),
        "most_bytes": spooled.most_bytes,
        "bytes_a_day": spooled.written_bytes // sampled * DAY_S,
        "batches": waited,
        "played_s": round(played_s, 1),
        "took_s": round(time.monotonic() - begun_s, 1),
    }


def goals(scale: str) -> list[Goal]:
    """A day within the bound of the default configuration, and four hours in a spool that holds a tenth of them; at a smaller scale minutes
    in the smallest spool.
    """
    days = [(Day(DAY_S, 8), SpoolConfig().max_bytes), (Day(4 * HOUR_S, 8), 8 * MB)] if scale != "smoke" else [(Day(240, 4), MB)]
    out = []
    for (day, max_bytes), names in zip(days, (("E11b", "E11c"), ("E11d", "E11e")), strict=False):
        with tempfile.TemporaryDirectory(prefix="joulemark-offline-") as work:
            found = run(Path(work), day, max_bytes=max_bytes, patience_s=1800.0)
        print(json.dumps(found), file=sys.stderr)
        said = f"{found['read']} samples read, {found['stored']} stored afterwards, {found['lost']} told as lost, {found['pinned']} marks"
        size = f"{found['most_bytes'] / 1e6:.0f} MB; raw {found['bytes_a_day'] / 1e6:.0f} MB a day, the prototype's estimate was 200"
        what = f"disk of {day.gpus} GPUs alone for {day.seconds / HOUR_S:.3g} h, to its bound of {max_bytes // MB} MiB"
        unknown = float(abs(found["read"] - found["stored"] - found["lost"]))
        out += [
            Goal(names[0], what, 1.0, found["most_bytes"] / max_bytes, "x", beside=size),
            Goal(names[1], "its samples that are neither stored nor counted as lost", 0.0, unknown, "samples", beside=said),
        ]
    return out


if __name__ == "__main__":
    for goal in goals(os.environ.get("SCALE") or "full"):
        print(json.dumps(goal.to_json()))
