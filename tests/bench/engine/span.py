"""E5: energy of a day of eight GPUs at 10 Hz out of the store, beside rows in SQL, DuckDB on one thread, and whole numbers added up.

Each GPU is an agent of its own, so that one at a time is in memory. Every answer is held against the brute force, bit for bit.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.energy.series import Int64
from tests.bench.engine.goal import Goal, middle
from tests.bench.engine.trace import Node, S

DAY_ROWS: Final = 864_000
ROWS_EACH: Final = 600
PHASE_S: Final = 70
SHIFT_NS: Final = 1_370_000_001
"""By so much both edges of each question lie further inside than those of the one before."""


@dataclass(frozen=True, slots=True)
class Power:
    """What one GPU showed, as the store dates it: `t_ns`, `mw` int64[n]."""

    meter_id: str
    t_ns: Int64
    mw: Int64


def filled(path: Path, *, gpus: int, count: int) -> list[Power]:
    """A sealed store at `path`; what it holds of power."""
    store, shown = SqliteStore(path), []
    for place in range(gpus):
        node = Node.of(count, gpus=1, seed=place + 1, agent_id=f"gpu{place}")
        for done in [store.append(one) for one in node.received(ROWS_EACH)]:
            done.result()
        store.seal(2**62, everything=True)
        meter_id = node.devices[0].meters[0].meter_id
        (found,) = store.series([meter_id], 0, 2**62)
        shown.append(Power(meter_id, found.t_ns, node.gpus[0].values[0]))
        assert np.array_equal(found.value, shown[-1].mw)
    store.close()
    return shown


def brute(power: Power, begin_ns: int, end_ns: int) -> Fraction:
    """Twice the integral over a span that holds two readings or more, by whole numbers one after another."""
    first, last = int(np.searchsorted(power.t_ns, begin_ns, "right")) - 1, int(np.searchsorted(power.t_ns, end_ns, "left"))
    t_ns, mw = power.t_ns[first : last + 1].tolist(), power.mw[first : last + 1].tolist()

    def at(x_ns: int, row: int) -> Fraction:
        return mw[row] + Fraction((mw[row + 1] - mw[row]) * (x_ns - t_ns[row]), t_ns[row + 1] - t_ns[row])

    edges = (t_ns[1] - begin_ns) * (at(begin_ns, 0) + mw[1]) + (end_ns - t_ns[-2]) * (mw[-2] + at(end_ns, len(mw) - 2))
    whole = 0
    for row in range(2, len(mw) - 1):
        whole += (t_ns[row] - t_ns[row - 1]) * (mw[row] + mw[row - 1])
    return edges + whole


def ours(store: SqliteReadings, meters: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Fraction]]:
    """Twice the integral of each meter over each span, from the store."""
    found = store.integrals(meters, spans)
    return [[one.double for one in row if one is not None] for row in found]


def cpu_s(work: Callable[[], Any], turns: int) -> tuple[float, Any]:
    """(median processor time of `work`, what it gave last)."""
    taken: list[float] = []
    found: Any = None
    for _ in range(turns):
        begun = time.process_time()
        found = work()
        taken.append(time.process_time() - begun)
    return middle(taken), found


ROW_SQL: Final = """SELECT SUM((t_ns - before_ns) / 1000 * (mw + before_mw)) FROM (
  SELECT t_ns, mw, LAG(t_ns) OVER w AS before_ns, LAG(mw) OVER w AS before_mw FROM reading WHERE series = ? WINDOW w AS (ORDER BY t_ns))
  WHERE before_ns IS NOT NULL"""
"""In µs: whole numbers of SQLite have 64 bits, and a day in ns times mW has more."""


def row_sql_s(power: Power) -> tuple[float, float]:
    """(processor time, energy in J) of one row a reading in SQLite, over all there is."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE reading (series INTEGER, t_ns INTEGER, mw INTEGER, PRIMARY KEY (series, t_ns)) WITHOUT ROWID")
        db.executemany("INSERT INTO reading VALUES (0, ?, ?)", zip(power.t_ns.tolist(), power.mw.tolist(), strict=True))
        taken_s, row = cpu_s(lambda: db.execute(ROW_SQL, (0,)).fetchone(), 1)
        return taken_s, row[0] / 2e9


DUCK_SQL: Final = """SELECT series, SUM((t_ns - before_ns)::HUGEINT * (mw + before_mw)) FROM (
  SELECT series, t_ns, mw, LAG(t_ns) OVER w AS before_ns, LAG(mw) OVER w AS before_mw FROM reading
  WINDOW w AS (PARTITION BY series ORDER BY t_ns)) WHERE before_ns IS NOT NULL GROUP BY 1 ORDER BY 1"""


def duckdb_s(powers: Sequence[Power], turns: int) -> tuple[float, list[int]]:
    """(processor time, twice the integral of each) of DuckDB on one thread, over all there is."""
    import duckdb  # group `bench` of pyproject.toml: nothing else needs it

    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        db.execute("CREATE TABLE reading (series INTEGER, t_ns BIGINT, mw BIGINT)")
        for place, power in enumerate(powers):
            columns = {"series": np.full(len(power.t_ns), place, np.int32), "t_ns": power.t_ns, "mw": power.mw}
            db.register("shown", columns)
            db.execute("INSERT INTO reading SELECT series, t_ns, mw FROM shown")
            db.unregister("shown")
        taken_s, rows = cpu_s(lambda: db.execute(DUCK_SQL).fetchall(), turns)
        return taken_s, [int(value) for _, value in rows]


def phases(power: Power, count: int) -> list[tuple[int, int]]:
    """`count` phases of PHASE_S, one after another over all the time there is."""
    first, last = int(power.t_ns[0]) + S, int(power.t_ns[-1]) - (PHASE_S + 1) * S
    return [(begin, begin + PHASE_S * S) for begin in np.linspace(first, last, count).astype(np.int64).tolist()]


def goals(scale: str) -> list[Goal]:
    """A day of eight GPUs, from a second after its begin to a second before its end; and a thousand phases of one."""
    gpus, count, turns, asked, many = (2, 8_000, 1, 3, 20) if scale == "smoke" else (8, DAY_ROWS, 5, 101, 1000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.db"
        powers = filled(path, gpus=gpus, count=count)
        span = int(max(p.t_ns[0] for p in powers)) + S + 12_345, int(min(p.t_ns[-1] for p in powers)) - S - 54_321
        meters = [p.meter_id for p in powers]
        store = SqliteReadings(path)
        first_s, found = cpu_s(lambda: ours(SqliteReadings(path), meters, [span]), turns)
        assert found == [[brute(p, *span)] for p in powers], "the energy differs from the brute force"
        spans = [(span[0] + late * SHIFT_NS, span[1] - late * SHIFT_NS) for late in range(asked)]
        coming = iter(spans)
        ours_s, found = cpu_s(lambda: ours(store, meters, [next(coming)]), asked)
        assert found == [[brute(p, *spans[-1])] for p in powers], "the energy differs from the brute force"
        some = phases(powers[0], many)
        phase_s, each = cpu_s(lambda: ours(store, meters[:1], some), max(1, turns // 2))
        assert each == [[brute(powers[0], *one) for one in some]], "the energy of a phase differs from the brute force"
        whole_s, answer = duckdb_s(powers, min(2, turns))
        assert answer == [2 * int(np.dot(np.diff(p.t_ns).astype(object), p.mw[1:] + p.mw[:-1])) // 2 for p in powers]
        rows_s, rows_j = row_sql_s(powers[0])
        assert abs(rows_j / (answer[0] / 2e12) - 1) < 1e-4
    rows_s *= gpus
    return [
        Goal(
            "E5a",
            f"energy of {count / 36_000:.3g} h x {gpus} GPU x 10 Hz, edges inside chunks, bit-equal",
            5.0,
            ours_s * 1e3,
            "ms",
            False,
            "2.3-3.2",
            f"the median of {asked} questions, no two alike; {first_s * 1e3:.1f} ms for the first of a process, on a connection of its own",
        ),
        Goal(
            "E5b",
            "rows in SQLite with window SQL, to ours",
            1000.0,
            rows_s / ours_s,
            "x",
            True,
            "7600",
            f"{rows_s * 1e3:.0f} ms (one GPU times {gpus})",
            ours_s / rows_s,
        ),
        Goal(
            "E5c", "DuckDB on one thread, to ours", 100.0, whole_s / ours_s, "x", True, "480", f"{whole_s * 1e3:.0f} ms", ours_s / whole_s
        ),
        Goal("E5d", f"each of {many} phases of {PHASE_S} s in one question, bit-equal", 0.15, phase_s / many * 1e3, "ms", False, "0.10"),
    ]
