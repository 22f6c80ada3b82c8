"""What the agent knows of its clock: the kernel's word, chrony's where it runs, and the probes on the stream."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.agent.clock_fit import Estimate, Exchange, continued, estimate, least_delayed
from joulemark.proto.messages import ClockState
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

CHRONYC_TIMEOUT_S: Final = 3.0
STA_UNSYNC: Final = 0x0040
TIME_ERROR: Final = 5


class Timex(ctypes.Structure):
    """`struct timex` of Linux, 64 bits: see adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """adjtimex: whether some daemon keeps the clock, and the kernel's bound of its error."""

    synchronized: bool = False
    max_error_ns: int = 0


@dataclass(frozen=True, slots=True)
class Discipline:
    """The time daemon, and its own bound of the error against UTC."""

    name: str = ""
    bound_ns: int = 0


def kernel_clock() -> KernelClock:
    """The kernel's state of CLOCK_REALTIME, read without any privilege; not synchronised where it is not told."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except AttributeError:
        return KernelClock()
    timex = Timex(modes=0)
    state = adjtimex(ctypes.byref(timex))
    if state < 0:
        return KernelClock()
    return KernelClock(state != TIME_ERROR and not timex.status & STA_UNSYNC, timex.maxerror * 1000)


def parse_tracking(line: str) -> Discipline:
    """What one line of `chronyc -c tracking` says; no discipline when it is not synchronised or is not such a line.

    Bound: |system time offset| + root dispersion + root delay / 2 (chronyc(1), "tracking").
    """
    fields = line.strip().split(",")
    if len(fields) < 14 or fields[13] == "Not synchronised":
        return Discipline()
    try:
        offset_s, root_delay_s, root_dispersion_s = (float(fields[i]) for i in (4, 10, 11))
    except ValueError:
        return Discipline()
    return Discipline("chrony", round((abs(offset_s) + root_dispersion_s + root_delay_s / 2) * NS_PER_S))


def chrony() -> Discipline:
    """What chrony says, where it is installed and runs. Takes up to CHRONYC_TIMEOUT_S: not for the sampler's thread."""
    program = shutil.which("chronyc")
    if program is None:
        return Discipline()
    try:
        done = subprocess.run(
            [program, "-n", "-c", "tracking"],
            capture_output=True,
            text=True,
            timeout=CHRONYC_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return Discipline()
    return parse_tracking(done.stdout) if done.returncode == 0 else Discipline()


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
