"""The store of readings: what goes in, what can be asked, and the interface that every engine keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

from joulemark.energy.series import Series
from joulemark.proto.messages import Ack, BatchView, ClockState, Loss, Overhead
from joulemark.readings import DeviceInfo, MeterInfo
from joulemark.units import NS_PER_S

UNKNOWN_BOUND_NS: Final = 16 * NS_PER_S
"""Bound of an agent's clock that nobody ever compared: where the kernel's own error estimate saturates (NTP_PHASE_LIMIT)."""


ENCLOSING_NS: Final = 90 * NS_PER_S
"""A span needs a reading so near on each side: nothing is extrapolated."""


class AlteredBatch(ValueError):
    """A batch came under the key of another one that is already stored: nothing may be overwritten, and it is no duplicate."""


@dataclass(frozen=True, slots=True)
class Received:
    """A batch as it arrived: `body` is stored as it came, `view` is its decoded twin.

    `rx_ns`: on the collector's axis. `same_clock`: agent and collector run under one kernel, so their clocks are the same by nature,
    unless the agent's probes say otherwise: a process may be given a false clock. `axis_minus_mono_ns`: the collector's own; 0: not known.
    """

    agent_id: str
    view: BatchView
    body: bytes
    rx_ns: int
    same_clock: bool = False
    axis_minus_mono_ns: int = 0


@dataclass(frozen=True, slots=True)
class Stream:
    """What the store holds of one epoch of one agent. `last_ns`: time of its newest sample, 0 before the first one."""

    agent_id: str
    epoch_ns: int
    boot_id: str
    same_clock: bool
    acked_seq: int
    batch_count: int
    sample_count: int
    duplicate_count: int
    first_rx_ns: int
    last_rx_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class HostState:
    """The agent's clock and cost as a batch told at `t_ns` on the collector's axis."""

    agent_id: str
    epoch_ns: int
    t_ns: int
    same_clock: bool
    clock: ClockState
    overhead: Overhead

    @property
    def offset_ns(self) -> int:
        """Add to the agent's UTC for the collector's."""
        return self.clock.offset_ns if self.clock.offset_known else 0

    @property
    def to_utc_ns(self) -> int:
        """The same, or what the store took before the offset was known."""
        clock = self.clock
        return self.t_ns - clock.at_mono_ns - clock.utc_minus_mono_ns if clock.at_mono_ns else self.offset_ns

    @property
    def bound_ns(self) -> int:
        """How far `offset_ns` may be off."""
        if self.clock.offset_known:
            return self.clock.bound_ns
        return 0 if self.same_clock else UNKNOWN_BOUND_NS


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What an agent saw of its host at `t_ns` on the axis: `joulemark.nodes/1` as text, with times in the agent's own UTC."""

    agent_id: str
    t_ns: int
    body: str


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The UTC of a host jumped by `step_ns` within `unc_ns` of `t_ns`, on the axis. An empty `agent_id` is the collector itself."""

    agent_id: str
    t_ns: int
    unc_ns: int
    step_ns: int


@dataclass(frozen=True, slots=True)
class Anchored:
    """The collector's axis from `since_ns` on: its monotonic time plus `minus_mono_ns`. `minus_utc_ns`: of its UTC as last seen."""

    boot_id: str
    minus_mono_ns: int
    minus_utc_ns: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class ShardState:
    """A database that takes sealed readings, as it was last tried. `failing_since_ns`: on the axis, None when it takes them."""

    name: str
    failing_since_ns: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Deletions:
    """Chunks of raw readings that were deleted ever, since they were old and in no run, and what they took."""

    chunk_count: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Described:
    """A device as its agent described it; `since` is the first batch (epoch_ns, batch_seq) the description holds for."""

    row: int
    agent_id: str
    device: DeviceInfo
    since: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Agent, device and the descriptions of its meters."""
        return {
            "agent_id": self.agent_id,
            "device_id": self.device.device_id,
            "meters": [meter.to_json() for meter in self.device.meters],
        }


@dataclass(frozen=True, slots=True)
class Integral:
    """A power over [begin_ns, end_ns]. `double`: twice the integral, exactly, in ns times the unit of the meter's values. `readings`:
    how many stand inside; `longest_ns`: the longest time between two neighbours that the span touches. No uncertainty is known of it.
    """

    meter: MeterInfo
    begin_ns: int
    end_ns: int
    double: Fraction
    readings: int
    longest_ns: int

    @property
    def energy_j(self) -> float:
        """The energy, rounded once."""
        return float(self.double * Fraction(10) ** self.meter.exponent / (2 * NS_PER_S))


class ReadingStore(Protocol):
    """What can be asked of the store. Every answer is one consistent view of what is durable."""

    def streams(self) -> list[Stream]:
        """Every epoch of every agent, oldest first."""
        ...

    def streams_opened(self) -> dict[str, int]:
        """How many streams each agent ever opened."""
        ...

    def acks(self, agent_id: str) -> list[Ack]:
        """For each epoch of the agent, the highest durable batch."""
        ...

    def devices(self, agents: Iterable[str] | None = None) -> list[Described]:
        """The newest description of every device, of all agents or of `agents`."""
        ...

    def series(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int) -> list[Series]:
        """Readings in [t0_ns, t1_ns] on the collector's axis, one Series a meter, in the order asked; meters with none are left out.

        A meter whose scale or modulus changed in that time gives one Series for each of its descriptions.
        """
        ...

    def recent(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int, *, now_ns: int) -> list[Series]:
        """The same answer as `series`, for who asks again and again for what is of the last minutes before `now_ns`."""
        ...

    def integrals(self, meter_ids: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Integral | None]]:
        """For each power, in the order asked, its integral over each span (begin, end on the axis); None where a reading is missing.

        Raises UsageError for a meter that shows no power, that nobody described, or whose scale changed meanwhile.
        """
        ...

    def losses(self, t0_ns: int, t1_ns: int) -> list[tuple[str, Loss]]:
        """Counted losses that touch [t0_ns, t1_ns], each with its agent."""
        ...

    def states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        """Clock and cost of the agents within [t0_ns, t1_ns] and the last before it."""
        ...

    def last_states(self, count: int = 2) -> list[HostState]:
        """The newest `count` states of each agent, oldest first."""
        ...

    def own_states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        """The same of the collector's own clock, told under an empty `agent_id`."""
        ...

    def surveys(self, t0_ns: int, t1_ns: int) -> list[Surveyed]:
        """What agents saw of their hosts within [t0_ns, t1_ns], and the last before and the first after it, oldest first."""
        ...

    def clock_steps(self, t0_ns: int, t1_ns: int) -> list[ClockStep]:
        """Steps of clocks that may lie in [t0_ns, t1_ns], oldest first."""
        ...

    def axes(self) -> list[Anchored]:
        """Where the collector's axis was anchored, oldest first; the last one holds now."""
        ...

    def shards(self) -> list[ShardState]:
        """The databases that sealed readings went to, or were to go to; none where they stay in the store itself."""
        ...

    def deletions(self) -> Deletions:
        """How many raw readings were deleted, and how large they were."""
        ...


class ChunkStore(ReadingStore, Protocol):
    """A store that takes batches: at least once in, exactly once kept."""

    def append(self, received: Received, *, after: Future[bool] | None = None) -> Future[bool]:
        """Make the batch durable. The future is done after the commit: True when it was new, False for a duplicate.

        It fails when `after`, the batch before it on the stream, failed: an acknowledgement speaks for every batch before its own.
        It fails with AlteredBatch when the log holds other bytes under its key.
        """
        ...

    def stored_bytes(self, agent_id: str) -> int:
        """Bytes that the readings, descriptions and losses of an agent take."""
        ...

    def anchored(self, boot_id: str, *, mono_ns: int, utc_minus_mono_ns: int, keep: bool) -> int:
        """Anchor the collector's axis, or `keep` the one of this boot; what it adds to monotonic time. Blocks."""
        ...

    def told(self, t_ns: int, clock: ClockState) -> Future[None]:
        """Keep what the collector's host says of its own clock at a time on the axis."""
        ...

    def stepped(self, *, mono_ns: int, utc_minus_mono_ns: int) -> Future[bool]:
        """Keep a step of the collector's own UTC, if it is one."""
        ...

    def opened(self, agent_id: str) -> Future[None]:
        """Count a stream that an agent opened."""
        ...

    def seal(self, now_ns: int, *, everything: bool = False) -> int:
        """Turn finished spans of the log into chunks; how many chunks were made."""
        ...

    def close(self) -> None:
        """Commit what was handed in and release the files."""
        ...
