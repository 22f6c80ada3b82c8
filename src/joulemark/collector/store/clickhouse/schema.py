"""Tables of a shard: sealed chunks, the exact sums of every meter over each, and prices to join them with.

`STEPS` is the whole history, as that of readings.db is. A step that was released is never changed, and every statement of one may be run
again: ClickHouse has no transaction around them, so one that was interrupted is begun anew. Rows of one key replace each other, the
highest `revision` stays, and a part is on the disk before its insert is answered: the log lets go of what was answered.
"""

from __future__ import annotations

from typing import Final

from clickhouse_connect.driver.client import Client

from joulemark.errors import EnvironmentFailed

DURABLE: Final = """SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
  index_granularity = 256"""
ONCE: Final = f"{DURABLE}, non_replicated_deduplication_window = 10000"

KEY: Final = """agent_id LowCardinality(String), epoch_ns Int64 CODEC(ZSTD(1)), last_seq Int64 CODEC(ZSTD(1)),
  begin_ns Int64 CODEC(ZSTD(1)), description Int64 CODEC(ZSTD(1)), revision UInt32 CODEC(ZSTD(1))"""

FIRST_TABLES: Final = (
    f"""CREATE TABLE IF NOT EXISTS chunk (device_id String, {KEY}, t0_ns Int64 CODEC(ZSTD(1)), t1_ns Int64 CODEC(ZSTD(1)),
  meters String CODEC(ZSTD(3)), layout String CODEC(ZSTD(1)), body String CODEC(NONE))
ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(begin_ns, 'UTC'))
ORDER BY (device_id, begin_ns, agent_id, epoch_ns, last_seq, description) {ONCE}""",
    f"""CREATE TABLE IF NOT EXISTS chunk_sum (meter_id String, {KEY}, quantity LowCardinality(String), boundary LowCardinality(String),
  exponent Int16, t0_ns Int64 CODEC(ZSTD(1)), t1_ns Int64 CODEC(ZSTD(1)), n Int64 CODEC(ZSTD(1)), first Int64 CODEC(ZSTD(1)),
  last Int64 CODEC(ZSTD(1)), double_integral Nullable(Int128) CODEC(ZSTD(1)), longest_ns Nullable(Int64) CODEC(ZSTD(1)),
  first_stamp_ns Nullable(Int64) CODEC(ZSTD(1)), last_stamp_ns Nullable(Int64) CODEC(ZSTD(1)))
ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(fromUnixTimestamp64Nano(begin_ns, 'UTC'))
ORDER BY (meter_id, begin_ns, agent_id, epoch_ns, last_seq, description) {ONCE}""",
    f"""CREATE TABLE IF NOT EXISTS price (tariff String, valid_from_ns Int64, per_kwh Decimal(38, 12), currency LowCardinality(String))
ENGINE = ReplacingMergeTree ORDER BY (tariff, valid_from_ns) {ONCE}""",
)

STEPS: Final = (FIRST_TABLES,)
VERSION: Final = len(STEPS)
VERSIONS: Final = f"CREATE TABLE IF NOT EXISTS joulemark_schema (version UInt32) ENGINE = ReplacingMergeTree ORDER BY version {DURABLE}"

CHUNK: Final = {
    "device_id": "String",
    "agent_id": "LowCardinality(String)",
    "epoch_ns": "Int64",
    "last_seq": "Int64",
    "begin_ns": "Int64",
    "description": "Int64",
    "revision": "UInt32",
    "t0_ns": "Int64",
    "t1_ns": "Int64",
    "meters": "String",
    "layout": "String",
    "body": "String",
}
CHUNK_SUM: Final = {
    "meter_id": "String",
    "agent_id": "LowCardinality(String)",
    "epoch_ns": "Int64",
    "last_seq": "Int64",
    "begin_ns": "Int64",
    "description": "Int64",
    "revision": "UInt32",
    "quantity": "LowCardinality(String)",
    "boundary": "LowCardinality(String)",
    "exponent": "Int16",
    "t0_ns": "Int64",
    "t1_ns": "Int64",
    "n": "Int64",
    "first": "Int64",
    "last": "Int64",
    "double_integral": "Nullable(Int128)",
    "longest_ns": "Nullable(Int64)",
    "first_stamp_ns": "Nullable(Int64)",
    "last_stamp_ns": "Nullable(Int64)",
}
PRICE: Final = {"tariff": "String", "valid_from_ns": "Int64", "per_kwh": "Decimal(38, 12)", "currency": "LowCardinality(String)"}
TABLES: Final = {"chunk": CHUNK, "chunk_sum": CHUNK_SUM, "price": PRICE}
"""Columns of what is inserted, with the types of the newest step."""


def prepare(client: Client, name: str) -> None:
    """Bring the database of the shard `name` to this version. Raises EnvironmentFailed for a newer one, to which nothing is done."""
    client.command(VERSIONS)
    version = int(client.query("SELECT max(version) FROM joulemark_schema").result_rows[0][0])
    if version > VERSION:
        raise EnvironmentFailed(
            f"the ClickHouse shard {name} has schema version {version}, this collector knows up to version {VERSION}: "
            "a newer joulemark wrote it",
            "install that version again, or name another database in clickhouse.shards; nothing was changed there",
        )
    for number, step in enumerate(STEPS[version:], version + 1):
        for statement in step:
            client.command(statement)
        client.insert("joulemark_schema", [[number]], column_names=["version"], settings={"async_insert": 0})
