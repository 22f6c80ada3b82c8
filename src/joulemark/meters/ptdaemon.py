"""A laboratory analyser through SPEC PTDaemon: a client of its line protocol, never the daemon, which SPEC licenses.

The daemon measures by itself, one sample each `sample_ms`, and keeps what nobody has asked for yet. A read drains that and brings one
sample: the oldest of at most two that wait, so that two clocks that drift lose none. What is passed over when the agent reads more
slowly is told in the reason of the next sample.

An answer may never be taken for another command's: an exchange that is not whole ends the connection, and the meter is opened anew.

Source: MLPerf Inference results v1.0 to v4.1 (commands and replies in `server.json`).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable, UsageError
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.ptdaemon_info import described, device_of
from joulemark.meters.ptdaemon_lines import (
    TOTAL,
    Row,
    Uncertainty,
    judged,
    parse_header,
    parse_identity,
    parse_ranges,
    parse_row,
    parse_uncertainty,
    stamp_ns,
    worsened,
)
from joulemark.meters.ptdaemon_link import Link
from joulemark.readings import (
    Current,
    DeviceInfo,
    MeterInfo,
    MeterRange,
    Quality,
    Quantity,
    Sample,
    TimestampSource,
)
from joulemark.timebase import Clock, SystemClock, utc_minus_mono_ns, zone
from joulemark.units import NS_PER_MS, NS_PER_S

HELLO: Final = "Hello, PTDaemon here!"
READS: Final = ("RL,*,*", "RL", "DC-RL")
"""Questions for unread samples, as daemons with channels, without, and of a DC analyser understand them."""

CLOCK_BOUND_NS: Final = NS_PER_S // 4
"""How far the daemon's clock may stand from this host's for its stamps to date a sample: half of what a read at 1 Hz is uncertain by."""

FIRST_WAIT_S: Final = 0.02
"""How often the first sample is asked for, which shows how the daemon's clock stands."""

MARK: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PtdaemonConfig:
    """`[[meter]] kind = "ptdaemon"`: one analyser behind a running PTDaemon."""

    host: str
    """Name or address of the machine that PTDaemon runs on."""
    port: int = 8888
    """TCP port of PTDaemon, its option -p."""
    timezone: str = "UTC"
    """Time zone of the machine that PTDaemon runs on, which dates samples in local time: an IANA name, or UTC."""
    sample_ms: int = 1000
    """Milliseconds between two samples of the daemon; give interval_ms the same value."""
    range_v: float | None = None
    """Voltage range in volts to set before measuring; left as it is unless set."""
    range_a: float | None = None
    """Current range in amperes to set before measuring; left as it is unless set."""
    mark: str = "joulemark"
    """Mark of the measurement in the daemon's own log."""
    covers: tuple[str, ...] = ()
    """Names of the cords, in the order of the channels; the sum covers them all."""
    deadline_s: float = 3.0
    """Longest time in seconds that a read may take."""

    def __post_init__(self) -> None:
        at_least("ptdaemon.port", self.port, 1)
        at_least("ptdaemon.sample_ms", self.sample_ms, 50)
        at_least("ptdaemon.deadline_s", self.deadline_s, 0.1)
        for name in ("range_v", "range_a"):
            if (value := getattr(self, name)) is not None:
                at_least(f"ptdaemon.{name}", value, 1e-3)
        if not MARK.fullmatch(self.mark):
            raise ConfigError(f"ptdaemon.mark = {self.mark!r} would not survive in a row", "use letters, digits, '.', '_' and '-'")
        try:
            zone(self.timezone)
        except UsageError as error:
            raise ConfigError(f"ptdaemon.timezone: {error.what}", error.next_step) from error

    @property
    def where(self) -> str:
        """The daemon, for messages."""
        return f"PTDaemon at {self.host}:{self.port}"

    @property
    def late_ns(self) -> int:
        """Age at which the last sample no longer stands for the present."""
        return 2 * self.sample_ms * NS_PER_MS + NS_PER_S


class PtdaemonMeter(AsyncMeter):
    """The sum and the channels of one analyser: one device, all of whose meters are in one row."""

    kind: ClassVar[str] = "ptdaemon"

    def __init__(self, config: PtdaemonConfig, *, host: str) -> None:
        super().__init__(deadline_s=config.deadline_s, open_deadline_s=2 * config.deadline_s + 2 * config.sample_ms / 1000)
        self._config, self._host = config, host
        self._zone = zone(config.timezone)
        self._link: Link | None = None
        self._read = ""
        self._measuring = False
        self._uncertainty: Uncertainty | None = None
        self._waiting: deque[Row] = deque()
        self._row = Row()
        self._fresh_ns: int | None = None

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Greet, identify, set the ranges, begin an untimed measurement and wait for its first sample."""
        config = self._config
        self._link = link = await Link.dial(config.host, config.port)
        answer = await link.ask("Hello")
        if answer != HELLO:
            raise MeterUnavailable(f"{config.host}:{config.port} answers {answer[:60]!r} to Hello", "name the host and port of a PTDaemon")
        identity = parse_identity(await link.ask("Identify"))
        ranges = await self._ranged(link)
        await self._begin(link)
        row, dated_by_device = await self._first(link)
        self._uncertainty = parse_uncertainty(await link.ask("Uncertainty"))
        self._waiting, self._fresh_ns = deque([row]), None
        self._row = row
        serial = (identity.serial or f"{config.host}-{config.port}").replace(":", "-")
        meter = described(f"ptdaemon:{self._host}:{serial}", identity, ranges, sample_ms=config.sample_ms)
        if self._read == "DC-RL":
            meter = replace(meter, current=Current.DC)
        if dated_by_device:
            meter = replace(meter, timestamp_source=TimestampSource.DEVICE)
        else:
            meter = replace(
                meter, note=f"{meter.note}; its clock and this host's differ, or its zone is another: its stamps are information"
            )
        return (device_of(meter, row.channels, config.covers, row.details),)

    async def poll(self, clock: Clock) -> list[Sample]:
        """The next sample of the daemon, dated by its own clock where that agrees with this host's.

        Raises MeterGone when the connection is lost, the measurement has ended or the channels have changed: it is opened anew.
        """
        (device,) = self.info
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        async with self._exchange() as link:
            fresh = await self._drained(link)
            told = await self._told(link)
        t_read1_ns = clock.mono_ns()
        own = device.meters[0].timestamp_source is TimestampSource.DEVICE
        passed_over = self._advanced(fresh, t_read1_ns, keep=2 if own else 1)
        age_ns = t_read1_ns - (self._fresh_ns or t_read1_ns)
        if age_ns > self._config.late_ns:
            reason = f"PTDaemon has had no new sample for {age_ns / NS_PER_S:.1f} s"
            return [Sample.gap(device, t_read0_ns, t_read1_ns, shift_ns, reason)]
        if self._row.watts and (TOTAL, *self._row.channels) != tuple(
            meter.channel for meter in device.meters if meter.quantity is Quantity.POWER
        ):
            raise MeterGone(f"the channels of {self._config.where} have changed", "it is described anew")
        t_device_ns = stamp_ns(self._row.stamp, self._zone)
        if own and t_device_ns is not None and not self._agrees(t_device_ns, t_read1_ns + shift_ns):
            t_device_ns = None
        columns = [self._judged(meter, passed_over, told) for meter in device.meters]
        values, qualities, reasons = zip(*columns, strict=True)
        return [Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, values, (t_device_ns,) * len(columns), qualities, reasons)]

    async def disconnect(self) -> None:
        """End our own measurement, and no other one."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            if self._measuring:
                await link.ask("Stop", "Stopping")
                self._measuring = False
        except MeterTransient:
            pass  # the next open() finds it going on, by its mark
        finally:
            link.close()

    @asynccontextmanager
    async def _exchange(self) -> AsyncIterator[Link]:
        """The connection, taken away until the exchange is whole: a late answer would be taken for that of the next command."""
        link, self._link = self._link, None
        if link is None:
            raise MeterGone(f"the connection to {self._config.where} was given up", "it is opened anew")
        try:
            yield link
        except BaseException:
            link.close()
            raise
        self._link = link

    async def _ranged(self, link: Link) -> MeterRange:
        """The ranges in force, after those of the configuration were set."""
        config = self._config
        ranges = parse_ranges(await link.ask("RR"))
        wanted = {"V": (config.range_v, ranges.volts), "A": (config.range_a, ranges.amps)}
        changes = [
            (letter, value) for letter, (value, at) in wanted.items() if value is not None and (ranges.auto is not False or value != at)
        ]
        for letter, value in changes:
            answer = await link.ask(f"SR,{letter},{value:g}")
            if answer != f"Range {letter} changed":
                raise MeterUnavailable(
                    f"{config.where} answers {answer[:80]!r} to the range of {value:g} {letter}",
                    "set range_v and range_a to ranges that the analyser has",
                )
        return parse_ranges(await link.ask("RR")) if changes else ranges

    async def _begin(self, link: Link) -> None:
        """Start measuring. A measurement that goes on is ours only when we began it, lost the connection, and find our mark in its rows."""
        config = self._config
        answer = await link.ask(f"Go,{config.sample_ms},0,{config.mark}")
        if answer.startswith("Starting"):
            self._measuring, self._read = True, ""
            return
        if self._measuring:
            self._measuring = (await self._newest(link)).mark == config.mark
            if self._measuring:
                return
        raise MeterUnavailable(
            f"{config.where} answers {answer[:80]!r} to Go",
            "another measurement seems to be running: wait for its end, or send the command Stop to the daemon if nobody needs it",
        )

    async def _first(self, link: Link) -> tuple[Row, bool]:
        """A sample that has just come, and whether its stamp shows that the daemon's clock agrees with this host's."""
        row = await self._newest(link)
        t_ns = stamp_ns(row.stamp, self._zone)
        return row, t_ns is not None and abs(SystemClock().utc_ns() - t_ns) <= CLOCK_BOUND_NS

    async def _newest(self, link: Link) -> Row:
        """The newest sample, asked for until there is one."""
        while not (rows := [row for row in await self._drained(link) if row.watts]):
            await asyncio.sleep(FIRST_WAIT_S)
        return rows[-1]

    async def _drained(self, link: Link) -> list[Row]:
        """Every sample that nobody has asked for yet, oldest first."""
        if not self._read:
            return await self._drained_first(link)
        count = parse_header(await link.ask(self._read))
        return [parse_row(await link.line()) for _ in range(count)]

    async def _drained_first(self, link: Link) -> list[Row]:
        """As `_drained`, with the first question that this version of the daemon understands."""
        for question in READS:
            answer = await link.ask(question)
            if answer.startswith("Last "):
                self._read = question
                return [parse_row(await link.line()) for _ in range(parse_header(answer))]
        raise MeterUnavailable(f"{self._config.where} answers {answer[:80]!r} to each of {', '.join(READS)}", "use a newer PTDaemon")

    async def _told(self, link: Link) -> str:
        """What the daemon tells of the uncertainty since the last read, where it tells any."""
        if self._uncertainty is None:
            return ""
        now = parse_uncertainty(await link.ask("Uncertainty", "Uncertainty"))
        before, self._uncertainty = self._uncertainty, now
        return worsened(before, now) if now else ""

    def _advanced(self, fresh: list[Row], t_ns: int, *, keep: int) -> int:
        """Take the next row, and keep `keep` at most; how many were passed over."""
        if fresh or self._fresh_ns is None:
            self._fresh_ns = t_ns
        self._waiting.extend(fresh)
        passed_over = max(0, len(self._waiting) - keep)
        for _ in range(passed_over):
            self._waiting.popleft()
        if self._waiting:
            self._row = self._waiting.popleft()
        return passed_over

    def _agrees(self, t_device_ns: int, t_read_utc_ns: int) -> bool:
        """Whether a stamp can be that of a sample which waits now."""
        return -CLOCK_BOUND_NS <= t_read_utc_ns - t_device_ns <= self._config.late_ns + CLOCK_BOUND_NS

    def _judged(self, meter: MeterInfo, passed_over: int, told: str) -> tuple[int | None, Quality, str]:
        """Value, quality and reason of one meter; the sum also carries what is to be told of a good value."""
        if self._row.trouble:
            return None, Quality.GAP, self._row.trouble
        value, quality, reason = judged(self._row.printed(meter.channel, meter.quantity), exponent=meter.exponent)
        if reason or meter.channel != TOTAL:
            return value, quality, reason
        lost = f"{passed_over} samples before it were passed over: read every {self._config.sample_ms} ms" if passed_over else ""
        return value, quality, "; ".join(part for part in (lost, told) if part)


DRIVER: Final = Driver("ptdaemon", PtdaemonConfig, lambda config, host: PtdaemonMeter(config, host=host))
"""Never discovered: a daemon needs an address."""
