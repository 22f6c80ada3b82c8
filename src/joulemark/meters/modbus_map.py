"""Register maps: which registers of a Modbus device hold power, energy, its identity and what tests the map itself.

A map is a TOML file; those that come with Joulemark stand in `modbus_maps/`. `docs/reference/meters/modbus.md` explains every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from joulemark import foreign
from joulemark.config import MAX_BYTES, build
from joulemark.errors import ConfigError, FormatError
from joulemark.meters.modbus_register import CheckRegister, IdentityRegister, MeterRegister, Register, StatusRegister
from joulemark.readings import Accuracy, Boundary, Current, Quantity

LONGEST_READ: Final = 125
"""Registers in one answer (MODBUS Application Protocol V1.1b3, section 6.4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapHeader:
    """The keys at the top of a map. `longest_read`, `even_reads`: what one request may ask for; `bridge`: registers that nobody wants and
    that may be read with their neighbours. `verified`: whether each address was found in a document of the maker or two independent ones.
    """

    vendor: str
    model: str
    source: str
    verified: bool = False
    interface: str = "Modbus/TCP"
    boundary: Boundary = Boundary.PDU_INLET
    current: Current = Current.AC
    longest_read: int = LONGEST_READ
    even_reads: bool = False
    bridge: int = 0
    update_period_s: float | None = None
    rated_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMap(MapHeader):
    """The map of one model: its header, its registers, and how accurate each quantity is."""

    meters: tuple[MeterRegister, ...]
    checks: tuple[CheckRegister, ...] = ()
    identity: tuple[IdentityRegister, ...] = ()
    status: tuple[StatusRegister, ...] = ()
    accuracy: Mapping[Quantity, Accuracy] = field(default_factory=dict)

    def wanted(self, *, phases: bool) -> tuple[MeterRegister, ...]:
        """The meters that are read: those of the whole device, and those of its phases where they are asked for."""
        return tuple(meter for meter in self.meters if phases or not meter.phase)


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that one request asks for."""

    function_code: int
    address: int
    count: int

    def words(self, register: Register, answer: Sequence[int]) -> Sequence[int]:
        """The words of `register` in the answer to this block."""
        begin = register.address - self.address
        return answer[begin : begin + register.size]

    def holds(self, register: Register) -> bool:
        """Whether the registers of `register` are in it."""
        return (
            self.function_code == register.function_code and self.address <= register.address and register.end <= self.address + self.count
        )


def blocks(registers: Iterable[Register], *, longest: int = LONGEST_READ, even: bool = False, bridge: int = 0) -> tuple[Block, ...]:
    """The fewest requests that hold all `registers`, none longer than `longest`, over at most `bridge` registers that nobody wants."""
    found: list[Block] = []
    for register in sorted(registers, key=lambda r: (r.function_code, r.address)):
        last = found[-1] if found else None
        if last is not None and last.holds(register):
            continue
        if last is not None and last.function_code == register.function_code and register.address <= last.address + last.count + bridge:
            count = _evened(register.end - last.address, even)
            if count <= longest:
                found[-1] = Block(last.function_code, last.address, count)
                continue
        found.append(Block(register.function_code, register.address, _evened(register.size, even)))
    return tuple(found)


SHARED: Final = ("function_code", "word_order", "not_available", "over_range_from")
"""Keys of registers that may stand at the top of a map."""

TABLES: Final[Mapping[str, tuple[str, type[Register]]]] = {
    "meter": ("meters", MeterRegister),
    "check": ("checks", CheckRegister),
    "identity": ("identity", IdentityRegister),
    "status": ("status", StatusRegister),
}


def parse_map(data: Mapping[str, Any], where: str) -> DeviceMap:
    """The map that a TOML document describes. Raises ConfigError, naming table and key."""
    shared = {key: data[key] for key in SHARED if key in data}
    header = {key: value for key, value in data.items() if key not in (*SHARED, *TABLES, "accuracy")}
    tables: dict[str, Any] = {"meters": ()}
    for name, (plural, kind) in TABLES.items():
        entries = data.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise ConfigError(f"{where}: {name} is not a list of tables", f"write each as [[{name}]]")
        tables[plural] = tuple(_register(kind, {**shared, **entry}, f"{where} [[{name}]] {i + 1}") for i, entry in enumerate(entries))
    tables["accuracy"] = _accuracy(data.get("accuracy", {}), where)
    made = build(MapHeader, header, where)
    found = DeviceMap(**{name: getattr(made, name) for name in MapHeader.__slots__}, **tables)
    _refuse_impossible(found, where)
    return found


def shipped() -> tuple[str, ...]:
    """Names of the maps that come with Joulemark."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml")))


def load_shipped(device: str) -> DeviceMap:
    """The map called `device`. Raises ConfigError for an unknown name."""
    if device not in shipped():
        raise ConfigError(f"modbus device {device!r} has no map", f"use one of {', '.join(shipped())}, or write a map_file")
    return parse_map(tomllib.loads((_folder() / f"{device}.toml").read_text(encoding="utf-8")), f"map {device}")


def load_file(path: Path) -> DeviceMap:
    """The map in the file `path`. Raises ConfigError."""
    try:
        return parse_map(tomllib.loads(foreign.text(path, max_bytes=MAX_BYTES, errors="strict")), str(path))
    except FormatError as error:
        raise ConfigError(f"modbus map_file: {error.what}", "name an existing TOML file") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "mend the line it names") from error


def _register(kind: type[Register], data: Mapping[str, Any], where: str) -> Register:
    try:
        return build(kind, data, where)
    except ConfigError as error:
        raise error if error.what.startswith(where) else ConfigError(f"{where}: {error.what}", error.next_step) from error


def _accuracy(data: Any, where: str) -> dict[Quantity, Accuracy]:
    if not isinstance(data, Mapping) or not data.keys() <= {"power", "energy"}:
        raise ConfigError(f"{where}: accuracy has other keys than power and energy", "write [accuracy.power] or [accuracy.energy]")
    quantity = {"power": Quantity.POWER, "energy": Quantity.ENERGY_COUNTER}
    return {quantity[name]: build(Accuracy, entry, f"{where} [accuracy.{name}]") for name, entry in data.items()}


def _refuse_impossible(found: DeviceMap, where: str) -> None:
    channels = [meter.channel for meter in found.meters]
    if not found.wanted(phases=False) or len(set(channels)) != len(channels):
        raise ConfigError(f"{where}: needs a [[meter]] of the whole device, and each channel once", "add or rename one")
    if not 4 <= found.longest_read <= LONGEST_READ or (found.even_reads and found.longest_read % 2):
        raise ConfigError(f"{where}: longest_read = {found.longest_read} cannot be asked for", f"set it between 4 and {LONGEST_READ}")
    tables = (*found.meters, *found.checks, *found.identity, *found.status)
    longest = max(_evened(register.size, found.even_reads) for register in tables)
    if longest > found.longest_read:
        raise ConfigError(f"{where}: a register of {longest} words exceeds longest_read = {found.longest_read}", "raise longest_read")


def _folder() -> Any:
    return resources.files("joulemark.meters") / "modbus_maps"


def _evened(count: int, even: bool) -> int:
    return count + count % 2 if even else count
