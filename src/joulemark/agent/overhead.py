"""What measuring costs this host: processor time and memory of the agent's own process."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

from joulemark.units import NS_PER_S

STATM: Final = Path("/proc/self/statm")


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
