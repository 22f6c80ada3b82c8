"""What rack PDUs serve by SNMP, family by family, as data: object identifiers, units, states; and what an answer is worth.

Sources: PowerNet-MIB of Schneider Electric (rPDU2), and its FAQ FA156074 (squelch); PDU2-MIB of Raritan (2017-11-13) and its
SNMP MIB User Guide; Sentry4-MIB of Server Technology (2017-06-15); RFC 7460 (ENERGY-OBJECT-MIB) and RFC 6933 (ENTITY-MIB).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from joulemark.config import INT64_END
from joulemark.meters.descriptions import legible
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.units import NS_PER_S, SI_PREFIX

Answer = int | bytes | None
"""What an agent answers for one object: a number, octets, or None where it has no such object."""

SENTINELS: Final = (2**31 - 1, 2**32 - 1)
"""Largest numbers of the types: what agents say where they have no reading, as every number below zero."""

LARGEST_UNIT: Final = 6
"""No PDU counts in more than MW or MWh; an agent may name any power of ten."""

ROW: Final = "{row}"
"""Stands in an object identifier for the index of a row: outlet, or unit.cord.outlet."""


class FamilyName(enum.StrEnum):
    """Keys of `FAMILIES`."""

    APC = "apc"
    PDU2 = "pdu2"
    SENTRY4 = "sentry4"
    ENERGY_OBJECT = "energy-object"


@dataclass(frozen=True, slots=True)
class State:
    """An object beside a value that may say that there is none: `bad` maps its codes to words."""

    oid: str
    bad: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Channel:
    """One value of every row of a table.

    `unit_exponent`: the value counts 10**unit_exponent W or Wh. `digits`, `multiplier`: objects that say by how many powers of ten it
    is smaller or larger still. `stamp`: an object with the UNIX time of the measurement. `wraps_at`: number after which a counter starts
    at 0 again. `silent_with`: the value of this object is 0 where the load is too small to be shown, and then this channel says nothing.
    """

    quantity: Quantity
    value: str
    unit_exponent: int = 0
    digits: str = ""
    multiplier: str = ""
    states: tuple[State, ...] = ()
    stamp: str = ""
    wraps_at: int | None = None
    silent_with: str = ""

    @property
    def oids(self) -> tuple[str, ...]:
        """The objects of one reading, the value first; rows stand as `ROW`."""
        others = (*(state.oid for state in self.states), self.stamp, self.silent_with)
        return tuple(dict.fromkeys(oid for oid in (self.value, *others) if oid))

    @property
    def scales(self) -> tuple[str, ...]:
        """The objects that say its unit, asked for once."""
        return tuple(oid for oid in (self.digits, self.multiplier) if oid)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that are measured at one boundary: its first channel is power, and a row exists where that has a value.

    `letter`: stands before the row in the channel of a meter id. `accuracy`, `current`: objects with hundredths of a percent, and
    with 1 for AC and 2 for DC, where the device tells them.
    """

    boundary: Boundary
    letter: str
    channels: tuple[Channel, ...]
    accuracy: str = ""
    current: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """PDUs that serve the same objects. `vendor` may be an object, as `model`, `serial` and `firmware` are.

    `update_period_s`: the slow end of the 1 s to 5 s that agents are known to take for a fresh value.
    """

    tables: tuple[Table, ...]
    vendor: str
    model: str
    serial: str
    firmware: str
    update_period_s: float = 5.0


APC: Final = "1.3.6.1.4.1.318.1.1.26"
RARITAN: Final = "1.3.6.1.4.1.13742.6"
SENTRY: Final = "1.3.6.1.4.1.1718.4.1"
EO_POWER: Final = "1.3.6.1.2.1.229.1.2.1"
ENTITY: Final = "1.3.6.1.2.1.47.1.1.1.1"

ACTIVE_POWER, ACTIVE_ENERGY = 5, 8
"""SensorTypeEnumeration of PDU2-MIB."""

LOST: Final = {2: "purged", 5: "still being read", 7: "not found", 8: "lost", 9: "read error", 10: "no communication"}
"""DeviceStatus of Sentry4-MIB, the codes that say that a value is none; the others are alarms about a value."""


def _pdu2(measured: str, described: str, sensor: int) -> Channel:
    """A sensor of an outlet or inlet: columns 2 to 5 are availability, state, value and time; the value wraps at 32 bits."""
    return Channel(
        quantity=Quantity.POWER if sensor == ACTIVE_POWER else Quantity.ENERGY_COUNTER,
        value=f"{RARITAN}.{measured}.4.{ROW}.{sensor}",
        digits=f"{RARITAN}.{described}.7.{ROW}.{sensor}",
        states=(
            State(f"{RARITAN}.{measured}.2.{ROW}.{sensor}", {2: "the sensor is not available"}),
            State(f"{RARITAN}.{measured}.3.{ROW}.{sensor}", {-1: "the sensor is unavailable"}),
        ),
        stamp=f"{RARITAN}.{measured}.5.{ROW}.{sensor}",
        wraps_at=None if sensor == ACTIVE_POWER else 2**32,
    )


def _sentry4(entry: str, power: int, energy: int, unit_exponent: int) -> tuple[Channel, ...]:
    """Power with the status in the column after it, and energy, of an outlet or cord."""
    status = State(f"{SENTRY}.{entry}.{power + 1}.{ROW}", {code: f"the PDU says: {words}" for code, words in LOST.items()})
    return (
        Channel(Quantity.POWER, f"{SENTRY}.{entry}.{power}.{ROW}", states=(status,)),
        Channel(Quantity.ENERGY_COUNTER, f"{SENTRY}.{entry}.{energy}.{ROW}", unit_exponent, states=(status,)),
    )


APC_OUTLET_W: Final = f"{APC}.9.4.3.1.7.{ROW}"
APC_DEVICE_W: Final = f"{APC}.4.3.1.5.{ROW}"

FAMILIES: Final[Mapping[FamilyName, Family]] = {
    FamilyName.APC: Family(
        tables=(
            Table(
                Boundary.OUTLET,
                "o",
                (
                    Channel(Quantity.POWER, APC_OUTLET_W, silent_with=APC_OUTLET_W),
                    Channel(Quantity.ENERGY_COUNTER, f"{APC}.9.4.3.1.11.{ROW}", 2, silent_with=APC_OUTLET_W),
                ),
            ),
            Table(
                Boundary.PDU_INLET,
                "i",
                (
                    Channel(Quantity.POWER, APC_DEVICE_W, 1, silent_with=APC_DEVICE_W),
                    Channel(Quantity.ENERGY_COUNTER, f"{APC}.4.3.1.9.{ROW}", 2),
                ),
            ),
        ),
        vendor="APC",
        model=f"{APC}.2.1.8.1",
        serial=f"{APC}.2.1.9.1",
        firmware=f"{APC}.2.1.6.1",
    ),
    FamilyName.PDU2: Family(
        tables=(
            Table(Boundary.OUTLET, "o", tuple(_pdu2("5.4.3.1", "3.5.4.1", sensor) for sensor in (ACTIVE_POWER, ACTIVE_ENERGY))),
            Table(Boundary.PDU_INLET, "i", tuple(_pdu2("5.2.3.1", "3.3.4.1", sensor) for sensor in (ACTIVE_POWER, ACTIVE_ENERGY))),
        ),
        vendor=f"{RARITAN}.3.2.1.1.2.1",
        model=f"{RARITAN}.3.2.1.1.3.1",
        serial=f"{RARITAN}.3.2.1.1.4.1",
        firmware=f"{RARITAN}.3.2.3.1.6.1.1.1",
    ),
    FamilyName.SENTRY4: Family(
        tables=(
            Table(Boundary.OUTLET, "o", _sentry4("8.3.1", 7, 14, 0)),
            Table(Boundary.PDU_INLET, "i", _sentry4("3.3.1", 3, 10, 2)),
        ),
        vendor="Server Technology",
        model=f"{SENTRY}.2.2.1.5.1",
        serial=f"{SENTRY}.2.2.1.4.1",
        firmware=f"{SENTRY}.1.1.3.0",
    ),
    FamilyName.ENERGY_OBJECT: Family(
        tables=(
            Table(
                Boundary.OUTLET,
                "o",
                (
                    Channel(
                        Quantity.POWER,
                        f"{EO_POWER}.1.{ROW}",
                        multiplier=f"{EO_POWER}.3.{ROW}",
                        states=(
                            State(
                                f"{EO_POWER}.5.{ROW}",
                                {
                                    1: "the device says that it has no measurement",
                                    4: "the device says that it estimates, which is no measurement",
                                    5: "the device says a fixed number, which is no measurement",
                                },
                            ),
                        ),
                    ),
                ),
                accuracy=f"{EO_POWER}.4.{ROW}",
                current=f"{EO_POWER}.6.{ROW}",
            ),
        ),
        vendor=f"{ENTITY}.12.1",
        model=f"{ENTITY}.13.1",
        serial=f"{ENTITY}.11.1",
        firmware=f"{ENTITY}.9.1",
    ),
}
"""Looked for in this order."""


def of_row(oid: str, row: str) -> str:
    """An object of a table, for one row."""
    return oid.replace(ROW, row)


def row_of(template: str, oid: str) -> str | None:
    """The row that makes `oid` of `template`; None where it is another column, or another sensor of the row."""
    before, after = template.split(ROW)
    fits = oid.startswith(before) and oid.endswith(after) and len(oid) > len(before) + len(after)
    return oid[len(before) : len(oid) - len(after)] if fits else None


def rows_wanted(found: Iterable[str], wanted: Iterable[str]) -> tuple[str, ...]:
    """The rows that `wanted` names: whole, or by their last parts where only one row ends so. Raises KeyError with the name."""
    rows = list(found)
    chosen = []
    for name in wanted:
        near = [row for row in rows if row == name] or [row for row in rows if row.endswith(f".{name}")]
        if len(near) != 1:
            raise KeyError(name)
        chosen.append(near[0])
    return tuple(dict.fromkeys(chosen))


def scale(quantity: Quantity, unit_exponent: int) -> tuple[int, int]:
    """Exponent and factor of a value that counts 10**unit_exponent W or Wh: it is value * factor * 10**exponent W or J.

    Raises ValueError for a unit that is smaller than any that a meter may have.
    """
    factor, wanted = (1, unit_exponent) if quantity is Quantity.POWER else (36, unit_exponent + 2)
    exponents = [exponent for exponent in SI_PREFIX if exponent <= min(wanted, 2)]
    if not exponents:
        raise ValueError(f"10**{unit_exponent} is too small a unit")
    return max(exponents), factor * 10 ** (wanted - max(exponents))


@dataclass(frozen=True, slots=True)
class Judged:
    """What an answer comes to: the number as the agent gave it, or none and why; and when the agent says that it was measured."""

    number: int | None
    quality: Quality = Quality.OK
    reason: str = ""
    t_device_ns: int | None = None


def judged(channel: Channel, row: str, answers: Mapping[str, Answer]) -> Judged:
    """What the agent's answers say of one channel of a row; an answer that was never asked for is no objection."""
    number = answers.get(of_row(channel.value, row))
    if number is None:
        return Judged(None, Quality.GAP, "the PDU has no such object (noSuchInstance)")
    if not isinstance(number, int):
        return Judged(None, Quality.GAP, f"the PDU answered {number[:40]!r} where a number belongs")
    for state in channel.states:
        code = answers.get(of_row(state.oid, row))
        if isinstance(code, int) and code in state.bad:
            return Judged(None, Quality.GAP, state.bad[code])
    if number < 0 or number in SENTINELS:
        return Judged(None, Quality.SENTINEL, f"the PDU answered {number}, which stands for no reading")
    if channel.silent_with and answers.get(of_row(channel.silent_with, row)) == 0:
        return Judged(None, Quality.SQUELCHED, "the PDU shows 0 W, and counts nothing, below about 0.5 A or 50 W")
    seconds = answers.get(of_row(channel.stamp, row)) if channel.stamp else None
    return Judged(number, t_device_ns=seconds * NS_PER_S if isinstance(seconds, int) and 0 < seconds < INT64_END // NS_PER_S else None)


def text(answer: Answer) -> str:
    """A name that an agent gives of itself, on one line, free of what may not stand in one; empty where it gives none."""
    if not isinstance(answer, bytes):
        return "" if answer is None else str(answer)
    lines = answer.decode("utf-8", errors="replace").replace("\0", "").strip().splitlines()
    return legible(" ".join(word for word in (lines[0].split() if lines else []) if word.isprintable()))
