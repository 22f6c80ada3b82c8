from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterUnavailable
from joulemark.meters.descriptions import LONGEST_NAME, MOST_METERS, id_part, legible, refuse_unstorable
from joulemark.readings import Accuracy, Boundary, DeviceInfo, MeterInfo, Quantity

METER = MeterInfo("exec:h:1:power", "exec", Quantity.POWER, -3, Boundary.OUTLET)


def device(meter: MeterInfo) -> DeviceInfo:
    return DeviceInfo(meter.device_id, (meter,))


@given(st.one_of(st.text(st.characters(exclude_categories=())), st.integers(), st.none()))
def test_what_a_device_says_becomes_one_printable_line(said: object) -> None:
    """Whatever a device says, a line of it can be printed, encoded and stored, and is not long."""
    line = legible(said)
    assert line.isprintable()
    assert len(line.encode()) <= 4 * LONGEST_NAME
    assert len(line) <= LONGEST_NAME
    assert not {":", "/"} & set(id_part(said))


def test_a_good_name_stays_as_it_is() -> None:
    """Names with spaces and letters of any script are left alone."""
    assert legible(" Prüfstand 3, 電力計 ") == "Prüfstand 3, 電力計"
    assert id_part("AA:BB/1") == "AA-BB-1"
    assert legible({"a": 1}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"serial": "x" * 1_000_000},
        {"model": "a\x1b[2Jb"},
        {"firmware": "\ud800"},
        {"note": "\0"},
        {"note": "x" * 3000},
        {"covers": ("a\nb",)},
        {"meter_id": "exec:h:" + "1" * 1_000_000 + ":power"},
        {"meter_id": "exec:h:a\x07:power"},
        {"step": 2**65},
        {"rated_w": 1e12},
        {"accuracy": Accuracy(pct_reading=float("nan"))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_description_that_cannot_be_stored_is_refused(change: dict[str, Any]) -> None:
    """A meter whose description the collector would refuse is unavailable, and the message is short and printable."""
    with pytest.raises(MeterUnavailable) as raised:
        refuse_unstorable([device(replace(METER, **change))], "exec")
    assert len(str(raised.value)) < 1000
    assert str(raised.value).isprintable()
    assert raised.value.next_step


def test_too_many_meters_and_the_same_meter_twice_are_refused() -> None:
    """One table brings no more meters than a rack has, and each once."""
    many = [device(replace(METER, meter_id=f"exec:h:{i}:power")) for i in range(MOST_METERS + 1)]
    refuse_unstorable(many[1:], "exec")
    with pytest.raises(MeterUnavailable, match="more than"):
        refuse_unstorable(many, "exec")
    with pytest.raises(MeterUnavailable, match="twice"):
        refuse_unstorable([DeviceInfo(METER.device_id, (METER, METER))], "exec")
    with pytest.raises(MeterUnavailable, match="twice"):
        refuse_unstorable([device(METER), device(replace(METER, meter_id="exec:h:1:energy"))], "exec")


def test_a_note_may_have_lines() -> None:
    """A note of the operator's own file may be written over several lines."""
    refuse_unstorable([device(replace(METER, note="one\ntwo"))], "exec")
