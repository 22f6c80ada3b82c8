"""Between protobuf and plain objects: everything that travels comes back, and nothing damaged is guessed at."""

from __future__ import annotations

import array
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.proto import convert
from joulemark.proto.messages import (
    MAX_BLOCKS,
    MAX_METER_JSON,
    NO_DEVICE_TIME,
    Ack,
    Batch,
    BlockView,
    ClockProbe,
    ClockReply,
    ClockState,
    Directive,
    FrozenBatch,
    Hello,
    IngestStatus,
    Loss,
    MeterCost,
    Overhead,
    Welcome,
)
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample

int64 = st.integers(-(2**63) + 1, 2**63 - 1)
moment = st.integers(0, 2**61)
POWER = MeterInfo("fake:h:0:power", "fake", Quantity.POWER, -3, Boundary.GPU)
COUNTER = MeterInfo("fake:h:0:energy", "fake", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, modulus=2**32)
DEVICE = DeviceInfo("fake:h:0", (POWER, COUNTER))


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    """One read of the two-meter device: any mixture of good values, gaps, and device times."""
    values: list[int | None] = []
    qualities, reasons, stamps = [], [], []
    for _ in DEVICE.meters:
        quality = draw(st.sampled_from(Quality))
        values.append(None if quality is Quality.GAP else draw(int64))
        qualities.append(quality)
        reasons.append("" if quality is Quality.OK else draw(st.text(min_size=1, max_size=5)))
        stamps.append(draw(st.none() | moment))
    begin = draw(moment)
    return Sample(
        DEVICE.device_id,
        begin,
        begin + draw(st.integers(0, 10**10)),
        draw(st.sampled_from([0, 1_789_999_995_000_000_000, 1_789_999_995_000_000_123])),
        tuple(values),
        tuple(stamps),
        tuple(qualities),
        tuple(reasons),
        draw(st.integers(0, 2**40)),
        draw(st.booleans()),
    )


def integers(column: bytes) -> list[int]:
    return list(array.array("q", column))


def spread(column: bytes, n: int, *, step: int) -> list[int]:
    """A column of one entry or n: one entry stands for a constant (step 0) or a running number (step 1)."""
    values = integers(column)
    return values if len(values) == n else [values[0] + step * i for i in range(n)]


def seen(block: BlockView) -> list[tuple[object, ...]]:
    """The rows of a block as a reader sees them: time, width, offset, number, pin, then value, time, quality and reason of each meter."""
    n = block.row_count
    mono = [block.base_mono_ns + delta for delta in integers(block.mono_delta_ns)]
    offsets = spread(block.utc_minus_mono_ns, n, step=0)
    numbers = spread(block.seq, n, step=1)
    widths = integers(block.bracket_ns)
    rows = []
    for i in range(n):
        row: list[object] = [mono[i], widths[i], offsets[i], numbers[i], i in block.pinned_rows]
        for column in block.columns:
            quality = Quality(column.quality[i]) if column.quality else Quality.OK
            delta = integers(column.device_delta_ns)[i] if column.device_delta_ns else NO_DEVICE_TIME
            row += [
                None if quality is Quality.GAP else integers(column.values)[i],
                None if delta == NO_DEVICE_TIME else mono[i] + offsets[i] + delta,
                quality,
                column.reasons.get(i, ""),
            ]
        rows.append(tuple(row))
    return rows


def said(sample: Sample) -> tuple[object, ...]:
    """The same view of the sample that was sent."""
    row: list[object] = [
        (sample.t_read0_ns + sample.t_read1_ns) // 2,
        sample.t_read1_ns - sample.t_read0_ns,
        sample.utc_minus_mono_ns,
        sample.seq,
        sample.pinned,
    ]
    for cell in zip(sample.values, sample.t_device_ns, sample.qualities, sample.reasons, strict=True):
        row += cell
    return tuple(row)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(samples(), min_size=1, max_size=6),
    st.builds(ClockState, int64, int64, int64, st.booleans(), moment, st.booleans(), moment, st.text(max_size=5), moment),
    st.lists(st.builds(Loss, st.text(max_size=5), moment, moment, moment, st.text(max_size=5)), max_size=2),
    st.builds(Overhead, moment, moment, moment, st.lists(st.builds(MeterCost, st.text(max_size=5), *[moment] * 6)).map(tuple)),
)
def test_batch_survives_the_wire(rows: list[Sample], clock: ClockState, losses: list[Loss], overhead: Overhead) -> None:
    """Every fact of a batch, to the last nanosecond, gap reason and missing device time, is there after freeze and decode."""
    batch = Batch(7, 3, "boot", 99, clock, {DEVICE.device_id: tuple(rows)}, (DEVICE,), tuple(losses), overhead)
    frozen = convert.freeze(batch)
    view = convert.decode(frozen.body)
    assert frozen.sha256 == hashlib.sha256(frozen.body).digest()
    assert (view.epoch_ns, view.batch_seq, view.boot_id, view.closed_ns) == (7, 3, "boot", 99)
    assert (view.clock, view.devices, view.losses, view.overhead) == (clock, (DEVICE,), tuple(losses), overhead)
    assert [seen(block) for block in view.blocks] == [[said(sample) for sample in rows]]


def test_the_interval_of_the_grid_travels_beside_the_descriptions() -> None:
    """A collector from before this field finds no unknown key in a description, and this one the interval; an agent from before says
    none; one that no meter rests is refused.
    """
    device = replace(DEVICE, meters=tuple(replace(meter, read_interval_s=0.25) for meter in DEVICE.meters))
    body = convert.freeze(Batch(1, 1, "b", 1, ClockState(), {}, (device,))).body
    message = pb.Batch.FromString(body)
    assert [json.loads(text) for text in message.devices[0].meter_json] == [meter.to_json() for meter in DEVICE.meters]
    assert "read_interval_s" not in message.devices[0].meter_json[0]
    assert convert.decode(body).devices == (device,)
    message.devices[0].read_interval_ns = 0
    assert convert.decode(message.SerializeToString()).devices == (DEVICE,)
    message.devices[0].read_interval_ns = -1
    with pytest.raises(FormatError, match="not believable"):
        convert.decode(message.SerializeToString())


def steady(n: int, width_ns: int = 2_000) -> tuple[Sample, ...]:
    return tuple(
        Sample("fake:h:0", i * 10**9, i * 10**9 + width_ns, 5, (700_000, i), (None, None), (Quality.OK, Quality.OK), ("", ""), i)
        for i in range(n)
    )


def frozen(*rows: Sample) -> FrozenBatch:
    return convert.freeze(Batch(1, 1, "b", 1, ClockState(), {"fake:h:0": rows}))


def test_only_the_devices_that_are_asked_for_are_decoded() -> None:
    """Of a batch of two devices one can be had alone: its block is the same, and nothing of the other is there."""
    other = tuple(row._replace(device_id="fake:h:1") for row in steady(5))
    body = convert.freeze(Batch(1, 1, "b", 1, ClockState(), {"fake:h:0": steady(3), "fake:h:1": other}, (DEVICE,))).body
    whole, part = convert.decode(body), convert.decode(body, only={"fake:h:1"})
    assert [seen(block) for block in part.blocks] == [seen(block) for block in whole.blocks if block.device_id == "fake:h:1"]
    assert len(whole.blocks) == 2
    assert part.devices == tuple(device for device in whole.devices if device.device_id == "fake:h:1")


def test_constant_columns_are_sent_once() -> None:
    """In an undisturbed block the clock difference, the running number and the qualities take no place per row."""
    block = convert.decode(frozen(*steady(100)).body).blocks[0]
    assert (len(block.utc_minus_mono_ns), len(block.seq)) == (8, 8)
    assert all(len(c.quality) == len(c.device_delta_ns) == 0 and not c.reasons for c in block.columns)


def test_same_batch_freezes_to_the_same_bytes() -> None:
    """Freezing is deterministic, so a batch can be compared by its hash."""
    assert frozen(*steady(5)) == frozen(*steady(5))


def test_device_without_samples_makes_no_block() -> None:
    """A device that was not read in the period takes no block."""
    body = convert.freeze(Batch(1, 1, "b", 1, ClockState(), {"fake:h:0": ()})).body
    assert convert.decode(body).blocks == ()


def test_value_beyond_int64_is_refused() -> None:
    """A counter beyond 63 bits raises instead of being cut."""
    with pytest.raises(OverflowError):
        frozen(steady(1)[0]._replace(values=(2**63, 0)))


FOREIGN = MeterInfo("fake:h:2:power", "fake", Quantity.POWER, -3, Boundary.GPU)
DAMAGE: dict[str, Callable[[pb.Batch, pb.Block], object]] = {
    "short column": lambda _, block: setattr(block.columns[0], "values", bytes(16)),
    "odd bytes": lambda _, block: setattr(block, "mono_delta_ns", bytes(23)),
    "short bracket": lambda _, block: setattr(block, "bracket_ns", bytes(8)),
    "two numbers": lambda _, block: setattr(block, "seq", bytes(16)),
    "no number": lambda _, block: setattr(block, "seq", b""),
    "short quality": lambda _, block: setattr(block.columns[0], "quality", b"\x01"),
    "reason out of range": lambda _, block: block.columns[0].reasons.add(row=3, text="x"),
    "negative pin": lambda _, block: block.pinned_rows.append(-1),
    "no rows": lambda _, block: setattr(block, "mono_delta_ns", b""),
    "encoding": lambda _, block: setattr(block, "encoding", pb.ENCODING_UNSPECIFIED),
    "description": lambda batch, _: batch.devices.add(device_id="fake:h:0", meter_json=["{"]),
    "foreign meter": lambda batch, _: batch.devices.add(device_id="fake:h:1", meter_json=[json.dumps(FOREIGN.to_json())]),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_batch_is_refused(change: str) -> None:
    """A valid batch of three rows with one column, pin, reason, encoding or description made wrong raises FormatError."""
    message = pb.Batch()
    message.ParseFromString(frozen(*steady(3)).body)
    DAMAGE[change](message, message.blocks[0])
    with pytest.raises(FormatError):
        convert.decode(message.SerializeToString())


@given(st.binary(max_size=80))
def test_arbitrary_bytes_raise_only_format_errors(raw: bytes) -> None:
    """Whatever arrives, a parser returns an object or raises FormatError, nothing else."""
    for parse in (convert.decode, convert.parse_request, convert.parse_response, convert.parse_broadcast_request):
        try:
            parse(raw)
        except FormatError:
            continue


@pytest.mark.parametrize(
    "message",
    [Hello("node-1", 7, "boot", "0.1.0", 1, "5f0c"), FrozenBatch(b"body", b"\x01" * 32), ClockProbe(3, 1_790_000_000_000_000_000)],
    ids=lambda m: type(m).__name__,
)
def test_request_survives_the_wire(message: Hello | FrozenBatch | ClockProbe) -> None:
    """Each message of an agent comes back equal."""
    assert convert.parse_request(convert.request_bytes(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Welcome("0.1.0", "boot", (Ack(7, 3), Ack(9, 0)), 1000),
        Ack(7, 3),
        ClockReply(1, 2, 3, 4),
        Directive(read_now=True, batch_period_ms=5000, retry_after_ms=20, describe_devices=True),
    ],
    ids=lambda m: type(m).__name__,
)
def test_response_survives_the_wire(message: Welcome | Ack | ClockReply | Directive) -> None:
    """Each message of the collector comes back equal."""
    assert convert.parse_response(convert.response_bytes(message)) == message


def test_broadcast_survives_the_wire() -> None:
    """A directive for all agents or for some, and the number of agents told, come back equal."""
    directive = Directive(read_now=True)
    assert convert.parse_broadcast_request(convert.broadcast_request_bytes(directive)) == (directive, ())
    assert convert.parse_broadcast_request(convert.broadcast_request_bytes(directive, ["a", "b"])) == (directive, ("a", "b"))
    assert convert.parse_broadcast_response(convert.broadcast_response_bytes(12)) == 12


def test_status_survives_the_wire() -> None:
    """What the ingest process says of itself comes back equal; the question has no content."""
    status = IngestStatus(3, 2**40, {"hello": 2, "fenced": 1})
    assert convert.parse_status_response(convert.status_response_bytes(status)) == status
    assert convert.parse_status_response(convert.status_response_bytes(IngestStatus())) == IngestStatus()
    assert convert.status_request_bytes() == b""


def test_a_description_is_bounded() -> None:
    """A meter that is described at length is refused: what is known of meters is held for all agents together."""
    with pytest.raises(FormatError, match=f"limit of {MAX_METER_JSON}"):
        convert.decode(pb.Batch(devices=[pb.Device(device_id="a:b:c", meter_json=["x" * (MAX_METER_JSON + 1)])]).SerializeToString())


def test_a_small_batch_cannot_grow_large_in_memory() -> None:
    """More blocks than a batch may have, and more pins or reasons than rows, are refused: each costs far more memory than bytes."""
    with pytest.raises(FormatError, match=f"limit of {MAX_BLOCKS}"):
        convert.decode(pb.Batch(blocks=[pb.Block()] * (MAX_BLOCKS + 1)).SerializeToString())
    row = convert.int64_column([0])
    block = pb.Block(encoding=pb.ENCODING_RAW_LE, mono_delta_ns=row, bracket_ns=row, utc_minus_mono_ns=row, seq=row)
    block.columns.add(values=row)
    assert convert.decode(pb.Batch(blocks=[block]).SerializeToString()).blocks[0].row_count == 1
    for many in (pb.Block(pinned_rows=[0, 0]), pb.Block(columns=[pb.Column(values=row, reasons=[pb.Reason(), pb.Reason()])])):
        swollen = pb.Block.FromString(block.SerializeToString())
        swollen.pinned_rows.extend(many.pinned_rows)
        swollen.columns.extend(many.columns)
        with pytest.raises(FormatError, match="differ in length"):
            convert.decode(pb.Batch(blocks=[swollen]).SerializeToString())


def test_a_description_nested_too_deeply_is_refused() -> None:
    """JSON deeper than the parser goes, and JSON that is no object, is a format error like any other."""
    for text in ("[" * 16_000, "[]", "7", '{"meter_id": 7}'):
        with pytest.raises(FormatError, match="description"):
            convert.decode(pb.Batch(devices=[pb.Device(device_id="fake:h:0", meter_json=[text])]).SerializeToString())


@pytest.mark.parametrize("parse", [convert.parse_request, convert.parse_response])
def test_empty_message_is_of_an_unknown_version(parse: Callable[[bytes], object]) -> None:
    """A message with nothing this version knows is refused with the step that mends it."""
    with pytest.raises(FormatError, match="collector's version"):
        parse(b"")
