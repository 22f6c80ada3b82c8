"""Simulated power analysers: what they measure, how they integrate and fail, and what they answer, by family.

Written from the makers' manuals and not from the driver: commands are accepted in their long and their short form, an unknown one
goes to the error queue and is left without an answer, and values change at the update interval only.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

UNDEFINED_HEADER = '113,"Undefined Header"'
NO_ERROR = '0,"No error"'
BUSY = '803,"Cannot be set while integration is running."'
CREST_LIMIT = 1.3
"""A range is exceeded at 130 % of it."""

IDENTITIES = {
    "WT310E": ("YOKOGAWA,WT310E,C3TK12345E,F1.03", (1,)),
    "WT310": ("YOKOGAWA,WT310,C2PH13047V,F1.03", (1,)),
    "WT332E": ("YOKOGAWA,WT332E,C3UA00021E,F1.03", (1, 3)),
    "WT333E": ("YOKOGAWA,WT333E,C3UB00007E,F1.03", (1, 2, 3)),
    "760203": ("YOKOGAWA,760203-760203-30-HC,0,F2.03", (1, 2, 3)),
    "WT5000": ("YOKOGAWA,WT5000,C3VH01001V,F3.01", (1, 2, 3, 4)),
    "GPM-8310": ("GWInstek,GPM-8310,GEW882658,V1.08", (1,)),
    "PW3335": ("HIOKI,PW3335,140912345,V1.20", (1,)),
    "PW3337": ("HIOKI,PW3337-03,130854321,V1.10", (1, 2, 3)),
    "LMG671": ("ZES ZIMMER Electronic Systems GmbH,LMG671,05451117,3.012", (1, 2, 3)),
    "LMG450": ("ZES ZIMMER Electronic Systems GmbH,LMG450,09540112,3.118", (1, 2, 3, 4)),
    "34401A": ("HEWLETT-PACKARD,34401A,0,11-5-2", (1,)),
}
VOLTS = (15.0, 30.0, 60.0, 150.0, 300.0, 600.0)
AMPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


@cache
def header(spec: str) -> re.Pattern[str]:
    """What a command in the manual's spelling matches: `:INPut:VOLTage:RANGe:ELEMent<x>?` in both forms, in any case."""
    pattern = ""
    for part in re.split(r"([:?*])", spec.lstrip(":")):
        word = re.fullmatch(r"([A-Z]+)([a-z]*)(<x>)?", part)
        if word is None:
            pattern += re.escape(part)
        else:
            pattern += word[1] + (f"(?:{word[2].upper()})?" if word[2] else "") + (r"(\d+)" if word[3] else "")
    return re.compile(pattern)


class Analyser:
    """One simulated instrument. Watts, marks and settings may be set from the test at any time."""

    def __init__(self, model: str = "WT310E", *, watts: float = 512.0, period_s: float = 0.25) -> None:
        self.identity, self.elements = IDENTITIES[model]
        self.volts = dict.fromkeys(self.elements, 300.0)
        self.amps: dict[int, float | str] = dict.fromkeys(self.elements, 20.0)
        self.auto = False
        self.crest_factor = "3"
        self.rate = period_s
        self.averaging = (False, "EXP", 8)
        self.hold = False
        self.mains_v, self.power_factor = 230.0, 0.95
        self.wiring = "P3W4"
        self.peak_over = 0
        self.marks: dict[int, str] = {}
        self.errors: list[str] = []
        self.integration = "RES"
        self.headers = True
        self.short_language = False
        self.items: dict[int, str] = {}
        self.item_count = 0
        self.asked: list[str] = []
        self._begin_s = time.monotonic()
        self._history: list[tuple[float, dict[int, float]]] = [(self._begin_s, dict.fromkeys(self.elements, watts))]
        self._spans: list[tuple[float, float]] = []
        rms = "RMS" if model.startswith(("WT5", "760")) else ""
        self._words = {f"U{rms}": self._beside("U"), f"I{rms}": self._beside("I"), "LAMBDA": self._beside("PF"), "LAMB": self._beside("PF")}
        self._family = self._commands(model)

    def set_power_w(self, watts: float, element: int | None = None) -> None:
        """What flows from now on, through one element or all."""
        now = dict(self._history[-1][1])
        now.update(dict.fromkeys(self.elements if element is None else [element], watts))
        self._history.append((time.monotonic(), now))

    def energy_j(self, element: int, until_s: float) -> float:
        """Energy integrated until the moment `until_s`, exactly."""
        total = 0.0
        ends = [entry[0] for entry in self._history[1:]] + [math.inf]
        for (begin, watts), end in zip(self._history, ends, strict=True):
            for start, stop in self._spans:
                total += watts[element] * max(0.0, min(end, stop, until_s) - max(begin, start))
        return total

    def answer(self, message: str) -> str | None:
        """What one message is answered, None for nothing."""
        self.asked.append(message)
        answers = []
        for unit in message.split(";"):
            said = self._one(unit.strip())
            if said is not None:
                answers.append(said)
        return ";".join(answers) or None

    def _one(self, unit: str) -> str | None:
        word, _, argument = unit.upper().lstrip(":").partition(" ")
        for pattern, does in self._family:
            if found := pattern.fullmatch(word):
                numbers = [int(n) for n in found.groups() if n]
                said = does(argument.strip(), *numbers)
                return f":{word.rstrip('?')} {said}" if said is not None and self.headers and not word.startswith("*") else said
        self.errors.append(UNDEFINED_HEADER)
        return None

    def _updated_s(self) -> float:
        """The last moment at which values were brought up to date."""
        return self._begin_s + math.floor((time.monotonic() - self._begin_s) / self.rate) * self.rate

    def _power(self, element: int) -> str:
        at_s = self._updated_s()
        watts = next(watts for begin, watts in reversed(self._history) if begin <= at_s or begin == self._begin_s)[element]
        amps = self.amps[element]
        if element in self.marks:
            return self.marks[element]
        if isinstance(amps, float) and not self.auto and watts > (CREST_LIMIT**2) * self.volts[element] * amps:
            return "INF"
        return f"{watts:.4E}"

    def _beside(self, shown: str) -> Callable[[int], str]:
        """What an element shows of voltage, current or power factor, which its power is the product of; a mark stands for all of them."""

        def of(element: int) -> str:
            power = self._power(element)
            if power in ("INF", "NAN"):
                return power
            if shown == "PF" and not float(power):
                return "NAN"
            amps = float(power) / (self.mains_v * self.power_factor)
            return f"{ {'U': self.mains_v, 'I': amps, 'PF': self.power_factor}[shown]:.4E}"

        return of

    def _sum(self, of: Callable[[int], str]) -> str:
        said = [of(element) for element in {"P1W3": (1, 3), "P3W3": (1, 3), "V3A3": (1, 3)}.get(self.wiring, self.elements)]
        marked = [text for text in said if text in ("INF", "NAN")]
        return marked[0] if marked else f"{sum(map(float, said)):.5E}"

    def _watt_hours(self, element: int) -> str:
        return "NAN" if self.integration == "RES" else f"{self.energy_j(element, self._updated_s()) / 3600:.5E}"

    def _value(self, item: str) -> str:
        function, _, element = item.partition(",")
        of = {"P": self._power, "WH": self._watt_hours, **self._words}.get(function)
        if of is None:
            return "NAN"
        return self._sum(of) if element.startswith("SIGM") else of(int(element or 1))

    def _values(self, argument: str) -> str:
        if argument:
            return self._value(self.items.get(int(argument), ""))
        return ",".join(self._value(self.items.get(index, "")) for index in range(1, self.item_count + 1))

    def _measured(self, argument: str) -> str:
        """Hioki: named items, joined by semicolons, with their names where headers are on."""
        beside = {word: self._beside(word) for word in ("U", "I", "PF")}
        words = {"P": self._power, "WP": self._watt_hours, "WH": self._watt_hours, **beside}
        said = []
        for name in argument.split(","):
            item = re.fullmatch(r"(PF?|WP|WH|U|I)(\d?)", name.strip())
            text = "" if item is None else words[item[1]](int(item[2] or 1))
            said.append({"INF": "+9999.9E+99", "NAN": "+7777.7E+99"}.get(text, text))
        return ";".join(said)

    def _item(self, argument: str, index: int) -> None:
        self.items[index] = argument

    def _count(self, argument: str) -> None:
        self.item_count = int(argument)

    def _set_range(self, ranges: dict[int, Any], known: tuple[float, ...]) -> Callable[..., None]:
        def change(argument: str, *element: int) -> None:
            if self.integration == "STAR":
                self.errors.append(BUSY)
            elif float(argument) not in known:
                self.errors.append('222,"Data out of range"')
            else:
                ranges.update(dict.fromkeys(element or self.elements, float(argument)))

        return change

    def _told_amps(self, _: str, element: int = 0) -> str:
        amps = self.amps[element or self.elements[0]]
        return amps if isinstance(amps, str) else f"{amps:.1E}"

    def _automatic(self, argument: str, *_: int) -> None:
        self.auto = argument in ("1", "ON")

    def _start(self, *_: str) -> None:
        if self.integration == "ERR":
            self.errors.append('841,"Integration error"')
        elif self.integration != "STAR":
            self.integration = "STAR"
            self._spans.append((time.monotonic(), math.inf))

    def stop_integration(self, state: str = "STOP") -> None:
        """Stop it by hand, as somebody at the front panel; `TIM`: its timer is up, `ERR`: it failed; `RES` forgets what it counted."""
        if self._spans and self._spans[-1][1] == math.inf:
            self._spans[-1] = (self._spans[-1][0], time.monotonic())
        if state == "RES":
            self._spans.clear()
        self.integration = state

    def _header_off(self, argument: str) -> None:
        self.headers = argument not in ("OFF", "0")

    def _error(self, _: str) -> str:
        return self.errors.pop(0) if self.errors else NO_ERROR

    def _commands(self, model: str) -> list[tuple[re.Pattern[str], Callable[..., str | None]]]:
        """The commands of the family of `model`."""
        on_off = "1" if not model.startswith("PW") else "ON"

        def auto(*_: object) -> str:
            return on_off if self.auto else {"1": "0", "ON": "OFF"}[on_off]

        def volts(_: str, element: int = 0) -> str:
            return f"{self.volts[element or self.elements[0]]:.1E}"

        common = {"*IDN?": lambda _: self.identity}
        wt = {
            "COMMunicate:HEADer": self._header_off,
            "COMMunicate:REMote": lambda _: None,
            "NUMeric:FORMat": lambda _: None,
            "NUMeric:NORMal:ITEM<x>": self._item,
            "NUMeric:NORMal:NUMber": self._count,
            "NUMeric:NORMal:VALue?": self._values,
            "RATE?": lambda _: f"{self.rate * 1e3:.1f}E-03" if self.rate else "AUTO",
            "INPut:CFACtor?": lambda _: self.crest_factor,
            "INTEGrate:STATe?": lambda _: self.integration,
            "INTEGrate:STARt": self._start,
            "STATus:ERRor?": self._error,
        }
        yokogawa = {
            "MEASure:AVERaging:STATe?": lambda _: str(int(self.averaging[0])),
            "MEASure:AVERaging:TYPE?": lambda _: self.averaging[1],
            "MEASure:AVERaging:COUNt?": lambda _: str(self.averaging[2]),
            "HOLD?": lambda _: str(int(self.hold)),
        }
        shared = {
            "INPut:VOLTage:RANGe?": volts,
            "INPut:CURRent:RANGe?": self._told_amps,
            "INPut:VOLTage:AUTO?": auto,
            "INPut:CURRent:AUTO?": auto,
            "INPut:VOLTage:RANGe": self._set_range(self.volts, VOLTS),
            "INPut:CURRent:RANGe": self._set_range(self.amps, AMPS),
            "INPut:VOLTage:AUTO": self._automatic,
            "INPut:CURRent:AUTO": self._automatic,
        }
        each = {f"{name.rstrip('?')}:ELEMent<x>{'?' * name.endswith('?')}": does for name, does in shared.items()}
        hioki = {
            "HEADer": self._header_off,
            "MEASure?": self._measured,
            "AVERaging?": lambda _: "1",
            "INTEGrate:STATe?": lambda _: {"RES": "RESET", "STAR": "START"}.get(self.integration, self.integration),
            "INTEGrate:STATe": lambda argument: self._start() if argument == "START" else self.stop_integration(),
        }
        numbered = {name.removeprefix("INPut:").replace(":", "<x>:", 1): does for name, does in shared.items()}
        plain = {name.removeprefix("INPut:"): does for name, does in shared.items()}
        lmg = {"ACTN": lambda _: None, "P<x>?": lambda _, element: self._power(element), "CYCL?": lambda _: str(self.rate)}
        ranges = {
            "URNG<x>?": volts,
            "IRNG<x>?": self._told_amps,
            "UAUTO<x>?": auto,
            "IAUTO<x>?": auto,
            "URNG<x>": self._set_range(self.volts, VOLTS),
            "IRNG<x>": self._set_range(self.amps, AMPS),
            "UAUTO<x>": self._automatic,
            "IAUTO<x>": self._automatic,
        }
        if model.startswith(("LMG", "344")):
            self.headers = False
        language = {"*ZLANG": self._speak, "SYSTem:LANGuage": self._speak, "LANGuage": self._speak}
        spoken: dict[str, dict[str, Callable[..., str | None]]] = {
            "WT3": {**wt, **yokogawa, **shared, "INPut:POVer?": lambda _: str(self.peak_over), "INPut:WIRing?": lambda _: self.wiring},
            "WT5": {**wt, **yokogawa, **each},
            "760": {**wt, **yokogawa, **each},
            "GPM": {**wt, **shared},
            "PW3335": {**hioki, **plain},
            "PW3337": {**hioki, **numbered},
            "LMG6": {**language, **lmg, **ranges},
            "LMG4": {**language, **lmg},
            "344": {},
        }
        [family] = [commands for name, commands in spoken.items() if model.startswith(name)]
        return [(header(spec), does) for spec, does in {**common, **family}.items()]

    def _speak(self, argument: str) -> None:
        self.short_language = argument == "SHORT"
