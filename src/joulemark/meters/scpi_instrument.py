"""One analyser at the end of a link: who it is, how it is set up, its integrator, and the one question that every poll asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulemark.errors import MeterTransient
from joulemark.meters.scpi_answers import Answer, bare, number, parse_answer, running, switched_on
from joulemark.meters.scpi_link import Link
from joulemark.meters.scpi_models import DIALECTS, SIGMA, Dialect, Elements, Identity, dialect_of, parse_identity
from joulemark.readings import Averaging, MeterRange, Quantity


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a poll: the power, the integrated energy, or a witness, of an element or of the sum (`SIGMA`)."""

    element: int | None
    quantity: Quantity = Quantity.POWER

    @property
    def channel(self) -> str:
        """Its name within the instrument."""
        return f"{self.quantity.word}-{self.element or 'sigma'}"


@dataclass(frozen=True, slots=True)
class Setup:
    """How an instrument is set up. `ranges`: by element. `period_s`, `window_s`: None where it does not tell; the window of an
    exponential mean is its time constant.
    """

    ranges: dict[int, MeterRange]
    period_s: float | None
    averaging: Averaging
    window_s: float | None


@dataclass(frozen=True, slots=True)
class Polled:
    """One poll. `values`: as text, in the order of the items. `watched`: name of a setting to what it says, one text per element or one."""

    values: tuple[str, ...]
    watched: dict[str, tuple[str, ...]]


class Instrument:
    """An identified analyser. Every method talks to it and raises LinkLost when that fails."""

    def __init__(self, link: Link, identity: Identity, dialect: Dialect, elements: Elements) -> None:
        self.link, self.identity, self.dialect, self.elements = link, identity, dialect, elements
        self._items: tuple[Item, ...] = ()
        self._question = ""
        self._watched: tuple[tuple[str, int], ...] = ()

    @classmethod
    def identified(cls, link: Link, elements: Elements) -> Instrument:
        """The instrument behind `link`, spoken to in its own dialect. Raises MeterTransient for one that nobody knows."""
        answer = link.ask("*IDN?")
        identity = parse_identity(answer)
        known = dialect_of(identity)
        if known is None:
            families = ", ".join(dialect.family for dialect in DIALECTS)
            raise MeterTransient(f"it calls itself {answer[:80]!r}, which is none of: {families}", "read it with another kind of meter")
        dialect, own = known
        chosen = elements or own
        if not chosen:
            raise MeterTransient(f"{identity.model} does not say which elements it has", "name them, for example elements = [1, 2, 3]")
        if own and not set(chosen) <= set(own):
            raise MeterTransient(f"{identity.model} has the elements {list(own)}, not {list(chosen)}", "correct elements")
        instrument = cls(link, identity, dialect, chosen)
        for command in dialect.setup:
            link.tell(command)
        return instrument

    def leave(self) -> None:
        """Set back what `identified` changed for this talk."""
        for command in self.dialect.farewell:
            self.link.tell(command)

    def setting(self, name: str, element: int | None = None) -> str | None:
        """What the setting `name` says, None where the dialect has no question for it."""
        question = self.dialect.settings.get(name)
        return None if question is None else bare(self.link.ask(question.format(element=element)))

    def fix_range(self, name: str, value: float) -> None:
        """Set the range `name` ("volts" or "amps") of every element to `value`, not automatic. Raises MeterTransient when that fails."""
        commands = self.dialect.commands
        if name not in commands:
            raise MeterTransient(
                f"the ranges of {self.dialect.family} are not set by this driver", "set them by hand and remove range_v and range_a"
            )
        for element in self.elements if "{element}" in commands[name] else self.elements[:1]:
            if self._fixed(name, element) != value:  # one that stands there is not set again: an integration may run
                self.link.tell(commands[f"manual_{name}"].format(element=element))
                self.link.tell(commands[name].format(element=element, value=f"{value:g}"))
        for element in self.elements:
            if (found := self._fixed(name, element)) != value:
                raise MeterTransient(
                    f"{self.identity.model} stands at {found or 'automatic'} {name} where {value:g} were asked for{self.complaint()}",
                    "ask for a range that it has, and stop its integrator before",
                )

    def complaint(self) -> str:
        """What its error queue says, to be put behind a message; empty where it says nothing."""
        question = self.dialect.settings.get("errors")
        told = self.link.ask(question) if question else ""
        if told.startswith(":"):  # a header
            told = told.partition(" ")[2]
        return "" if told.startswith("0") or not told else f"; its error queue says {told}"

    def setup(self) -> Setup:
        """Ranges, update period and averaging as they stand."""
        crest_factor = number(self.setting("crest_factor") or "")
        auto = self._auto()
        ranges = {
            element: MeterRange(
                number(self.setting("volts", element) or ""), number(self.setting("amps", element) or ""), auto, crest_factor
            )
            for element in self.elements
        }
        period_s = self.dialect.period_s or number(self.setting("period") or "")
        averaging, window_s = self._averaging(period_s)
        return Setup(ranges, period_s, averaging, window_s)

    def sum_of(self) -> Elements:
        """The elements that its own sum adds, by its wiring. Raises MeterTransient where that is not known."""
        wiring = self.setting("wiring") or ""
        added = self.dialect.sums.get(wiring, ())
        if not added or not set(added) <= set(self.elements):
            raise MeterTransient(
                f"the sum of {self.identity.model} with wiring {wiring or '(not told)'} does not add elements of {list(self.elements)}",
                "set sigma = false: elements are added where the readings are used",
            )
        return added

    def integrates(self) -> bool:
        """Whether its integrator runs and is read."""
        return bool(self.dialect.energy) and running(self.setting("state") or "")

    def start_integration(self) -> None:
        """Start the integrator, from where it stands. Raises MeterTransient when it does not run then."""
        if not self.dialect.energy:
            raise MeterTransient(f"the integrator of {self.dialect.family} is not read by this driver", "set integrate = false")
        self.link.tell(self.dialect.commands["start"])
        if not self.integrates():
            raise MeterTransient(f"the integrator of {self.identity.model} does not start{self.complaint()}", "reset it at the instrument")

    def choose(self, items: tuple[Item, ...]) -> None:
        """What `poll` asks from now on: `items`, and the settings that decide what they are worth."""
        dialect = self.dialect
        names = [self._name(item) for item in items]
        if dialect.select:
            for index, name in enumerate(names, 1):
                self.link.tell(dialect.select.format(index=index, item=name))
            self.link.tell(dialect.count.format(count=len(items)))
        watched = [*dialect.watched, *(["state"] if any(item.quantity is Quantity.ENERGY_COUNTER for item in items) else [])]
        self._watched = tuple(
            (name, element)
            for name in watched
            for element in (self.elements if "{element}" in dialect.settings[name] else self.elements[:1])
        )
        questions = [dialect.settings[name].format(element=element) for name, element in self._watched]
        self._question = ";".join([dialect.ask.format(items=dialect.join.join(names)), *questions])
        self._items = items

    def poll(self) -> Polled:
        """All values and watched settings, in one question. Raises MeterTransient for an answer of another shape."""
        said: Answer = parse_answer(
            self.link.ask(self._question),
            value_count=len(self._items),
            setting_count=len(self._watched),
            separator=self.dialect.separator,
        )
        watched: dict[str, tuple[str, ...]] = {}
        for (name, _), text in zip(self._watched, said.settings, strict=True):
            watched[name] = (*watched.get(name, ()), text)
        return Polled(said.values, watched)

    def _name(self, item: Item) -> str:
        dialect = self.dialect
        names = {Quantity.POWER: dialect.power, Quantity.ENERGY_COUNTER: dialect.energy, **dialect.witnesses}
        return names[item.quantity].format(element=item.element or SIGMA)

    def _range(self, name: str, element: int) -> float | None:
        return number(self.setting(name, element) or "")

    def _fixed(self, name: str, element: int) -> float | None:
        """The range `name` of an element, None where it is automatic or not told."""
        automatic = switched_on(self.setting(f"auto_{name}", element) or "0")
        return None if automatic else self._range(name, element)

    def _auto(self) -> bool | None:
        """Whether any range is automatic; None where it does not tell."""
        told = [self.setting(name, element) for name in ("auto_volts", "auto_amps") for element in self.elements]
        said = [switched_on(text) for text in told if text is not None]
        return any(said) if said else None

    def _averaging(self, period_s: float | None) -> tuple[Averaging, float | None]:
        """How a power value is formed, and over which time: one update period, or as many as are averaged."""
        if period_s is None:
            return Averaging.UNKNOWN, None
        count = 1.0
        if "averaging" not in self.dialect.settings and "averaging_count" in self.dialect.settings:
            count = number(self.setting("averaging_count") or "") or 1.0  # Hioki: 1 is off
        elif (told := self.setting("averaging")) is not None and switched_on(told):
            count = number(self.setting("averaging_count") or "") or 0.0
            if count and not (self.setting("averaging_type") or "").startswith("LIN"):
                return Averaging.EXPONENTIAL, (count - 0.5) * period_s  # each update moves it by 1/count of the way
        return (Averaging.BOXCAR, count * period_s) if count else (Averaging.UNKNOWN, None)


def differing(setup: Setup, polled: Polled) -> str:
    """How the ranges that a poll tells differ from those of `setup`, in words; empty where they do not, or are automatic."""
    ranges = list(setup.ranges.values())
    for name, unit in (("volts", "V"), ("amps", "A")):
        for was, text in zip(ranges, polled.watched.get(name, ()), strict=False):
            before: float | None = getattr(was, name)
            now = number(text)
            if not was.auto and now != before:
                return f"the range was changed from {shown(before, unit)} to {shown(now, unit)}"
    return ""


def shown(value: float | None, unit: str) -> str:
    """A range for a reader."""
    return f"{value:g} {unit}" if value is not None else "an external sensor"


def summed(ranges: list[MeterRange]) -> MeterRange:
    """The range of a sum: that of its elements where they agree."""
    first = ranges[0]
    return first if all(one == first for one in ranges) else replace(first, volts=None, amps=None)
