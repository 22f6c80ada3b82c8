"""Polls meters on absolute monotonic deadlines: one thread for those that answer at once, one for each driver that may block."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import threading
from collections.abc import Callable, Sequence
from typing import Final

from joulemark.agent.runner import Runner
from joulemark.agent.schedule import Pace
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


PR_SET_TIMERSLACK: Final = 29


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


def without_slack() -> None:
    """Wake this thread at its deadline, and not up to 50 µs later, which is how long Linux may gather ordinary timers for (prctl(2))."""
    with contextlib.suppress(OSError, AttributeError):  # another system than Linux: it is as late as it is
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


class Bell:
    """Wakes a thread that waits for a deadline. A bare lock: what an Event does around one delays the read by 30 µs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def ring(self) -> None:
        """End the wait in progress, or else the next one. Any thread."""
        with contextlib.suppress(RuntimeError):  # it rings already
            self._lock.release()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it rings, at most so long; whether it rang. One thread."""
        return self._lock.acquire(timeout=timeout_s)


class Lane:
    """A thread and the meters it polls, each at its own pace. A late deadline is counted and skipped, never made up for."""

    def __init__(self, name: str, runners: Sequence[Runner], clock: Clock, turned: Callable[[], None] = lambda: None) -> None:
        self.name, self.runners = name, runners
        self._turned = turned
        self.late_tick_count = 0
        self._clock = clock
        self._bell = Bell()
        self._marked = self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"sampler-{name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def read_now(self) -> None:
        """Read every meter as soon as the read in progress is done, and pin the samples; those that allow it go on with a burst."""
        self._marked = True
        self._bell.ring()

    def ask_to_stop(self) -> None:
        """End after the read in progress."""
        self._stopping = True
        self._bell.ring()

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
        without_slack()
        start_ns = self._clock.mono_ns()
        turns = [(runner, Pace(start_ns, runner.interval_ns, runner.bursts)) for runner in self.runners]
        while not self._stopping:
            if self._marked:
                self._marked = False
                for runner, pace in turns:
                    runner.poll(pinned=True)
                    pace.mark(self._clock.mono_ns())
            for runner, pace in turns:
                if self._clock.mono_ns() >= pace.due_ns:
                    self._poll(runner, pace, extra=pace.is_extra)
            self._turned()
            runner, pace = min(turns, key=lambda turn: turn[1].due_ns)
            extra, wait_ns = pace.is_extra, pace.due_ns - self._clock.mono_ns()
            if wait_ns > LONGEST_TURN_S * NS_PER_S:
                self._bell.wait(LONGEST_TURN_S)
            elif wait_ns > 0 and not self._bell.wait(wait_ns / NS_PER_S):
                self._poll(runner, pace, extra=extra)  # at once: what is decided after the wait makes the read late

    def _poll(self, runner: Runner, pace: Pace, *, extra: bool) -> None:
        runner.poll(extra=extra)
        self.late_tick_count += pace.advance(self._clock.mono_ns())


class Sampler:
    """Every lane of the host. `turned` is called by each lane after each of its turns: while all of them hang it is not."""

    def __init__(self, runners: Sequence[Runner], clock: Clock, turned: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        threads: dict[str, list[Runner]] = {}
        for runner in runners:
            alone = "shared" if runner.meter.isolation is Isolation.SHARED else runner.source
            threads.setdefault(runner.lock or alone, []).append(runner)
        self.lanes = [Lane(name, together, clock, turned) for name, together in threads.items()]

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
