"""What measuring costs this host: processor time and memory of the agent's own process, and time in drivers."""

from __future__ import annotations

import os
import resource
from collections import deque
from pathlib import Path
from typing import Final

from joulemark.units import NS_PER_S

STATM: Final = Path("/proc/self/statm")


KEPT: Final = 255
"""Of so many reads the median is told."""


class Busy:
    """Time that one meter's driver took: in all, of the longest read, and the median of the last ones."""

    def __init__(self) -> None:
        self.total_ns = self.longest_ns = 0
        self._last_ns: deque[int] = deque(maxlen=KEPT)

    def add(self, took_ns: int) -> None:
        """One read."""
        self.total_ns += took_ns
        self.longest_ns = max(self.longest_ns, took_ns)
        self._last_ns.append(took_ns)

    @property
    def median_ns(self) -> int:
        """Of the last reads, 0 before the first. May be asked while another thread adds."""
        found = sorted(self._last_ns.copy())
        return found[len(found) // 2] if found else 0


def cpu_ns() -> int:
    """Processor time of this process since its start, user and system, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round((usage.ru_utime + usage.ru_stime) * NS_PER_S)


def rss_bytes() -> int:
    """Resident memory of this process; the peak where the system has no /proc."""
    try:
        return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
