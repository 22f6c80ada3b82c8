"""What processes that are no more have left is looked after by the first."""

from __future__ import annotations

from pathlib import Path

from joulemark.collector.store.heir import HeirStore
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto.messages import Ack
from tests.collector.store.conftest import T0, S, batch, count


def test_an_older_file_is_sealed_and_its_acknowledgements_hold(tmp_path: Path) -> None:
    """Both files' batches are acknowledged, of an epoch in both the higher; the older one is sealed at once, and its bytes count."""
    older = SqliteStore(tmp_path / "readings-1.db")
    for number in range(3):
        older.append(batch(number)).result()
    before = older.stored_bytes("h")
    store = HeirStore(tmp_path / "readings.db", [older], seal_after_ns=10 * S)
    assert store.acks("h") == [Ack(T0, 2)]
    assert store.stored_bytes("h") == before
    for one in (batch(3), batch(0, epoch_ns=T0 + 1)):
        assert store.append(one).result()
    assert store.acks("h") == [Ack(T0, 3), Ack(T0 + 1, 0)]
    assert store.acks("nobody") == []
    assert store.stored_bytes("h") > before
    assert store.seal(0) == 1, "the older file's only device; nothing of its own is old enough"
    assert (count(older, "log"), count(older, "chunk"), count(store, "log")) == (0, 1, 2)
    store.close()
    older.close()
