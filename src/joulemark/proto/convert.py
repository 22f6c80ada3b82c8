"""Between protobuf and plain objects: the only importer of the generated code.

Bytes and memoryviews go out; numpy decoding lives in `collector/ingest`, so that the agent stays light. Whatever cannot be
decoded raises FormatError and is never guessed at.
"""

from __future__ import annotations

import array
import hashlib
import json
import sys
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError

from joulemark import document
from joulemark.errors import FormatError
from joulemark.node import Nodes
from joulemark.proto.messages import (
    MAX_BLOCKS,
    MAX_METER_JSON,
    MAX_SURVEY_JSON,
    NO_DEVICE_TIME,
    Ack,
    Batch,
    BatchView,
    BlockView,
    ClockProbe,
    ClockReply,
    ClockState,
    ColumnView,
    Directive,
    FrozenBatch,
    Hello,
    IngestStatus,
    Loss,
    MeterCost,
    Overhead,
    Survey,
    Welcome,
)
from joulemark.proto.v1 import telemetry_pb2 as pb
from joulemark.readings import DeviceInfo, MeterInfo, Quality, Sample
from joulemark.units import NS_PER_S

M = TypeVar("M", bound="Message")

if TYPE_CHECKING:
    from google.protobuf.message import Message

CLOCK_FIELDS = ClockState.__slots__
clock_fields = attrgetter(*CLOCK_FIELDS)
COST_FIELDS = MeterCost.__slots__
cost_fields = attrgetter(*COST_FIELDS)
NO_REASONS: Mapping[int, str] = MappingProxyType({})


def int64_column(values: Iterable[int]) -> bytes:
    """Little-endian int64 bytes. Raises OverflowError for a value that does not fit."""
    column = array.array("q", values)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


# --- requests: agent to collector ---------------------------------------------------------------------------------------


def request_bytes(message: Hello | FrozenBatch | ClockProbe) -> bytes:
    """The StreamRequest that carries `message`."""
    out = pb.StreamRequest()
    match message:
        case Hello():
            out.hello.agent_id = message.agent_id
            out.hello.epoch_ns = message.epoch_ns
            out.hello.boot_id = message.boot_id
            out.hello.software_version = message.software_version
            out.hello.protocol_version = message.protocol_version
            out.hello.instance_id = message.instance_id
        case FrozenBatch():
            out.batch.body = message.body
            out.batch.sha256 = message.sha256
        case ClockProbe():
            out.clock_probe.probe_id = message.probe_id
            out.clock_probe.t1_ns = message.t1_ns
    return out.SerializeToString()


def parse_request(raw: bytes) -> Hello | FrozenBatch | ClockProbe:
    """Inverse of `request_bytes`. Raises FormatError."""
    message = parsed(pb.StreamRequest(), raw)
    match message.WhichOneof("message"):
        case "hello":
            h = message.hello
            return Hello(h.agent_id, h.epoch_ns, h.boot_id, h.software_version, h.protocol_version, h.instance_id)
        case "batch":
            return FrozenBatch(message.batch.body, message.batch.sha256)
        case "clock_probe":
            return ClockProbe(message.clock_probe.probe_id, message.clock_probe.t1_ns)
        case _:
            raise FormatError("a stream request holds no message this version knows", "use an agent of the collector's version")


# --- responses: collector to agent --------------------------------------------------------------------------------------


def response_bytes(message: Welcome | Ack | ClockReply | Directive) -> bytes:
    """The StreamResponse that carries `message`."""
    out = pb.StreamResponse()
    match message:
        case Welcome():
            w = out.welcome
            w.protocol_version = message.protocol_version
            w.software_version = message.software_version
            w.boot_id = message.boot_id
            w.max_batch_bytes = message.max_batch_bytes
            w.axis_minus_mono_ns = message.axis_minus_mono_ns
            for ack in message.acks:
                w.acks.add(epoch_ns=ack.epoch_ns, batch_seq=ack.batch_seq)
        case Ack():
            out.ack.epoch_ns, out.ack.batch_seq = message.epoch_ns, message.batch_seq
        case ClockReply():
            r = out.clock_reply
            r.probe_id, r.t1_ns, r.t2_ns, r.t3_ns = message.probe_id, message.t1_ns, message.t2_ns, message.t3_ns
        case Directive():
            out.directive.CopyFrom(directive_message(message))
    return out.SerializeToString()


def parse_response(raw: bytes) -> Welcome | Ack | ClockReply | Directive:
    """Inverse of `response_bytes`. Raises FormatError."""
    message = parsed(pb.StreamResponse(), raw)
    match message.WhichOneof("message"):
        case "welcome":
            w = message.welcome
            acks = tuple(Ack(a.epoch_ns, a.batch_seq) for a in w.acks)
            return Welcome(w.software_version, w.boot_id, acks, w.max_batch_bytes, w.protocol_version, w.axis_minus_mono_ns)
        case "ack":
            return Ack(message.ack.epoch_ns, message.ack.batch_seq)
        case "clock_reply":
            r = message.clock_reply
            return ClockReply(r.probe_id, r.t1_ns, r.t2_ns, r.t3_ns)
        case "directive":
            return plain_directive(message.directive)
        case _:
            raise FormatError("a stream response holds no message this version knows", "use an agent of the collector's version")


def directive_message(directive: Directive) -> pb.Directive:
    """The protobuf twin."""
    return pb.Directive(
        read_now=directive.read_now,
        batch_period_ms=directive.batch_period_ms,
        retry_after_ms=directive.retry_after_ms,
        describe_devices=directive.describe_devices,
    )


def plain_directive(message: pb.Directive) -> Directive:
    """Inverse of `directive_message`."""
    return Directive(message.read_now, message.batch_period_ms, message.retry_after_ms, message.describe_devices)


def broadcast_request_bytes(directive: Directive, agents: Iterable[str] = ()) -> bytes:
    """The BroadcastRequest of the control service: for everybody unless `agents` names some."""
    return pb.BroadcastRequest(directive=directive_message(directive), agents=agents).SerializeToString()


def parse_broadcast_request(raw: bytes) -> tuple[Directive, tuple[str, ...]]:
    """Inverse of `broadcast_request_bytes`. Raises FormatError."""
    message = parsed(pb.BroadcastRequest(), raw)
    return plain_directive(message.directive), tuple(message.agents)


def broadcast_response_bytes(agent_count: int) -> bytes:
    """The BroadcastResponse: how many agents were told."""
    return pb.BroadcastResponse(agent_count=agent_count).SerializeToString()


def parse_broadcast_response(raw: bytes) -> int:
    """Inverse of `broadcast_response_bytes`. Raises FormatError."""
    return parsed(pb.BroadcastResponse(), raw).agent_count


def status_request_bytes() -> bytes:
    """The StatusRequest of the control service."""
    return pb.StatusRequest().SerializeToString()


def status_response_bytes(status: IngestStatus) -> bytes:
    """The StatusResponse that carries `status`."""
    return pb.StatusResponse(
        agent_count=status.agent_count, pending_bytes=status.pending_bytes, refused=dict(status.refused)
    ).SerializeToString()


def parse_status_response(raw: bytes) -> IngestStatus:
    """Inverse of `status_response_bytes`. Raises FormatError."""
    message = parsed(pb.StatusResponse(), raw)
    return IngestStatus(message.agent_count, message.pending_bytes, dict(message.refused))


# --- batches --------------------------------------------------------------------------------------------------------------


def freeze(batch: Batch) -> FrozenBatch:
    """Serialise `batch` once and hash it. Columns are built per device from its samples, in their order."""
    out = pb.Batch(epoch_ns=batch.epoch_ns, batch_seq=batch.batch_seq, boot_id=batch.boot_id, closed_ns=batch.closed_ns)
    for name in CLOCK_FIELDS:
        setattr(out.clock, name, getattr(batch.clock, name))
    for device in batch.devices:
        described = (replace(meter, read_interval_s=None) for meter in device.meters)  # a collector before this field takes no such key
        texts = [json.dumps(meter.to_json(), separators=(",", ":")) for meter in described]
        read_s = device.meters[0].read_interval_s if device.meters else None
        out.devices.add(device_id=device.device_id, meter_json=texts, read_interval_ns=round((read_s or 0.0) * NS_PER_S))
    for device_id, samples in batch.samples.items():
        if samples:
            fill_block(out.blocks.add(), device_id, samples)
    for loss in batch.losses:
        out.losses.add(
            device_id=loss.device_id, sample_count=loss.sample_count, first_ns=loss.first_ns, last_ns=loss.last_ns, reason=loss.reason
        )
    overhead = out.overhead
    overhead.cpu_ns, overhead.rss_bytes, overhead.late_tick_count = (
        batch.overhead.cpu_ns,
        batch.overhead.rss_bytes,
        batch.overhead.late_tick_count,
    )
    for cost in batch.overhead.meters:
        overhead.meters.add(**dict(zip(COST_FIELDS, cost_fields(cost), strict=True)))
    out.survey_json, out.survey_mono_ns = batch.survey.text, batch.survey.mono_ns
    body = out.SerializeToString()
    return FrozenBatch(body, hashlib.sha256(body).digest())


def fill_block(block: pb.Block, device_id: str, samples: Sequence[Sample]) -> None:
    """Write `samples` of one device into `block`, column by column."""
    mono = [(s.t_read0_ns + s.t_read1_ns) // 2 for s in samples]
    offsets = [s.utc_minus_mono_ns for s in samples]
    numbers = [s.seq for s in samples]
    block.device_id = device_id
    block.base_mono_ns = mono[0]
    block.encoding = pb.ENCODING_RAW_LE
    block.mono_delta_ns = int64_column([t - mono[0] for t in mono])
    block.bracket_ns = int64_column([s.t_read1_ns - s.t_read0_ns for s in samples])
    block.utc_minus_mono_ns = int64_column(offsets[:1] if len(set(offsets)) == 1 else offsets)
    running = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    block.seq = int64_column(numbers[:1] if running else numbers)
    block.pinned_rows.extend([i for i, s in enumerate(samples) if s.pinned])
    utc = [t + offset for t, offset in zip(mono, offsets, strict=True)]
    by_meter = (zip(*rows, strict=True) for rows in zip(*((s.values, s.t_device_ns, s.qualities, s.reasons) for s in samples), strict=True))
    for values, stamps, qualities, reasons in zip(*by_meter, strict=True):
        column = block.columns.add()
        column.values = int64_column([0 if v is None else v for v in values] if None in values else values)
        if stamps.count(None) < len(stamps):
            deltas = [NO_DEVICE_TIME if t is None else t - at for t, at in zip(stamps, utc, strict=True)]
            column.device_delta_ns = int64_column(deltas)
        if qualities.count(Quality.OK) < len(qualities):
            column.quality = bytes(qualities)
        for i, reason in enumerate(reasons) if any(reasons) else ():
            if reason:
                column.reasons.add(row=i, text=reason)


def decode(body: bytes, *, only: Container[str] | None = None) -> BatchView:
    """The batch in `body`, columns as memory, or that of the devices `only`: the others are not looked at.

    Raises FormatError when lengths disagree or an encoding is unknown.
    """
    message = parsed(pb.Batch(), body)
    if (most := max(len(message.blocks), len(message.devices), len(message.losses), len(message.overhead.meters))) > MAX_BLOCKS:
        raise FormatError(f"a batch names {most} devices, above the limit of {MAX_BLOCKS}", "divide it into several batches")
    clock, o = ClockState(*clock_fields(message.clock)), message.overhead
    return BatchView(
        epoch_ns=message.epoch_ns,
        batch_seq=message.batch_seq,
        boot_id=message.boot_id,
        closed_ns=message.closed_ns,
        clock=clock,
        devices=tuple(plain_device(d) for d in message.devices if only is None or d.device_id in only),
        blocks=tuple(block_view(b) for b in message.blocks if only is None or b.device_id in only),
        losses=tuple(Loss(x.device_id, x.sample_count, x.first_ns, x.last_ns, x.reason) for x in message.losses),
        overhead=Overhead(o.cpu_ns, o.rss_bytes, o.late_tick_count, tuple(MeterCost(*cost_fields(m)) for m in o.meters)),
        survey=Survey(plain_survey(message.survey_json), message.survey_mono_ns),
    )


def plain_survey(text: str) -> str:
    """`text` if it describes nodes, or is empty. Raises FormatError."""
    if len(text) > MAX_SURVEY_JSON:
        raise FormatError(f"a host is described in {len(text)} characters, above the limit of {MAX_SURVEY_JSON}", "shorten agent.node_file")
    if text:
        Nodes.from_json(document.json_object(text, where="the survey of a batch"))
    return text


def plain_device(message: pb.Device) -> DeviceInfo:
    """The device a description stands for. Raises FormatError."""
    if (longest := max((len(text) for text in message.meter_json), default=0)) > MAX_METER_JSON:
        raise FormatError(
            f"a meter is described in {longest} characters, above the limit of {MAX_METER_JSON}", "shorten its names and note"
        )
    try:
        read = {"read_interval_s": message.read_interval_ns / NS_PER_S} if message.read_interval_ns else {}
        return DeviceInfo(message.device_id, tuple(MeterInfo.from_json({**json.loads(text), **read}) for text in message.meter_json))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(
            f"description of device {message.device_id!r} cannot be read: {error}", "use an agent of the collector's version"
        ) from error


def block_view(block: pb.Block) -> BlockView:
    """Columns of one device as memory. Raises FormatError when lengths disagree.

    Each field is taken out of the message once: that copies it.
    """
    if block.encoding != pb.ENCODING_RAW_LE:
        raise FormatError(f"block of {block.device_id!r} has encoding {block.encoding}", "use a collector of the agent's version")
    mono, bracket, relation, seq = block.mono_delta_ns, block.bracket_ns, block.utc_minus_mono_ns, block.seq
    pinned = tuple(block.pinned_rows)
    size, n = len(mono), len(mono) // 8
    sizes_ok = 0 < size == 8 * n == len(bracket) and len(relation) in (8, size) and len(seq) in (8, size) and rows_of(pinned, n)
    columns: list[ColumnView] = []
    for column in block.columns:
        values, delta, quality, told = column.values, column.device_delta_ns, column.quality, column.reasons
        reasons = {r.row: r.text for r in told} if told else NO_REASONS
        sizes_ok = sizes_ok and len(values) == size and len(delta) in (0, size) and len(quality) in (0, n)
        sizes_ok = sizes_ok and (not told or (len(told) <= n and rows_of(reasons, n)))
        columns.append(ColumnView(values, delta, quality, reasons))
    if not sizes_ok:
        raise FormatError(
            f"columns of {block.device_id!r} differ in length", "the batch is damaged: the agent must send it again from its spool"
        )
    return BlockView(block.device_id, n, block.base_mono_ns, mono, bracket, relation, seq, pinned, tuple(columns))


def rows_of(named: Collection[int], n: int) -> bool:
    """Whether `named` are rows of n, and no more than there are."""
    return not named or (len(named) <= n and min(named) >= 0 and max(named) < n)


def parsed(message: M, raw: bytes) -> M:
    """`message` filled from `raw`. Raises FormatError for bytes that are not one."""
    try:
        message.ParseFromString(raw)
    except DecodeError as error:
        raise FormatError(
            f"{len(raw)} bytes are not a {message.DESCRIPTOR.name}: {error}", "use an agent of the collector's version"
        ) from error
    return message
