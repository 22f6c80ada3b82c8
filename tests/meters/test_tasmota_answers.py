"""Answers of Tasmota as numbers, without a network."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterTransient
from joulemark.meters.tasmota_answers import Energy, decimals, mac_of, number, parse_answer, parse_energy, read_as


@pytest.mark.parametrize(
    ("said", "value"),
    [
        (26, Decimal(26)),
        (Decimal("0.5"), Decimal("0.5")),
        ("12.50", Decimal("12.50")),
        (None, None),
        (True, None),
        ("x", None),
        ([1], None),
    ],
)
def test_numbers(said: object, value: Decimal | None) -> None:
    """A number is taken as printed, also in quotes; all else is none."""
    assert number(said) == value


@pytest.mark.parametrize(
    ("network", "mac"),
    [
        ({"Mac": "a0:b7:a5:54:c0:71"}, "A0B7A554C071"),
        ({"Mac": "00:00:00:00:00:00", "Ethernet": {"Mac": "A0:B7:A5:54:C0:72"}}, "A0B7A554C072"),
        ({"Mac": "", "Ethernet": {"Mac": "00:00:00:00:00:00"}}, ""),
        ({"Mac": 7}, ""),
    ],
)
def test_mac(network: dict[str, object], mac: str) -> None:
    """The MAC is that of the radio, else that of the cable, else none."""
    assert mac_of(network) == mac


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@given(power=JSON, total=JSON)
def test_no_answer_breaks_the_reader(power: object, total: object) -> None:
    """Whatever stands where powers and energies are expected, the answer is read as numbers and gaps."""
    text = json.dumps({"StatusSNS": {"ENERGY": {"Power": power, "Total": total}}})
    said = parse_answer(text.encode(), "StatusSNS")
    assert said is not None
    energy = parse_energy(said)
    if energy is not None:
        assert all(value is None or value.is_finite() for value in (*energy.powers_w, *energy.totals_kwh))


def test_energies_by_channel() -> None:
    """Powers and energies are lists of as many channels as are printed, and a device that prints neither has no energy."""
    assert parse_energy({"ENERGY": {"Power": [52, 5], "Total": Decimal("3.067")}}) == Energy((Decimal(52), Decimal(5)), (Decimal("3.067"),))
    assert parse_energy({"ENERGY": {"Power": [], "Total": []}}) is None
    assert parse_energy({"ENERGY": 5}) is None
    assert parse_energy({"Switch1": "ON"}) is None


def test_the_step_is_what_is_printed() -> None:
    """The digits behind the point tell the step, also when they are zero."""
    assert [decimals(Decimal(text)) for text in ("0.000", "14.68792", "26", "1E+3")] == [3, 5, 0, 0]
    assert decimals(None) == 0


def test_integers_are_exact() -> None:
    """A thousandth of a kilowatt hour is 3600 J, whatever the counter stands at."""
    assert read_as(Decimal("999999.999"), 3_600_000, 0) == 3_599_999_996_400
    assert read_as(None, 1, -3) is None


@pytest.mark.parametrize("payload", [b"", b"busy", b'{"StatusSNS":{"Power":nan}}', b"\xff", b"[" * 100_000])
def test_what_is_no_json(payload: bytes) -> None:
    """An answer that is no JSON fails the read and quotes its beginning."""
    with pytest.raises(MeterTransient, match="no JSON"):
        parse_answer(payload, "StatusSNS")


def test_the_answer_to_another_question() -> None:
    """An answer without the key that was asked for is that of another question."""
    assert parse_answer(b'{"StatusNET":{}}', "StatusSNS") is None
    assert parse_answer(b'{"StatusSNS":7}', "StatusSNS") is None
    assert parse_answer(b"[1]", "StatusSNS") is None
