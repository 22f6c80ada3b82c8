"""What may be wrong by the rules MET."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.meter_log import Complaint, Message, MeterLog
from joulemark.readings import Accuracy, Boundary, Quality, Quantity
from joulemark.standard.verdict import Verdict
from tests.kit.change import (
    Change,
    chained,
    each_series,
    is_headline,
    is_quantity,
    labelled,
    meters,
    scaled,
    unaligned,
    where_measured,
    without,
)
from tests.kit.sensors import CORDS, GPUS, WALL
from tests.kit.spoil import Spoil

ES1, ES2 = ("ES1",), ("ES2",)
ABSENT: Final = Verdict.CANNOT_TELL
PAPER: Final = WALL.certificate
assert PAPER is not None
AT: Final = WALL.range
assert AT is not None


def of_percent(percent: float) -> Change:
    """The meters of the headline at a limit of error, with a certificate and no alignment."""
    return chained(unaligned, meters(accuracy=Accuracy(pct_reading=percent, source="data sheet"), certificate=PAPER, serial=PAPER.serial))


def certified(**fields: Any) -> Change:
    """Another certificate."""
    return meters(certificate=replace(PAPER, **fields))


def ranged(**fields: Any) -> Change:
    """Other ranges."""
    return meters(range=replace(AT, **fields))


def a_reading_over_range(one: Series, rows: Any) -> Series:
    """One reading in the middle of the measured phases is over range."""
    quality = one.quality.copy()
    quality[np.flatnonzero(rows)[7]] = Quality.OVER_RANGE
    return replace(one, quality=quality)


def a_reading_of_20_w(one: Series, rows: Any) -> Series:
    """One reading is so low that the range makes most of its limit of error."""
    value = one.value.copy()
    value[np.flatnonzero(rows)[7]] = 20 * 10**-one.meter.exponent
    return replace(one, value=value)


def complained(complaint: Complaint) -> Change:
    """The first meter of the headline complained ten seconds after the first measured phase began."""

    def changed(evidence: Evidence) -> Evidence:
        meter_id = next(one.meter.meter_id for one in evidence.series if is_headline(one))
        heard = () if evidence.meter_log is None else evidence.meter_log.heard
        message = Message(meter_id, evidence.run.measured[0].begin_ns + 10_000_000_000, complaint)
        return replace(evidence, meter_log=MeterLog(heard, (message,)))

    return changed


def two_supplies(*, apart_s: float) -> Change:
    """The BMC's sum, told by power supply, the second one read so much later."""

    def changed(evidence: Evidence) -> Evidence:
        rest = [one for one in evidence.series if not is_headline(one)]
        (whole,) = [one for one in evidence.series if is_headline(one)]
        supplies = []
        for number, cord in enumerate(CORDS):
            half = replace(scaled(0.5)(whole), meter=replace(whole.meter, meter_id=f"{whole.meter.device_id}:psu{number}", covers=(cord,)))
            supplies.append(moved(half, s=number * apart_s))
        return replace(evidence, series=(*supplies, *rest), alignments=())

    return changed


def moved(one: Series, *, s: float) -> Series:
    """A stream read so much later; what it shows is the same."""
    by_ns = round(s * 1e9)
    raw = {name: None if (column := getattr(one, name)) is None else column + by_ns for name in ("t_read0_ns", "t_read1_ns")}
    return replace(one, t_ns=one.t_ns + by_ns, **raw)


def second_moved(s: float) -> Change:
    """The second channel of the analyser read later."""
    return each_series(lambda one: moved(one, s=s), where=is_second)


def status_of_whitelist(status: str | None) -> Any:
    """The card's word on the whitelist, of every meter."""

    def changed(folder: Path) -> None:
        path = next(folder.rglob("card.json"))
        card = json.loads(path.read_text(encoding="utf-8"))
        for one in card["meters"]:
            one["whitelist"] = None if status is None else {**one["whitelist"], "status": status}
        path.write_text(json.dumps(card), encoding="utf-8")

    return changed


def other_status(folder: Path) -> None:
    """The card calls listed what is not, and unlisted what is."""
    path = next(folder.rglob("card.json"))
    card = json.loads(path.read_text(encoding="utf-8"))
    for one in card["meters"]:
        one["whitelist"]["status"] = "unlisted" if one["whitelist"]["status"] == "listed" else "listed"
    path.write_text(json.dumps(card), encoding="utf-8")


def is_gpu_power(one: Series) -> bool:
    return one.meter.quantity is Quantity.POWER and bool(set(GPUS) & set(one.meter.covers))


def only_measured(evidence: Evidence) -> Evidence:
    """The accelerators were not read while the node was idle after the work."""
    (after,) = (w for w in evidence.run.windows if w.name == "idle_after")
    return each_series(lambda one: one.rows(one.t_ns < after.begin_ns), where=is_gpu_power)(evidence)


def is_second(one: Series) -> bool:
    return is_headline(one) and one.meter.channel == "ch2"


def slow_second_supply(evidence: Evidence) -> Evidence:
    """Two supplies, of which the second is read each five seconds."""
    told = two_supplies(apart_s=0.0)(evidence)
    second = f"{CORDS[1]}"
    series = (one.rows(np.arange(len(one)) % 5 == 0) if is_headline(one) and second in one.meter.covers else one for one in told.series)
    return replace(told, series=tuple(series))


def silent_second(evidence: Evidence) -> Evidence:
    """The second channel of the analyser ends after the first measured phase."""
    end_ns = evidence.run.measured[0].end_ns + 5_000_000_000
    return each_series(lambda one: one.rows(one.t_ns <= end_ns), where=is_second)(evidence)


RANGE_UNTOLD: Final = meters(range=None, vendor="none", accuracy=Accuracy(0.5))
WITHOUT_RANGES: Final = chained(RANGE_UNTOLD, meters(boundary=Boundary.OUTLET))
NAMELESS: Final = chained(of_percent(3.0), certified(serial="", laboratory=""))

SPOILS: Final[Sequence[Spoil]] = (
    Spoil("MET-1", "serial unknown", meters(serial="Unknown")),
    Spoil("MET-1", "two serials of one device", meters(where=is_second, serial="C2XL99999V"), grades=ES2),
    Spoil("MET-1", "no firmware", meters(firmware=""), verdict=Verdict.CANNOT_TELL),
    Spoil("MET-1", "no wiring", chained(unaligned, without(is_gpu_power), meters(covers=(), cords=())), verdict=Verdict.CANNOT_TELL),
    Spoil("MET-2", "5 percent", of_percent(5.0)),
    Spoil("MET-2", "3 percent", of_percent(3.0), grades=ES2),
    Spoil("MET-2", "3 percent with certificate", of_percent(3.0), grades=ES1, verdict=Verdict.PASS),
    Spoil("MET-2", "range far too wide", meters(accuracy=Accuracy(0.1, 0.3, 10_000.0, source="data sheet")), grades=ES2),
    Spoil("MET-2", "no alignment and no accuracy", unaligned, grades=ES1, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-2", "accuracy unknown", chained(unaligned, meters(accuracy=None, model="WT9")), verdict=Verdict.CANNOT_TELL),
    Spoil(
        "MET-2",
        "a certificate that names nothing",
        chained(of_percent(3.0), certified(serial="", laboratory="")),
        grades=ES1,
        verdict=ABSENT,
    ),
    Spoil("MET-2", "a certificate of another meter", chained(of_percent(3.0), certified(serial="X1")), grades=ES1, verdict=ABSENT),
    Spoil("MET-3", "a status of the other kind", files=other_status),
    Spoil("MET-3", "a status of one's own", files=status_of_whitelist("gold")),
    Spoil("MET-3", "no status", files=status_of_whitelist(None), verdict=Verdict.CANNOT_TELL),
    Spoil("MET-4", "automatic range", ranged(auto=True), grades=ES2),
    Spoil("MET-4", "crest factor 2", ranged(crest_factor=2.0), grades=ES2),
    Spoil("MET-4", "a range of 4 A", ranged(amps=4.0), grades=ES2),
    Spoil("MET-4", "one reading over range", where_measured(a_reading_over_range), grades=ES2),
    Spoil("MET-4", "one current over range", where_measured(a_reading_over_range, where=is_quantity(Quantity.CURRENT)), grades=ES2),
    Spoil("MET-4", "complaint of over range", complained(Complaint.OVER_RANGE), grades=ES2),
    Spoil(
        "MET-4", "an analyser that tells of no range", meters(range=None, vendor="none", accuracy=Accuracy(0.5)), grades=ES2, verdict=ABSENT
    ),
    Spoil("MET-4", "range unknown", meters(range=None), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-4", "current unknown", without(is_quantity(Quantity.CURRENT)), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil(
        "MET-4",
        "a meter without ranges",
        WITHOUT_RANGES,
        grades=ES2,
        verdict=Verdict.NOT_APPLICABLE,
    ),
    Spoil("MET-5", "one reading at the bottom of its range", where_measured(a_reading_of_20_w), grades=ES2),
    Spoil("MET-5", "complaint of uncertainty", complained(Complaint.UNCERTAINTY), grades=ES2),
    Spoil("MET-5", "1.2 percent", of_percent(1.2), grades=ES2),
    Spoil("MET-5", "accuracy unknown", meters(accuracy=None, model="WT9"), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-6", "of another serial", certified(serial="C2XL00000V"), grades=ES2),
    Spoil("MET-6", "two years old", certified(date="2024-10-30"), grades=ES2),
    Spoil("MET-6", "issued after the run", certified(date="2026-11-03"), grades=ES2),
    Spoil("MET-6", "a laboratory without accreditation", certified(laboratory="Our own bench"), grades=ES2),
    Spoil("MET-6", "a digest that is none", certified(sha256="see folder"), grades=ES2),
    Spoil("MET-6", "no certificate", meters(certificate=None), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-6", "an uncertainty of 0", certified(u95_rel=0.0), grades=ES2, verdict=ABSENT),
    Spoil("MET-6", "no file", certified(sha256=""), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-7", "accelerators take more than the node", each_series(scaled(1.6), where=is_gpu_power)),
    Spoil(
        "MET-7",
        "voltage 6 percent low",
        chained(
            labelled(nominal_voltage_v="230"),
            each_series(scaled(0.94), where=is_quantity(Quantity.VOLTAGE)),
            each_series(scaled(1 / 0.94), where=is_quantity(Quantity.CURRENT)),
        ),
        grades=ES2,
    ),
    Spoil("MET-7", "current of another cord", each_series(scaled(1.03), where=is_quantity(Quantity.CURRENT)), grades=ES2),
    Spoil(
        "MET-7",
        "low power factor and no crest factor",
        chained(
            each_series(scaled(0.85), where=is_quantity(Quantity.POWER_FACTOR)),
            each_series(scaled(1 / 0.85), where=is_quantity(Quantity.CURRENT)),
            ranged(crest_factor=None),
        ),
        grades=ES2,
    ),
    Spoil("MET-7", "nothing inside the node was read", without(is_gpu_power), verdict=ABSENT),
    Spoil("MET-7", "nothing inside the idle node was read", only_measured, verdict=ABSENT),
    Spoil("MET-7", "no voltage", without(is_quantity(Quantity.VOLTAGE)), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("MET-7", "no voltage at the BMC", grades=ES1, verdict=Verdict.WARN),
    Spoil("MET-8", "second channel late", second_moved(0.4), grades=ES2),
    Spoil("MET-8", "one supply each second and one each five", slow_second_supply, grades=ES1),
    Spoil("MET-8", "supplies read together", two_supplies(apart_s=0.3), grades=ES1, verdict=Verdict.PASS),
    Spoil("MET-8", "second channel silent", silent_second, grades=ES2, verdict=Verdict.CANNOT_TELL),
)
