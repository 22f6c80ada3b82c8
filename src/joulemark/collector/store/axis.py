"""The collector's own clock in readings.db: where its axis was anchored, the steps of its UTC since, and what its host says of it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

from joulemark.collector.store.base import HostState
from joulemark.proto.messages import ClockState, Overhead
from joulemark.timebase import STEP_NS

COLLECTOR = ""
"""In place of an agent's id: the collector's own clock."""


def anchor(db: sqlite3.Connection, boot_id: str, *, mono_ns: int, utc_minus_mono_ns: int, keep: bool) -> int:
    """What to add to the collector's monotonic time for its axis.

    The axis of before goes on under the same boot where `keep` is asked for, since a run is open, or the clock was not stepped;
    a step in the meantime is kept as an event. Else the axis is anchored anew, to UTC as it is now.
    """
    last = db.execute("SELECT boot_id, minus_mono_ns FROM axis ORDER BY id DESC LIMIT 1").fetchone()
    if last is not None and boot_id and last[0] == boot_id and (keep or abs(last[1] - utc_minus_mono_ns) <= STEP_NS):
        heard = db.execute("SELECT MAX(last_rx_ns) FROM stream").fetchone()[0] or 0
        stepped(db, mono_ns=mono_ns, utc_minus_mono_ns=utc_minus_mono_ns, since_ns=heard)
        return int(last[1])
    db.execute(
        "INSERT INTO axis (boot_id, minus_mono_ns, utc_minus_mono_ns, since_ns) VALUES (?, ?, ?, ?)",
        (boot_id, utc_minus_mono_ns, utc_minus_mono_ns, mono_ns + utc_minus_mono_ns),
    )
    return utc_minus_mono_ns


def stepped(db: sqlite3.Connection, *, mono_ns: int, utc_minus_mono_ns: int, since_ns: int = 0) -> bool:
    """Keep a step of the collector's UTC as an event, if there was one: between `since_ns` (on the axis; 0: just now) and now."""
    row, minus_mono_ns, before_ns, anchored_ns = db.execute(
        "SELECT id, minus_mono_ns, utc_minus_mono_ns, since_ns FROM axis ORDER BY id DESC LIMIT 1"
    ).fetchone()
    step_ns, now_ns = utc_minus_mono_ns - before_ns, mono_ns + minus_mono_ns
    if abs(step_ns) <= STEP_NS:
        return False
    half_ns = (now_ns - max(since_ns, anchored_ns)) // 2 if since_ns else 0
    db.execute("UPDATE axis SET utc_minus_mono_ns = ? WHERE id = ?", (utc_minus_mono_ns, row))
    db.execute(
        "INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES (?, 0, ?, ?, ?)",
        (COLLECTOR, now_ns - half_ns, half_ns, step_ns),
    )
    return True


def tell(db: sqlite3.Connection, t_ns: int, clock: ClockState) -> None:
    """Keep a state of the collector's clock, beside those of the agents; it has no stream, so nobody takes it for one of theirs."""
    row = (COLLECTOR, t_ns, json.dumps(asdict(clock)))
    db.execute("INSERT INTO state (agent_id, epoch_ns, t_ns, clock, overhead) VALUES (?, 0, ?, ?, '{}')", row)


def own_states(db: sqlite3.Connection, t0_ns: int, t1_ns: int) -> list[HostState]:
    """Those within [t0_ns, t1_ns] and the last before it, oldest first."""
    query = """SELECT t_ns, clock FROM state WHERE agent_id = :own AND t_ns <= :t1
        AND t_ns >= COALESCE((SELECT MAX(t_ns) FROM state WHERE agent_id = :own AND t_ns <= :t0), :t0) ORDER BY t_ns"""
    rows = db.execute(query, {"own": COLLECTOR, "t0": t0_ns, "t1": t1_ns})
    return [HostState(COLLECTOR, 0, t_ns, True, ClockState(**json.loads(clock)), Overhead(0, 0, 0)) for t_ns, clock in rows]
