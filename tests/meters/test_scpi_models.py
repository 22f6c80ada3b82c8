"""The rows of the table of dialects, each as far as it can be checked without an instrument."""

from __future__ import annotations

import string

import pytest

from joulemark.meters.scpi_models import DIALECTS, GPM, LMG450, LMG600, PW3335, PW3336, WT300, WT5000, Dialect, dialect_of, parse_identity


@pytest.mark.parametrize(
    ("answer", "dialect", "elements"),
    [
        ("YOKOGAWA,WT310E,C3TK12345E,F1.03", WT300, (1,)),
        ("YOKOGAWA,WT310,C2PH13047V,F1.03", WT300, (1,)),
        ("YOKOGAWA,WT310EH,C3TK1,F1.03", WT300, (1,)),
        ("YOKOGAWA,WT332E,C3UA1,F1.03", WT300, (1, 3)),
        ("YOKOGAWA,WT333E,C3UB1,F1.03", WT300, (1, 2, 3)),
        ("YOKOGAWA,WT330E,C3UB1,F1.03", WT300, ()),
        ("YOKOGAWA,760202-760202-20-HC,0,F2.03", WT5000, (1, 2)),
        ("YOKOGAWA,WT5000,C3VH01001V,F3.01", WT5000, ()),
        ("YOKOGAWA,WT1806E-5A3-50A3,1234567890,F1.01", WT5000, ()),
        ("YOKOGAWA,WT3004E-2A0-30A4,0,F6.01", WT5000, ()),
        ("GWInstek,GPM-8213,GES913349,V1.05", GPM, (1,)),
        ("GWInstek,GPM-8310,GEW882658,V1.08", GPM, (1,)),
        ("HIOKI,PW3335,140912345,V1.20", PW3335, (1,)),
        ("HIOKI,PW3336-02,123456789,V1.00", PW3336, (1, 2)),
        ("HIOKI,PW3337,123456789,V1.00", PW3336, (1, 2, 3)),
        ("ZES ZIMMER Electronic Systems GmbH,LMG671,05451117,3.012", LMG600, ()),
        ("ZES ZIMMER Electronic Systems GmbH, LMG450, 0954, 3.1", LMG450, (1, 2, 3, 4)),
    ],
)
def test_instruments_are_known_by_what_they_say(answer: str, dialect: Dialect, elements: tuple[int, ...]) -> None:
    """Each model finds its dialect and its elements; one whose name does not tell its elements has none."""
    assert dialect_of(parse_identity(answer)) == (dialect, elements)


@pytest.mark.parametrize("answer", ["", "KEITHLEY,2450,1,1", "YOKOGAWA,GS200,1,1", "YOKOGAWA,WT31,1,1", "HIOKI,PW33355,1,1", "512.34E+00"])
def test_other_instruments_are_not_taken_for_one(answer: str) -> None:
    """An instrument that is in no row has no dialect, and neither has a number that came as an answer to an older question."""
    assert dialect_of(parse_identity(answer)) is None


def test_identity() -> None:
    """The four fields are taken apart; a serial that is missing or made of zeros is none."""
    identity = parse_identity("YOKOGAWA, WT310E ,C3TK12345E,F1.03")
    assert (identity.vendor, identity.model, identity.serial, identity.firmware) == ("YOKOGAWA", "WT310E", "C3TK12345E", "F1.03")
    assert parse_identity("YOKOGAWA,WT3004E,0,F6.01").serial == ""
    assert parse_identity("HIOKI,PW3335").serial == ""


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.family)
def test_every_row_is_whole(dialect: Dialect) -> None:
    """Each row names a question for all it watches, places for what is filled in, and a doubt where nothing was confirmed."""
    assert set(dialect.watched) <= dialect.settings.keys()
    asked = (dialect.power, dialect.energy, *dialect.witnesses.values(), *dialect.settings.values())
    assert all(fields(text) <= {"element"} for text in asked)
    assert all(fields(text) <= {"element", "value"} for text in dialect.commands.values())
    assert all(text.endswith("?") for text in dialect.settings.values())
    assert bool(dialect.select) == bool(dialect.count) != ("{items}" in dialect.ask)
    assert not dialect.energy or ({"state"} <= dialect.settings.keys() and {"start"} <= dialect.commands.keys())
    assert {"volts", "amps"} & dialect.commands.keys() in (set(), {"volts", "amps"})
    assert dialect.doubts or dialect is WT300


def test_ranges_of_single_elements() -> None:
    """Where every element has ranges of its own, the questions name it in its place."""
    assert WT5000.settings["volts"] == ":INP:VOLT:RANG:ELEM{element}?"
    assert WT5000.settings["auto_amps"] == ":INP:CURR:AUTO:ELEM{element}?"
    assert WT5000.settings["crest_factor"] == ":INP:CFAC?"
    assert WT5000.commands["manual_volts"] == ":INP:VOLT:AUTO:ELEM{element} OFF"
    assert WT5000.commands["amps"] == ":INP:CURR:RANG:ELEM{element} {value}"
