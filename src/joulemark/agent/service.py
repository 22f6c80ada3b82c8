"""The agent as one object: starts its parts in order, closes a batch every period, and ends them in the reverse order."""

from __future__ import annotations

import gc
import logging
import queue
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from joulemark import __version__, timebase
from joulemark.agent import overhead, quarantine
from joulemark.agent.batcher import Batcher
from joulemark.agent.clock import ClockTracker
from joulemark.agent.delivery import Delivery
from joulemark.agent.homes import home_of
from joulemark.agent.processes import Processes
from joulemark.agent.runner import Runner
from joulemark.agent.sampler import Sampler
from joulemark.agent.schedule import NO_BURSTS, Bursts, Grid
from joulemark.agent.spool import Spool
from joulemark.agent.survey import Surveyor, stated
from joulemark.agent.wiring import divided, full_cords
from joulemark.config import Config, MeterTable
from joulemark.errors import EnvironmentFailed, RemoteUnreachable
from joulemark.meters import registry
from joulemark.notify import Supervisor
from joulemark.proto.messages import Directive, Hello, Overhead
from joulemark.timebase import Clock, HeldClock, SystemClock
from joulemark.units import NS_PER_MS, NS_PER_S

log = logging.getLogger("joulemark.agent")

CLOCK_REFRESH_S: Final = 10.0
LAST_DRAIN_S: Final = 2.0
ONCE_DRAIN_S: Final = 10.0
SHORTEST_PERIOD_MS: Final = 10
STUCK_S: Final = 60.0
"""A batch that is late by more is stuck; the service manager is then told no more that the agent is alive."""
SWITCH_S: Final = 0.0005
"""A thread that works on a batch gives way to one that has to read a meter within this time."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round of reading brought to the collector."""

    sources: tuple[str, ...]
    read_count: int
    error_count: int


class Agent:
    """Measures one host until it is told to stop. `run` may be called once."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or HeldClock(SystemClock())
        self._wishes: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._batch_period_ns = config.agent.batch_period_ms * NS_PER_MS
        self._boot_id = timebase.boot_id()
        self._supervisor = Supervisor(self._clock)
        self._told_ready = False
        self._spool = Spool(config.spool, self._clock)
        self._home = home_of(config.agent.agent_id, config.agent.addresses)
        self._tracker = ClockTracker(self._clock, boot_id=self._boot_id)

    def stop(self) -> None:
        """End `run` soon. Safe in a signal handler and from any thread."""
        self._wishes.put(None)  # SimpleQueue.put is reentrant; nothing else here may be

    def run(self) -> None:
        """Measure and deliver until `stop`; what was read by then is on disk when it returns.

        Raises ConfigError, and EnvironmentFailed for a spool that cannot be used, a host without meters or a meter whose policy is
        `fail`; what had started is ended before.
        """
        with ExitStack() as ending:
            self._start(ending)
            self._looped_ns = self._clock.mono_ns()
            gc.collect()
            gc.freeze()  # what was loaded stays: to look through it time and again would hold every read up for tens of milliseconds
            self._sampler.start()
            ending.callback(self._sampler.stop)
            self._surveyor.start()
            ending.callback(self._surveyor.stop)
            ending.enter_context(self._clock_kept())
            self._loop()
            self._supervisor.stopping()
            log.info("stopping")

    def run_once(self) -> Delivered:
        """Read every meter once and deliver that.

        Raises as `run`, EnvironmentFailed when no meter is open or the collector refused the readings for ever, and RemoteUnreachable
        when it did not take them.
        """
        with ExitStack() as ending:
            self._start(ending)
            self._tracker.refresh()
            for runner in self._runners:
                runner.poll()
                ending.callback(runner.close)
            if all(runner.trouble for runner in self._runners):
                troubles = "; ".join(f"{runner.source}: {runner.trouble}" for runner in self._runners)
                raise EnvironmentFailed(f"no meter can be read: {troubles}", "see joulemark doctor, or correct the [[meter]] tables")
            self._close_batch()
            if not self._delivery.drain(ONCE_DRAIN_S):
                raise RemoteUnreachable(
                    f"the collector {self._home} did not take the readings; they are kept in {self._spool.path}",
                    "start it with: joulemark collector run",
                )
            if refused := [loss for loss in self._spool.losses() if loss.reason.startswith(quarantine.REASON)]:
                raise EnvironmentFailed(
                    f"the collector {self._home} refused {sum(x.sample_count for x in refused)} samples, which are counted as lost",
                    "do what its answer says, in the log lines above",
                )
            costs = [runner.cost for runner in self._runners]
            return Delivered(tuple(c.source for c in costs), sum(c.read_count for c in costs), sum(c.error_count for c in costs))

    def _start(self, ending: ExitStack) -> None:
        """Spool, meters, uplink; `ending` undoes in reverse what has started."""
        agent = self._config.agent
        sys.setswitchinterval(SWITCH_S)
        tables = self._config.meters or tuple(registry.discover())
        if not tables:
            raise EnvironmentFailed("no meter was found on this machine", "see joulemark doctor, or write a [[meter]] table")
        settings, rest = zip(*(divided(table) for table in tables), strict=True)
        meters, kinds = registry.build(rest, host=agent.agent_id), [table.kind for table in rest]
        self._spool.open()
        ending.callback(self._spool.close)
        epoch_ns = self._spool.new_epoch(self._home, listed=agent.addresses)
        self._batcher = Batcher(
            self._spool,
            self._clock,
            epoch_ns=epoch_ns,
            boot_id=self._boot_id,
            clock_state=self._tracker.state,
            overhead=self._overhead,
        )
        host, cords, interval_ms = agent.agent_id, full_cords(agent.cords, agent.agent_id), agent.interval_ms
        bursts = Bursts(agent.burst_hz, agent.burst_s)
        self._runners = [
            Runner(
                source,
                meter,
                mine,
                clock=self._clock,
                batcher=self._batcher,
                interval_ms=interval_ms,
                host=host,
                cords=cords,
                lock=driver.lock,
                bursts=bursts if driver.burst else NO_BURSTS,
            )
            for source, driver, meter, mine in zip(named(rest), map(registry.driver, kinds), meters, settings, strict=True)
        ]
        self._sampler = Sampler(self._runners, self._clock, self._turned)
        for runner in self._runners:
            ending.callback(runner.close)
            runner.start()
        self._surveyor = self._new_surveyor(kinds=kinds)
        hello = Hello(agent.agent_id, epoch_ns, self._boot_id, __version__, instance_id=self._spool.instance_id)
        self._delivery = Delivery(
            self._config,
            hello,
            home=self._home,
            spool=self._spool,
            tracker=self._tracker,
            clock=self._clock,
            on_directive=self._obey,
            on_welcome=lambda welcome: self._batcher.limit(welcome.max_batch_bytes),
        )
        ending.callback(self._delivery.stop)
        self._delivery.start()
        ending.callback(self._last_batch)
        log.info(
            "agent %s: %d meters, spool %s, %d batches waiting", agent.agent_id, len(meters), self._spool.path, self._spool.batch_count()
        )

    def _new_surveyor(self, *, kinds: Sequence[str]) -> Surveyor:
        """What looks at this host beside its meters. Raises ConfigError for a file that states nothing readable."""
        agent, more = self._config.agent, {}
        if "nvml" in kinds:
            from joulemark.meters import nvml_survey  # loads the driver's interface, which the meter has loaded already

            more = {"gpus": nvml_survey.look}
        return Surveyor(
            known=stated(agent.node_file, agent.agent_id),
            processes=Processes(agent.benchmark_processes),
            clock=self._clock,
            tell=self._batcher.surveyed,
            **more,
        )

    def _loop(self) -> None:
        """Close a batch every period, on a grid, until stopped."""
        period_ns = self._batch_period_ns
        grid = Grid(self._clock.mono_ns() + period_ns, period_ns)
        while True:
            self._looped_ns = self._clock.mono_ns()
            try:
                self._wishes.get(timeout=max(0.0, (grid.due_ns - self._clock.mono_ns()) / NS_PER_S))
                return
            except queue.Empty:
                self._sampler.tell_hanging()
                self._close_batch()
            grid.period_ns = self._batch_period_ns
            grid.advance(self._clock.mono_ns())

    def _turned(self) -> None:
        """Called by the sampling threads. The first turn makes the agent ready; each is a sign of life while batches are closed too."""
        if not self._told_ready:
            self._told_ready = True
            readable = [runner.source for runner in self._runners if not runner.trouble]
            troubles = [f"{runner.source}: {runner.trouble}" for runner in self._runners if runner.trouble]
            self._supervisor.ready(f"reads {', '.join(readable) or 'no meter yet'}" + "".join(f"; {trouble}" for trouble in troubles))
        if self._clock.mono_ns() - self._looped_ns < self._batch_period_ns + STUCK_S * NS_PER_S:
            self._supervisor.alive()

    def _close_batch(self) -> None:
        if self._batcher.close():
            self._delivery.appended()

    def _last_batch(self) -> None:
        """What the stopped sampler left, onto the disk, and to the collector if it is there."""
        self._close_batch()
        self._delivery.drain(LAST_DRAIN_S)

    def _obey(self, directive: Directive) -> None:
        """Do what the collector asks; called by the uplink's thread."""
        if directive.read_now:
            self._sampler.read_now()
            self._surveyor.look_now()
        if directive.batch_period_ms:
            self._batch_period_ns = max(SHORTEST_PERIOD_MS, directive.batch_period_ms) * NS_PER_MS
        if directive.describe_devices:
            self._batcher.describe_all()

    def _overhead(self) -> Overhead:
        return Overhead(overhead.cpu_ns(), overhead.rss_bytes(), self._sampler.late_tick_count, self._sampler.costs)

    def _clock_kept(self) -> ExitStack:
        """The running thread that asks kernel and chrony; ended when the returned stack is left."""
        thread = threading.Thread(target=self._keep_clock, name="clock", daemon=True)
        thread.start()
        ending = ExitStack()
        ending.callback(thread.join)
        ending.callback(self._stopping.set)
        return ending

    def _keep_clock(self) -> None:
        while True:
            self._tracker.refresh()
            if self._stopping.wait(CLOCK_REFRESH_S):
                return


def named(tables: Sequence[MeterTable]) -> list[str]:
    """A name for each table: its kind, and from the second of a kind on its place among them, as `ipmi:2`."""
    seen: Counter[str] = Counter()
    names = []
    for table in tables:
        seen[table.kind] += 1
        names.append(table.kind if seen[table.kind] == 1 else f"{table.kind}:{seen[table.kind]}")
    return names
