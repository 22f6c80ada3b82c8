"""Tables of readings.db: a log of batches as they came, sealed chunks, and exact sums. Rowid tables: blobs overflow badly without."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed

VERSION: Final = 1
TABLES: Final = """
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


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file. Raises EnvironmentFailed for a file of another version, which is left as it is."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        raise EnvironmentFailed(
            f"readings.db has schema version {version}, this collector writes version {VERSION}",
            "start the collector version that wrote it, or point collector.data_dir at an empty folder",
        )


def reader(path: Path) -> sqlite3.Connection:
    """A read-only connection inside one consistent view, which never checkpoints. Raises sqlite3.OperationalError when there is no file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("BEGIN")
    return connection
