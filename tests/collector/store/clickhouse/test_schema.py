"""Tables of a shard: made once, by any number of collectors, and never touched when a newer joulemark made them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from joulemark.collector.store.clickhouse import schema
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.errors import EnvironmentFailed


def test_the_tables_have_the_columns_that_are_inserted(new_shard: Callable[[], Shard]) -> None:
    """Names and types of every column are those of the newest step, in the order in which rows bring them or named."""
    shard = new_shard()
    for table, columns in schema.TABLES.items():
        found = dict(shard.rows("SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = %(t)s", {"t": table}))
        assert found == dict(columns)


def test_preparing_again_changes_nothing_and_a_step_that_was_interrupted_is_begun_anew(new_shard: Callable[[], Shard]) -> None:
    """A second collector finds version and rows as they are; where the version was not written yet every statement is run again."""
    shard = new_shard()
    shard.insert("price", [("t", 0, 1, "USD")], token="one")
    shard.close()
    shard.command("DELETE FROM joulemark_schema WHERE version > 0")
    shard.close()
    assert shard.rows("SELECT max(version) FROM joulemark_schema") == [(schema.VERSION,)]
    assert shard.rows("SELECT count() FROM price") == [(1,)]


def test_newer_tables_are_refused(new_shard: Callable[[], Shard]) -> None:
    """A shard that a later version has is an error which says so, at every use."""
    shard = new_shard()
    shard.command(f"INSERT INTO joulemark_schema VALUES ({schema.VERSION + 1})")
    shard.close()
    for _ in range(2):
        with pytest.raises(EnvironmentFailed, match=f"{shard.name} has schema version {schema.VERSION + 1}"):
            shard.connect()


def test_what_was_answered_is_on_the_disk(new_shard: Callable[[], Shard]) -> None:
    """Every table writes parts through before it answers: the log lets go of them then."""
    shard = new_shard()
    for (made,) in shard.rows("SELECT create_table_query FROM system.tables WHERE database = currentDatabase()"):
        assert "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1" in made
