from __future__ import annotations

from collections.abc import Callable

import pytest

from joulemark.agent.thinning import Level, samples_of, thinned
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, FrozenBatch, Loss, Overhead
from joulemark.readings import DeviceInfo, Quality, Sample

SampleOf = Callable[..., Sample]
OVERHEAD = Overhead(cpu_ns=8, rss_bytes=9)


@pytest.fixture
def frozen(device: DeviceInfo, sample_of: SampleOf) -> FrozenBatch:
    """Five samples of a counter device, one pinned, one a gap, one numbered after a hole; an earlier loss beside them."""
    rows = [sample_of(i, pinned=i == 1) for i in range(4)]
    rows[2] = Sample.gap(device, 1, 4, 7, "timeout")._replace(seq=2)
    rows.append(sample_of(9))
    samples, losses = {device.device_id: tuple(rows)}, (Loss("x", 1, 2, 3, "y"),)
    return convert.freeze(Batch(5, 6, "boot", 7, ClockState(1, 2, 3, True), samples, (device,), losses, OVERHEAD))


def test_rows_return_as_samples(frozen: FrozenBatch, device: DeviceInfo) -> None:
    """Decoding a block into samples and freezing those again gives the same bytes."""
    view = convert.decode(frozen.body)
    rows = samples_of(view.blocks[0])
    again = Batch(5, 6, "boot", 7, ClockState(1, 2, 3, True), {device.device_id: rows}, (device,), view.losses, OVERHEAD)
    assert convert.freeze(again) == frozen
    assert rows[2].values == (None, None)
    assert rows[2].qualities == (Quality.GAP, Quality.GAP)


def test_counter_keeps_pinned_and_last(frozen: FrozenBatch, device: DeviceInfo) -> None:
    """Of a counter device the pinned and the last sample stay; the three others are one dated loss."""
    small, losses = thinned(frozen.body, Level.COUNTERS_THINNED, frozenset({device.device_id}))
    assert small is not None
    view = convert.decode(small.body)
    assert [row.seq for row in samples_of(view.blocks[0])] == [1, 9]
    assert [(x.device_id, x.sample_count) for x in losses] == [(device.device_id, 3)]
    assert losses[0].reason.startswith("spool full: thinned"), "power is lost between the kept readings, totals are not"
    assert (view.epoch_ns, view.batch_seq, view.devices, view.losses) == (5, 6, (device,), (Loss("x", 1, 2, 3, "y"),))


def test_power_only_device_is_left_at_first(frozen: FrozenBatch) -> None:
    """A device without a counter loses nothing while counters can be thinned."""
    small, losses = thinned(frozen.body, Level.COUNTERS_THINNED, frozenset())
    assert small is not None
    assert losses == []
    assert convert.decode(small.body).blocks[0].row_count == 5


def test_pinned_only(frozen: FrozenBatch, device: DeviceInfo) -> None:
    """At the last level the pinned samples of every device are what stays."""
    small, losses = thinned(frozen.body, Level.PINNED_ONLY, frozenset())
    assert small is not None
    assert convert.decode(small.body).overhead == convert.decode(frozen.body).overhead == OVERHEAD, "not replaced by zeros"
    assert [row.seq for row in samples_of(convert.decode(small.body).blocks[0])] == [1]
    assert losses[0].sample_count == 4
    assert losses[0].reason.startswith("spool full: dropped"), "energy is lost too"


def test_nothing_left_is_no_batch(device: DeviceInfo, sample_of: SampleOf) -> None:
    """A batch without pinned samples, descriptions and losses vanishes at the last level, and its samples are a dated loss."""
    batch = convert.freeze(Batch(5, 6, "boot", 7, ClockState(), {device.device_id: (sample_of(0), sample_of(1))}))
    rest, (loss,) = thinned(batch.body, Level.PINNED_ONLY, frozenset({device.device_id}))
    assert rest is None
    assert loss.sample_count == 2
    assert loss.first_ns == sample_of(0).t_read0_ns + sample_of(0).utc_minus_mono_ns


def test_a_batch_that_is_only_losses_vanishes_and_tells_them_on(device: DeviceInfo, sample_of: SampleOf) -> None:
    """In a long outage each batch carries a loss: were it kept for that, such shells would fill the spool and fresh readings be refused."""
    earlier = Loss("x", 7, 2, 3, "y")
    batch = convert.freeze(Batch(5, 6, "boot", 7, ClockState(), {device.device_id: (sample_of(0),)}, losses=(earlier,)))
    rest, losses = thinned(batch.body, Level.PINNED_ONLY, frozenset())
    assert rest is None
    assert [(x.device_id, x.sample_count) for x in losses] == [(device.device_id, 1), ("x", 7)]
    assert losses[1] == earlier
