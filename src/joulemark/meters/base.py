"""The meter interface: four members, and a lifecycle that every driver keeps.

Contract (`tests/meters/conformance.py` runs it over every registered kind):

* `open()` connects and identifies; it is idempotent, and raises MeterUnavailable with the mending step.
* `info` is known after `open()`: one DeviceInfo for each device the driver reads, in the order it reads them.
* `read(clock)` is one poll: the clock is handed in, and one Sample per device comes back. It never sleeps, logs, retries or
  invents a number. A failed device is a Sample whose values are None with a reason; a failed poll of everything raises
  MeterTransient, MeterGone or MeterFault.
* `close()` is safe before `open()`, safe twice, and releases the device.

A driver that is read often may have `take(clock)` too (`TakesApartLater`): `read` in two steps, of which only the first is timed.

Samples leave a driver unnumbered: the runner sets `seq`, measures how long the read took, and turns errors into gaps.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from joulemark.config import MeterTable, build
from joulemark.errors import MeterUnavailable
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock

C = TypeVar("C")


class Isolation(enum.StrEnum):
    """Where the runner may call `read`: its own thread shared with others, or a thread of its own because it may block.

    `process` drivers keep a child process of their own and answer from it; for the runner they are like `thread`.
    """

    SHARED = "shared"
    THREAD = "thread"
    PROCESS = "process"


class Meter(Protocol):
    """A driver: one object per `[[meter]]` table."""

    kind: ClassVar[str]
    isolation: ClassVar[Isolation]

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        """The devices it reads. Empty before `open()`."""
        ...

    def open(self) -> None:
        """Connect and identify. Raises MeterUnavailable."""
        ...

    def read(self, clock: Clock) -> list[Sample]:
        """One poll: one sample per device, unnumbered. Raises MeterTransient, MeterGone or MeterFault."""
        ...

    def close(self) -> None:
        """Release the device. Safe at any time."""
        ...


class Taken(Protocol):
    """What one poll brought, not taken apart yet."""

    def samples(self) -> list[Sample]:
        """What `read` would have given. Any thread, once; raises nothing."""
        ...


class TakesApartLater(Meter, Protocol):
    """A driver whose answers are taken apart together, later, when the code for that is in the caches: a read then costs the call alone."""

    def take(self, clock: Clock) -> Taken:
        """One poll, with the errors of `read`."""
        ...


@dataclass(frozen=True, slots=True)
class Driver(Generic[C]):
    """What an entry point in the group `joulemark.meters` names: how meters of a kind are made and found.

    `config`: the frozen dataclass of the keys of its `[[meter]]` table, each with a docstring below it, which `config default`
    prints. `meter`: makes a meter of such a configuration; the host's name goes into the meter ids. `local`: whether a meter
    with the default configuration is looked for on every machine; others need an address, an account or a file. `lock`: the name of
    what serialises its calls, as the lock of a device's driver; meters of one name share a polling thread, or they would wait for each
    other in many. `burst`: whether a read costs so little that it may be repeated quickly around phase marks.
    """

    kind: str
    config: type[C]
    meter: Callable[[C, str], Meter]
    local: bool = False
    lock: str = ""
    burst: bool = False

    def build(self, table: MeterTable, *, host: str) -> Meter:
        """The meter that a `[[meter]]` table describes, not open. Raises ConfigError."""
        return self.meter(build(self.config, table.options, f'[[meter]] kind = "{self.kind}"'), host)

    def discover(self) -> list[dict[str, Any]]:
        """Option sets for devices of this kind found on this machine without configuration; empty when there are none."""
        if not self.local:
            return []
        meter = self.meter(self.config(), "")
        try:
            meter.open()
        except MeterUnavailable:
            return []
        meter.close()
        return [{}]
