"""What the agent knows of its clock: what its host says of it, and the probes on the stream."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from joulemark.agent.clock_fit import Estimate, Exchange, continued, estimate, least_delayed
from joulemark.discipline import Discipline, KernelClock, chrony, kernel_clock
from joulemark.proto.messages import ClockState
from joulemark.timebase import Clock, utc_minus_mono_ns


class ClockTracker:
    """Collects what is known of the clock; `state` is what a batch carries. Every method may be called from any thread."""

    def __init__(self, clock: Clock, *, boot_id: str) -> None:
        self._clock, self._boot_id = clock, boot_id
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._probe_count = 0
        self._collector = ("", 0)
        self._kernel, self._discipline = KernelClock(), Discipline()

    def refresh(self) -> None:
        """Ask kernel and chrony again."""
        kernel, discipline = kernel_clock(), chrony()
        with self._lock:
            self._kernel, self._discipline = kernel, discipline

    def welcome(self, boot_id: str, axis_minus_mono_ns: int = 0) -> None:
        """A stream to a collector began; another machine, another boot of it or another axis has nothing to do with the one before."""
        with self._lock:
            if (boot_id, axis_minus_mono_ns) != self._collector:
                self._collector = (boot_id, axis_minus_mono_ns)
                self._exchanges.clear()

    def add_burst(self, burst: Sequence[Exchange]) -> None:
        """The answered probes of one burst, at least one."""
        with self._lock:
            self._exchanges = continued(self._exchanges, least_delayed(burst))
            self._probe_count += len(burst)

    def state(self, since_mono_ns: int) -> ClockState:
        """The clock now, true within its bound for samples read since `since_mono_ns`.

        Under one kernel (the same boot id, and the probes agree) agent and collector read the same monotonic clock: the collector's
        axis is told, not measured, and the bound is 0. Probes that disagree are believed over the boot id, since a process may be
        given a false clock.
        """
        at_ns, shift_ns = self._clock.mono_ns(), utc_minus_mono_ns(self._clock)
        with self._lock:
            known = estimate(self._exchanges, at_ns, since_mono_ns=since_mono_ns)
            boot_id, axis_ns = self._collector
            if known and axis_ns and self._boot_id and self._boot_id == boot_id and abs(known.offset_ns - axis_ns) <= known.bound_ns:
                known = Estimate(axis_ns, 0, 0)
            return ClockState(
                offset_ns=known.offset_ns - shift_ns if known else 0,
                bound_ns=known.bound_ns if known else 0,
                drift_ppb=known.drift_ppb if known else 0,
                offset_known=known is not None,
                probe_count=self._probe_count,
                kernel_synchronized=self._kernel.synchronized,
                kernel_max_error_ns=self._kernel.max_error_ns,
                discipline=self._discipline.name,
                discipline_bound_ns=self._discipline.bound_ns,
                at_mono_ns=at_ns,
                utc_minus_mono_ns=shift_ns,
            )
