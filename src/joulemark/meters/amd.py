"""AMD GPUs through AMD's management library (ROCm's libamd_smi.so, behind the Python package amdsmi).

One device per GPU that tells of itself: power of the socket in whole watts, current, which is instant (MI300 and later), or average
(Navi, MI200 and earlier), and the energy counter of its firmware. Of a card with two dies one tells for both, and partitions of a GPU
tell nothing: the others are left out, and the notes say so. The counter runs since the driver was loaded. Some driver versions let it
stand still on MI100 and MI210 (ROCm/amdsmi issues 22 and 38): it is given as read, and the agent's watch finds it.

Readings are dated by the read bracket: the library's stamp is of an unnamed clock.

Source: amdsmi.h of ROCm 7 (amdsmi_get_power_info in W, 65535 for none; amdsmi_get_energy_count: counts, microjoules per count).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterError, MeterFault, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.amd_library import GONE, LACKS, LIBRARY, LIBRARY_NAME, NEXT_STEP, OTHERWISE, Status, code_of, next_step, said
from joulemark.meters.base import Driver, Isolation
from joulemark.readings import Averaging, Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

CURRENT: Final = "power_current"
AVERAGE: Final = "power_average"
ENERGY: Final = "energy"

POWER_KEYS: Final = {CURRENT: "current_socket_power", AVERAGE: "average_socket_power"}
"""Channel of a power -> its key in the answer of amdsmi_get_power_info."""

COUNT_KEYS: Final = ("energy_accumulator", "power")
"""Key of the counts: its name of today, and that of releases before ROCm 6.2."""

POWER_EXPONENT: Final = 0
ENERGY_EXPONENT: Final = -6
"""Microjoules: counts times the resolution, rounded once. 64 bits last 9.2e12 J."""

NO_WATTS: Final = 0xFFFF
NO_COUNTS: Final = 0xFFFFFFFFFFFFFFFF
"""All bits set: what the firmware says of a figure that it does not have."""

UPDATE_PERIOD_S: Final = 0.001
"""The driver asks the firmware at most every millisecond (ROCm issue 1649)."""

RATED_MARGIN: Final = 1.5
"""Headroom over the highest power cap, which short peaks may pass."""

MICRO: Final = 1_000_000
SILENT: Final = "tells neither power nor energy, as the second die of a card and partitions do"
UNIT_NOTE: Final = "the library says {0:.6g} uJ per count; amdgpu's header says 2^-16 J = 15.2588 uJ"


@dataclass(frozen=True, slots=True)
class AmdConfig:
    """`[[meter]] kind = "amd"`: which GPUs, and where AMD's library is."""

    library: Path | None = None
    """ROCm's library, PATH/lib/libamd_smi.so, where ROCM_HOME, the loader and /opt/rocm do not lead to it."""
    gpus: tuple[str, ...] = ()
    """Uuids or PCI addresses of the GPUs to read; all when empty."""
    resolution_uj: float | None = None
    """Microjoules per count of the energy counter, in place of what the library says."""

    def __post_init__(self) -> None:
        if self.library is not None and self.library.parts[-2:] != ("lib", LIBRARY_NAME):
            raise ConfigError(f"amd.library = {self.library} is no path that ends with lib/{LIBRARY_NAME}", "name ROCm's own file")
        if self.resolution_uj is not None:
            at_least("amd.resolution_uj", self.resolution_uj, 0.001)


class Outcome(NamedTuple):
    """What one channel answered. `code`: the library's status."""

    value: int | None
    quality: Quality = Quality.OK
    reason: str = ""
    code: int = Status.SUCCESS


def parse_power(info: Mapping[str, Any], channel: str) -> Outcome:
    """Watts of `channel` in an answer of amdsmi_get_power_info: absent, "N/A", all bits set and 0 W are no measurement."""
    return number(info.get(POWER_KEYS[channel]), end=NO_WATTS)


def parse_energy(answer: Mapping[str, Any], resolution_uj: float | None = None) -> Outcome:
    """Microjoules in an answer of amdsmi_get_energy_count: the exact product of counts and resolution, rounded half to even."""
    counts = number(next((answer[key] for key in COUNT_KEYS if key in answer), None), end=NO_COUNTS)
    unit_uj = Fraction(resolution_uj or answer["counter_resolution"])
    return counts if counts.value is None else counts._replace(value=round(unit_uj * counts.value))


def number(said: object, *, end: int) -> Outcome:
    """A figure as the library gave it, below `end`: text in its place, 0 and marks are sentinels."""
    if isinstance(said, int) and 0 < said < end:
        return Outcome(said)
    return Outcome(None, Quality.SENTINEL, f"the library answered {said}, which is no measurement")


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that answered in `open()`, and the channels it has."""

    amdsmi: Any
    handle: Any
    info: DeviceInfo
    resolution_uj: float | None

    def poll(self) -> list[Outcome]:
        """One answer per channel, from one call for the powers and one for the energy."""
        told = answers(self.amdsmi, self.handle, self.resolution_uj)
        return [told[meter.channel] for meter in self.info.meters]


def answers(amdsmi: Any, handle: Any, resolution_uj: float | None) -> dict[str, Outcome]:
    """What a GPU says on every channel that there is."""
    try:
        info = amdsmi.amdsmi_get_power_info(handle)
        found = {channel: parse_power(info, channel) for channel in POWER_KEYS}
    except amdsmi.AmdSmiException as error:
        found = dict.fromkeys(POWER_KEYS, failed(error))
    try:
        found[ENERGY] = parse_energy(amdsmi.amdsmi_get_energy_count(handle), resolution_uj)
    except amdsmi.AmdSmiException as error:
        found[ENERGY] = failed(error)
    return found


def failed(error: Exception) -> Outcome:
    """A gap with the library's own words as its reason."""
    return Outcome(None, Quality.GAP, f"library: {said(error)}", code_of(error))


class AmdMeter:
    """The AMD GPUs of this host."""

    kind: ClassVar[str] = "amd"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, options: AmdConfig, *, host: str) -> None:
        self._options = options
        self._host = host
        self._gpus: tuple[Gpu, ...] = ()

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return tuple(gpu.info for gpu in self._gpus)

    def open(self) -> None:
        if self._gpus:
            return
        amdsmi = LIBRARY.enter(self._options.library)
        try:
            with LIBRARY.lock:
                self._gpus = find(amdsmi, self._options, self._host)
        except amdsmi.AmdSmiException as error:
            raise MeterUnavailable(f"the AMD GPUs cannot be listed: {said(error)}", next_step(error)) from error
        finally:
            if not self._gpus:
                LIBRARY.leave(amdsmi)

    def read(self, clock: Clock) -> list[Sample]:
        if not self._gpus:
            raise MeterFault("amd is read before open()", "open it first")
        offset_ns = utc_minus_mono_ns(clock)
        with LIBRARY.lock:
            polls = [read_gpu(gpu, clock, offset_ns) for gpu in self._gpus]
        codes = {code for _, found in polls for code in found}
        if Status.SUCCESS not in codes:
            raise all_failed(codes, "; ".join(dict.fromkeys(f"{sample.device_id}: {sample.reasons[0]}" for sample, _ in polls)))
        return [sample for sample, _ in polls]

    def close(self) -> None:
        if self._gpus:
            amdsmi = self._gpus[0].amdsmi
            self._gpus = ()
            LIBRARY.leave(amdsmi)


def read_gpu(gpu: Gpu, clock: Clock, offset_ns: int) -> tuple[Sample, tuple[int, ...]]:
    """One poll of one GPU, and the status of each channel."""
    t_read0_ns = clock.mono_ns()
    outcomes = gpu.poll()
    t_read1_ns = clock.mono_ns()
    values, qualities, reasons, codes = zip(*outcomes, strict=True)
    return Sample(gpu.info.device_id, t_read0_ns, t_read1_ns, offset_ns, values, (None,) * len(values), qualities, reasons), codes


def all_failed(codes: set[int], reasons: str) -> MeterError:
    """The error when no GPU answered: gone when every one is, else it may pass."""
    if codes <= GONE:
        return MeterGone(f"every AMD GPU is gone ({reasons})", "see dmesg for what became of them")
    return MeterTransient(f"no AMD GPU answered ({reasons})")


def find(amdsmi: Any, options: AmdConfig, host: str) -> tuple[Gpu, ...]:
    """The GPUs that `options` ask for and that tell something; the notes name the others.

    Raises MeterUnavailable when there is none, and the errors of amdsmi where the GPUs cannot be listed.
    """
    gpus: list[Gpu] = []
    silent: list[str] = []
    codes: set[int] = set()
    for handle in amdsmi.amdsmi_get_processor_handles():
        try:
            address = amdsmi.amdsmi_get_gpu_device_bdf(handle)
            uuid = optional(amdsmi, "amdsmi_get_gpu_device_uuid", handle) or address.replace(":", "-")
        except amdsmi.AmdSmiException as error:
            silent.append(f"a GPU does not say who it is, and is not measured ({said(error)})")
            codes.add(code_of(error))
            continue
        if options.gpus and not {uuid, address} & set(options.gpus):
            continue
        told = answers(amdsmi, handle, options.resolution_uj)
        channels = tuple(name for name, one in told.items() if one.value is not None)
        if channels:
            info = describe(amdsmi, handle, f"amd:{host}:{uuid}", f"{host}/{address}", channels, options)
            gpus.append(Gpu(amdsmi, handle, info, options.resolution_uj))
        else:
            failures = {one.code: one.reason for one in told.values() if one.code not in (Status.SUCCESS, *LACKS)}
            silent.append(f"{address} {'; '.join(failures.values()) or SILENT}")
            codes |= failures.keys()
    if not gpus:
        what = "; ".join(silent) or "AMD's library shows no GPU that was asked for"
        raise MeterUnavailable(what, NEXT_STEP.get(min(codes, default=Status.SUCCESS), OTHERWISE))
    return tuple(replace(gpu, info=noted(gpu.info, silent)) for gpu in gpus)


def optional(amdsmi: Any, name: str, handle: Any) -> Any:
    """What the function `name` answers about a GPU, or None where the library does not know or its package stumbles over the answer."""
    try:
        return getattr(amdsmi, name)(handle)
    except (amdsmi.AmdSmiException, ValueError):
        return None


def noted(device: DeviceInfo, silent: list[str]) -> DeviceInfo:
    """`device` with the GPUs that are not measured in its notes."""
    meters = (replace(meter, note="; ".join(filter(None, (meter.note, *silent)))) for meter in device.meters)
    return replace(device, meters=tuple(meters))


def describe(amdsmi: Any, handle: Any, device_id: str, covers: str, channels: tuple[str, ...], options: AmdConfig) -> DeviceInfo:
    """Ask one GPU who it is. Text that the library marks as missing ("N/A") stays empty."""
    asic = optional(amdsmi, "amdsmi_get_gpu_asic_info", handle) or {}
    board = optional(amdsmi, "amdsmi_get_gpu_board_info", handle) or {}
    driver = known(optional(amdsmi, "amdsmi_get_gpu_driver_info", handle) or {}, "driver_version")
    model = known(asic, "market_name") or known(board, "product_name")
    most_uw = (optional(amdsmi, "amdsmi_get_power_cap_info", handle) or {}).get("max_power_cap", 0)
    common: dict[str, Any] = {
        "kind": "amd",
        "boundary": Boundary.GPU,
        "vendor": "AMD",
        "model": model,
        "serial": known(board, "product_serial") or known(asic, "asic_serial"),
        "firmware": f"driver {driver}" if driver else "",
        "interface": "amdsmi",
        "update_period_s": UPDATE_PERIOD_S,
        "covers": (covers,),
        "rated_w": most_uw / MICRO * RATED_MARGIN if most_uw else None,
        "simulated": "SIMULATED" in f"{model} {driver}".upper(),
    }
    meters = []
    for channel in channels:
        averaging = Averaging.INSTANT if channel == CURRENT else Averaging.UNKNOWN
        about: dict[str, Any] = {"quantity": Quantity.POWER, "exponent": POWER_EXPONENT, "averaging": averaging}
        if channel == ENERGY:
            unit_uj = options.resolution_uj or amdsmi.amdsmi_get_energy_count(handle)["counter_resolution"]
            about = {"quantity": Quantity.ENERGY_COUNTER, "exponent": ENERGY_EXPONENT, "step": max(1, int(unit_uj))}
            about["note"] = UNIT_NOTE.format(unit_uj) if options.resolution_uj is None else "microjoules per count set by configuration"
        meters.append(MeterInfo(meter_id=f"{device_id}:{channel}", **common, **about))
    return DeviceInfo(device_id, tuple(meters))


def known(answer: Mapping[str, Any], key: str) -> str:
    """Text of an answer, empty where the library has none."""
    text = str(answer.get(key, ""))
    return "" if text == "N/A" else text


DRIVER: Final = Driver("amd", AmdConfig, lambda config, host: AmdMeter(config, host=host), local=True, lock="amd", burst=True)
"""Looked for on every machine: where AMD's library is absent, nothing of its package is imported."""
