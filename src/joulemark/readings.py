"""Readings: what a meter says of itself and what it says, neutral to its make.

Words. A *meter* is one stream of one quantity (`meter_id` = `kind:host:serial:channel`). A *device* is a set of meters that
answer in one read and share its time bracket (a GPU: instant power, average power, energy counter). A *sample* is one read
of one device. A *reading* is the value of one meter in one sample.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple, Self

from joulemark import document, units
from joulemark.certificate import Certificate
from joulemark.errors import FormatError

LONGEST_S: Final = 1e6
"""No meter averages or rests longer: eleven days."""

LARGEST_W: Final = 1e9
COLDEST_C: Final = -100.0
HOTTEST_C: Final = 200.0
"""No meter is specified beyond."""

LARGEST_MODULUS: Final = 2**64


class Quantity(enum.StrEnum):
    """What the number is. A counter only grows, but for a wrap or a reset.

    Energy is made of power and counters alone; the others are witnesses, which say under what conditions it was measured. Utilization
    and throttle are shares from 0 to 1: of the time that work was done, and that heat held it back. What a server did is counted in
    tokens and requests; `uptime` is how long its process has run, and `reported_energy` what it says itself that it took.
    """

    POWER = "power"
    ENERGY_COUNTER = "energy_counter"
    VOLTAGE = "voltage"
    CURRENT = "current"
    POWER_FACTOR = "power_factor"
    TEMPERATURE = "temperature"
    UTILIZATION = "utilization"
    THROTTLE = "throttle"
    INPUT_TOKENS = "input_tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    REASONING_TOKENS = "reasoning_tokens"
    REQUESTS = "requests"
    FAILED_REQUESTS = "failed_requests"
    RUNNING_REQUESTS = "running_requests"
    UPTIME = "uptime"
    REPORTED_ENERGY = "reported_energy"

    @property
    def unit(self) -> str:
        """SI unit of the quantity, spelled out; `ratio` for what has none."""
        return UNITS.get(self, "ratio")

    @property
    def word(self) -> str:
        """The quantity as it stands in a column's header."""
        return "energy" if self is Quantity.ENERGY_COUNTER else str(self)

    @property
    def measures_energy(self) -> bool:
        """Whether an energy may be made of it."""
        return self in (Quantity.POWER, Quantity.ENERGY_COUNTER)

    @property
    def counts_work(self) -> bool:
        """Whether it counts what a server did, since it was started."""
        return self in WORK

    @property
    def of_engine(self) -> bool:
        """Whether a serving engine tells it: an engine that serves nothing, or is not there, takes nothing from a measurement."""
        return self.counts_work or self in (Quantity.RUNNING_REQUESTS, Quantity.UPTIME, Quantity.REPORTED_ENERGY)

    @property
    def cumulative(self) -> bool:
        """Whether it only grows, so that a fall is a wrap or a new beginning."""
        return self in (Quantity.ENERGY_COUNTER, Quantity.REPORTED_ENERGY) or self.counts_work


WORK: Final = (
    Quantity.INPUT_TOKENS,
    Quantity.CACHED_INPUT_TOKENS,
    Quantity.OUTPUT_TOKENS,
    Quantity.REASONING_TOKENS,
    Quantity.REQUESTS,
    Quantity.FAILED_REQUESTS,
)
"""What servers count of their work; cached input tokens are a part of the input, reasoning tokens of the output."""

UNITS: Final = {
    **dict.fromkeys((*WORK, Quantity.RUNNING_REQUESTS), "count"),
    Quantity.UPTIME: "second",
    Quantity.REPORTED_ENERGY: "joule",
    Quantity.POWER: "watt",
    Quantity.ENERGY_COUNTER: "joule",
    Quantity.VOLTAGE: "volt",
    Quantity.CURRENT: "ampere",
    Quantity.TEMPERATURE: "celsius",
}


class Quality(enum.IntEnum):
    """What a value is worth. The numbers are the wire's and the store's."""

    OK = 1
    STALE = 2
    WRAPPED = 3
    RESET = 4
    OVER_RANGE = 5
    SQUELCHED = 6
    SENTINEL = 7
    GAP = 8

    @property
    def integrable(self) -> bool:
        """Whether the value may enter an energy: the others are stored and shown, never integrated."""
        return self in (Quality.OK, Quality.WRAPPED, Quality.RESET)


class Boundary(enum.StrEnum):
    """Where in the supply chain the meter sits. Never summed across levels."""

    GPU = "gpu"
    MODULE = "module"
    PACKAGE = "package"
    PSU_INPUT = "psu_input"
    SERVER_INPUT = "server_input"
    OUTLET = "outlet"
    PDU_INLET = "pdu_inlet"
    WALL_ANALYZER = "wall_analyzer"
    RACK = "rack"


class Current(enum.StrEnum):
    """Which side of the power supply."""

    AC = "ac"
    DC = "dc"


class Averaging(enum.StrEnum):
    """How the meter forms a power value."""

    INSTANT = "instant"
    BOXCAR = "boxcar"
    EXPONENTIAL = "exponential"
    UNKNOWN = "unknown"


class TimestampSource(enum.StrEnum):
    """Whose clock dates a reading: the device or its driver where it says, else the read bracket."""

    DEVICE = "device"
    DRIVER = "driver"
    READ_BRACKET = "read_bracket"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Limit of error as the maker states it: +-(pct_reading of reading + pct_range of range_w + abs_w).

    `source` names the document. `pct_*` are percent, `range_w` and `abs_w` watts; of a witness, units of its quantity (K, V, A).
    Rectangular, so u = limit / sqrt(3). It holds from `ambient_low_c` to `ambient_high_c` around the meter, and outside of them widens by
    `temperature_coefficient_per_k` of reading for each kelvin; None where the maker does not say.
    """

    pct_reading: float = 0.0
    pct_range: float = 0.0
    range_w: float = 0.0
    abs_w: float = 0.0
    source: str = ""
    temperature_coefficient_per_k: float | None = None
    ambient_low_c: float | None = None
    ambient_high_c: float | None = None

    @property
    def believable(self) -> bool:
        """Whether its figures lie where computations hold."""
        limits = (self.pct_reading, self.pct_range, self.range_w, self.abs_w, self.temperature_coefficient_per_k or 0.0)
        band_c = [value for value in (self.ambient_low_c, self.ambient_high_c) if value is not None]
        return all(0 <= v < LARGEST_W for v in limits) and all(COLDEST_C < v < HOTTEST_C for v in band_c) and band_c == sorted(band_c)

    def limit_w(self, power_w: float) -> float:
        """Limit of error in watts at `power_w`."""
        return self.pct_reading / 100.0 * abs(power_w) + self.pct_range / 100.0 * self.range_w + self.abs_w


@dataclass(frozen=True, slots=True)
class MeterRange:
    """Measuring range that an instrument stands at: `volts` and `amps` as its maker names the range, None where it does not tell.

    `auto`: whether it changes range by itself, which a measured phase must not have (MET-4). `crest_factor`: its setting. The
    watts of the range, for the accuracy, stand in `Accuracy.range_w`.
    """

    volts: float | None = None
    amps: float | None = None
    auto: bool | None = None
    crest_factor: float | None = None


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What one meter says of itself, once.

    `exponent`: a value is `value * 10**exponent` W or J. `modulus`: range of a counter in the same integers, None when it
    does not wrap. `averaging_window_s`: None when not known; of an exponential average its time constant. `update_period_s`: as
    declared; `update_period_measured_s`: as seen. `read_interval_s`: how often it is read where it is read more densely around phase marks,
    apart from these; None where it is not. `coverage`: share of time the sensor looks (0.25 for NVML on A100 and H100).
    `covers`: what it measures, as GPU uuids or cords (`host/cord`). `cords`: all cords of the hosts it may be part of, as their
    operator named them, empty where nobody did: only with them a sum over cords is known to be whole. `rated_w`: the highest
    believable power, for telling a wrap from a reset. `step`: smallest change of the value, in the same integers: 3600 at exponent 2
    for a counter of 0.1 kWh. `interface`: the way it is read, as its maker names it ("VXI-11", "Modbus/TCP"). `range`: of an
    instrument that has ranges. `simulated`: true for fake and replayed meters and for stand-in drivers that say so.
    """

    meter_id: str
    kind: str
    quantity: Quantity
    exponent: int
    boundary: Boundary
    current: Current = Current.DC
    vendor: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    modulus: int | None = None
    averaging: Averaging = Averaging.UNKNOWN
    averaging_window_s: float | None = None
    update_period_s: float | None = None
    update_period_measured_s: float | None = None
    read_interval_s: float | None = None
    coverage: float | None = None
    accuracy: Accuracy | None = None
    certificate: Certificate | None = None
    timestamp_source: TimestampSource = TimestampSource.READ_BRACKET
    covers: tuple[str, ...] = ()
    cords: tuple[str, ...] = ()
    rated_w: float | None = None
    step: int = 1
    interface: str = ""
    range: MeterRange | None = None
    simulated: bool = False
    note: str = ""

    @property
    def device_id(self) -> str:
        """`kind:host:serial`: the device this meter is a channel of."""
        return self.meter_id.rsplit(":", 1)[0]

    @property
    def channel(self) -> str:
        """Last part of the id."""
        return self.meter_id.rsplit(":", 1)[1]

    @property
    def value_column(self) -> str:
        """Header of an integer column of this meter: quantity and spelled-out unit, `power_milliwatt`."""
        return f"{self.quantity.word}_{units.SI_PREFIX[self.exponent]}{self.quantity.unit}"

    @property
    def host(self) -> str:
        """Second part of the id: the host that reads it."""
        return self.meter_id.split(":", 2)[1]

    @property
    def lag_ns(self) -> int:
        """How old on average what a reading shows is: half a plain averaging window, the time constant of an exponential one, which
        is what `averaging_window_s` holds then; 0 of a counter, and where the window is not known.
        """
        if self.quantity is Quantity.ENERGY_COUNTER or self.averaging_window_s is None:
            return 0
        window_ns = round(self.averaging_window_s * units.NS_PER_S)
        return window_ns if self.averaging is Averaging.EXPONENTIAL else window_ns // 2

    def si(self, value: int) -> float:
        """The SI value (W or J) of the integer `value`."""
        return units.si(value, self.exponent)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; keys are the field names, enums their text."""
        out = asdict(self)
        for name in ("quantity", "boundary", "current", "averaging", "timestamp_source"):
            out[name] = str(out[name])
        out["covers"], out["cords"] = list(self.covers), list(self.cords)
        if self.read_interval_s is None:
            del out["read_interval_s"]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError when a key is unknown or missing, or a value is not of its kind or not believable."""
        where = f"description of meter {document.shown(data.get('meter_id'))}"
        meter = document.record(cls, {k: v for k, v in data.items() if k != "covers" or v is not None}, where=where)
        for name, believable in meter.bounds().items():
            if not believable:
                what = f"{where}: {name} = {document.shown(getattr(meter, name))} is not believable"
                raise FormatError(what, "restore the file it stands in")
        return meter

    def bounds(self) -> dict[str, bool]:
        """Name of each figure that computations rely on -> whether it lies where they hold: beyond, floating point overflows."""
        names = ("averaging_window_s", "update_period_s", "update_period_measured_s", "read_interval_s")
        times = {name: getattr(self, name) for name in names}
        fixed = (self.range.volts, self.range.amps, self.range.crest_factor) if self.range else ()
        return {
            "meter_id": self.meter_id.count(":") >= len(("kind", "host", "serial")),
            "exponent": self.exponent in units.SI_PREFIX,
            "modulus": self.modulus is None or 0 < self.modulus <= LARGEST_MODULUS,
            **{name: t is None or 0 <= t <= LONGEST_S for name, t in times.items()},
            "coverage": self.coverage is None or 0 <= self.coverage <= 1,
            "rated_w": self.rated_w is None or 0 < self.rated_w < LARGEST_W,
            "accuracy": self.accuracy is None or self.accuracy.believable,
            "step": 0 < self.step <= LARGEST_MODULUS,
            "range": all(v is None or 0 < v < LARGEST_W for v in fixed),
            "certificate": self.certificate is None or self.certificate.believable,
        }


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device and its meters, in the order of the values of its samples.

    `seldom`: its driver reads it less often than its other devices, so that a poll without a sample of it is no gap.
    """

    device_id: str
    meters: tuple[MeterInfo, ...]
    seldom: bool = False

    def __post_init__(self) -> None:
        for meter in self.meters:
            if meter.device_id != self.device_id:
                raise ValueError(f"meter {meter.meter_id} is not a channel of {self.device_id}")


class Sample(NamedTuple):
    """One read of one device.

    `t_read0_ns`, `t_read1_ns`: CLOCK_MONOTONIC just before and just after the call. `utc_minus_mono_ns`: CLOCK_REALTIME minus
    CLOCK_MONOTONIC at that moment. `values[i]` belongs to `DeviceInfo.meters[i]`, in its integer scale, exactly as read; None
    where there is none, and then `qualities[i]` is not integrable and `reasons[i]` says why. `t_device_ns[i]`: UTC of the
    device or driver where it gives one. `seq` (per device, set by the runner) proves gaps; `pinned` marks reads at phase
    marks, which are never thinned.
    """

    device_id: str
    t_read0_ns: int
    t_read1_ns: int
    utc_minus_mono_ns: int
    values: tuple[int | None, ...]
    t_device_ns: tuple[int | None, ...]
    qualities: tuple[Quality, ...]
    reasons: tuple[str, ...]
    seq: int = -1
    pinned: bool = False

    @classmethod
    def gap(cls, device: DeviceInfo, t_read0_ns: int, t_read1_ns: int, utc_minus_mono_ns: int, reason: str) -> Self:
        """A read that brought nothing, for every meter of the device."""
        n = len(device.meters)
        return cls(device.device_id, t_read0_ns, t_read1_ns, utc_minus_mono_ns, (None,) * n, (None,) * n, (Quality.GAP,) * n, (reason,) * n)

    def numbered(self, seq: int, *, pinned: bool = False) -> Self:
        """The same sample with its number in the device's stream."""
        read = self.device_id, self.t_read0_ns, self.t_read1_ns, self.utc_minus_mono_ns
        answer = self.values, self.t_device_ns, self.qualities, self.reasons
        return type(self)(*read, *answer, seq, pinned)  # for every read, and `replace` takes four times as long


STAMP_NS: Final = 1000
"""Drivers cut their stamps to whole microseconds (NVML: nvmlFieldValue_t.timestamp)."""


def effective_time(meter: MeterInfo, *, t_read_ns: int, bracket_ns: int, t_device_ns: int | None) -> tuple[int, int]:
    """When a reading was true: (UTC ns of the middle of its averaging window, half-width in ns).

    The device's or driver's own stamp where it gives one, else the middle of the read bracket; moved back by the
    lag of its averaging; uncertain by half the bracket and half the update period (Energy Standard v1, SMP-5), or by the step of
    the stamp. `t_read_ns` is the middle of the bracket in UTC. `energy` does the same on whole columns; this is the definition.
    """
    own = meter.timestamp_source is not TimestampSource.READ_BRACKET and t_device_ns is not None
    t_ns = t_device_ns if own and t_device_ns is not None else t_read_ns
    if own:
        return t_ns - meter.lag_ns, STAMP_NS
    period_ns = round((meter.update_period_measured_s or meter.update_period_s or 0.0) * units.NS_PER_S)
    return t_ns - meter.lag_ns, bracket_ns // 2 + period_ns // 2
