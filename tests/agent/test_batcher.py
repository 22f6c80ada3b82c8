from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from joulemark.agent.batcher import Batcher, merged_losses
from joulemark.agent.spool import Spool
from joulemark.errors import ConfigError
from joulemark.proto import convert
from joulemark.proto.messages import BatchView, Loss
from joulemark.readings import DeviceInfo, Sample

SampleOf = Callable[..., Sample]
BatcherOf = Callable[..., Batcher]


def views(spool: Spool) -> list[BatchView]:
    return [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 10**6)]


def test_batch_holds_what_came_since_the_last(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """Samples go into consecutive batches in their order; the description goes with the first, and again when asked."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    for n in range(3):
        batcher.add([sample_of(2 * n), sample_of(2 * n + 1)])
        if n == 2:
            batcher.describe_all()
        assert batcher.close() == 1
    assert batcher.close() == 0
    got = views(spool)
    assert [v.batch_seq for v in got] == [0, 1, 2]
    assert [v.devices for v in got] == [(device,), (), (device,)]
    assert [v.blocks[0].row_count for v in got] == [2, 2, 2]


def test_clock_step_divides_a_batch(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """Samples from before and after a step of the host's clock travel apart, each with its own clock state."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    batcher.add([sample_of(0), sample_of(1), sample_of(2, offset_ns=1_790_000_005_000_000_000)])
    assert batcher.close() == 2


def test_changed_description_divides_a_batch(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """Columns of one width and then of another never meet in a block."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    batcher.add([sample_of(0)])
    narrow = sample_of(1)
    batcher.describe(replace(device, meters=device.meters[:1]), "fake")
    batcher.add(
        [narrow._replace(values=narrow.values[:1], t_device_ns=(None,), qualities=narrow.qualities[:1], reasons=narrow.reasons[:1])]
    )
    batcher.close()
    got = views(spool)
    assert [len(v.blocks[0].columns) for v in got] == [2, 1]
    assert [[len(d.meters) for d in v.devices] for v in got] == [[2], [1]], "each with the description that its columns follow"


def test_description_waits_for_a_sample(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """A description, or the collector's wish for one, is not lost when no sample has come by the next close."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    assert batcher.close() == 0
    batcher.add([sample_of(0)])
    batcher.close()
    batcher.describe_all()
    assert batcher.close() == 0
    batcher.add([sample_of(1)])
    batcher.close()
    assert [v.devices for v in views(spool)] == [(device,), (device,)]


def test_large_batch_is_divided(spool: Spool, device: DeviceInfo, sample_of: SampleOf, batcher_of: BatcherOf) -> None:
    """More samples than one message may hold become several batches that lose none and number on."""
    batcher = batcher_of(spool, max_batch_bytes=20_000)
    batcher.describe(device, "fake")
    batcher.add([sample_of(i) for i in range(500)])
    assert batcher.close() > 1
    got = views(spool)
    assert sum(v.blocks[0].row_count for v in got) == 500
    assert [v.batch_seq for v in got] == list(range(len(got)))
    assert all(len(stored.frozen.body) < 20_000 for stored in spool.claim((-1, -1), 99))


def test_device_of_two_tables_is_refused(spool: Spool, device: DeviceInfo, batcher_of: BatcherOf) -> None:
    """One device read by two tables would be numbered twice; the message names both."""
    batcher = batcher_of(spool)
    batcher.describe(device, "fake")
    with pytest.raises(ConfigError, match="by fake and by fake:2"):
        batcher.describe(device, "fake:2")


def test_losses_of_one_reason_are_one() -> None:
    """Losses add up per device and reason, and their dates widen."""
    assert merged_losses([Loss("a", 1, 10, 20, "x"), Loss("a", 2, 5, 15, "x"), Loss("b", 4, 1, 2, "x")]) == [
        Loss("a", 3, 5, 20, "x"),
        Loss("b", 4, 1, 2, "x"),
    ]
