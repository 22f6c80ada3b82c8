"""Dialects of laboratory power analysers, as data: how a family names itself, what it is asked, and what was not confirmed.

SCPI fixes the form of a question, not its words: families differ in the names of items, ranges and integrator. A new family is a
new row here. Sources of the rows: Yokogawa IM WT310E-17EN, IM WT310-17EN, IM 760201-17E, IM WT1801-17EN, IM WT3001E-17EN,
IM WT5000-17EN; Hioki PW3335A985-01, PW3336A987-01; GW Instek GPM-8310 User Manual Rev. A; ZES LMG450 and LMG600 User Manuals. No row
has been tried on an instrument by this project; `doubts` names what was found in programs of others only, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from joulemark.readings import Quantity

SIGMA: Final = "SIGMA"
"""The element that stands for the instrument's own sum."""

Elements = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family is spoken to. Texts hold `{element}` where an element is meant, and are asked for each element then.

    `models`: regular expression over `VENDOR,MODEL` in upper case, to the elements of that model, () where the name does not tell.
    `select`, `count`: commands that choose item number `{index}` and the number of items, empty where the question itself names
    them. `ask`: the question for all values, with `{items}` joined by `join`; `separator` stands between the values of the answer.
    `power`, `energy`: the items; no energy where its integrator is not read. `witnesses`: the items that are read beside the power of
    an element, none where their names are not known. `settings`: name to question. `watched`: settings that ride on every poll. `sums`:
    wiring system to the elements that the instrument's own sum adds. `period_s`: fixed update period, where none can be asked.
    `range_doubles`: crest factor 6 doubles the error of the range.
    """

    family: str
    models: Mapping[str, Elements]
    power: str
    energy: str = ""
    witnesses: Mapping[Quantity, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    farewell: tuple[str, ...] = ()
    select: str = ""
    count: str = ""
    ask: str = ":NUM:NORM:VAL?"
    join: str = ","
    separator: str = ","
    settings: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ("volts", "amps")
    commands: Mapping[str, str] = field(default_factory=dict)
    sums: Mapping[str, Elements] = field(default_factory=dict)
    period_s: float | None = None
    range_doubles: bool = False
    doubts: str = ""


YOKOGAWA_SETTINGS: Final = {
    "auto_volts": ":INP:VOLT:AUTO?",
    "auto_amps": ":INP:CURR:AUTO?",
    "volts": ":INP:VOLT:RANG?",
    "amps": ":INP:CURR:RANG?",
    "crest_factor": ":INP:CFAC?",
    "period": ":RATE?",
    "averaging": ":MEAS:AVER:STAT?",
    "averaging_type": ":MEAS:AVER:TYPE?",
    "averaging_count": ":MEAS:AVER:COUN?",
    "hold": ":HOLD?",
    "state": ":INTEG:STAT?",
    "errors": ":STAT:ERR?",
}
YOKOGAWA_COMMANDS: Final = {
    "manual_volts": ":INP:VOLT:AUTO OFF",
    "manual_amps": ":INP:CURR:AUTO OFF",
    "volts": ":INP:VOLT:RANG {value}",
    "amps": ":INP:CURR:RANG {value}",
    "start": ":INTEG:STAR",
}
YOKOGAWA_SETUP: Final = (":COMM:HEAD OFF", ":NUM:FORM ASC")


YOKOGAWA_WITNESSES: Final = {Quantity.VOLTAGE: "U,{element}", Quantity.CURRENT: "I,{element}", Quantity.POWER_FACTOR: "LAMBDA,{element}"}


def by_element(texts: Mapping[str, str]) -> dict[str, str]:
    """`texts` where ranges belong to single elements: the same words, with the element behind them."""
    ranged = re.compile(r"(:INP:(?:VOLT|CURR):(?:AUTO|RANG))(.*)")
    return {name: ranged.sub(r"\1:ELEM{element}\2", text) for name, text in texts.items()}


WT300: Final = Dialect(
    family="Yokogawa WT300 and WT300E",
    models=MappingProxyType(
        {
            r"YOKOGAWA,WT310(E|EH|HC)?": (1,),
            r"YOKOGAWA,WT332E?": (1, 3),
            r"YOKOGAWA,WT333E?": (1, 2, 3),
            r"YOKOGAWA,WT330E?": (),
        }
    ),
    power="P,{element}",
    energy="WH,{element}",
    witnesses=MappingProxyType(YOKOGAWA_WITNESSES),
    setup=YOKOGAWA_SETUP,
    select=":NUM:NORM:ITEM{index} {item}",
    count=":NUM:NORM:NUM {count}",
    settings=MappingProxyType({**YOKOGAWA_SETTINGS, "peak_over": ":INP:POV?", "wiring": ":INP:WIR?"}),
    watched=("volts", "amps", "hold", "peak_over"),
    commands=MappingProxyType(YOKOGAWA_COMMANDS),
    sums=MappingProxyType({"P1W3": (1, 3), "P3W3": (1, 3), "V3A3": (1, 3), "P3W4": (1, 2, 3)}),
    range_doubles=True,
)

WT5000: Final = Dialect(
    family="Yokogawa WT500, WT1800, WT3000 and WT5000",
    models=MappingProxyType(
        {
            r"YOKOGAWA,760201.*": (1,),
            r"YOKOGAWA,760202.*": (1, 2),
            r"YOKOGAWA,760203.*": (1, 2, 3),
            r"YOKOGAWA,WT(500|180\d|1800|3000|300\d|5000)(E|[ER]?-.*)?": (),
        }
    ),
    power="P,{element}",
    energy="WH,{element}",
    witnesses=MappingProxyType({**YOKOGAWA_WITNESSES, Quantity.VOLTAGE: "URMS,{element}", Quantity.CURRENT: "IRMS,{element}"}),
    setup=YOKOGAWA_SETUP,
    select=":NUM:NORM:ITEM{index} {item}",
    count=":NUM:NORM:NUM {count}",
    settings=MappingProxyType(by_element(YOKOGAWA_SETTINGS)),
    watched=("volts", "amps", "hold"),
    commands=MappingProxyType(by_element(YOKOGAWA_COMMANDS)),
    range_doubles=True,
    doubts="what the WT500 and the WT5000 answer to *IDN? and :RATE? was not seen",
)

GPM: Final = Dialect(
    family="GW Instek GPM-8000",
    models=MappingProxyType({r"GW-?INSTEK,GPM-8(310|213)": (1,)}),
    power="P",
    energy="WH",
    witnesses=MappingProxyType({Quantity.VOLTAGE: "U", Quantity.CURRENT: "I", Quantity.POWER_FACTOR: "LAMBDA"}),
    setup=(":COMM:REM ON", ":COMM:HEAD OFF", ":NUM:FORM ASC"),
    farewell=(":COMM:REM OFF",),
    select=":NUM:NORM:ITEM{index} {item}",
    count=":NUM:NORM:NUM {count}",
    settings=MappingProxyType(
        {
            "auto_volts": ":INP:VOLT:AUTO?",
            "auto_amps": ":INP:CURR:AUTO?",
            "volts": ":INP:VOLT:RANG?",
            "amps": ":INP:CURR:RANG?",
            "crest_factor": ":INP:CFAC?",
            "period": ":RATE?",
            "state": ":INTEG:STAT?",
            "errors": ":STAT:ERR?",
        }
    ),
    commands=MappingProxyType(YOKOGAWA_COMMANDS),
    doubts="that several questions may stand in one message, and the answer to :RATE?, were not confirmed",
)

PW3335: Final = Dialect(
    family="Hioki PW3335",
    models=MappingProxyType({r"HIOKI,PW3335(-0\d)?": (1,)}),
    power="P",
    energy="WH",
    witnesses=MappingProxyType({Quantity.VOLTAGE: "U", Quantity.CURRENT: "I", Quantity.POWER_FACTOR: "PF"}),
    setup=(":HEAD OFF",),
    ask=":MEAS? {items}",
    separator=";",
    settings=MappingProxyType(
        {
            "auto_volts": ":VOLT:AUTO?",
            "auto_amps": ":CURR:AUTO?",
            "volts": ":VOLT:RANG?",
            "amps": ":CURR:RANG?",
            "averaging_count": ":AVER?",
            "state": ":INTEG:STAT?",
        }
    ),
    commands=MappingProxyType(
        {
            "manual_volts": ":VOLT:AUTO OFF",
            "manual_amps": ":CURR:AUTO OFF",
            "volts": ":VOLT:RANG {value}",
            "amps": ":CURR:RANG {value}",
            "start": ":INTEG:STAT START",
        }
    ),
    period_s=0.2,
    doubts="the questions for ranges and averaging, the name of the power factor, and the mark of over-range were not read in its manual",
)

PW3336: Final = Dialect(
    family="Hioki PW3336 and PW3337",
    models=MappingProxyType({r"HIOKI,PW3336(-0\d)?": (1, 2), r"HIOKI,PW3337(-0\d)?": (1, 2, 3)}),
    power="P{element}",
    energy="WP{element}",
    witnesses=MappingProxyType({Quantity.VOLTAGE: "U{element}", Quantity.CURRENT: "I{element}", Quantity.POWER_FACTOR: "PF{element}"}),
    setup=(":HEAD OFF",),
    ask=":MEAS? {items}",
    separator=";",
    settings=MappingProxyType(
        {
            "auto_volts": ":VOLT{element}:AUTO?",
            "auto_amps": ":CURR{element}:AUTO?",
            "volts": ":VOLT{element}:RANG?",
            "amps": ":CURR{element}:RANG?",
            "averaging_count": ":AVER?",
            "state": ":INTEG:STAT?",
        }
    ),
    commands=MappingProxyType(
        {
            "manual_volts": ":VOLT{element}:AUTO OFF",
            "manual_amps": ":CURR{element}:AUTO OFF",
            "volts": ":VOLT{element}:RANG {value}",
            "amps": ":CURR{element}:RANG {value}",
            "start": ":INTEG:STAT START",
        }
    ),
    period_s=0.2,
    doubts="the questions for ranges and averaging, the name of the power factor, and the mark of over-range were not read in its manual",
)

LMG600: Final = Dialect(
    family="ZES LMG600",
    models=MappingProxyType({r"ZES.*,LMG6\d\d.*": ()}),
    power="P{element}?",
    setup=("*ZLANG SHORT",),
    farewell=("*ZLANG SCPI",),
    ask="ACTN;{items}",
    join=";",
    separator=";",
    settings=MappingProxyType(
        {
            "auto_volts": "UAUTO{element}?",
            "auto_amps": "IAUTO{element}?",
            "volts": "URNG{element}?",
            "amps": "IRNG{element}?",
            "period": "CYCL?",
        }
    ),
    commands=MappingProxyType(
        {
            "manual_volts": "UAUTO{element} 0",
            "manual_amps": "IAUTO{element} 0",
            "volts": "URNG{element} {value}",
            "amps": "IRNG{element} {value}",
        }
    ),
    doubts="its marks of over-range and of missing data were not seen",
)

LMG450: Final = Dialect(
    family="ZES LMG450",
    models=MappingProxyType({r"ZES.*,LMG450.*": (1, 2, 3, 4)}),
    power="P{element}?",
    setup=("SYST:LANG SHORT",),
    farewell=("LANG SCPI",),
    ask="ACTN;{items}",
    join=";",
    separator=";",
    settings=MappingProxyType({"period": "CYCL?"}),
    watched=(),
    doubts="the names of the powers of its channels were not confirmed; its ranges are not read",
)

DIALECTS: Final = (WT300, WT5000, GPM, PW3335, PW3336, LMG600, LMG450)


@dataclass(frozen=True, slots=True)
class Identity:
    """What an instrument answers to `*IDN?`. `serial`: empty where it gives none, or 0 as some do."""

    vendor: str
    model: str
    serial: str
    firmware: str


def parse_identity(answer: str) -> Identity:
    """The four fields of IEEE 488.2 `*IDN?`; those that are missing are empty."""
    vendor, model, serial, firmware = ([part.strip() for part in answer.split(",")] + [""] * 4)[:4]
    return Identity(vendor, model, "" if not serial.strip("0") else serial, firmware)


def dialect_of(identity: Identity) -> tuple[Dialect, Elements] | None:
    """The dialect of an instrument, and its elements where its name tells them; None where nobody knows it."""
    name = f"{identity.vendor},{identity.model}".upper()
    for dialect in DIALECTS:
        for pattern, elements in dialect.models.items():
            if re.fullmatch(pattern, name):
                return dialect, elements
    return None
