"""What may be wrong by the rules SMP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from joulemark.cards.evidence import Aligned, Evidence
from joulemark.energy.series import Float64, Series
from joulemark.readings import Averaging, MeterInfo, Quality, Quantity
from joulemark.runs import PhaseKind, Window
from joulemark.standard.verdict import Verdict
from tests.kit.sensors import dated
from tests.kit.spoil import Spoil

NS: Final = 1_000_000_000
HEADLINE: Final = ("redfish", "scpi")
"""Kinds of the meters that the energy of the good bundles comes from."""


def leads(series: Series) -> bool:
    """Whether the headline comes from `series`: the BMC at ES1, the analyser at ES2."""
    return series.meter.kind in HEADLINE and series.meter.quantity.measures_energy


def measured(evidence: Evidence, number: int = 1) -> Window:
    """The repetition `number`, from 1."""
    return [one for one in evidence.run.windows if one.kind is PhaseKind.MEASURED][number - 1]


def at(evidence: Evidence, second: float, *, number: int = 1) -> int:
    """UTC of a second of a repetition; negative: before its end."""
    window = measured(evidence, number)
    return (window.begin_ns if second >= 0 else window.end_ns) + round(second * NS)


def changed(change: Callable[[Series, Evidence], Series]) -> Callable[[Evidence], Evidence]:
    """Evidence with the headline's first stream changed."""

    def spoil(evidence: Evidence) -> Evidence:
        first = next(place for place, one in enumerate(evidence.series) if leads(one))
        series = list(evidence.series)
        series[first] = change(series[first], evidence)
        return replace(evidence, series=tuple(series))

    return spoil


def described(**facts: object) -> Callable[[Evidence], Evidence]:
    """Evidence in which every meter of the headline says something else of itself."""

    def spoil(evidence: Evidence) -> Evidence:
        series = tuple(replace(one, meter=replace(one.meter, **facts)) if leads(one) else one for one in evidence.series)  # type: ignore[arg-type]  # any field
        return replace(evidence, series=series)

    return spoil


def without(begin_s: float, end_s: float, *, number: int = 1) -> Callable[[Evidence], Evidence]:
    """Evidence without the readings strictly between two seconds of a repetition."""

    def cut(series: Series, evidence: Evidence) -> Series:
        lost = (series.t_ns > at(evidence, begin_s, number=number)) & (series.t_ns < at(evidence, end_s, number=number))
        return series.rows(~lost)

    return changed(cut)


def each(step: int) -> Callable[[Evidence], Evidence]:
    """Evidence with every `step`-th reading only."""
    return changed(lambda series, _: series.rows(np.arange(len(series)) % step == 0))


def sparse(evidence: Evidence) -> Evidence:
    """A reading of half a second every two."""
    return described(averaging_window_s=0.5)(each(2)(evidence))


def unaligned_and_unknown(evidence: Evidence) -> Evidence:
    """A meter that does not say over how long it averages, never aligned."""
    return replace(described(averaging_window_s=None)(evidence), alignments=())


def unread_before_begin(series: Series, evidence: Evidence) -> Series:
    """The stream begins in the middle of the first repetition."""
    return series.rows(series.t_ns > at(evidence, 3.0))


def stopped_early(series: Series, evidence: Evidence) -> Series:
    """The stream ends in the middle of the last repetition."""
    last = len(evidence.run.measured)
    return series.rows(series.t_ns < at(evidence, -3.0, number=last))


def without_bracket(series: Series, evidence: Evidence) -> Series:
    """Nobody kept when the readings were taken."""
    del evidence
    return replace(series, t_read0_ns=None, t_read1_ns=None)


def summer_time(series: Series, evidence: Evidence) -> Series:
    """The times of reads stand an hour beside the times of readings."""
    del evidence
    assert series.t_read0_ns is not None
    assert series.t_read1_ns is not None
    return replace(series, t_read0_ns=series.t_read0_ns + 3600 * NS, t_read1_ns=series.t_read1_ns + 3600 * NS)


def certain(series: Series, evidence: Evidence) -> Series:
    """The half-widths forget the update period."""
    del evidence
    return replace(series, t_unc_ns=np.full(len(series), 1_000_000, dtype=np.int64))


def held(begin_s: float, length_s: float) -> Callable[[Evidence], Evidence]:
    """One value for a while, which the GPUs did not hold."""

    def hold(series: Series, evidence: Evidence) -> Series:
        begin_ns = at(evidence, begin_s)
        rows = (series.t_ns >= begin_ns) & (series.t_ns <= begin_ns + round(length_s * NS))
        return replace(series, value=np.where(rows, series.value[int(np.argmax(rows))], series.value))

    return changed(hold)


def unwitnessed(evidence: Evidence) -> Evidence:
    """One value for a while, and no other stream."""
    still = held(20.0, 40.0)(evidence)
    return replace(still, series=tuple(one for one in still.series if one.meter.kind != "nvml"))


def stood(series: Series, evidence: Evidence) -> Series:
    """The device's own time stands still for 40 s, though its values move."""
    assert series.t_read0_ns is not None
    rows = (series.t_ns >= at(evidence, 20.0)) & (series.t_ns <= at(evidence, 60.0))
    said_ns = np.where(rows, series.t_read0_ns[int(np.argmax(rows))], series.t_read0_ns)
    return replace(series, t_device_ns=said_ns)


def of_another_workload(evidence: Evidence) -> Evidence:
    """A sensor that looks a quarter of the time, aligned on a load of its own."""
    blind = described(averaging_window_s=0.25)(evidence)
    return replace(blind, alignments=tuple(relabelled(one) for one in evidence.alignments))


def relabelled(aligned: Aligned) -> Aligned:
    """The alignment with a synthetic load in all its plateaus and its held-out run."""
    record = aligned.record
    assert record.held_out is not None
    plateaus = tuple(replace(one, workload="gpu-burn") for one in record.plateaus)
    return replace(aligned, record=replace(record, plateaus=plateaus, held_out=replace(record.held_out, workload="gpu-burn")))


def short(evidence: Evidence) -> Evidence:
    """A first repetition of four seconds."""
    window = measured(evidence)
    windows = tuple(replace(one, end_ns=one.begin_ns + 4 * NS) if one is window else one for one in evidence.run.windows)
    return replace(evidence, run=replace(evidence.run, windows=windows))


def with_counter(
    *, gain: float = 1.0, idle_w: float = 0.0, every_s: float = 1.0, alone: bool = False, **facts: object
) -> Callable[[Evidence], Evidence]:
    """Evidence in which each meter of the headline also counts energy: `gain` times what it shows, and `idle_w` more while idle.

    `alone`: it does not show power any more. `facts`: what the counter says of itself. The count is in the integers of the meter.
    """

    def add(evidence: Evidence) -> Evidence:
        found: list[Series] = []
        for one in evidence.series:
            found += [one] if not leads(one) or not alone else []
            if leads(one):
                found.append(counter(one, evidence, gain=gain, idle_w=idle_w, every_s=every_s, **facts))
        return replace(evidence, series=tuple(found))

    return add


def counter(one: Series, evidence: Evidence, *, gain: float, idle_w: float, every_s: float, **facts: object) -> Series:
    """The energy counter beside the power `one`."""
    meter = replace(
        one.meter,
        meter_id=f"{one.meter.meter_id}-energy",
        quantity=Quantity.ENERGY_COUNTER,
        exponent=-3,
        averaging=Averaging.UNKNOWN,
        averaging_window_s=None,
        step=1,
        rated_w=3000.0,
    )
    meter = replace(meter, **facts)  # type: ignore[arg-type]  # any field
    end_ns = one.t_ns + one.meter.lag_ns
    idle = np.zeros(len(one), dtype=bool)
    for window in evidence.run.windows:
        if window.kind in (PhaseKind.IDLE_BEFORE, PhaseKind.IDLE_AFTER):
            idle |= (end_ns >= window.begin_ns) & (end_ns <= window.end_ns)
    power_w: Float64 = one.si() * gain + np.where(idle, idle_w, 0.0)
    count = np.concatenate(([0.0], np.cumsum((power_w[1:] + power_w[:-1]) / 2.0 * np.diff(one.t_ns) / NS)))
    at_s = np.arange(float(one.t_ns[0]), float(one.t_ns[-1]), every_s * NS)
    t_ns = at_s.astype(np.int64)
    shown = np.interp(t_ns, one.t_ns, count)
    return counted(meter, t_ns, shown)


def counted(meter: MeterInfo, t_ns: np.ndarray[tuple[int, ...], np.dtype[np.int64]], energy_j: Float64) -> Series:
    """Readings of a counter that shows `energy_j`, in its steps, and wraps by its modulus."""
    series = dated(meter, t_ns, energy_j)
    return series if meter.modulus is None else replace(series, value=series.value % meter.modulus)


def reset(evidence: Evidence) -> Evidence:
    """A counter alone, which begins anew in the middle of the first repetition."""

    def again(series: Series, _: Evidence) -> Series:
        lost = np.where(series.t_ns > at(evidence, 50.0), series.value.max() // 2, 0)
        return replace(series, value=series.value - lost)

    return changed(again)(with_counter(alone=True)(evidence))


def stopped(evidence: Evidence) -> Evidence:
    """A counter alone, which does not advance for 40 s."""
    alone = with_counter(alone=True)(evidence)

    def stop(series: Series, _: Evidence) -> Series:
        rows = (series.t_ns > at(evidence, 40.0)) & (series.t_ns < at(evidence, 80.0))
        return replace(series, value=np.where(rows, series.value[int(np.argmax(rows))], series.value))

    return changed(stop)(alone)


def refused(share: float) -> Callable[[Evidence], Evidence]:
    """Answers of the first repetition that are no number, spread evenly."""

    def refuse(series: Series, evidence: Evidence) -> Series:
        inside = np.flatnonzero((series.t_ns >= at(evidence, 5.0)) & (series.t_ns <= at(evidence, -5.0)))
        rows = inside[:: max(1, round(1.0 / share))]
        quality = series.quality.copy()
        quality[rows] = Quality.SENTINEL
        return replace(series, quality=quality, reasons=dict.fromkeys(rows.tolist(), "the meter said nan"))

    return changed(refuse)


def overflow(series: Series, evidence: Evidence) -> Series:
    """An overflow code taken for a power."""
    value = series.value.copy()
    value[int(np.argmax(series.t_ns >= at(evidence, 30.0)))] = 10**15
    return replace(series, value=value)


def burst(series: Series, evidence: Evidence) -> Series:
    """While power is low readings come ten times as often: the mean of the samples is not the mean of the power."""
    rows = (series.t_ns >= at(evidence, 20.0)) & (series.t_ns <= at(evidence, 60.0))
    low = replace(series, value=np.where(rows, series.value * 3 // 4, series.value))
    more = [low.rows(rows) for _ in range(9)]
    moved = [replace(one, t_ns=one.t_ns + (k + 1) * NS // 10) for k, one in enumerate(more)]
    t_ns = np.concatenate([low.t_ns, *(one.t_ns for one in moved)])
    order = np.argsort(t_ns, kind="stable")
    value = np.concatenate([low.value, *(one.value for one in moved)])[order]
    return Series.plain(series.meter, t_ns[order], value, t_unc_ns=501_000_000)


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("SMP-1", "slow reads", each(6)),
    Spoil("SMP-1", "reads every two seconds without averaging", sparse),
    Spoil("SMP-1", "long averaging", described(averaging_window_s=10.0)),
    Spoil(
        "SMP-1", "unknown averaging", lambda e: replace(described(averaging_window_s=None)(e), alignments=()), verdict=Verdict.CANNOT_TELL
    ),
    Spoil("SMP-1", "counter far from the edges", with_counter(alone=True, every_s=25.0)),
    Spoil("SMP-1", "counter every four seconds", with_counter(alone=True, every_s=4.0), verdict=Verdict.PASS),
    Spoil("SMP-2", "few readings", each(3), grades=("ES1",)),
    Spoil("SMP-2", "half of the readings in one repetition", without(30.0, 105.0), grades=("ES1",)),
    Spoil("SMP-2", "three in a hundred lost", without(30.0, 52.0), grades=("ES2",)),
    Spoil("SMP-2", "few counter readings", with_counter(alone=True, every_s=130.0)),
    Spoil("SMP-2", "counter", with_counter(alone=True), verdict=Verdict.PASS),
    Spoil("SMP-3", "hole of five seconds", without(30.0, 35.0)),
    Spoil("SMP-3", "hole in the last repetition", without(30.0, 35.0, number=3)),
    Spoil("SMP-4", "late start", changed(unread_before_begin)),
    Spoil("SMP-4", "early stop", changed(stopped_early)),
    Spoil("SMP-5", "no read bracket", changed(without_bracket), verdict=Verdict.CANNOT_TELL),
    Spoil("SMP-5", "reads in summer time", changed(summer_time)),
    Spoil("SMP-5", "half-widths without the update period", changed(certain)),
    Spoil("SMP-6", "value held while the load ends", held(-25.0, 45.0)),
    Spoil("SMP-6", "frozen time of the device", changed(stood)),
    Spoil("SMP-6", "frozen counter", stopped),
    Spoil(
        "SMP-6",
        "one value without a witness",
        unwitnessed,
        verdict=Verdict.CANNOT_TELL,
    ),
    Spoil("SMP-7", "a quarter of the time, another workload aligned", of_another_workload),
    Spoil("SMP-7", "a quarter of the time", described(averaging_window_s=0.25), grades=("ES2",)),
    Spoil(
        "SMP-7", "a quarter of the time, this workload aligned", described(averaging_window_s=0.25), grades=("ES1",), verdict=Verdict.PASS
    ),
    Spoil("SMP-7", "short phase", short),
    Spoil("SMP-8", "counter", with_counter(alone=True), verdict=Verdict.PASS),
    Spoil("SMP-8", "reset", reset),
    Spoil("SMP-8", "wraps between two polls", with_counter(alone=True, modulus=4_000_000)),
    Spoil("SMP-8", "wrap of unknown rated power", with_counter(alone=True, modulus=20_000_000, rated_w=None), verdict=Verdict.CANNOT_TELL),
    Spoil("SMP-9", "counter and power", with_counter(), verdict=Verdict.PASS),
    Spoil("SMP-9", "counter of another thing", with_counter(gain=1.05)),
    Spoil("SMP-9", "idle alone disagrees", with_counter(idle_w=60.0), verdict=Verdict.WARN),
    Spoil("SMP-10", "bursts", changed(burst)),
    Spoil("SMP-11", "one answer in twenty is no number", refused(0.05), grades=("ES1",)),
    Spoil("SMP-11", "one answer in twenty is a gap", refused(0.05), grades=("ES2",), verdict=Verdict.PASS),
    Spoil("SMP-11", "overflow taken for power", changed(overflow)),
)
