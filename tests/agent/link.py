"""An uplink on a spool, and what it was told."""

from __future__ import annotations

from joulemark.agent.clock import ClockTracker
from joulemark.agent.spool import Spool, Stored
from joulemark.agent.uplink import Uplink
from joulemark.config import AgentConfig, Config
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Directive, FrozenBatch, Hello, Welcome
from joulemark.readings import Sample
from joulemark.timebase import SystemClock


class Link:
    """An uplink on a spool, and what its directives were."""

    def __init__(self, spool: Spool, port: int, *, window: int = 64) -> None:
        clock = SystemClock()
        self.spool, self.directives, self.welcomes, self.next_seq = spool, list[Directive](), list[Welcome](), 0
        self.epoch_ns = spool.new_epoch()
        self.tracker = ClockTracker(clock, boot_id="boot-a")
        agent = AgentConfig(agent_id="host", collector=f"127.0.0.1:{port}", window_batches=window, clock_probe_period_s=0.1)
        self.uplink = Uplink(
            Config(agent=agent),
            Hello("host", self.epoch_ns, "boot-a", "test"),
            spool=spool,
            tracker=self.tracker,
            clock=clock,
            on_directive=self.directives.append,
            on_welcome=self.welcomes.append,
        )

    def put(self, count: int) -> None:
        """Batches without samples."""
        for _ in range(count):
            self.put_samples(())

    def put_samples(self, samples: tuple[Sample, ...]) -> FrozenBatch:
        """A batch with samples of one device."""
        by_device = {samples[0].device_id: samples} if samples else {}
        frozen = convert.freeze(Batch(self.epoch_ns, self.next_seq, "boot-a", 7, ClockState(), by_device))
        self.spool.append(Stored(self.epoch_ns, self.next_seq, frozen, len(samples)))
        self.next_seq += 1
        self.uplink.appended()
        return frozen
