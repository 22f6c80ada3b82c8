from __future__ import annotations

import array
from collections.abc import Callable

import pytest

from joulemark.collector import soundness
from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import NO_DEVICE_TIME
from joulemark.proto.v1 import telemetry_pb2 as pb
from tests.collector.conftest import Agent

S = 1_000_000_000
T0 = 1_790_000_000 * S
END = 2**62


def column(*values: int) -> bytes:
    return array.array("q", values).tobytes()


def message() -> pb.Batch:
    """Three sound rows, one loss."""
    batch = pb.Batch.FromString(Agent(epoch_ns=T0).batch(0, begin_ns=T0, rows=3).body)
    batch.losses.add(device_id="fake:host-a:0", sample_count=1, first_ns=T0, last_ns=T0 + 1, reason="spool full")
    return batch


def verdict(batch: pb.Batch) -> str:
    """What is wrong with it; empty for nothing."""
    try:
        soundness.check(convert.decode(batch.SerializeToString()))
    except FormatError as error:
        return str(error)
    return ""


def known_offset(offset_ns: int) -> Callable[[pb.Batch, pb.Block], None]:
    def change(batch: pb.Batch, _: pb.Block) -> None:
        batch.clock.offset_known, batch.clock.offset_ns = True, offset_ns

    return change


UNSOUND: dict[str, tuple[str, Callable[[pb.Batch, pb.Block], object]]] = {
    "negative epoch": ("epoch_ns", lambda b, _: setattr(b, "epoch_ns", -1)),
    "negative number": ("batch_seq", lambda b, _: setattr(b, "batch_seq", -1)),
    "closed too late": ("closed_ns", lambda b, _: setattr(b, "closed_ns", END)),
    "negative bound": ("clock.bound_ns", lambda b, _: setattr(b.clock, "bound_ns", -1)),
    "offset too large": ("clock.offset_ns", lambda b, _: setattr(b.clock, "offset_ns", -(2**63))),
    "before 1970 on the axis": ("collector's axis", known_offset(-T0 - S)),
    "after 2116 on the axis": ("collector's axis", known_offset(END - T0)),
    "negative cost": ("overhead", lambda b, _: setattr(b.overhead, "rss_bytes", -1)),
    "negative loss": ("losses.sample_count", lambda b, _: setattr(b.losses[0], "sample_count", -1)),
    "loss before 1970": ("losses", lambda b, _: setattr(b.losses[0], "first_ns", -1)),
    "time that overflows": ("mono_ns", lambda _, k: setattr(k, "base_mono_ns", 2**63 - 1)),
    "time far before the boot": ("mono_ns", lambda _, k: setattr(k, "mono_delta_ns", column(0, -(2**63), 1))),
    "relation that overflows": ("utc_minus_mono_ns", lambda _, k: setattr(k, "utc_minus_mono_ns", column(2**63 - 1))),
    "utc before 1970": ("utc_ns", lambda _, k: setattr(k, "utc_minus_mono_ns", column(-(2**61)))),
    "negative bracket": ("bracket_ns", lambda _, k: setattr(k, "bracket_ns", column(1, -1, 1))),
    "negative seq": ("seq", lambda _, k: setattr(k, "seq", column(-1))),
    "seq that overflows": ("seq", lambda _, k: setattr(k, "seq", column(END - 2))),
    "device time far away": ("away from the read", lambda _, k: setattr(k.columns[0], "device_delta_ns", column(1, 2**63 - 1, 1))),
    "device time before 1970": ("device time", lambda _, k: setattr(k.columns[0], "device_delta_ns", column(1, -T0 - S, 1))),
    "quality 0": ("quality", lambda _, k: setattr(k.columns[0], "quality", b"\x01\x00\x01")),
    "quality 9": ("quality", lambda _, k: setattr(k.columns[0], "quality", b"\x01\x09\x01")),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_batches_are_refused(name: str) -> None:
    """A batch with one number that time, counting or arithmetic rule out is refused, and the words name it."""
    words, change = UNSOUND[name]
    batch = message()
    assert verdict(batch) == ""
    change(batch, batch.blocks[0])
    assert words in verdict(batch)


SOUND: dict[str, Callable[[pb.Batch, pb.Block], object]] = {
    "an offset that is not known": lambda b, _: setattr(b.clock, "offset_ns", -T0 - S) or setattr(b.clock, "offset_known", False),
    "no device time": lambda _, k: setattr(k.columns[0], "device_delta_ns", column(*[NO_DEVICE_TIME] * 3)),
    "some device times": lambda _, k: setattr(k.columns[0], "device_delta_ns", column(NO_DEVICE_TIME, -5, 5)),
    "any value": lambda _, k: setattr(k.columns[0], "values", column(-(2**63), 2**63 - 1, 0)),
    "a clock of 1970": lambda _, k: setattr(k, "utc_minus_mono_ns", column(-k.base_mono_ns)),
    "a loss of unknown size": lambda b, _: setattr(b.losses[0], "sample_count", 0),
    "rows out of order": lambda _, k: setattr(k, "mono_delta_ns", column(0, -5, 3)),
}


@pytest.mark.parametrize("name", SOUND)
def test_unusual_batches_are_taken(name: str) -> None:
    """What is odd but possible is no reason to refuse: clocks without an offset, rows out of order, values to the edges of int64."""
    batch = message()
    SOUND[name](batch, batch.blocks[0])
    assert verdict(batch) == ""
