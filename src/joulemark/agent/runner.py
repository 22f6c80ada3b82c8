"""Runs one meter: opens it, reads it, numbers and judges its samples, turns errors into gaps, and keeps its costs."""

from __future__ import annotations

import enum
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from joulemark.agent.batcher import Batcher
from joulemark.agent.overhead import Busy
from joulemark.agent.refresh import DeviceRefresh
from joulemark.agent.schedule import FEWEST_TICKS, NO_BURSTS, Backoff, Bursts
from joulemark.agent.watch import MeterWatch, watched
from joulemark.agent.wiring import OnOpenError, RunnerConfig, wired
from joulemark.errors import JoulemarkError, MeterError, MeterFault, MeterGone, MeterTransient
from joulemark.meters.base import Meter, Taken
from joulemark.meters.descriptions import LONGEST_REASON, legible
from joulemark.proto.messages import MeterCost
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_MS, NS_PER_S

log = logging.getLogger("joulemark.agent")

REOPEN_S: Final = (1.0, 60.0)
"""First and longest wait before a meter that is gone is opened again."""


HANGING_S: Final = 5.0
"""A call into a driver that lasts longer is told in gaps while it lasts; above the deadline of a BMC, which tells itself."""


GIVES_WAY_S: Final = 0.005
"""So long at most one read holds up those that are settled: a driver that hangs must not hold up the batch."""


class State(enum.Enum):
    """Where a meter is in its life."""

    CLOSED = "closed"
    OPEN = "open"
    FAULTY = "faulty"
    ENDED = "ended"


class Unsettled(NamedTuple):
    """A read that is not numbered and judged yet. `extra`: of a burst, off the grid."""

    read: list[Sample] | Taken
    began_ns: int
    ended_ns: int
    pinned: bool
    extra: bool


class Runner:
    """One meter and all that the agent knows of it.

    `source` is its kind, and place where there are several (`ipmi:2`); `host` the agent's name, `cords` the full names of all cords.
    `lock`: of its driver, as `Driver.lock`; `bursts`: around phase marks, none where its driver does not allow them.
    """

    def __init__(
        self,
        source: str,
        meter: Meter,
        settings: RunnerConfig,
        *,
        clock: Clock,
        batcher: Batcher,
        interval_ms: int,
        host: str = "",
        cords: Sequence[str] = (),
        lock: str = "",
        bursts: Bursts = NO_BURSTS,
    ) -> None:
        self.lock, self.bursts = lock, bursts
        self.source, self.meter, self.settings = source, meter, settings
        self._host, self._cords = host, tuple(cords)
        self.interval_ns = (settings.interval_ms or interval_ms) * NS_PER_MS
        self.state = State.CLOSED
        self._clock, self._batcher = clock, batcher
        self._devices: tuple[DeviceInfo, ...] = ()
        self._watches: dict[str, list[MeterWatch]] = {}
        self._refreshes: dict[str, DeviceRefresh] = {}
        self._next_seq: dict[str, int] = {}
        self._backoff = Backoff(*REOPEN_S)
        self._open_after_ns = 0
        self._trouble = ""
        self._called_ns: int | None = None
        self._lock = threading.Lock()
        self._reading = threading.RLock()
        self._unsettled: deque[Unsettled] = deque()
        self._take: Callable[[Clock], Taken] | None = getattr(meter, "take", None)
        batcher.settled_by(self.settle)
        self._read_count = self._error_count = self._burst_count = 0
        self._busy = Busy()
        self._failing = False

    @property
    def cost(self) -> MeterCost:
        """Reads, errors and time spent in the driver since the start."""
        busy = self._busy
        counts = self._read_count, self._error_count, busy.total_ns, self._burst_count
        return MeterCost(self.source, *counts, busy.median_ns, busy.longest_ns)

    @property
    def trouble(self) -> str:
        """Why there is nothing to read; empty while the meter is open."""
        return "" if self.state is State.OPEN else self._trouble

    def start(self) -> None:
        """Open a meter whose policy is `fail`; the others open at their first poll. Raises MeterError and ConfigError."""
        if self.settings.on_open_error is OnOpenError.FAIL:
            self.meter.open()
            self._opened()

    def poll(self, *, pinned: bool = False, extra: bool = False) -> None:
        """One read, or what stands in for it; never raises for anything that a meter does. `extra`: of a burst, off the grid."""
        with self._reading:
            self._called_ns = self._clock.mono_ns()
            if self.state is State.CLOSED and self._called_ns >= self._open_after_ns:
                self._try_open()
            if self.state is State.OPEN:
                self._read(pinned=pinned, extra=extra)
            elif self.state in (State.CLOSED, State.FAULTY) and not extra:
                self._add_gaps(self._called_ns, self._trouble, pinned=pinned)
            self._called_ns = None

    def tell_hanging(self) -> None:
        """A gap for each device while a call into the driver does not come back. Called from another thread than `poll`."""
        called_ns, now_ns = self._called_ns, self._clock.mono_ns()
        if called_ns is not None and now_ns - called_ns > HANGING_S * NS_PER_S and self.state is not State.ENDED:
            self._add_gaps(now_ns, f"no answer for {(now_ns - called_ns) / NS_PER_S:.0f} s", pinned=False)

    def close(self) -> None:
        """Release the meter."""
        if self.state is not State.ENDED:
            self.state = State.ENDED
            self._release()

    def leave(self) -> None:
        """Give up a meter whose device hangs: to close it would hang too."""
        self.state = State.ENDED

    def _release(self) -> None:
        try:
            self.meter.close()
        except Exception as error:  # noqa: BLE001  # as below: a driver that cannot close must not hold up the end, or a new beginning
            log.warning("meter %s cannot be closed: %s", self.source, said(error))

    def _try_open(self) -> None:
        try:
            self.meter.open()
            self._opened()
        except Exception as error:  # noqa: BLE001  # a driver may raise anything; it is counted and reported, and the others go on
            self._error_count += 1
            self._trouble = said(error)
            self._open_failed(error)

    def _open_failed(self, error: Exception) -> None:
        if self.settings.on_open_error is OnOpenError.SKIP:
            self.state = State.ENDED
            log.warning("meter %s left out: %s", self.source, said(error))
            return
        if self._backoff.failures == 0:
            log.warning("meter %s cannot be opened, trying again until it can: %s", self.source, said(error))
        self._open_after_ns = self._clock.mono_ns() + round(self._backoff.next_s() * NS_PER_S)

    def _opened(self) -> None:
        """Take the descriptions; the numbers of a device that was known go on, as gaps where it is not found again.

        Raises ConfigError when another source reads a device too, and where the operator's keys do not fit the devices.
        """
        self.settle()  # what was read under the descriptions before
        found = wired(self.meter.info, self.settings, source=self.source, host=self._host, cords=self._cords)
        opened = []
        for device in map(self._paced, found):
            known = self._refreshes.get(device.device_id)
            if known is None or known.given != device:
                known = self._refreshes[device.device_id] = DeviceRefresh(device)
                self._watches[device.device_id] = [MeterWatch(meter) for meter in device.meters]
            self._batcher.describe(known.device, self.source)
            self._next_seq.setdefault(device.device_id, 0)
            opened.append(known.device)
        names = {device.device_id for device in opened}
        self._devices = (*opened, *(device for device in self._devices if device.device_id not in names))
        if self._backoff.failures:
            log.info("meter %s is open again", self.source)
        self._backoff.reset()
        self.state = State.OPEN

    def _paced(self, device: DeviceInfo) -> DeviceInfo:
        """`device`, saying how often it is read apart from bursts, where it is read in bursts: else they would pass for its sampling."""
        if device.seldom or self.bursts.ticks(self.interval_ns) < FEWEST_TICKS:
            return device
        read_s = self.interval_ns / NS_PER_S
        return replace(device, meters=tuple(replace(meter, read_interval_s=read_s) for meter in device.meters))

    def _read(self, *, pinned: bool, extra: bool) -> None:
        began_ns = self._clock.mono_ns()
        read: list[Sample] | Taken
        try:
            if self._take is None:
                read = self._complete(self.meter.read(self._clock), began_ns, self._clock.mono_ns())
            else:
                read = self._take(self._clock)
        except Exception as error:  # noqa: BLE001  # as above
            read = self._gaps(began_ns, said(error))
            self._trouble = said(error)
            self._failed(error)
        else:
            self._failing = False
        ended_ns = self._clock.mono_ns()
        self._read_count += 1
        self._burst_count += extra
        self._busy.add(ended_ns - began_ns)
        self._unsettled.append(Unsettled(read, began_ns, ended_ns, pinned, extra))

    def _complete(self, samples: list[Sample], began_ns: int, ended_ns: int) -> list[Sample]:
        """`samples`, read between two moments, with a gap for each device that is missing, but for those read seldom.

        Raises ValueError when the driver breaks its own description.
        """
        for sample in samples:
            n, t0_ns, t1_ns = len(self._watches.get(sample.device_id, ())), sample.t_read0_ns, sample.t_read1_ns
            if not len(sample.values) == len(sample.t_device_ns) == len(sample.qualities) == len(sample.reasons) == n:
                raise ValueError(f"the driver gave {len(sample.values)} values for {sample.device_id!r}, which it does not describe so")
            if not (type(t0_ns) is type(t1_ns) is type(sample.utc_minus_mono_ns) is int and began_ns <= t0_ns <= t1_ns <= ended_ns):
                raise ValueError(f"the driver dates a read of {sample.device_id!r} outside of its call")
        told = {sample.device_id for sample in samples}
        if len(told) < len(samples):
            raise ValueError("the driver gave two samples for one device")
        if len(samples) == len(self._devices):
            return samples
        silent = [device for device in self._devices if not device.seldom and device.device_id not in told]
        return samples + self._gaps(began_ns, "the driver gave no sample", silent, ended_ns=ended_ns) if silent else samples

    def _failed(self, error: Exception) -> None:
        """Count the error, report the first of a row, and move on to the state that it means."""
        self._error_count += 1
        if isinstance(error, MeterGone):
            self._backoff.failures = 1  # so that its return is reported
            self.state, self._open_after_ns = State.CLOSED, self._clock.mono_ns() + round(REOPEN_S[0] * NS_PER_S)
            self._release()
        elif isinstance(error, MeterFault):
            self.state = State.FAULTY
            self._release()
        if not self._failing:
            unforeseen = not isinstance(error, MeterError)
            log.log(logging.ERROR if unforeseen else logging.WARNING, "meter %s: %s", self.source, said(error), exc_info=unforeseen)
        self._failing = isinstance(error, MeterTransient) or not isinstance(error, MeterError)

    def _gaps(
        self, began_ns: int, reason: str, devices: Sequence[DeviceInfo] | None = None, *, ended_ns: int | None = None
    ) -> list[Sample]:
        """A gap for each of `devices`, all unless told, from `began_ns` to `ended_ns`, now unless told."""
        until_ns, offset_ns = self._clock.mono_ns() if ended_ns is None else ended_ns, utc_minus_mono_ns(self._clock)
        return [Sample.gap(device, began_ns, until_ns, offset_ns, reason) for device in (self._devices if devices is None else devices)]

    def _add_gaps(self, began_ns: int, reason: str, *, pinned: bool) -> None:
        """Keep a gap for each device, for `settle`."""
        self._unsettled.append(Unsettled(self._gaps(began_ns, reason), began_ns, began_ns, pinned, extra=False))

    def settle(self) -> None:
        """Number and judge what was read since the last time, in its order, and hand it on.

        Once a batch and not at each read: a read is made on a machine that does something else, and all that comes on top of the driver's
        own call finds the processor's caches cold.
        """
        gives_way = True
        with self._lock:
            while self._unsettled:
                gives_way = gives_way and self._given_way()
                one = self._unsettled.popleft()
                self._hand_on(one.read if isinstance(one.read, list) else self._taken_apart(one), one.pinned, one.extra)

    def _given_way(self) -> bool:
        """Wait for a read in progress; False where it takes so long that the others wait no more for it.

        A driver's call gives the interpreter up, and gets it back from a thread that works only SWITCH_S later: eight GPUs would be read in
        eight times that.
        """
        if not self._reading.acquire(timeout=GIVES_WAY_S):
            return False
        self._reading.release()
        return True

    def _taken_apart(self, one: Unsettled) -> list[Sample]:
        """The samples of a read; where its driver breaks its word about them, gaps."""
        assert not isinstance(one.read, list)
        try:
            return self._complete(one.read.samples(), one.began_ns, one.ended_ns)
        except Exception as error:  # noqa: BLE001  # as above
            self._trouble = said(error)
            self._failed(ValueError(said(error)))  # nothing that a thread beside that of the reads may close a meter for
            return self._gaps(one.began_ns, said(error), ended_ns=one.ended_ns)

    def _hand_on(self, samples: list[Sample], pinned: bool, extra: bool) -> None:
        """How often a meter has news is told by reads of the grid: of two spacings nothing would follow."""
        numbered = []
        for sample in samples:
            seq = self._next_seq[sample.device_id]
            self._next_seq[sample.device_id] = seq + 1
            numbered.append(watched(sample, self._watches[sample.device_id]).numbered(seq, pinned=pinned))
        self._batcher.add(numbered)
        for sample in numbered if not extra else ():
            if (device := self._refreshes[sample.device_id].see(sample)) is not None:
                self._describe(device)

    def _describe(self, device: DeviceInfo) -> None:
        """Make a new description of a known device count for what is read from now on."""
        self._batcher.describe(device, self.source)
        self._devices = tuple(device if one.device_id == device.device_id else one for one in self._devices)
        for watch, meter in zip(self._watches[device.device_id], device.meters, strict=True):
            watch.describe(meter)


def said(error: Exception) -> str:
    """What the error says, in one line; of an unforeseen one its kind too."""
    return legible(error.what if isinstance(error, JoulemarkError) else f"{type(error).__name__}: {error}", longest=LONGEST_REASON)
