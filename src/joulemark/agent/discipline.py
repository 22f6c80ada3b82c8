"""What keeps this host's clock right: the kernel's own word (adjtimex), and chrony's where it runs. Needs no privilege.

Source: adjtimex(2), Linux; chronyc(1), report `tracking` as comma-separated values.
"""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from typing import Final

from joulemark.units import NS_PER_S

STA_UNSYNC: Final = 0x40
CHRONY_S: Final = 2.0
NOT_SYNCHRONISED: Final = "Not synchronised"


class Timeval(ctypes.Structure):
    """`struct timeval`."""

    _fields_ = (("sec", ctypes.c_long), ("usec", ctypes.c_long))


class Timex(ctypes.Structure):
    """`struct timex` of Linux. `maxerror` and `esterror` are microseconds."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance")),
        ("time", Timeval),
        *((name, ctypes.c_long) for name in ("tick", "ppsfreq", "jitter")),
        ("shift", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class Kernel:
    """Whether something disciplines the kernel's clock, and how far off it may be."""

    synchronized: bool
    max_error_ns: int


@dataclass(frozen=True, slots=True)
class Chrony:
    """What chrony says: its source, and a bound |offset| + root dispersion + root delay / 2."""

    source: str
    synchronized: bool
    bound_ns: int


def kernel() -> Kernel | None:
    """The kernel's state, only read; None where adjtimex is forbidden, as in some containers."""
    libc = ctypes.CDLL(None)
    state = Timex()
    if libc.adjtimex(ctypes.byref(state)) < 0:
        return None
    return Kernel(not state.status & STA_UNSYNC, state.maxerror * 1000)


def chrony(program: str = "chronyc") -> Chrony | None:
    """Chrony's state; None where it is not installed, does not run or does not answer within two seconds."""
    try:
        done = subprocess.run([program, "-c", "tracking"], capture_output=True, text=True, timeout=CHRONY_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_tracking(done.stdout) if done.returncode == 0 else None


def parse_tracking(line: str) -> Chrony | None:
    """The line of `chronyc -c tracking`; None when it is not one."""
    fields = line.strip().split(",")
    try:
        source, offset_s, delay_s, dispersion_s, leap = fields[1], float(fields[4]), float(fields[10]), float(fields[11]), fields[13]
    except (IndexError, ValueError):
        return None
    return Chrony(source, leap != NOT_SYNCHRONISED, round((abs(offset_s) + dispersion_s + delay_s / 2) * NS_PER_S))
