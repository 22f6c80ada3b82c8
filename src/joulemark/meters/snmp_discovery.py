"""What a rack PDU measures, found out once: its family, its outlets and inlets, the unit of each value, and who made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from joulemark import whitelist
from joulemark.errors import MeterUnavailable
from joulemark.meters.descriptions import id_part
from joulemark.meters.snmp_families import (
    FAMILIES,
    LARGEST_UNIT,
    ROW,
    Answer,
    Channel,
    Family,
    FamilyName,
    Table,
    of_row,
    row_of,
    rows_wanted,
    scale,
    text,
)
from joulemark.meters.snmp_session import SnmpSession
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo, Quantity

CHANNEL_NAMES: Final = {Quantity.POWER: "power", Quantity.ENERGY_COUNTER: "energy"}

DIRECT_CURRENT: Final = 2
"""eoPowerCurrentType."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of a PDU. `family`: found out when None; `outlets`: all when empty."""

    family: FamilyName | None = None
    outlets: tuple[str, ...] = ()
    inlet: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """An outlet or inlet that is read: its index in the table, its channels, the factor of each, and its description."""

    name: str
    channels: tuple[Channel, ...]
    factors: tuple[int, ...]
    device: DeviceInfo

    @property
    def oids(self) -> tuple[str, ...]:
        """Every object of one reading."""
        return tuple(dict.fromkeys(of_row(oid, self.name) for channel in self.channels for oid in channel.oids))


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a PDU, as it says itself. `serial` is its address where it has none."""

    vendor: str
    model: str
    serial: str
    firmware: str


async def rows_of(session: SnmpSession, wanted: Wanted, *, host: str) -> tuple[Row, ...]:
    """Every row that is wanted and measured; `host` goes into the meter ids.

    Raises MeterUnavailable when there is none or a wanted one is not among them, and MeterTransient as every question does.
    """
    family = FAMILIES[wanted.family or await family_of(session)]
    maker = await maker_of(session, family)
    rows: list[Row] = []
    for table in family.tables:
        power = table.channels[0].value
        found = [name for oid in await session.walk(root_of(table)) if (name := row_of(power, oid)) is not None]
        names = list(chosen(session, table, found, wanted))
        answers = await session.get_all([oid for name in names for oid in objects(table, name)])
        for name in names:
            row = described(table, name, answers, maker=maker, period_s=family.update_period_s, host=host, interface=session.version)
            if row is not None:
                rows.append(row)
            elif table.boundary is not Boundary.PDU_INLET and wanted.outlets:
                raise MeterUnavailable(f"{session.where}: outlet {name} is not metered", "remove it from `outlets`")
    if not rows:
        raise MeterUnavailable(f"{session.where} measures no outlet and no inlet", "read this rack with another meter, or set `family`")
    return tuple(rows)


async def family_of(session: SnmpSession) -> FamilyName:
    """The first family whose outlets or inlets the agent serves. Raises MeterUnavailable when there is none.

    Its tables tell: sysObjectID does not, since a Dominion PX that names PDU-MIB there serves PDU2-MIB as well.
    """
    roots = [(name, root_of(table)) for name, family in FAMILIES.items() for table in family.tables]
    following = await session.next([root for _, root in roots])
    for (name, root), oid in zip(roots, following, strict=True):
        if oid.startswith(f"{root}."):
            return name
    raise MeterUnavailable(
        f"{session.where} serves none of the tables of power that are known: {', '.join(FAMILIES)}",
        "check that it is a metered PDU and that the community or user may read them",
    )


async def maker_of(session: SnmpSession, family: Family) -> Maker:
    """Who made the PDU."""
    asked = [oid for oid in (family.vendor, family.model, family.serial, family.firmware) if is_oid(oid)]
    told = {oid: text(answer) for oid, answer in (await session.get_all(asked)).items()}
    serial = told.get(family.serial) or f"{session.host}-{session.port}"
    return Maker(
        vendor=told.get(family.vendor, "" if is_oid(family.vendor) else family.vendor),
        model=told.get(family.model, ""),
        serial=id_part(serial),
        firmware=told.get(family.firmware, ""),
    )


def chosen(session: SnmpSession, table: Table, found: list[str], wanted: Wanted) -> Iterable[str]:
    """The rows of a table to read. Raises MeterUnavailable for an outlet that is not there."""
    if table.boundary is Boundary.PDU_INLET:
        return found if wanted.inlet else ()
    try:
        return rows_wanted(found, wanted.outlets) if wanted.outlets else found
    except KeyError as error:
        raise MeterUnavailable(
            f"{session.where} has no one metered outlet {error.args[0]!r}", f"set `outlets` to some of {', '.join(found) or 'none'}"
        ) from error


def described(
    table: Table,
    name: str,
    answers: Mapping[str, Answer],
    *,
    maker: Maker,
    period_s: float,
    host: str,
    interface: str,
) -> Row | None:
    """The row called `name` with the channels that it measures; None when it measures none."""
    measured = [(channel, unit) for channel in table.channels if (unit := unit_of(channel, name, answers)) is not None]
    if not measured:
        return None
    place = f"{table.letter}{name}"
    device_id = f"snmp:{host}:{maker.serial}-{place}"
    listed = whitelist.find(maker.vendor, maker.model)
    accuracy = told_accuracy(answers.get(of_row(table.accuracy, name))) or (listed.accuracy(0.0) if listed else None)
    infos = tuple(
        MeterInfo(
            meter_id=f"{device_id}:{place}-{CHANNEL_NAMES[channel.quantity]}",
            kind="snmp",
            quantity=channel.quantity,
            exponent=exponent,
            boundary=table.boundary,
            current=Current.DC if answers.get(of_row(table.current, name)) == DIRECT_CURRENT else Current.AC,
            vendor=maker.vendor,
            model=maker.model,
            serial=maker.serial,
            firmware=maker.firmware,
            modulus=None if channel.wraps_at is None else channel.wraps_at * factor,
            update_period_s=period_s,
            accuracy=accuracy,
            covers=(f"{maker.serial}/{place}",),
            step=factor,
            interface=interface,
        )
        for channel, (exponent, factor) in measured
    )
    return Row(name, tuple(channel for channel, _ in measured), tuple(factor for _, (_, factor) in measured), DeviceInfo(device_id, infos))


def objects(table: Table, name: str) -> list[str]:
    """Everything that is asked about a row once."""
    oids = [oid for channel in table.channels for oid in (*channel.oids, *channel.scales)] + [table.accuracy, table.current]
    return list(dict.fromkeys(of_row(oid, name) for oid in oids if oid))


def root_of(table: Table) -> str:
    """The column whose rows exist."""
    return table.channels[0].value.split(f".{ROW}")[0]


def is_oid(name: str) -> bool:
    """Whether it is an object, and no name of a vendor."""
    return name.startswith("1.3.6.1.")


def unit_of(channel: Channel, row: str, answers: Mapping[str, Answer]) -> tuple[int, int] | None:
    """Exponent and factor of a channel; None where it measures nothing: no value, one below zero, or one of no known unit."""
    value = answers.get(of_row(channel.value, row))
    powers = [answers.get(of_row(oid, row)) for oid in channel.scales]
    if value is None or (isinstance(value, int) and value < 0) or not all(isinstance(power, int) for power in powers):
        return None
    shift = sum(power for power in powers if isinstance(power, int))
    unit = channel.unit_exponent + (-shift if channel.digits else shift)
    try:
        return scale(channel.quantity, unit) if unit <= LARGEST_UNIT else None
    except ValueError:
        return None


def told_accuracy(hundredths_pct: Answer) -> Accuracy | None:
    """The accuracy that a device states of itself; 0 stands for unknown (RFC 7460, eoPowerAccuracy)."""
    if not isinstance(hundredths_pct, int) or hundredths_pct <= 0:
        return None
    return Accuracy(pct_reading=hundredths_pct / 100, source="the device itself: eoPowerAccuracy of RFC 7460")
