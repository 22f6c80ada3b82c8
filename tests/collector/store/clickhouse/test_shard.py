"""One shard: inserts that count once, and errors that name it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.errors import RemoteUnreachable

ROW = ("t", 0, Decimal("0.123456789012"), "USD")


def test_one_token_counts_once(new_shard: Callable[[], Shard]) -> None:
    """The same insert again adds nothing; the same rows under another token replace those of their key."""
    shard = new_shard()
    for token in ("a", "a", "b"):
        shard.insert("price", [ROW], token=token)
    assert shard.rows("SELECT count() FROM price") == [(2,)]
    assert shard.rows("SELECT per_kwh FROM price FINAL") == [(ROW[2],)]


def test_a_shard_that_does_not_answer_is_named_and_tried_anew() -> None:
    """Nobody on the port: RemoteUnreachable with name, reason and next step, at each use."""
    shard = Shard.over_http("127.0.0.1:1/joulemark", host="127.0.0.1", port=1, database="joulemark")
    for _ in range(2):
        with pytest.raises(RemoteUnreachable, match=r"the ClickHouse shard 127\.0\.0\.1:1/joulemark failed: .*start it"):
            shard.connect()


def test_what_the_server_refuses_is_told(new_shard: Callable[[], Shard]) -> None:
    """An error of the engine keeps its first line, and the next question is asked on a new connection."""
    shard = new_shard()
    with pytest.raises(RemoteUnreachable, match="no_such_table"):
        shard.rows("SELECT 1 FROM no_such_table")
    assert shard.rows("SELECT 1") == [(1,)]
