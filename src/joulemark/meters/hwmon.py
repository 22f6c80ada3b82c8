"""Power and energy as Linux reports them under hwmon: NVIDIA Grace, Jetson, GPUs of Intel and AMD, ACPI power meters of whole machines.

One device per chip, one meter per sensor; `hwmon_chips` knows what the files mean. Attributes are kept open: a descriptor stays
with its chip, while the number in `hwmonN` may go to another one when a driver is loaded anew. A chip that left among others is a
gap until all are gone and the meter is opened again.

A read is a call into the kernel, which may ask the firmware (Grace) or an I2C bus (Jetson): it has a thread of its own.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

from joulemark.errors import MeterFault, MeterGone, MeterUnavailable
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.hwmon_chips import Chip, Sensor, chips
from joulemark.meters.sysfs import opened, refuse_unreadable, reread
from joulemark.readings import DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

EXPONENT: Final = -6
"""hwmon speaks microwatt and microjoule; millivolt times milliampere is microwatt."""

UNKNOWN_UW: Final = 0xFFFFFFFF * 1000
"""ACPI's mark for a power that the firmware does not know, in milliwatt, as the kernel shows it."""

LACKS: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, 524})
"""Errors of an attribute that is there and of hardware that has no such sensor; 524 is the kernel's own ENOTSUPP."""

Answer = tuple[int | None, Quality, str]


@dataclass(frozen=True, slots=True)
class HwmonConfig:
    """`[[meter]] kind = "hwmon"`: the power sensors of this host."""

    root: Path = Path("/sys")
    """Where sysfs is mounted."""
    chips: tuple[str, ...] = ()
    """Chips to read, by driver name (`ina3221`) or by the serial in their meter ids; all known ones when empty."""


@dataclass(frozen=True, slots=True)
class OpenChip:
    """A chip with its attributes open: `descriptors[i]` are the files of `chip.sensors[i]`. `lacking`: sensors its hardware has not."""

    chip: Chip
    descriptors: tuple[tuple[int, ...], ...]
    info: DeviceInfo
    lacking: str

    def poll(self) -> list[Answer]:
        """What each sensor says."""
        return [answer(sensor, held) for sensor, held in zip(self.chip.sensors, self.descriptors, strict=True)]


def judged(sensor: Sensor, value: int) -> Answer:
    """`value` as a number of micro-units, or as the mark of a missing one: ACPI's, a counter below 0, 0 W where none can be."""
    counts = sensor.about["quantity"] is Quantity.ENERGY_COUNTER
    if value == UNKNOWN_UW or (counts and value < 0) or (value == 0 and not sensor.may_be_zero):
        return None, Quality.SENTINEL, f"{sensor.files[0].name} = {value}, which is no measurement"
    return value, Quality.OK, ""


def answer(sensor: Sensor, descriptors: Sequence[int]) -> Answer:
    """What a sensor says now; a failed read is a gap that names its file."""
    factors = []
    for path, descriptor in zip(sensor.files, descriptors, strict=True):
        try:
            factors.append(reread(descriptor))
        except (OSError, ValueError) as error:
            return None, Quality.GAP, f"{path.name}: {said(error)}"
    return judged(sensor, math.prod(factors))


def said(error: OSError | ValueError) -> str:
    """What went wrong with a file, in the kernel's words."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


class HwmonMeter:
    """The power sensors of this host that hwmon shows; one device per chip."""

    kind: ClassVar[str] = "hwmon"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, options: HwmonConfig, *, host: str) -> None:
        self._options = options
        self._host = host
        self._chips: tuple[OpenChip, ...] = ()
        self._held = ExitStack()

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return tuple(one.info for one in self._chips)

    def open(self) -> None:
        if self._chips:
            return
        wanted = chosen(chips(self._options.root, self._host), self._options)
        refuse_unreadable([path for chip in wanted for sensor in chip.sensors for path in sensor.files])
        with ExitStack() as held:
            try:
                opened_chips = [open_chip(chip, self._host, held) for chip in wanted]
            except OSError as error:
                raise MeterUnavailable(
                    f"cannot open {error.filename}: {said(error)}", "see whether its driver is being unloaded"
                ) from error
            answers = [one for chip in opened_chips for one in chip.poll()]
            if all(value is None for value, _, _ in answers):
                reason = answers[0][2] if answers else opened_chips[0].lacking
                raise MeterUnavailable(f"no hwmon sensor gives a number ({reason})", "see dmesg, and what cat says of that file")
            self._chips = tuple(chip for chip in opened_chips if chip.chip.sensors)
            self._held = held.pop_all()

    def read(self, clock: Clock) -> list[Sample]:
        if not self._chips:
            raise MeterFault("hwmon is read before open()", "open it first")
        offset_ns = utc_minus_mono_ns(clock)
        samples = [read_chip(one, clock, offset_ns) for one in self._chips]
        if all(quality is Quality.GAP for sample in samples for quality in sample.qualities):
            raise MeterGone(f"no hwmon sensor answers ({samples[0].reasons[0]})", "see whether their driver was unloaded")
        return samples

    def close(self) -> None:
        self._held.close()
        self._chips = ()


def chosen(found: list[Chip], options: HwmonConfig) -> list[Chip]:
    """The chips that `options` ask for. Raises MeterUnavailable when there is none, or one of those named is not there."""
    names = {name for chip in found for name in (chip.name, chip.serial)}
    absent = [name for name in options.chips if name not in names]
    if absent or not found:
        where = options.root / "class" / "hwmon"
        raise MeterUnavailable(
            f"no hwmon chip {absent[0]!r} under {where}" if absent else f"no hwmon chip under {where} measures power or energy",
            f"there are {', '.join(sorted(names))}" if names else f"compare with grep . {where}/hwmon*/name; virtual machines have none",
        )
    return [chip for chip in found if not options.chips or chip.name in options.chips or chip.serial in options.chips]


def open_chip(chip: Chip, host: str, held: ExitStack) -> OpenChip:
    """`chip` with the sensors that its hardware has, which may be none; `held` closes its files. Raises OSError."""
    kept: list[tuple[Sensor, tuple[int, ...]]] = []
    lacking: list[str] = []
    for sensor in chip.sensors:
        descriptors = tuple(held_open(path, held) for path in sensor.files)
        if (missing := lack(descriptors)) is None:
            kept.append((sensor, descriptors))
        else:
            lacking.append(f"no {sensor.channel} ({missing})")
    chip = replace(chip, sensors=tuple(sensor for sensor, _ in kept))
    note = "; ".join(lacking)
    return OpenChip(chip, tuple(descriptors for _, descriptors in kept), described(chip, host, note), note)


def held_open(path: Path, held: ExitStack) -> int:
    """A descriptor of `path` that `held` closes. Raises OSError."""
    descriptor = opened(path)
    held.callback(os.close, descriptor)
    return descriptor


def lack(descriptors: Sequence[int]) -> str | None:
    """Why the hardware has no such sensor, None where it has: what fails for the moment may answer later."""
    for descriptor in descriptors:
        try:
            reread(descriptor)
        except ValueError:
            continue
        except OSError as error:
            if error.errno in LACKS:
                return said(error)
    return None


def described(chip: Chip, host: str, lacking: str) -> DeviceInfo:
    """The chip as a device with one meter per sensor."""
    device_id = f"hwmon:{host}:{chip.serial}"
    note = "; ".join(filter(None, (chip.about.get("note", ""), lacking)))
    meters = tuple(
        MeterInfo(
            meter_id=f"{device_id}:{sensor.channel}",
            kind="hwmon",
            exponent=EXPONENT,
            interface=f"sysfs hwmon, {chip.name}",
            **{**chip.about, "note": note, **sensor.about},
        )
        for sensor in chip.sensors
    )
    return DeviceInfo(device_id, meters)


def read_chip(one: OpenChip, clock: Clock, offset_ns: int) -> Sample:
    """One poll of one chip: all its sensors within one bracket."""
    t_read0_ns = clock.mono_ns()
    answers = one.poll()
    t_read1_ns = clock.mono_ns()
    values, qualities, reasons = zip(*answers, strict=True)
    return Sample(one.info.device_id, t_read0_ns, t_read1_ns, offset_ns, values, (None,) * len(answers), qualities, reasons)


DRIVER: Final = Driver("hwmon", HwmonConfig, lambda config, host: HwmonMeter(config, host=host), local=True)
