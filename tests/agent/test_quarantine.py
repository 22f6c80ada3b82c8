"""Batches that the collector refuses for ever: what is kept of them, and what is counted as lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.agent import quarantine
from joulemark.agent.spool import Spool, Stored
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, FrozenBatch, Loss
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Sample

NOW_NS = 1_900_000_000_000_000_000
OFFSET_NS = 1_790_000_000_000_000_000
KNOWN = Loss("", 4, 5, 6, "")


def frozen(sample_of: Callable[..., Sample], *, losses: tuple[Loss, ...] = (), offset_ns: int = OFFSET_NS) -> FrozenBatch:
    """Three samples of one device and `losses`."""
    samples = tuple(sample_of(seq, offset_ns=offset_ns) for seq in range(3))
    return convert.freeze(Batch(7, 2, "boot", 9, ClockState(), {"fake:host:0": samples}, losses=losses))


def test_samples_and_carried_losses_are_lost_together(sample_of: Callable[..., Sample]) -> None:
    """Each device's samples are one dated loss with the collector's reason; a loss that nobody has heard of yet is not forgotten."""
    earlier = Loss("fake:host:0", 8, 10, 20, "spool full")
    mine, carried = quarantine.losses(frozen(sample_of, losses=(earlier,)).body, known=KNOWN, label="batch", now_ns=NOW_NS)
    first_ns, last_ns = OFFSET_NS + 1_000_000_000, OFFSET_NS + 1_200_002_000
    assert mine == Loss("fake:host:0", 3, first_ns, last_ns, "refused by the collector: batch")
    assert carried == earlier


def test_a_date_that_was_refused_does_not_come_again(sample_of: Callable[..., Sample]) -> None:
    """Losses are dated between 1970 and now: else the batch that carries them would be refused too, and so for ever."""
    wild = (Loss("fake:host:0", 1, -5, 2**62, "a"),)
    for loss in quarantine.losses(frozen(sample_of, losses=wild, offset_ns=2**62).body, known=KNOWN, label="batch", now_ns=NOW_NS):
        assert 0 <= loss.first_ns <= loss.last_ns <= NOW_NS


@pytest.mark.parametrize("body", [b"\xff\xff", pb.Batch(blocks=[pb.Block(encoding=9)]).SerializeToString()])
def test_of_an_unreadable_body_the_count_beside_it_is_lost(body: bytes) -> None:
    """What the spool wrote down when it took the batch stands in for what cannot be read."""
    (loss,) = quarantine.losses(body, known=KNOWN, label="batch", now_ns=NOW_NS)
    assert loss == Loss("", 4, 5, 6, "refused by the collector: batch")


def test_kept_bytes_stay_within_their_share(tmp_path: Path) -> None:
    """The first bodies are kept, further ones only while all together are a sixteenth of the spool's bound; a full disk keeps none."""
    spool = tmp_path / "spool.db"
    kept = [quarantine.keep(spool, (7, seq), bytes(600), max_bytes=16 * 1500) for seq in range(3)]
    assert kept == [tmp_path / "spool.db.refused-7-0", tmp_path / "spool.db.refused-7-1", None]
    assert kept[0] is not None
    assert kept[0].read_bytes() == bytes(600)
    assert quarantine.keep(tmp_path / "absent" / "spool.db", (7, 0), b"x", max_bytes=10**9) is None


def test_a_refused_batch_leaves_the_spool(spool: Spool, sample_of: Callable[..., Sample]) -> None:
    """The batch of that hash is gone, its loss waits to be carried and its bytes lie in the file; the others stay; an unknown hash
    changes nothing.
    """
    epoch_ns = spool.new_epoch()
    bodies = [convert.freeze(Batch(epoch_ns, seq, "b", 9, ClockState(), {"fake:host:0": (sample_of(seq),)})) for seq in range(3)]
    for seq, body in enumerate(bodies):
        spool.append(Stored(epoch_ns, seq, body, 1))
    assert spool.refuse(bytes(32), "batch") is None
    refused = spool.refuse(bodies[1].sha256, "batch")
    assert refused is not None
    assert (refused.key, refused.sample_count) == ((epoch_ns, 1), 1)
    assert refused.file is not None
    assert refused.file.read_bytes() == bodies[1].body
    assert [stored.batch_seq for stored in spool.claim((-1, -1), 9)] == [0, 2]
    (loss,) = spool.losses()
    assert (loss.device_id, loss.sample_count, loss.reason) == ("fake:host:0", 1, "refused by the collector: batch")
    assert spool.refuse(bodies[1].sha256, "batch") is None
