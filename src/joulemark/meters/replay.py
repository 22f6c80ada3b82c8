"""A recorded trace played as if it were measured now, in real or scaled time. It always says `simulated`.

The trace begins at the first read, or at `start_ns`. A read brings the last recorded row before it, dated when that row falls due;
nothing is interpolated. At `speed` 2 the same powers take half as long, so the energy counters grow half as far: power and
energy stay consistent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from joulemark.config import at_least
from joulemark.errors import FormatError, MeterFault, MeterGone, MeterUnavailable
from joulemark.meters import trace_file
from joulemark.meters.base import Driver, Isolation
from joulemark.readings import Averaging, Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

DEMO_TRACE: Final = Path(__file__).parent / "data" / "demo_trace.csv"
"""A minute of a synthetic GPU under a synthetic load, ten rows a second."""


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """`[[meter]] kind = "replay"`: one trace file, as `trace_file` describes it, is one device."""

    file: Path = DEMO_TRACE
    """The trace; the packaged demonstration when none is named."""
    speed: float = 1.0
    """How many recorded seconds pass in one second."""
    gain: float = 1.0
    """Factor on every value: 1.01 plays a source that is 1 % stronger."""
    loop: bool = False
    """Begin again at the end, counters going on; else the device leaves."""
    start_ns: int | None = None
    """UTC nanoseconds at which the first row falls due; the first read when not given."""
    boundary: Boundary = Boundary.GPU
    """Where the recorded meter sat."""
    serial: str = ""
    """Serial in the meter id; the name of the file when empty."""

    def __post_init__(self) -> None:
        at_least("replay.speed", self.speed, 1e-6)
        at_least("replay.gain", self.gain, 0.0)


class ReplayMeter:
    """The device that a trace was recorded from."""

    kind: ClassVar[str] = "replay"
    isolation: ClassVar[Isolation] = Isolation.SHARED

    def __init__(self, options: ReplayConfig, *, host: str) -> None:
        self._options = options
        serial = (options.serial or options.file.stem).replace(":", "-")
        self._device_id = f"replay:{host}:{serial}"
        self._trace: trace_file.Trace | None = None
        self._info: tuple[DeviceInfo, ...] = ()
        self._start_ns = options.start_ns

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return self._info

    def open(self) -> None:
        if self._trace is not None:
            return
        try:
            self._trace = trace_file.load(self._options.file)
        except FormatError as error:
            raise MeterUnavailable(error.what, error.next_step) from error
        largest = max(abs(value) for column in self._trace.columns for value in (*column.values, 0) if value is not None)
        if largest * self._options.gain / min(1.0, self._options.speed) >= trace_file.LIMIT:
            self._trace = None
            raise MeterUnavailable(f"{self._options.file} at gain {self._options.gain:g} does not fit 64 bits", "set a smaller gain")
        self._info = (describe(self._trace, self._options, self._device_id),)

    def read(self, clock: Clock) -> list[Sample]:
        if self._trace is None:
            raise MeterFault("replay is read before open()", "open it first")
        offset_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        if self._start_ns is None:
            self._start_ns = t_read0_ns + offset_ns
        played_ns = round((t_read0_ns + offset_ns - self._start_ns) * self._options.speed)
        if played_ns < 0:
            return [Sample.gap(self._info[0], t_read0_ns, clock.mono_ns(), offset_ns, "the trace has not begun")]
        rounds, into_ns = divmod(played_ns, self._trace.duration_ns) if self._options.loop else (0, played_ns)
        if into_ns > self._trace.duration_ns:
            raise MeterGone(f"the trace {self._options.file} ended", "set loop = true to play it again")
        row = self._trace.row_at(into_ns)
        due_ns = self._start_ns + round((rounds * self._trace.duration_ns + self._trace.t_ns[row]) / self._options.speed)
        values = tuple(played(column, row, rounds, self._options) for column in self._trace.columns)
        return [sample(self._info[0], values, due_ns, (t_read0_ns, clock.mono_ns(), offset_ns))]

    def close(self) -> None:
        self._trace = None
        self._info = ()
        self._start_ns = self._options.start_ns


def played(column: trace_file.Column, row: int, rounds: int, options: ReplayConfig) -> int | None:
    """The value of a recorded row in the `rounds`-th repetition; None for a gap.

    Power is scaled by the gain; a counter starts where it was recorded and grows by the gain over the speed.
    """
    value = column.values[row]
    if value is None:
        return None
    if column.quantity is Quantity.POWER:
        return round(value * options.gain)
    grown = value - column.first + rounds * (column.last - column.first)
    return column.first + round(grown * options.gain / options.speed)


def sample(device: DeviceInfo, values: tuple[int | None, ...], due_ns: int, bracket: tuple[int, int, int]) -> Sample:
    """One row as a sample of now."""
    gaps = [value is None for value in values]
    return Sample(
        device.device_id,
        *bracket,
        values,
        tuple(None if gap else due_ns for gap in gaps),
        tuple(Quality.GAP if gap else Quality.OK for gap in gaps),
        tuple("a gap in the recorded trace" if gap else "" for gap in gaps),
    )


def describe(trace: trace_file.Trace, options: ReplayConfig, device_id: str) -> DeviceInfo:
    """The device that `trace` stands for: one meter per column. Refresh is the mean spacing of its rows."""
    period_s = trace.duration_ns / (len(trace.t_ns) - 1) / NS_PER_S / options.speed
    meters = tuple(
        MeterInfo(
            meter_id=f"{device_id}:{column.channel}",
            kind="replay",
            quantity=column.quantity,
            exponent=column.exponent,
            boundary=options.boundary,
            model=options.file.name,
            averaging=Averaging.INSTANT if column.quantity is Quantity.POWER else Averaging.UNKNOWN,
            averaging_window_s=0.0 if column.quantity is Quantity.POWER else None,
            update_period_s=period_s,
            timestamp_source=TimestampSource.DEVICE,
            covers=(device_id,),
            simulated=True,
            note=f"played at speed {options.speed:g}, gain {options.gain:g}",
        )
        for column in trace.columns
    )
    return DeviceInfo(device_id, meters)


DRIVER: Final = Driver("replay", ReplayConfig, lambda config, host: ReplayMeter(config, host=host))
"""Never discovered: a recording is played only where somebody asks for it."""
