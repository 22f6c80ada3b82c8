"""Polls meters on absolute monotonic deadlines: one thread for those that answer at once, one for each that may block."""

from __future__ import annotations

import logging
import os
import resource
import threading
from collections.abc import Callable, Sequence
from typing import Final

from joulemark.agent.runner import Runner
from joulemark.agent.schedule import Grid
from joulemark.meters.base import Isolation
from joulemark.proto.messages import MeterCost
from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.agent")

STOP_WAIT_S: Final = 3.5
"""How long `stop` waits for a read in progress: half a second above the deadline of a BMC."""
LONGEST_TURN_S: Final = 5.0
"""A thread that waits for a meter of a slow interval turns in between: waiting is no hanging."""
REALTIME_PRIORITY: Final = 1
"""The lowest above every ordinary thread: enough to be in time beside a benchmark, and behind all that the kernel does."""


def in_real_time() -> bool:
    """Put this thread before ordinary ones where the service manager grants it (LimitRTPRIO); processes it starts are ordinary again."""
    if resource.getrlimit(resource.RLIMIT_RTPRIO)[0] < REALTIME_PRIORITY:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(REALTIME_PRIORITY))
    except OSError as error:
        log.warning("the sampler runs at ordinary priority: %s", error.strerror)
        return False
    return True


class Lane:
    """A thread and the meters it polls, each on its own grid. A late deadline is counted and skipped, never made up for."""

    def __init__(self, name: str, runners: Sequence[Runner], clock: Clock, turned: Callable[[], None] = lambda: None) -> None:
        self.name, self.runners = name, runners
        self._turned = turned
        self.late_tick_count = 0
        self._clock = clock
        self._wake = threading.Event()
        self._mark = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"sampler-{name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def read_now(self) -> None:
        """Read every meter as soon as the read in progress is done, and pin the samples; the grid stays."""
        self._mark.set()
        self._wake.set()

    def ask_to_stop(self) -> None:
        """End after the read in progress."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the end, close the meters. A thread that hangs in its device is left behind: it holds nothing but that device."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning("meter %s did not answer in %.1f s; leaving it", self.name, STOP_WAIT_S)
            for runner in self.runners:
                runner.leave()
            return
        for runner in self.runners:
            runner.close()

    def _run(self) -> None:
        in_real_time()
        start_ns = self._clock.mono_ns()
        grids = [Grid(start_ns, runner.interval_ns) for runner in self.runners]
        while not self._stopping:
            if self._mark.is_set():
                self._mark.clear()
                for runner in self.runners:
                    runner.poll(pinned=True)
            for runner, grid in zip(self.runners, grids, strict=True):
                if self._clock.mono_ns() >= grid.due_ns:
                    runner.poll()
                    self.late_tick_count += grid.advance(self._clock.mono_ns())
            self._turned()
            wait_ns = min(grid.due_ns for grid in grids) - self._clock.mono_ns()
            if wait_ns > 0 and self._wake.wait(min(wait_ns / NS_PER_S, LONGEST_TURN_S)):
                self._wake.clear()


class Sampler:
    """Every lane of the host. `turned` is called by each lane after each of its turns: while all of them hang it is not."""

    def __init__(self, runners: Sequence[Runner], clock: Clock, turned: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        shared = [runner for runner in runners if runner.meter.isolation is Isolation.SHARED]
        apart = [runner for runner in runners if runner.meter.isolation is not Isolation.SHARED]
        self.lanes = [Lane(runner.source, [runner], clock, turned) for runner in apart]
        if shared:
            self.lanes.append(Lane("shared", shared, clock, turned))

    def start(self) -> None:
        """Begin to poll."""
        for lane in self.lanes:
            lane.start()

    def read_now(self) -> None:
        """Read everything now and pin it: a phase mark was set."""
        for lane in self.lanes:
            lane.read_now()

    def tell_hanging(self) -> None:
        """Let every meter that does not come back from its device leave a gap."""
        for lane in self.lanes:
            for runner in lane.runners:
                runner.tell_hanging()

    def stop(self) -> None:
        """End every lane and close every meter."""
        for lane in self.lanes:
            lane.ask_to_stop()
        give_up_ns = self._clock.mono_ns() + round(STOP_WAIT_S * NS_PER_S)
        for lane in self.lanes:
            lane.join(max(0.0, (give_up_ns - self._clock.mono_ns()) / NS_PER_S))

    @property
    def late_tick_count(self) -> int:
        """Deadlines at which no read was made because the one before was not done, or the host did not run us."""
        return sum(lane.late_tick_count for lane in self.lanes)

    @property
    def costs(self) -> tuple[MeterCost, ...]:
        """What each meter cost since the start."""
        return tuple(runner.cost for lane in self.lanes for runner in lane.runners)
