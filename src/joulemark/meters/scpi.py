"""Laboratory power analysers over SCPI: Yokogawa WT, Hioki PW333x, GW Instek GPM-8000, ZES LMG.

One question per poll brings the power of every element, the integrated energy where the integrator runs, and the settings that
decide what they are worth: ranges, hold, peak over-range, state of the integrator. Beside the power of an element stand its voltage,
current and power factor of the same update, as witnesses. Elements are meters of their own and are never added here. After a late,
cut or odd answer the connection is given up, so that no answer is taken for the answer to another question.

Sources: `scpi_models`. Marks of missing values: SCPI-1999, 7.2.1. Energy Standard v1, MET-4 (fixed ranges, crest factor 3 or more).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from joulemark import whitelist
from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.scpi_answers import Judged, judged, peak_over, running, step_of, switched_on
from joulemark.meters.scpi_instrument import Instrument, Item, Polled, Setup, differing, shown, summed
from joulemark.meters.scpi_link import Link, LinkLost, link_to
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo, MeterRange, Quality, Quantity, Sample
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import J_PER_WH

EXPONENT: Final = -6
ENERGY_EXPONENT: Final = -3
FULL_CREST_FACTOR: Final = 3.0
"""Crest factor for which makers state the error of the range."""


@dataclass(frozen=True, slots=True)
class ScpiConfig:
    """`[[meter]] kind = "scpi"`: one power analyser."""

    resource: str
    """VISA resource of the analyser, for example TCPIP::10.0.0.5::INSTR or TCPIP::10.0.0.5::5025::SOCKET."""
    elements: tuple[int, ...] = ()
    """Elements to read; empty reads all that the model has."""
    covers: tuple[str, ...] = ()
    """Names of the cords that the elements measure, in the order of the elements; empty names them by serial and element."""
    sigma: bool = False
    """Whether the analyser's own sum is read too, as a meter that covers the elements of its wiring."""
    range_v: float | None = None
    """Voltage range in volts to set, not automatic; without it the range stays as it is."""
    range_a: float | None = None
    """Current range in amperes to set, not automatic; without it the range stays as it is."""
    witnesses: bool = True
    """Whether voltage, current and power factor of each element are read beside its power, where the model's names of them are known."""
    integrate: bool = False
    """Whether the analyser's integrator is started where it does not run; it is never reset."""
    deadline_s: float = 2.0
    """Longest time in seconds that one answer may take before the connection is given up."""

    def __post_init__(self) -> None:
        at_least("scpi.deadline_s", self.deadline_s, 0.1)
        for element in self.elements:
            at_least("scpi.elements", element, 1)
        for name in ("range_v", "range_a"):
            at_least(f"scpi.{name}", 1.0 if (value := getattr(self, name)) is None else value, 1e-3)
        if len(set(self.elements)) < len(self.elements):
            raise ConfigError(f"scpi.elements = {list(self.elements)} names an element twice", "name each once")
        if len(set(self.covers)) < len(self.covers):
            raise ConfigError(f"scpi.covers = {list(self.covers)} names a cord twice", "name each cord once")
        link_to(self.resource, deadline_s=self.deadline_s)


class ScpiMeter:
    """The elements of one analyser, as one device."""

    kind: ClassVar[str] = "scpi"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, config: ScpiConfig, *, host: str) -> None:
        self._config = config
        self._host = host
        self._link: Link = link_to(config.resource, deadline_s=config.deadline_s)
        self._instrument: Instrument | None = None
        self._setup: Setup | None = None
        self._items: tuple[Item, ...] = ()
        self._added: tuple[int, ...] = ()
        self._info: tuple[DeviceInfo, ...] = ()
        self._started_integration = False

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return self._info

    def open(self) -> None:
        """Connect, identify, set and read ranges, choose what is read, and take one reading.

        Raises MeterUnavailable when the analyser does not answer, is of an unknown model, or does not take a setting.
        """
        if self._instrument is not None:
            return
        try:
            self._link.open()
            self._instrument = Instrument.identified(self._link, self._config.elements)
            self._prepare(self._instrument)
        except MeterTransient as error:
            complaint = self._complaint(error)
            self._drop()
            raise MeterUnavailable(
                f"analyser {self._config.resource}: {error.what}{complaint}",
                error.next_step or "check that its remote interface is on, and that no other program holds it",
            ) from error

    def read(self, clock: Clock) -> list[Sample]:
        """One sample with all elements. Raises MeterGone when the connection was given up, or a range was changed by hand."""
        if self._instrument is None or self._setup is None:
            raise MeterGone("the analyser is not open", "open it first")
        shift_ns = utc_minus_mono_ns(clock)
        t_read0_ns = clock.mono_ns()
        try:
            polled = self._instrument.poll()
            t_read1_ns = clock.mono_ns()
            columns = [self._judged(item, text, polled) for item, text in zip(self._items, polled.values, strict=True)]
        except MeterTransient as error:
            self._drop()
            raise MeterGone(error.what, error.next_step) from error
        if changed := differing(self._setup, polled):
            self._drop()
            raise MeterGone(changed, "leave the ranges alone during a measurement")
        values, qualities, reasons = zip(*columns, strict=True)
        [device] = self._info
        return [Sample(device.device_id, t_read0_ns, t_read1_ns, shift_ns, values, (None,) * len(values), qualities, reasons)]

    def close(self) -> None:
        """Let go of the analyser. Its integrator goes on."""
        if self._instrument is not None:
            with contextlib.suppress(LinkLost):  # one that is not there has nothing to be set back
                self._instrument.leave()
        self._drop()
        self._info = ()

    def _drop(self) -> None:
        self._link.close()
        self._instrument = None

    def _complaint(self, error: MeterTransient) -> str:
        """What the error queue says about a question that was left without an answer, asked over a new connection."""
        if not isinstance(error, LinkLost) or self._instrument is None:
            return ""
        try:
            self._link.close()
            self._link.open()
            return self._instrument.complaint()
        except MeterTransient:
            return ""

    def _prepare(self, instrument: Instrument) -> None:
        config = self._config
        if config.covers and len(config.covers) != len(instrument.elements):
            raise MeterTransient(
                f"covers names {len(config.covers)} cords for {len(instrument.elements)} elements",
                "name one cord for each element, or choose the elements with elements",
            )
        for name, value in (("volts", config.range_v), ("amps", config.range_a)):
            if value is not None:
                instrument.fix_range(name, value)
        self._setup = instrument.setup()
        self._added = instrument.sum_of() if config.sigma else ()
        note = self._integrator(instrument)
        wanted = [*instrument.elements, *([None] if self._added else [])]
        measured = [Quantity.POWER, *([Quantity.ENERGY_COUNTER] if note else [])]
        beside = [Item(element, one) for element in instrument.elements for one in instrument.dialect.witnesses if config.witnesses]
        self._items = (*(Item(element, one) for one in measured for element in wanted), *beside)
        instrument.choose(self._items)
        polled = instrument.poll()
        device_id = f"{self.kind}:{self._host}:{self._serial(instrument)}"
        meters = [self._described(instrument, item, text, note) for item, text in zip(self._items, polled.values, strict=True)]
        self._info = (DeviceInfo(device_id, tuple(replace(meter, meter_id=f"{device_id}:{meter.meter_id}") for meter in meters)),)

    def _integrator(self, instrument: Instrument) -> str:
        """Whose integration runs, for the description; empty where none does. Starts it where that is wanted."""
        if instrument.integrates():
            return "integration started by this agent" if self._started_integration else "an integration that was running before is read on"
        if not self._config.integrate:
            return ""
        instrument.start_integration()
        self._started_integration = True
        return "integration started by this agent"

    def _serial(self, instrument: Instrument) -> str:
        serial = instrument.identity.serial or self._config.resource
        return "-".join(part for part in serial.replace(" ", "-").split(":") if part)

    def _cord(self, instrument: Instrument, element: int) -> str:
        if self._config.covers:
            return self._config.covers[instrument.elements.index(element)]
        return f"{self._serial(instrument)}-element-{element}"

    def _elements(self, item: Item) -> tuple[int, ...]:
        """The elements that an item is the value of."""
        return self._added if item.element is None else (item.element,)

    def _described(self, instrument: Instrument, item: Item, text: str, note: str) -> MeterInfo:
        """The description of one value; `meter_id` holds the channel alone."""
        assert self._setup is not None
        setup, identity = self._setup, instrument.identity
        elements = self._elements(item)
        ranges = [setup.ranges[element] for element in elements]
        if item.quantity is Quantity.ENERGY_COUNTER:
            kinds: dict[str, Any] = {
                "exponent": ENERGY_EXPONENT,
                "step": step_of(text, ENERGY_EXPONENT, factor=J_PER_WH),
                "note": "; ".join(filter(None, (note, instrument.dialect.doubts))),
            }
        else:
            kinds = {
                "exponent": EXPONENT,
                "averaging": setup.averaging,
                "averaging_window_s": setup.window_s,
                "note": instrument.dialect.doubts,
            }
        return MeterInfo(
            meter_id=item.channel,
            kind=self.kind,
            quantity=item.quantity,
            boundary=Boundary.WALL_ANALYZER,
            current=Current.AC,
            vendor=identity.vendor,
            model=identity.model,
            serial=identity.serial,
            firmware=identity.firmware,
            update_period_s=setup.period_s,
            accuracy=accuracy_of(instrument, ranges) if item.quantity is Quantity.POWER else None,
            covers=tuple(self._cord(instrument, element) for element in elements),
            interface=self._link.interface,
            range=summed(ranges),
            **kinds,
        )

    def _judged(self, item: Item, text: str, polled: Polled) -> Judged:
        """What one value is worth, by itself and by the settings that came with it. Raises MeterTransient for an odd answer."""
        assert self._setup is not None
        told = {name: texts[0] for name, texts in polled.watched.items()}
        if "hold" in told and switched_on(told["hold"]):
            return None, Quality.GAP, "the analyser is on hold and repeats its last value"
        if item.quantity is Quantity.ENERGY_COUNTER:
            if not running(told["state"]):
                return None, Quality.GAP, f"the integrator does not run: {told['state'] or 'no state told'}"
            return judged(text, ENERGY_EXPONENT, factor=J_PER_WH)
        elements = self._elements(item)
        value, quality, reason = judged(text, EXPONENT)
        if quality is Quality.OK and any(peak_over(told.get("peak_over", "0"), element) for element in elements):
            value, quality, reason = None, Quality.OVER_RANGE, "a peak is over range"
        if quality is Quality.OVER_RANGE:
            reason = f"{reason} at {spoken(self._setup.ranges[elements[0]])}"
        return value, quality, reason


def spoken(fixed: MeterRange) -> str:
    """A pair of ranges for a reader."""
    return f"{shown(fixed.volts, 'V')} and {shown(fixed.amps, 'A')}"


def accuracy_of(instrument: Instrument, ranges: list[MeterRange]) -> Accuracy | None:
    """Limit of error at the ranges as they stand, by the whitelist: None where a range is automatic or not told, or the model not listed.

    The range of a sum is the sum of the ranges (MET-2). Where the maker doubles the error of the range at crest factor 6, so does this.
    """
    vendor, model = instrument.identity.vendor, instrument.identity.model
    entry = whitelist.find(vendor, model) or whitelist.find(vendor, model.partition("-")[0])  # behind the hyphen: options
    if entry is None or any(one.auto or one.volts is None or one.amps is None for one in ranges):
        return None
    range_w = sum(one.volts * one.amps for one in ranges if one.volts is not None and one.amps is not None)
    factor = max(1.0, (ranges[0].crest_factor or FULL_CREST_FACTOR) / FULL_CREST_FACTOR) if instrument.dialect.range_doubles else 1.0
    return entry.accuracy(range_w * factor)


DRIVER: Final = Driver("scpi", ScpiConfig, lambda config, host: ScpiMeter(config, host=host))
"""Never discovered: to ask every address of a laboratory for its name disturbs other people's measurements."""
