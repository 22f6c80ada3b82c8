"""NVIDIA GPUs through the driver's own library (nvidia-ml-py, imported as `pynvml`; only the modules `nvml` import it).

One device per physical GPU. Its meters are read in one nvmlDeviceGetFieldValues call, so instant power, average power and
the energy counter carry the driver's own time stamps; a driver without that call, or without one of the fields, is read
through the plain calls and dated by the read bracket. What a GPU cannot do is found out once, in `open()`, and written in
`MeterInfo.note`. Under MIG the driver knows only the power of the whole GPU: it is reported once, never by instance.

When every GPU is lost the library is closed, and opened again until one is back. One that is lost among others stays a stream of
gaps until the agent is started anew: to find it the library would have to be closed for all of them, and where persistence mode
is off that sets their counters back.

Source: NVML reference manual (field values, units mW and mJ, the counter runs since the driver was loaded).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

import pynvml

from joulemark.config import at_least
from joulemark.errors import MeterError, MeterFault, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters import nvml_errors, nvml_sensors
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.nvml_fields import ENERGY, Fields, Outcome, failed, parse_value
from joulemark.meters.nvml_witness import Glance, Witness
from joulemark.readings import Averaging, Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S

EXPONENT: Final = -3
"""The driver speaks milliwatt and millijoule."""

INSTANT: Final = "power_instant"
AVERAGE: Final = "power_average"

FIELDS: Final[dict[str, int]] = {
    INSTANT: pynvml.NVML_FI_DEV_POWER_INSTANT,
    AVERAGE: pynvml.NVML_FI_DEV_POWER_AVERAGE,
    ENERGY: pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
}
"""Channel to field id, in the order of the values of a sample."""

ALL_OK: Final = (Quality.OK,) * len(FIELDS)
NO_REASONS: Final = ("",) * len(FIELDS)
NO_ERRORS: Final = (pynvml.NVML_SUCCESS,) * len(FIELDS)

RATED_MARGIN: Final = 1.2
"""Headroom over the highest power limit: short peaks pass it, a believable counter step does not."""

ERROR_KIND: Final[dict[int, type[MeterError]]] = {
    getattr(pynvml, nvml_errors.PREFIX + name): kind
    for kind, names in nvml_errors.NAMES.items()
    for name in names
    if hasattr(pynvml, nvml_errors.PREFIX + name)
}
"""Every error of the driver, as what it means for a meter."""

NEXT_STEP: Final[dict[int, str]] = {getattr(pynvml, nvml_errors.PREFIX + name): step for name, step in nvml_errors.NEXT_STEPS.items()}


@dataclass(frozen=True, slots=True)
class NvmlConfig:
    """`[[meter]] kind = "nvml"`: which GPUs, and what replaces the published constants of their sensors (`nvml_sensors`)."""

    library: Path | None = None
    """The driver's libnvidia-ml.so.1, where it is not on the loader's path."""
    gpus: tuple[str, ...] = ()
    """Uuids or indices of the GPUs to read; all when empty."""
    instant_window_s: float | None = None
    """Averaging window of instant power in seconds, in place of the published one."""
    power_period_s: float | None = None
    """Refresh period of the power fields in seconds, in place of the published one."""
    average_window_s: float = nvml_sensors.AVERAGE_WINDOW_S
    """Averaging window of average power in seconds."""
    energy_period_s: float = 0.1
    """Refresh period of the energy counter in seconds."""
    witness_interval_s: float = 10.0
    """How often temperature, utilization and throttling are read, in seconds; 0 reads them never."""

    def __post_init__(self) -> None:
        for key in ("instant_window_s", "power_period_s", "average_window_s", "energy_period_s", "witness_interval_s"):
            if (value := getattr(self, key)) is not None:
                at_least(f"nvml.{key}", value, 0.0)


@dataclass(frozen=True, slots=True)
class Channel:
    """One meter of a GPU: read as a field, or by a plain call where `field` is None."""

    name: str
    field: int | None
    call: Callable[[Any], int] | None = None


class Look(NamedTuple):
    """What the driver answered to one read of a GPU. `answers`: its fields; `plains`: its other channels; `error`: of all of it."""

    t_read0_ns: int
    t_read1_ns: int
    answers: bytes
    plains: Mapping[str, Outcome]
    error: pynvml.NVMLError | None


NO_PLAINS: Final[Mapping[str, Outcome]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Gpu:
    """A physical GPU that answered in `open()`. `fields`: its channels that are fields, None where it has none."""

    handle: Any
    info: DeviceInfo
    channels: tuple[Channel, ...]
    fields: Fields | None

    def look(self, clock: Clock) -> Look:
        """One look at every channel, all fields in one call."""
        plains, error = NO_PLAINS, None
        t_read0_ns = clock.mono_ns()
        try:
            if self.fields is not None:
                self.fields.ask()
            if self.fields is None or len(self.fields.names) < len(self.channels):
                plains = {
                    channel.name: plain(channel.name, channel.call, self.handle) for channel in self.channels if channel.call is not None
                }
        except pynvml.NVMLError as refused:
            error = refused
        t_read1_ns = clock.mono_ns()
        return Look(t_read0_ns, t_read1_ns, b"" if self.fields is None or error is not None else self.fields.answers(), plains, error)

    def told(self, look: Look, offset_ns: int) -> tuple[Sample, tuple[int, ...]]:
        """`look`, taken apart; and the error code of each channel."""
        read = look.t_read0_ns, look.t_read1_ns, offset_ns
        if look.error is not None:
            outcomes = [failed(look.error)] * len(self.channels)
        else:
            if self.fields is not None and not look.plains and (sound := self.fields.sound(look.answers)) is not None:
                n = len(self.channels)
                return Sample(self.info.device_id, *read, *sound, ALL_OK[:n], NO_REASONS[:n]), NO_ERRORS[:n]
            fields = iter(() if self.fields is None else self.fields.outcomes(look.answers))
            outcomes = [look.plains[channel.name] if channel.call is not None else next(fields) for channel in self.channels]
        values, stamps, qualities, reasons, codes = zip(*outcomes, strict=True)
        return Sample(self.info.device_id, *read, values, stamps, qualities, reasons), codes


@dataclass(frozen=True, slots=True)
class Sweep:
    """One poll of all GPUs, not taken apart yet: nothing of that depends on when it is done, and later the caches are warm."""

    gpus: tuple[Gpu, ...]
    looks: list[Look]
    offset_ns: int
    glances: list[tuple[Witness, Glance]]

    def samples(self) -> list[Sample]:
        """One for each GPU, and what else was asked."""
        gpus = [gpu.told(look, self.offset_ns)[0] for gpu, look in zip(self.gpus, self.looks, strict=True)]
        return gpus + [witness.told(glance, self.offset_ns) for witness, glance in self.glances]


def plain(channel: str, call: Callable[[Any], int], handle: Any) -> Outcome:
    """The answer of a plain call, which carries no time stamp."""
    try:
        return parse_value(channel, call(handle))
    except pynvml.NVMLError as error:
        return failed(error)


def kind_of(code: int) -> type[MeterError]:
    """What the driver's error `code` means for a meter; one that this version does not know may pass."""
    return ERROR_KIND.get(code, MeterTransient)


def unavailable(what: str, error: pynvml.NVMLError) -> MeterUnavailable:
    """`error` during `open()`, with what to do about it."""
    return MeterUnavailable(f"{what}: {error}", NEXT_STEP.get(error.value, nvml_errors.OTHERWISE))


class NvmlMeter:
    """The GPUs of this host."""

    kind: ClassVar[str] = "nvml"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, options: NvmlConfig, *, host: str) -> None:
        self._options = options
        self._host = host
        self._gpus: tuple[Gpu, ...] = ()
        self._witnesses: tuple[Witness, ...] = ()
        self._witness_after_ns = 0

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return (*(gpu.info for gpu in self._gpus), *(witness.info for witness in self._witnesses))

    def open(self) -> None:
        if self._gpus:
            return
        load(self._options.library)
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise unavailable("the NVIDIA driver cannot be used", error) from error
        try:
            self._gpus = find(self._options, self._host)
        except pynvml.NVMLError as error:
            pynvml.nvmlShutdown()
            raise unavailable("the GPUs cannot be listed", error) from error
        except MeterUnavailable:
            pynvml.nvmlShutdown()
            raise
        if interval_s := self._options.witness_interval_s:
            found = (Witness.of(gpu.handle, gpu.info.meters[0], interval_s=interval_s) for gpu in self._gpus)
            self._witnesses, self._witness_after_ns = tuple(one for one in found if one is not None), 0

    def read(self, clock: Clock) -> list[Sample]:
        return self.take(clock).samples()

    def take(self, clock: Clock) -> Sweep:
        """One poll, to be taken apart later."""
        if not self._gpus:
            raise MeterFault("nvml is read before open()", "open it first")
        offset_ns = utc_minus_mono_ns(clock)
        looks = [gpu.look(clock) for gpu in self._gpus]
        if not any(look.answers and gpu.fields and gpu.fields.answered(look.answers) for gpu, look in zip(self._gpus, looks, strict=True)):
            told = [gpu.told(look, offset_ns) for gpu, look in zip(self._gpus, looks, strict=True)]
            codes = {code for _, found in told for code in found}
            if pynvml.NVML_SUCCESS not in codes:  # no plain call was answered either
                raise all_failed(codes, "; ".join(dict.fromkeys(f"{sample.device_id}: {sample.reasons[0]}" for sample, _ in told)))
        return Sweep(self._gpus, looks, offset_ns, self._conditions(clock))

    def _conditions(self, clock: Clock) -> list[tuple[Witness, Glance]]:
        """What the GPUs are like, where it is time to look."""
        now_ns = clock.mono_ns()
        if not self._witnesses or now_ns < self._witness_after_ns:
            return []
        self._witness_after_ns = now_ns + round(self._options.witness_interval_s * NS_PER_S)
        return [(witness, witness.look(clock)) for witness in self._witnesses]

    def close(self) -> None:
        if self._gpus:
            self._gpus = self._witnesses = ()
            pynvml.nvmlShutdown()


def load(library: Path | None) -> None:
    """Load the driver library of that path, if one is named: nvidia-ml-py asks for it by soname and then gets this one."""
    if library is None:
        return
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        raise MeterUnavailable(f"cannot load the driver library {library}: {error}", "name an existing libnvidia-ml.so.1") from error


def all_failed(codes: set[int], reasons: str) -> MeterError:
    """The error when no GPU answered: gone when every one is, transient when any may answer again, else a fault."""
    kinds = {kind_of(code) for code in codes}
    if kinds == {MeterGone}:
        return MeterGone(f"every GPU is gone ({reasons})", NEXT_STEP[pynvml.NVML_ERROR_GPU_IS_LOST])
    if MeterTransient in kinds:
        return MeterTransient(f"no GPU answered ({reasons})")
    return MeterFault(f"no GPU answered ({reasons})", nvml_errors.OTHERWISE)


def find(options: NvmlConfig, host: str) -> tuple[Gpu, ...]:
    """The GPUs that `options` ask for. A lost one cannot say who it is: it is left out, and the others' notes say so."""
    gpus, lost = [], []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            uuid = pynvml.nvmlDeviceGetUUID(handle)
        except pynvml.NVMLError as error:
            if kind_of(error.value) is not MeterGone:
                raise
            lost.append(f"GPU {index} is lost and not measured")
            continue
        if not options.gpus or uuid in options.gpus or str(index) in options.gpus:
            gpus.append((handle, uuid))
    if not gpus:
        raise MeterUnavailable("; ".join(lost) or "the driver shows no GPU that was asked for", "compare with nvidia-smi -L")
    return tuple(describe(handle, uuid, options, host, lost) for handle, uuid in gpus)


def describe(handle: Any, uuid: str, options: NvmlConfig, host: str, notes: list[str]) -> Gpu:
    """Ask one GPU who it is and what it can do. Raises MeterUnavailable when it can measure nothing."""
    product = pynvml.nvmlDeviceGetName(handle)
    architecture = optional(pynvml.nvmlDeviceGetArchitecture, handle, nvml_sensors.ARCH_UNKNOWN)
    channels, absent = probe(handle, averages=nvml_sensors.plain_call_averages(product, architecture))
    if not channels:
        raise MeterUnavailable(f"{product} {uuid} reports neither power nor energy ({'; '.join(absent)})", "measure it with another meter")
    driver = pynvml.nvmlSystemGetDriverVersion()
    shared = optional(pynvml.nvmlDeviceGetMigMode, handle, [0, 0])[0]
    mig = ["mig_shared: the whole GPU, whatever its MIG instances do"] if shared else []
    most_mw = optional(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle, [0, 0])[1]
    common = {
        "kind": "nvml",
        "exponent": EXPONENT,
        "boundary": Boundary.GPU,
        "vendor": "NVIDIA",
        "interface": "NVML",
        "model": product,
        "serial": optional(pynvml.nvmlDeviceGetSerial, handle, ""),
        "firmware": f"driver {driver}",
        "covers": (uuid,),
        "rated_w": most_mw / 1000 * RATED_MARGIN if most_mw else None,
        "simulated": "SIMULATED" in f"{product} {driver}".upper(),
    }
    sensor = nvml_sensors.instant_sensor(product, architecture)
    note = "; ".join([*mig, *absent, *notes])
    meters = tuple(meter_info(channel, f"nvml:{host}:{uuid}", options, sensor, common, note) for channel in channels)
    numbers = {channel.name: channel.field for channel in channels if channel.field is not None}
    fields = Fields(handle, list(numbers), list(numbers.values())) if numbers else None
    return Gpu(handle, DeviceInfo(f"nvml:{host}:{uuid}", meters), channels, fields)


def optional(call: Callable[[Any], Any], handle: Any, otherwise: Any) -> Any:
    """What `call` answers about a GPU, or `otherwise` where the driver or the GPU does not know."""
    try:
        return call(handle)
    except pynvml.NVMLError:
        return otherwise


def probe(handle: Any, *, averages: bool) -> tuple[tuple[Channel, ...], list[str]]:
    """The channels this GPU has, and a sentence for each it lacks.

    A field that only fails for the moment counts as there. Where no power field is there the plain power call takes the place
    of the one it means on this chip, and the plain energy call that of the energy field.
    """
    codes = field_codes(handle)
    channels = {name: Channel(name, field) for name, field in FIELDS.items() if kind_of(codes[name]) is not MeterUnavailable}
    stand_ins = {ENERGY: pynvml.nvmlDeviceGetTotalEnergyConsumption}
    if INSTANT not in channels and AVERAGE not in channels:
        stand_ins[AVERAGE if averages else INSTANT] = pynvml.nvmlDeviceGetPowerUsage
    for name, call in stand_ins.items():
        if name not in channels and kind_of(plain(name, call, handle).code) is not MeterUnavailable:
            channels[name] = Channel(name, None, call)
    absent = [f"no {name} (driver: {pynvml.NVMLError(codes[name])})" for name in FIELDS if name not in channels]
    return tuple(channels[name] for name in FIELDS if name in channels), absent


def field_codes(handle: Any) -> dict[str, int]:
    """The driver's return code for each field; that of the whole call where it has none."""
    try:
        answers = pynvml.nvmlDeviceGetFieldValues(handle, list(FIELDS.values()))
    except pynvml.NVMLError as error:
        return dict.fromkeys(FIELDS, error.value)
    return {name: answer.nvmlReturn for name, answer in zip(FIELDS, answers, strict=True)}


def meter_info(
    channel: Channel, device_id: str, options: NvmlConfig, sensor: nvml_sensors.Sensor, common: dict[str, Any], note: str
) -> MeterInfo:
    """The description of one channel: the published sensor constants, with what the configuration replaces."""
    instant = nvml_sensors.Sensor(
        sensor.window_s if options.instant_window_s is None else options.instant_window_s,
        sensor.period_s if options.power_period_s is None else options.power_period_s,
        sensor.source if options.instant_window_s is None else "set by configuration",
    )
    about: dict[str, Any]
    if channel.name == ENERGY:
        about = {"quantity": Quantity.ENERGY_COUNTER, "update_period_s": options.energy_period_s}
    else:
        window_s = instant.window_s if channel.name == INSTANT else options.average_window_s
        note = "; ".join(filter(None, [note, f"averaging window: {instant.source}" if channel.name == INSTANT else ""]))
        about = {
            "quantity": Quantity.POWER,
            "averaging": Averaging.UNKNOWN if window_s is None else Averaging.BOXCAR,
            "averaging_window_s": window_s,
            "update_period_s": instant.period_s,
            "coverage": nvml_sensors.Sensor(window_s, instant.period_s, "").coverage,
        }
    source = TimestampSource.READ_BRACKET if channel.field is None else TimestampSource.DRIVER
    return MeterInfo(meter_id=f"{device_id}:{channel.name}", timestamp_source=source, note=note, **common, **about)


DRIVER: Final = Driver("nvml", NvmlConfig, lambda config, host: NvmlMeter(config, host=host), local=True, lock="nvml", burst=True)
