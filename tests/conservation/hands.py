"""The hands that hurt the fleet: one function for each kind of fault."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import struct
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed
from tests.conservation.faults import COLLECTOR, Fault
from tests.conservation.fleet import Fleet, boottime_ns

STEP_NS: Final = 5 * 10**9
FULL_BYTES: Final = 8_192
"""No file of an agent with a full disk grows beyond this: less than one batch in its write-ahead log."""
LOG_ROOM_BYTES: Final = 32_768
"""What a collector with a full disk may still write into its log, the one file of it that tells why it refuses."""

PART: Final = {"kill": "process", "stop": "process", "step": "clock", "full": "disk"}
"""What a kind of fault occupies; faults on the same part of the same target wait for each other. The others occupy the link."""


class Hands:
    """Lets faults happen, and keeps account of what did."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._busy: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def inflict(self, fault: Fault) -> None:
        """Let `fault` happen, after the one before it on the same part."""
        part = PART.get(fault.kind, "link")
        async with self._busy[fault.target, part]:
            if part == "link":
                await self._on_link(fault)
            else:
                await {"kill": self._kill, "stop": self._stop, "step": self._step, "full": self._full}[fault.kind](fault)
            self._fleet.faults[f"{fault.kind} {'collector' if fault.target == COLLECTOR else 'agent'}"] += 1

    async def _kill(self, fault: Fault) -> None:
        with suppress(ProcessLookupError):  # a full disk may have kept it from starting
            await asyncio.to_thread(self._fleet.daemons[fault.target].kill)
        dead_ns = boottime_ns()
        await asyncio.sleep(fault.hold_s)
        self._fleet.down.append({"target": fault.target, "from_mono_ns": dead_ns, "to_mono_ns": boottime_ns()})
        await self._fleet.start(fault.target)

    async def _stop(self, fault: Fault) -> None:
        process = self._fleet.daemons[fault.target].process
        assert process is not None
        with suppress(ProcessLookupError):  # a full disk may have kept it from starting
            os.killpg(process.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(fault.hold_s)
            finally:
                os.killpg(process.pid, signal.SIGCONT)

    async def _step(self, fault: Fault) -> None:
        """Five seconds forward or back, and back towards the truth when it is away from it: a clock is never off by more."""
        clock = self._fleet.work / f"{fault.target}.clock"
        (off_ns,) = struct.unpack("<q", clock.read_bytes())
        wanted = STEP_NS if fault.choice < 0.5 else -STEP_NS
        step_ns = -off_ns if off_ns else wanted
        with clock.open("r+b") as file:
            file.write(struct.pack("<q", off_ns + step_ns))
        self._fleet.steps.append({"target": fault.target, "mono_ns": boottime_ns(), "step_ns": step_ns})

    async def _full(self, fault: Fault) -> None:
        """Forbid the files of an agent, or of the collector's ingest process, to grow; RLIMIT_FSIZE answers EFBIG.

        One that was just starting says so and ends with status 5; it is started again, as a service manager does.
        """
        pid, limit = self._writer_of(fault.target)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            await asyncio.sleep(fault.hold_s)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        async with self._busy[fault.target, "process"]:
            process = self._fleet.daemons[fault.target].process
            if process is not None and (status := process.poll()) is not None:
                if status != EnvironmentFailed.exit_code:
                    raise RuntimeError(f"{fault.target} ended with status {status} while its disk was full")
                await self._fleet.start(fault.target)

    def _writer_of(self, target: str) -> tuple[int | None, int]:
        """The process that writes the database of `target`, None while there is none; and how large its files may be."""
        daemon = self._fleet.daemons[target]
        if daemon.process is None or daemon.process.poll() is not None:
            return None, 0
        if target != COLLECTOR:
            return daemon.process.pid, FULL_BYTES
        return holder(daemon.process.pid, "collector.lock"), daemon.log.stat().st_size + LOG_ROOM_BYTES

    async def _on_link(self, fault: Fault) -> None:
        link = self._fleet.links[fault.target]
        if fault.kind == "cut":
            await link.cut()
        elif fault.kind == "tear":
            link.tear()
        elif fault.kind == "half_close":
            link.half_close(upwards=fault.choice < 0.5)
            await asyncio.sleep(fault.hold_s)
        elif fault.kind == "delay":
            await link.delay(fault.hold_s, 0.2 * fault.choice)
        elif fault.kind == "dark":
            await link.dark(fault.hold_s)
        else:
            await link.late(fault.hold_s, 0.006 * fault.choice)


def holder(parent: int, file_name: str) -> int | None:
    """The child of `parent` that has a file of that name open."""
    with suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(OSError):
                if any(os.readlink(link).endswith(f"/{file_name}") for link in Path(f"/proc/{child}/fd").iterdir()):
                    return int(child)
    return None
