"""Any command that prints a power or an energy: vendors' tools that have no library (`npu-smi`), and scripts of the laboratory.

The command is a list, never a shell line. It runs once for each read, in a process group of its own, and is killed with all its children
when it is late. What it measures is what its operator says it does: nothing here can tell a meter from a script that prints a
guess. A program that can only repeat its arguments (`echo`) makes a simulated meter.
"""

from __future__ import annotations

import functools
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Final

from joulemark import config
from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Driver
from joulemark.meters.descriptions import id_part
from joulemark.meters.exec_output import UNITS, Place, judged, step_of
from joulemark.meters.exec_process import KILL_S, Command
from joulemark.readings import Averaging, Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns

PRESETS: Final = Path(__file__).with_name("exec_presets.toml")

REPEATERS: Final = frozenset({"echo", "printf", "yes"})
"""Programs that print their arguments and nothing else."""

INSIDE: Final = frozenset({Boundary.GPU, Boundary.MODULE, Boundary.PACKAGE})
"""Boundaries behind the power supply, where current is direct."""


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """`[[meter]] kind = "exec"`: a command that prints a value; keys that are left out are those of `preset`, where one is named."""

    preset: str = ""
    """A command that is known: npu-smi, npu-smi-310, ipmitool-dcmi or ipmi-dcmi."""
    argv: tuple[str, ...] = ()
    """Program and arguments, as a list; no shell reads them."""
    pattern: str = ""
    """Regular expression with one group, the value; with a group (?P<id>...) each match is a device of its own."""
    json_pointer: str = ""
    """Place of the value where the command prints JSON, as "/power/watts"; instead of pattern."""
    unit: str = ""
    """Unit of the value: W, mW or kW for power, J, mJ, kJ, Wh or kWh for an energy counter."""
    boundary: Boundary | None = None
    """Where the meter sits, as server_input or gpu."""
    current: Current | None = None
    """Side of the power supply: dc for gpu, module and package, else ac, unless set."""
    serial: str = ""
    """Serial of the device in the meter id; the name of the preset, or of the program, unless set."""
    vendor: str = ""
    """Maker of the device."""
    model: str = ""
    """Model of the device."""
    averaging: Averaging = Averaging.UNKNOWN
    """How the device forms a power value: instant, boxcar, exponential or unknown."""
    averaging_window_s: float | None = None
    """Seconds over which it averages, where that is known."""
    update_period_s: float | None = None
    """Seconds after which it has a new value, where that is known."""
    resolution: float = 0.0
    """Smallest change of the value in its unit; the last digit that the first value has unless set."""
    zero_is_gap: bool = True
    """Whether a power of 0 is a failed reading, as it is of a machine that runs; an outlet may really have none."""
    encoding: str = "utf-8"
    """Encoding of what the command prints; bytes that are none are replaced."""
    timeout_s: float = 5.0
    """Longest time in seconds that the command may take before it is killed with all its children."""
    max_bytes: int = 65_536
    """Longest output in bytes that is taken."""

    def __post_init__(self) -> None:
        if self.preset:
            for name, value in preset(self.preset).items():
                if getattr(self, name) == DEFAULTS[name]:
                    object.__setattr__(self, name, value)
        if not self.argv or not self.argv[0]:
            raise ConfigError("exec.argv is empty", f"name the program and its arguments, or a preset: {', '.join(presets())}")
        if self.unit not in UNITS:
            raise ConfigError(f"exec.unit = {self.unit!r} is not known", f"use one of {', '.join(UNITS)}")
        if self.boundary is None:
            raise ConfigError("exec.boundary is not set", f"say what the command measures: {', '.join(Boundary)}")
        try:
            b"0".decode(self.encoding, "replace")
        except LookupError as error:
            raise ConfigError(f"exec.encoding: {error}", 'use for example "utf-8" or "gb18030"') from error
        at_least("exec.timeout_s", self.timeout_s, 0.05)
        at_least("exec.max_bytes", self.max_bytes, 1)
        at_least("exec.resolution", self.resolution, 0.0)
        for name in ("averaging_window_s", "update_period_s"):
            at_least(f"exec.{name}", getattr(self, name) or 0.0, 0.0)
        Place.of(self.pattern, self.json_pointer)

    @property
    def place(self) -> Place:
        """Where the value stands in the output."""
        return Place.of(self.pattern, self.json_pointer)


DEFAULTS: Final = {f.name: f.default for f in fields(ExecConfig)}


@functools.cache
def presets() -> Mapping[str, Mapping[str, Any]]:
    """Name of each preset and its keys, as `ExecConfig` has them."""
    hints = typing.get_type_hints(ExecConfig)
    tables = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
    return {name: {key: config.convert(value, hints[key], f"{name} {key}") for key, value in keys.items()} for name, keys in tables.items()}


def preset(name: str) -> Mapping[str, Any]:
    """The keys of one preset. Raises ConfigError for an unknown one."""
    if name not in presets():
        raise ConfigError(f"exec.preset = {name!r} is not known", f"use one of {', '.join(presets())}, or set argv, pattern and unit")
    return presets()[name]


class ExecMeter(AsyncMeter):
    """The devices whose values one command prints: one, or one for each `id`."""

    kind: ClassVar[str] = "exec"

    def __init__(self, options: ExecConfig, *, host: str) -> None:
        super().__init__(deadline_s=options.timeout_s + 2 * KILL_S, open_deadline_s=options.timeout_s + 2 * KILL_S)
        self._options, self._host = options, host
        self._place, self._unit = options.place, UNITS[options.unit]
        self._command = Command(options.argv, options.timeout_s, options.max_bytes)
        self._ids: tuple[str, ...] = ()

    @property
    def pid(self) -> int | None:
        """Process id of the last run; None before the first."""
        return self._command.pid

    async def connect(self) -> tuple[DeviceInfo, ...]:
        """Run it once: what it prints now are the devices."""
        printed = await self._printed()
        self._ids = tuple(printed)
        return tuple(self._described(key, value) for key, value in printed.items())

    async def poll(self, clock: Clock) -> list[Sample]:
        """One run: a device that is not in its output any more is a gap, one that came is not known until the meter is opened anew."""
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        printed = await self._printed()
        t_read1_ns = clock.mono_ns()
        samples = []
        for device, key in zip(self.info, self._ids, strict=True):
            value, quality, reason = self._judged(printed, key)
            samples.append(Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, (value,), (None,), (quality,), (reason,)))
        return samples

    async def disconnect(self) -> None:
        """Nothing is left between two reads."""

    async def _printed(self) -> dict[str, str]:
        """Id to printed value. Raises MeterTransient."""
        text = (await self._command.output()).decode(self._options.encoding, "replace")
        try:
            return self._place.values(text)
        except MeterTransient as error:
            raise MeterTransient(f"{self._command.program}: {error.what}", error.next_step) from error

    def _judged(self, printed: Mapping[str, str], key: str) -> tuple[int | None, Quality, str]:
        if key not in printed:
            return None, Quality.GAP, f"{self._command.program} printed no value of {key!r}"
        return judged(printed[key], self._unit, zero_is_gap=self._options.zero_is_gap)

    def _described(self, key: str, printed: str) -> DeviceInfo:
        options, program = self._options, self._command.program
        serial = "-".join(part for part in (options.serial or options.preset or program, id_part(key)) if part).replace(":", "-")
        device_id = f"exec:{self._host}:{serial}"
        repeats = program in REPEATERS
        assert options.boundary is not None
        meter = MeterInfo(
            meter_id=f"{device_id}:{'power' if self._unit.quantity is Quantity.POWER else 'energy'}",
            kind=self.kind,
            quantity=self._unit.quantity,
            exponent=self._unit.exponent,
            boundary=options.boundary,
            current=options.current or (Current.DC if options.boundary in INSIDE else Current.AC),
            vendor=options.vendor,
            model=options.model,
            serial=options.serial,
            averaging=options.averaging,
            averaging_window_s=options.averaging_window_s,
            update_period_s=options.update_period_s,
            step=step_of(printed, self._unit, resolution=options.resolution),
            interface=f"command {program}",
            simulated=repeats,
            note="the command repeats its arguments: a constant, no measurement"
            if repeats
            else "what the command measures is stated by its configuration",
        )
        return DeviceInfo(device_id, (meter,))


DRIVER: Final = Driver("exec", ExecConfig, lambda options, host: ExecMeter(options, host=host))
"""Never discovered: a command is the operator's."""
