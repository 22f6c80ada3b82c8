"""What this host says of its own clock: the kernel's word, and chrony's where it runs. Agent and collector ask alike."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

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
