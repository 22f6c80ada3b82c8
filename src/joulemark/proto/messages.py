"""What travels between agent, collector and clients, as plain objects: no protobuf type leaves `proto/convert.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from joulemark.config import LARGEST_BATCH_BYTES
from joulemark.readings import DeviceInfo, Sample

PROTOCOL_VERSION: Final = 1
MAX_BATCH_BYTES: Final = LARGEST_BATCH_BYTES
NO_DEVICE_TIME: Final = -(2**63)
MAX_BLOCKS: Final = 8192
"""Most devices, descriptions and losses that one batch may name, each."""

MAX_METER_JSON: Final = 16_384
"""Longest description of one meter: the collector holds those of all agents together."""

MAX_SURVEY_JSON: Final = 65_536
"""Longest description of a host, in characters."""

REFUSED_BATCH: Final = "joulemark-refused-batch"
"""Key of the trailing metadata that names a batch which will never be taken: its SHA-256 in hexadecimal, a space, the reason's name."""

STREAM_METHOD: Final = "/joulemark.proto.v1.TelemetryService/Stream"


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of an agent. `epoch_ns`: start of this process, forced above the last one. `instance_id`: random name of its spool."""

    agent_id: str
    epoch_ns: int
    boot_id: str
    software_version: str
    protocol_version: int = PROTOCOL_VERSION
    instance_id: str = ""


@dataclass(frozen=True, slots=True)
class FrozenBatch:
    """A serialised batch and its SHA-256; never rebuilt."""

    body: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ClockProbe:
    """t1: the agent's UTC as it sends."""

    probe_id: int
    t1_ns: int


@dataclass(frozen=True, slots=True)
class ClockReply:
    """t2, t3: the collector's UTC as it received and as it answers."""

    probe_id: int
    t1_ns: int
    t2_ns: int
    t3_ns: int


@dataclass(frozen=True, slots=True)
class Ack:
    """Every batch of the epoch up to `batch_seq` is durable."""

    epoch_ns: int
    batch_seq: int


@dataclass(frozen=True, slots=True)
class Welcome:
    """The collector's answer to Hello: what it already has of this agent, its limits, and its axis (`timebase.AxisClock`; 0: not told)."""

    software_version: str
    boot_id: str
    acks: tuple[Ack, ...] = ()
    max_batch_bytes: int = MAX_BATCH_BYTES
    protocol_version: int = PROTOCOL_VERSION
    axis_minus_mono_ns: int = 0


@dataclass(frozen=True, slots=True)
class Directive:
    """What the collector asks of an agent."""

    read_now: bool = False
    batch_period_ms: int = 0
    retry_after_ms: int = 0
    describe_devices: bool = False


@dataclass(frozen=True, slots=True)
class IngestStatus:
    """The ingest process: agents connected, bytes received and not durable yet, refusals by reason since it started."""

    agent_count: int = 0
    pending_bytes: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is known of the agent's clock, for one batch.

    At the agent's monotonic time `at_mono_ns` its UTC was that plus `utc_minus_mono_ns`, and the collector's axis that UTC plus
    `offset_ns`; per second the offset grows by `drift_ppb` ns. True within `bound_ns` for every sample of the batch.
    `offset_known` is False until a probe was answered. `kernel_*`: adjtimex. `discipline`: chrony, or empty; its bound is
    |offset| + root dispersion + root delay / 2. An agent from before `at_mono_ns` leaves it 0.
    """

    offset_ns: int = 0
    bound_ns: int = 0
    drift_ppb: int = 0
    offset_known: bool = False
    probe_count: int = 0
    kernel_synchronized: bool = False
    kernel_max_error_ns: int = 0
    discipline: str = ""
    discipline_bound_ns: int = 0
    at_mono_ns: int = 0
    utc_minus_mono_ns: int = 0

    @property
    def axis_minus_mono_ns(self) -> int:
        """Add to the agent's monotonic time for the collector's axis, at `at_mono_ns`; its own UTC while the offset is not known."""
        return self.utc_minus_mono_ns + (self.offset_ns if self.offset_known else 0)


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples that were read and then lost, with when and why (UTC ns of the first and the last)."""

    device_id: str
    sample_count: int
    first_ns: int
    last_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class MeterCost:
    """What reading one source cost since the agent started. `burst_count`: reads of bursts around phase marks, among `read_count`.
    `busy_ns`: time in the driver, in all; `busy_median_ns` of the last reads, `busy_max_ns` of the longest one.
    """

    source: str
    read_count: int
    error_count: int
    busy_ns: int
    burst_count: int = 0
    busy_median_ns: int = 0
    busy_max_ns: int = 0


@dataclass(frozen=True, slots=True)
class Overhead:
    """What the agent itself cost since it started."""

    cpu_ns: int = 0
    rss_bytes: int = 0
    late_tick_count: int = 0
    meters: tuple[MeterCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """The host as its agent saw it at `mono_ns`: `joulemark.nodes/1` as text, empty for no look."""

    text: str
    mono_ns: int


NO_SURVEY: Final = Survey("", 0)


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples to send, by device: what `convert.freeze` serialises. Every device of `samples` is described in `known`.
    `survey`: the host as it was seen since the last batch, if it was.
    """

    epoch_ns: int
    batch_seq: int
    boot_id: str
    closed_ns: int
    clock: ClockState
    samples: Mapping[str, tuple[Sample, ...]]
    devices: tuple[DeviceInfo, ...] = ()
    losses: tuple[Loss, ...] = ()
    overhead: Overhead = Overhead()
    survey: Survey = NO_SURVEY


class ColumnView(NamedTuple):
    """One meter's column, as memory: little-endian int64[n] `values`; `device_delta_ns` int64[n] or empty; `quality` uint8[n] or empty."""

    values: bytes
    device_delta_ns: bytes
    quality: bytes
    reasons: Mapping[int, str]


class BlockView(NamedTuple):
    """n rows of one device, as memory (little-endian int64). `utc_minus_mono_ns` and `seq` hold one entry or n: see telemetry.proto.

    A tuple, and bytes in it: of dozens of these in each batch, neither is anything that the collector of cyclic garbage has to visit.
    """

    device_id: str
    row_count: int
    base_mono_ns: int
    mono_delta_ns: bytes
    bracket_ns: bytes
    utc_minus_mono_ns: bytes
    seq: bytes
    pinned_rows: tuple[int, ...]
    columns: tuple[ColumnView, ...]


@dataclass(frozen=True, slots=True)
class BatchView:
    """A received batch: facts decoded, columns as memory."""

    epoch_ns: int
    batch_seq: int
    boot_id: str
    closed_ns: int
    clock: ClockState
    devices: tuple[DeviceInfo, ...]
    blocks: tuple[BlockView, ...]
    losses: tuple[Loss, ...]
    overhead: Overhead = field(default_factory=Overhead)
    survey: Survey = NO_SURVEY
