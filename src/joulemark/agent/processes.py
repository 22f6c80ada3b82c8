"""What runs on the host and is not the benchmark: processes that take a processor, or that compute on a GPU."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark.units import NS_PER_S

SHARE: Final = 0.1
"""Of one core since the last look: from here on a process disturbs."""
OURS: Final = ("joulemark",)
"""Of the agent itself, the cost is told apart (`overhead`)."""
SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Process:
    """One process as /proc tells it (proc(5)); `cpu_ticks`: user and system time."""

    pid: int
    name: str
    parent: int
    cpu_ticks: int
    started_ticks: int


class Processes:
    """Compares each look with the one before it. `own`: names of the benchmark's processes; what they started is theirs too."""

    def __init__(self, own: Collection[str] = (), *, proc: Path = Path("/proc"), self_pid: int | None = None) -> None:
        self._own, self._proc = frozenset(own), proc
        self._self = os.getpid() if self_pid is None else self_pid
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")
        self._before: dict[tuple[int, int], int] = {}
        self._before_ns: int | None = None

    def foreign(self, t_ns: int, computing: Collection[int] | None) -> tuple[str, ...] | None:
        """The strangers at `t_ns`, UTC; `computing`: who uses a GPU, None where nobody tells. None where /proc tells nothing.

        Only what a process took since the last look counts, so that the first look names those on a GPU alone.
        """
        found = self._all()
        if not found:
            return None
        elapsed_s = None if self._before_ns is None else max(1, t_ns - self._before_ns) / NS_PER_S
        shares = {} if elapsed_s is None else self._shares(found, elapsed_s)
        self._before = {(p.pid, p.started_ticks): p.cpu_ticks for p in found.values()}
        self._before_ns = t_ns
        own = self._benchmark(found)
        named = []
        for pid, process in sorted(found.items()):
            reasons = [f"{shares[pid]:.0%} of a core"] if shares.get(pid, 0.0) > SHARE else []
            reasons += ["computes on a GPU"] if pid in (computing or ()) else []
            if reasons and pid not in own:
                named.append(f"{process.name} ({pid}): {', '.join(reasons)}")
        named += [f"process {pid} of another namespace: computes on a GPU" for pid in sorted(set(computing or ()) - set(found))]
        return tuple(named[:SHOWN])

    def _shares(self, found: Mapping[int, Process], elapsed_s: float) -> dict[int, float]:
        """Process id -> share of one core since the last look; of one that is new, what it took since its start."""
        taken = {pid: p.cpu_ticks - self._before.get((pid, p.started_ticks), 0) for pid, p in found.items()}
        return {pid: ticks / self._ticks_per_s / elapsed_s for pid, ticks in taken.items()}

    def _benchmark(self, found: Mapping[int, Process]) -> set[int]:
        """Ids of the benchmark's processes, of all they started, and of the agent."""
        own = {pid for pid, p in found.items() if p.name in self._own or p.name in OURS or pid == self._self}
        grown = True
        while grown:
            more = {pid for pid, p in found.items() if p.parent in own} - own
            own |= more
            grown = bool(more)
        return own

    def _all(self) -> dict[int, Process]:
        found = {}
        for entry in self._proc.iterdir() if self._proc.is_dir() else ():
            if entry.name.isdigit() and (process := process_of(entry)) is not None:
                found[process.pid] = process
        return found


def process_of(folder: Path) -> Process | None:
    """The process that `folder` of /proc tells of; None where it ended meanwhile."""
    try:
        line = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    name, _, rest = line.partition("(")[2].rpartition(")")
    fields = rest.split()
    return Process(int(folder.name), name, int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[19]))
