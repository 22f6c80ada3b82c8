"""Tables of readings.db: a log of batches as they came, sealed chunks, and exact sums. Rowid tables: blobs overflow badly without.

`STEPS` is the whole history: step n makes version n out of version n - 1, and a new file goes through all of them. A step that was
released is never changed.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark.collector.unusable import unusable
from joulemark.errors import EnvironmentFailed

FIRST_TABLES: Final = """
CREATE TABLE log (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, batch_seq INTEGER NOT NULL, rx_ns INTEGER NOT NULL,
  t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX log_key ON log (agent_id, epoch_ns, batch_seq);
CREATE TABLE stream (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, boot_id TEXT NOT NULL, same_clock INTEGER NOT NULL,
  acked_seq INTEGER NOT NULL, sealed_seq INTEGER NOT NULL DEFAULT -1, batch_count INTEGER NOT NULL, sample_count INTEGER NOT NULL,
  duplicate_count INTEGER NOT NULL DEFAULT 0, first_rx_ns INTEGER NOT NULL, last_rx_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  known_offset_ns INTEGER, known_bound_ns INTEGER, known_at_ns INTEGER, state_ns INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX stream_key ON stream (agent_id, epoch_ns);
CREATE TABLE agent (id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL UNIQUE, streams_opened INTEGER NOT NULL);
CREATE TABLE device (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, device_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, batch_seq INTEGER NOT NULL,
  meters TEXT NOT NULL);
CREATE INDEX device_key ON device (agent_id, device_id, epoch_ns, batch_seq);
CREATE INDEX device_name ON device (device_id);
CREATE TABLE loss (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, device_id TEXT NOT NULL, sample_count INTEGER NOT NULL, first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE state (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, t_ns INTEGER NOT NULL, clock TEXT NOT NULL,
  overhead TEXT NOT NULL);
CREATE INDEX state_time ON state (agent_id, t_ns);
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, device INTEGER NOT NULL REFERENCES device (id),
  device_id TEXT NOT NULL, t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, layout TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX chunk_time ON chunk (device_id, t0_ns);
CREATE TABLE chunk_sum (
  id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL REFERENCES chunk (id), meter_id TEXT NOT NULL, t0_ns INTEGER NOT NULL,
  t1_ns INTEGER NOT NULL, n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, double_integral BLOB);
CREATE INDEX chunk_sum_time ON chunk_sum (meter_id, t0_ns);
"""

CLOCKS: Final = """
ALTER TABLE stream ADD COLUMN axis_ns INTEGER;
ALTER TABLE stream ADD COLUMN axis_bound_ns INTEGER;
ALTER TABLE stream ADD COLUMN axis_at_ns INTEGER;
ALTER TABLE stream ADD COLUMN probed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN last_axis_ns INTEGER;
ALTER TABLE stream ADD COLUMN last_bound_ns INTEGER;
ALTER TABLE stream ADD COLUMN last_mono_ns INTEGER;
ALTER TABLE stream ADD COLUMN last_utc_minus_mono_ns INTEGER;
CREATE INDEX stream_boot ON stream (agent_id, boot_id);
ALTER TABLE loss ADD COLUMN epoch_ns INTEGER;
CREATE TABLE clock_step (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, t_ns INTEGER NOT NULL, unc_ns INTEGER NOT NULL,
  step_ns INTEGER NOT NULL);
CREATE INDEX clock_step_time ON clock_step (t_ns);
CREATE TABLE axis (
  id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, minus_mono_ns INTEGER NOT NULL, utc_minus_mono_ns INTEGER NOT NULL,
  since_ns INTEGER NOT NULL);
UPDATE state SET t_ns = t_ns + CASE WHEN json_extract(clock, '$.offset_known') THEN json_extract(clock, '$.offset_ns')
  ELSE COALESCE((SELECT known_offset_ns FROM stream m WHERE m.agent_id = state.agent_id AND m.epoch_ns = state.epoch_ns), 0) END;
"""
"""Readings lie on the axis by monotonic time: `stream.axis_ns` is what is added where a batch does not know it, `axis_bound_ns` NULL
while nobody compared. Steps of clocks are kept, and the collector's own axis. `state.t_ns` moves to the axis. The `known_*` columns
date unknown rows of version 1, by UTC."""

SURVEYS: Final = """
CREATE TABLE survey (id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, t_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX survey_time ON survey (agent_id, t_ns);
"""
"""What agents saw of their hosts, dated on the axis."""

SUMMARIES: Final = """
ALTER TABLE chunk_sum ADD COLUMN longest_ns INTEGER;
ALTER TABLE chunk_sum ADD COLUMN first_stamp_ns INTEGER;
ALTER TABLE chunk_sum ADD COLUMN last_stamp_ns INTEGER;
CREATE INDEX chunk_sum_span ON chunk_sum (meter_id, t0_ns, t1_ns);
DROP INDEX chunk_sum_time;
"""
"""A sum tells enough of its chunk to stand for it (see `integral`). Those from before have no `longest_ns`, and their chunks are read."""

ARCHIVE: Final = """
CREATE TABLE begun (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, last_seq INTEGER NOT NULL, begin_ns INTEGER NOT NULL,
  shard TEXT NOT NULL, revision INTEGER NOT NULL, sha256 BLOB NOT NULL);
CREATE UNIQUE INDEX begun_key ON begun (agent_id, epoch_ns);
CREATE TABLE archived (
  id INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, epoch_ns INTEGER NOT NULL, last_seq INTEGER NOT NULL, begin_ns INTEGER NOT NULL,
  shard TEXT NOT NULL, revision INTEGER NOT NULL, t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, chunks TEXT NOT NULL,
  byte_count INTEGER NOT NULL, raw TEXT NOT NULL DEFAULT 'kept');
CREATE INDEX archived_time ON archived (agent_id, t0_ns, t1_ns);
CREATE TABLE shard (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, failing_since_ns INTEGER, error TEXT NOT NULL DEFAULT '');
"""
"""Where sealed spans went that lie in an archive, which spans are on their way there, and which of its shards failed last. `chunks`: for
each chunk of the span its description, and which meters of it have a sum, as the bits of a number. See `clickhouse.spans`."""

HOURS: Final = """
CREATE TABLE hour_sum (
  id INTEGER PRIMARY KEY, meter_id TEXT NOT NULL, hour INTEGER NOT NULL, t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, n INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, double_integral BLOB NOT NULL, longest_ns INTEGER NOT NULL, first_stamp_ns INTEGER,
  last_stamp_ns INTEGER);
CREATE UNIQUE INDEX hour_sum_key ON hour_sum (meter_id, hour);
"""
"""Rows of `chunk_sum` that begin in one hour, as one (see `sums`). Hours that were over before are not summed again."""

MOVES: Final = """
ALTER TABLE archived ADD COLUMN moved_ns INTEGER NOT NULL DEFAULT 0;
CREATE INDEX archived_epoch ON archived (agent_id, epoch_ns);
"""
"""By how much the times of an archived span moved since it was sealed, as those of `chunk` do in place (see `relation`)."""

DELETIONS: Final = """
CREATE INDEX chunk_raw ON chunk (t1_ns) WHERE layout != '';
CREATE TABLE deletion (id INTEGER PRIMARY KEY CHECK (id = 1), chunk_count INTEGER NOT NULL, byte_count INTEGER NOT NULL);
"""
"""Chunks may be emptied (see `retention`): `layout` and `body` are empty then. How many ever were, and what they took."""

STEPS: Final = (FIRST_TABLES, CLOCKS, SURVEYS, SUMMARIES, ARCHIVE, HOURS, MOVES, DELETIONS)
VERSION: Final = len(STEPS)


def check(path: Path) -> None:
    """Raises EnvironmentFailed for a file of a newer version, one that is no database, or a full disk; nothing is written to it."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        raise unusable(path, error, "restore it from a backup, or move it away") from error
    if version > VERSION:
        raise EnvironmentFailed(
            f"{path.name} has schema version {version}, this collector knows up to version {VERSION}: a newer joulemark wrote it",
            "install that version again, or point collector.data_dir at an empty folder; the file was not touched",
        )


def prepare(connection: sqlite3.Connection) -> None:
    """Bring the file to this version, in one transaction: whatever interrupts it, the file is of the old version or of the new one."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < VERSION:
        connection.executescript(f"BEGIN IMMEDIATE; {' '.join(STEPS[version:])} PRAGMA user_version = {VERSION}; COMMIT;")


def reader(path: Path) -> sqlite3.Connection:
    """A read-only connection inside one consistent view, which never checkpoints. Raises sqlite3.OperationalError when there is no file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("BEGIN")
    return connection
