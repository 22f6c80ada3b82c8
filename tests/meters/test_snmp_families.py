"""What answers of PDUs are worth, apart from any network: units, rows, and every way to have no reading."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark import units
from joulemark.meters.snmp_families import (
    APC_OUTLET_W,
    FAMILIES,
    ROW,
    Answer,
    Channel,
    FamilyName,
    judged,
    of_row,
    row_of,
    rows_wanted,
    scale,
    text,
)
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.units import NS_PER_S

OUTLET, INLET = 0, 1
POWER, ENERGY = 0, 1


def channel(family: FamilyName, table: int, which: int) -> Channel:
    return FAMILIES[family].tables[table].channels[which]


def answers(of: Channel, row: str, number: Answer, **others: Answer) -> dict[str, Answer]:
    """Answers for every object of a channel: 0 for states and the load, the others as named by their place in `oids`."""
    said: dict[str, Answer] = {of_row(oid, row): 1 for oid in of.oids} | {of_row(of.value, row): number}
    return said | {of_row(of.oids[int(place[1:])], row): answer for place, answer in others.items()}


@pytest.mark.parametrize(
    ("quantity", "unit", "expected"),
    [
        (Quantity.POWER, 0, (0, 1)),  # W
        (Quantity.POWER, 1, (1, 1)),  # 0.01 kW of an APC device
        (Quantity.POWER, -1, (-1, 1)),
        (Quantity.POWER, 3, (2, 10)),  # kW of an energy object
        (Quantity.POWER, -4, (-6, 100)),
        (Quantity.ENERGY_COUNTER, 0, (2, 36)),  # Wh
        (Quantity.ENERGY_COUNTER, 2, (2, 3600)),  # 0.1 kWh
        (Quantity.ENERGY_COUNTER, -1, (1, 36)),
    ],
)
def test_units_become_si(quantity: Quantity, unit: int, expected: tuple[int, int]) -> None:
    """Units of PDUs come to the exponent and the step that the meter declares: 0.1 kWh is 3600 at 100 J."""
    assert scale(quantity, unit) == expected


@given(st.sampled_from(Quantity), st.integers(min_value=-9, max_value=9), st.integers(min_value=0, max_value=2**32))
def test_no_unit_loses_a_digit(quantity: Quantity, unit: int, number: int) -> None:
    """A value at its exponent is exactly the value in its unit, for every unit that a meter may have."""
    exponent, factor = scale(quantity, unit)
    assert exponent in units.SI_PREFIX
    one = Decimal(1) if quantity is Quantity.POWER else Decimal(units.J_PER_WH)
    assert (Decimal(number) * factor).scaleb(exponent) == number * one.scaleb(unit)


def test_a_unit_below_all_prefixes_is_refused() -> None:
    """A multiplier of yocto is no unit of a meter."""
    with pytest.raises(ValueError, match="too small"):
        scale(Quantity.POWER, -24)


@given(st.lists(st.integers(min_value=0, max_value=99), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts))))
def test_rows_are_found_in_what_a_walk_brings(row: str) -> None:
    """A row comes back out of its object, and another column or another sensor of the row is none."""
    for family in FAMILIES.values():
        for table in family.tables:
            for one in table.channels:
                assert row_of(one.value, of_row(one.value, row)) == row
                assert row_of(one.value, one.value.split(f".{ROW}")[0]) is None
    power, energy = FAMILIES[FamilyName.PDU2].tables[OUTLET].channels
    assert row_of(power.value, of_row(energy.value, row)) is None


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (["1", "2", "11"], ["2"], ("2",)),
        (["1", "2", "11"], ["1"], ("1",)),
        (["1.1", "1.2", "1.12"], ["2"], ("1.2",)),
        (["1.1.1", "1.1.2"], ["1.1.2", "2"], ("1.1.2",)),
        (["1.1.1", "1.2.1"], ["2.1"], ("1.2.1",)),
    ],
)
def test_outlets_are_named_by_number_or_index(found: list[str], wanted: list[str], expected: tuple[str, ...]) -> None:
    """A number means the outlet whose index ends with it; 2 is never outlet 12."""
    assert rows_wanted(found, wanted) == expected


@pytest.mark.parametrize(("found", "wanted"), [(["1", "2"], "3"), (["1.1.1", "1.2.1"], "1"), (["12"], "2"), ([], "1")])
def test_an_outlet_that_is_not_one_is_refused(found: list[str], wanted: str) -> None:
    """An outlet that is not there, or that two cords have, is nobody's guess."""
    with pytest.raises(KeyError, match=wanted):
        rows_wanted(found, [wanted])


APC_POWER = channel(FamilyName.APC, OUTLET, POWER)
APC_ENERGY = channel(FamilyName.APC, OUTLET, ENERGY)
APC_DEVICE_POWER = channel(FamilyName.APC, INLET, POWER)
PX_POWER = channel(FamilyName.PDU2, OUTLET, POWER)
PX_ENERGY = channel(FamilyName.PDU2, OUTLET, ENERGY)
SENTRY_POWER = channel(FamilyName.SENTRY4, OUTLET, POWER)
OBJECT_POWER = channel(FamilyName.ENERGY_OBJECT, OUTLET, POWER)


@pytest.mark.parametrize(
    ("of", "number", "others", "quality", "words"),
    [
        (APC_POWER, None, {}, Quality.GAP, "noSuchInstance"),
        (APC_POWER, b"n/a", {}, Quality.GAP, "b'n/a' where a number belongs"),
        (APC_POWER, -1, {}, Quality.SENTINEL, "-1"),
        (APC_POWER, 2**31 - 1, {}, Quality.SENTINEL, "2147483647"),
        (PX_POWER, 2**32 - 1, {}, Quality.SENTINEL, "4294967295"),
        (APC_POWER, 0, {}, Quality.SQUELCHED, "50 W"),
        (APC_DEVICE_POWER, 0, {}, Quality.SQUELCHED, "50 W"),
        (PX_POWER, 12, {"_1": 2}, Quality.GAP, "not available"),
        (PX_POWER, 12, {"_2": -1}, Quality.GAP, "unavailable"),
        (PX_ENERGY, 12, {"_2": -1}, Quality.GAP, "unavailable"),
        (SENTRY_POWER, 12, {"_1": 8}, Quality.GAP, "lost"),
        (SENTRY_POWER, 12, {"_1": 9}, Quality.GAP, "read error"),
        (SENTRY_POWER, 12, {"_1": 10}, Quality.GAP, "no communication"),
        (OBJECT_POWER, 12, {"_1": 1}, Quality.GAP, "no measurement"),
        (OBJECT_POWER, 12, {"_1": 4}, Quality.GAP, "estimates"),
        (OBJECT_POWER, 12, {"_1": 5}, Quality.GAP, "fixed"),
    ],
)
def test_no_number_in_place_of_a_missing_one(of: Channel, number: Answer, others: dict[str, Answer], quality: Quality, words: str) -> None:
    """Each way of a PDU to have no reading comes to none, in words; a squelched 0 W never enters an energy."""
    found = judged(of, "3", answers(of, "3", number, **others))
    assert (found.number, found.quality) == (None, quality)
    assert words in found.reason
    assert not quality.integrable


def test_a_squelched_outlet_counts_nothing() -> None:
    """The energy of an APC outlet is none while its power is squelched; it counts while there is power."""
    still = {of_row(APC_ENERGY.value, "3"): 1003, of_row(APC_OUTLET_W, "3"): 0}
    assert judged(APC_ENERGY, "3", still).quality is Quality.SQUELCHED
    assert judged(APC_ENERGY, "3", still | {of_row(APC_OUTLET_W, "3"): 51}).number == 1003


def test_the_device_energy_of_an_apc_counts_always() -> None:
    """The counter of the whole PDU goes on below the squelch, since the PDU itself draws power."""
    of = channel(FamilyName.APC, INLET, ENERGY)
    assert judged(of, "1", {of_row(of.value, "1"): 51234, of_row(APC_DEVICE_POWER.value, "1"): 0}).number == 51234


@pytest.mark.parametrize(("of", "state"), [(PX_POWER, 1), (SENTRY_POWER, 0), (OBJECT_POWER, 3)])
def test_other_makers_mean_zero(of: Channel, state: int) -> None:
    """0 W of a PDU that does not squelch is a reading: an empty outlet."""
    assert judged(of, "1.1", answers(of, "1.1", 0, _1=state)).number == 0


def test_an_alarm_is_about_a_value() -> None:
    """A reading above or below a threshold, and a Sentry alarm, is a reading."""
    assert judged(PX_POWER, "1.1", answers(PX_POWER, "1.1", 1900, _2=6)).number == 1900
    assert judged(SENTRY_POWER, "1.1.1", answers(SENTRY_POWER, "1.1.1", 1900, _1=17)).number == 1900


def test_the_time_of_a_value_is_kept() -> None:
    """Column 5 of PDU2-MIB is UTC in seconds; 0 is no time."""
    assert judged(PX_POWER, "1.1", answers(PX_POWER, "1.1", 7, _3=1795225000)).t_device_ns == 1795225000 * NS_PER_S
    assert judged(PX_POWER, "1.1", answers(PX_POWER, "1.1", 7, _3=0)).t_device_ns is None
    assert judged(APC_POWER, "1", answers(APC_POWER, "1", 7)).t_device_ns is None


def test_an_object_that_was_not_there_at_open_is_not_missed() -> None:
    """An old firmware without the columns of state and time is read as it is."""
    found = judged(PX_POWER, "1.3", {of_row(PX_POWER.value, "1.3"): 68})
    assert (found.number, found.t_device_ns) == (68, None)


def test_outlets_and_inlets_do_not_mix() -> None:
    """Every family says of each table where it sits, and no two channels of a family share an object."""
    for family in FAMILIES.values():
        assert [table.boundary for table in family.tables] in ([Boundary.OUTLET, Boundary.PDU_INLET], [Boundary.OUTLET])
        values = [one.value for table in family.tables for one in table.channels]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"AP8659EU3\0", "AP8659EU3"), (b"  PX3 \r\nline 2", "PX3"), (b"", ""), (b"\xff\xfe", "\ufffd\ufffd"), (None, ""), (7, "7")],
)
def test_names_are_one_line(answer: Answer, expected: str) -> None:
    """What a PDU calls itself comes to one printable line."""
    assert text(answer) == expected
