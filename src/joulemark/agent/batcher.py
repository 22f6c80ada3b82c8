"""Gathers samples of all devices and closes them, batch by batch, into the spool."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from joulemark.agent.spool import Spool, SpoolFull, Stored
from joulemark.agent.thinning import loss_of
from joulemark.errors import ConfigError
from joulemark.proto import convert
from joulemark.proto.messages import MAX_BATCH_BYTES, NO_SURVEY, Batch, ClockState, FrozenBatch, Loss, Overhead, Survey
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.agent")

REFUSED: Final = "spool not writable: the disk is full or failing"
BOUND_REACHED: Final = "spool full: refused, nothing older could be thinned"
"""Reasons are fixed texts: hours of a full disk add up to one loss of each device and reason, not to a list that grows."""

CLOCK_STEP_NS: Final = 1_000_000
"""A change of UTC minus monotonic above this is a step of the host's clock, not the noise of reading two clocks."""


@dataclass(slots=True)
class Chunk:
    """Samples under one set of descriptions and one relation of UTC to monotonic time."""

    utc_minus_mono_ns: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    described: dict[str, DeviceInfo] = field(default_factory=dict)


class Batcher:
    """Takes samples from any thread; `close` writes what came since the last call to the spool, durably.

    A batch spans neither a step of the host's clock nor a change of a description, so that one clock state and one set of
    columns hold for all of it. Descriptions go with the first batch after `describe` or `describe_all`.
    """

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        *,
        epoch_ns: int,
        boot_id: str,
        clock_state: Callable[[int], ClockState],
        overhead: Callable[[], Overhead],
        max_batch_bytes: int = MAX_BATCH_BYTES,
    ) -> None:
        self._spool, self._clock = spool, clock
        self._epoch_ns, self._boot_id = epoch_ns, boot_id
        self._clock_state, self._overhead = clock_state, overhead
        self._max_batch_bytes = max_batch_bytes
        self._lock = threading.Lock()
        self._chunks: list[Chunk] = []
        self._devices: dict[str, DeviceInfo] = {}
        self._sources: dict[str, str] = {}
        self._undescribed: set[str] = set()
        self._divided = False
        self._next_seq = 0
        self._unspooled: list[Loss] = []
        self._survey = NO_SURVEY
        self._settling: list[Callable[[], None]] = []

    def settled_by(self, settle: Callable[[], None]) -> None:
        """Let `settle` be called before each close: it adds what its meter has read."""
        self._settling.append(settle)

    def describe(self, device: DeviceInfo, source: str) -> None:
        """Make `device` known; a changed description starts a new batch. Raises ConfigError when another source reads it."""
        with self._lock:
            owner = self._sources.setdefault(device.device_id, source)
            if owner != source:
                raise ConfigError(f"device {device.device_id} is read by {owner} and by {source}", "remove one of the two [[meter]] tables")
            if self._devices.get(device.device_id) != device:
                self._devices[device.device_id] = device
                self._undescribed.add(device.device_id)
                self._divided = bool(self._chunks)

    def surveyed(self, survey: Survey) -> None:
        """Let `survey` travel with the next batch, in place of one that still waits."""
        self._survey = survey

    def limit(self, max_batch_bytes: int) -> None:
        """Make no larger batch from now on: the collector takes none."""
        self._max_batch_bytes = min(MAX_BATCH_BYTES, max_batch_bytes)

    def describe_all(self) -> None:
        """Repeat every description in the next batch: the collector asked."""
        with self._lock:
            self._undescribed.update(self._devices)

    def add(self, samples: Iterable[Sample]) -> None:
        """Numbered samples of described devices."""
        with self._lock:
            for sample in samples:
                if self._divided or not self._chunks or abs(sample.utc_minus_mono_ns - self._chunks[-1].utc_minus_mono_ns) > CLOCK_STEP_NS:
                    self._chunks.append(Chunk(sample.utc_minus_mono_ns))
                    self._divided = False
                    self._describe_in(self._chunks[-1])
                self._chunks[-1].samples.setdefault(sample.device_id, []).append(sample)

    def _describe_in(self, chunk: Chunk) -> None:
        """Let the descriptions that are due travel with `chunk`."""
        chunk.described.update((name, self._devices[name]) for name in sorted(self._undescribed))
        self._undescribed.clear()

    def close(self) -> int:
        """Write everything pending to the spool; returns how many batches that were.

        When the disk refuses, the samples are lost, counted, and reported in the next batch that can be written.
        """
        for settle in self._settling:
            settle()
        with self._lock:
            if self._chunks and not self._divided:
                self._describe_in(self._chunks[-1])
            chunks, self._chunks = self._chunks, []
        written = 0
        for chunk in chunks:
            described = tuple(chunk.described.values())
            for samples in self._fitting(chunk.samples):
                written += self._write(samples, described)
                described = ()
        return written

    def _fitting(self, samples: dict[str, list[Sample]]) -> Iterator[dict[str, list[Sample]]]:
        """`samples`, halved until a batch of them is surely small enough: at most 200 bytes a value and its share of times."""
        size = sum(len(rows) * (64 + 200 * len(rows[0].values)) for rows in samples.values() if rows)
        if size <= self._max_batch_bytes or all(len(rows) < 2 for rows in samples.values()):
            if size:
                yield samples
            return
        yield from self._fitting({name: rows[: (len(rows) + 1) // 2] for name, rows in samples.items()})
        yield from self._fitting({name: tail for name, rows in samples.items() if (tail := rows[(len(rows) + 1) // 2 :])})

    def _write(self, samples: dict[str, list[Sample]], devices: tuple[DeviceInfo, ...]) -> int:
        """Freeze one batch and append it. Returns 1, or 0 when the disk refused."""
        extents = [loss_of(rows, REFUSED) for rows in samples.values()]
        try:
            carried, carried_survey = self._spool.losses(), self._survey
            frozen = self._frozen(samples, devices, (*carried, *self._unspooled), carried_survey)
            self._spool.append(self._stored(frozen, extents), carried=carried, counter_devices=self.counter_devices())
        except (sqlite3.Error, SpoolFull) as error:
            if not self._unspooled:
                log.error("the spool cannot be written: readings are lost and counted until it can: %s", error)
            lost = [replace(x, reason=BOUND_REACHED) for x in extents] if isinstance(error, SpoolFull) else extents
            self._unspooled = merged_losses([*self._unspooled, *lost])
            with self._lock:
                self._undescribed.update(device.device_id for device in devices)
            return 0
        if self._survey is carried_survey:
            self._survey = NO_SURVEY
        if self._unspooled:
            log.info("the spool can be written again; %d samples were lost", sum(x.sample_count for x in self._unspooled))
            self._unspooled = []
        self._next_seq += 1
        return 1

    def _stored(self, frozen: FrozenBatch, extents: Sequence[Loss]) -> Stored:
        """`frozen` with what would be lost with it, summed over its devices."""
        return Stored(
            self._epoch_ns,
            self._next_seq,
            frozen,
            sample_count=sum(x.sample_count for x in extents),
            first_ns=min(x.first_ns for x in extents),
            last_ns=max(x.last_ns for x in extents),
        )

    def _frozen(
        self, samples: dict[str, list[Sample]], devices: tuple[DeviceInfo, ...], losses: tuple[Loss, ...], survey: Survey
    ) -> FrozenBatch:
        return convert.freeze(
            Batch(
                epoch_ns=self._epoch_ns,
                batch_seq=self._next_seq,
                boot_id=self._boot_id,
                closed_ns=self._clock.utc_ns(),
                clock=self._clock_state(min((rows[0].t_read0_ns for rows in samples.values() if rows), default=self._clock.mono_ns())),
                samples={name: tuple(rows) for name, rows in samples.items()},
                devices=devices,
                losses=losses,
                overhead=self._overhead(),
                survey=survey,
            )
        )

    def counter_devices(self) -> frozenset[str]:
        """Devices with a cumulative counter: thinning their periodic samples keeps the totals exact."""
        with self._lock:
            return frozenset(name for name, device in self._devices.items() if any(m.quantity.cumulative for m in device.meters))


def merged_losses(losses: Iterable[Loss]) -> list[Loss]:
    """One loss per device and reason: counts added, dates widened."""
    merged: dict[tuple[str, str], Loss] = {}
    for loss in losses:
        key = loss.device_id, loss.reason
        if (seen := merged.get(key)) is not None:
            loss = Loss(
                loss.device_id,
                seen.sample_count + loss.sample_count,
                min(seen.first_ns, loss.first_ns),
                max(seen.last_ns, loss.last_ns),
                loss.reason,
            )
        merged[key] = loss
    return list(merged.values())
