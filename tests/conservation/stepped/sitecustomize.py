"""Loaded by Python itself at the start of a process of the run: its UTC is shifted by the nanoseconds in the file `$CONSERVED_CLOCK`.

The file is mapped, so a new number in it is a step of the clock at that instant. CLOCK_MONOTONIC is left alone, as a real step
leaves it. This sits below `joulemark.timebase`, at the interpreter's own clock: a library laid over the C functions (libfaketime
0.9.10) makes gRPC's timers spin, because they compare the shifted clock with the kernel's.
"""

from __future__ import annotations

import mmap
import os
import struct
import time

if path := os.environ.get("CONSERVED_CLOCK"):
    with open(path, "rb") as file:
        shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    true_time_ns = time.time_ns

    def shifted_time_ns() -> int:
        """CLOCK_REALTIME, shifted."""
        return true_time_ns() + int(struct.unpack("<q", shift)[0])

    time.time_ns = shifted_time_ns
    time.time = lambda: shifted_time_ns() / 1e9
