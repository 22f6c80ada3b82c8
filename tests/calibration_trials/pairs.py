"""Seeded pairs of a sensor and a reference on one load, good ones and bad ones, with the truth about them.

Imports of the product only what describes a meter and holds its readings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from joulemark.energy.series import Series
from joulemark.readings import Accuracy, Averaging, Boundary, Current, MeterInfo, Quantity

Float64 = NDArray[np.float64]
NS: Final = 1_000_000_000
BEGIN_NS: Final = 1_793_000_000 * NS
GRID_S: Final = 0.05
SETTLE_S, WINDOW_S, WINDOWS, LEAD_S = 60.0, 60.0, 5, 30.0
PLATEAU_S: Final = SETTLE_S + WINDOWS * WINDOW_S
LEVELS: Final = (("idle", 0.0), ("mid", 0.5), ("full", 1.0))
HELD_S: Final = 240.0
LATER_S: Final = 400.0
"""Length of the run, on another day, that the alignment is applied to."""


@dataclass(frozen=True)
class Truth:
    """What is true of a pair. `gain`, `offset_w`: true power over what the sensor shows, when it was aligned; `lag_s` beyond the middle of
    the averaging window; `energy_j` of the later run; `drifted`: gain of that day over that of the alignment.
    """

    gain: float
    offset_w: float
    lag_s: float
    energy_j: float
    drifted: float


@dataclass(frozen=True)
class Pair:
    """Readings of the alignment, spans of its plateaus as (name, begin of the windows, end), the run held out, and the later run.

    `reference_u_rel`: what is known of the reference. `age_d`: days until the later run; `later` reads it within [later_begin_ns,
    later_end_ns]. `bad`: what is wrong with the pair, empty for a good one.
    """

    seed: int
    bad: str
    sensor: Series
    reference: Series
    spans: tuple[tuple[str, int, int], ...]
    held_out: tuple[int, int]
    age_d: float
    later: Series
    later_begin_ns: int
    later_end_ns: int
    truth: Truth


def watts_of(level: Float64, idle_w: float, full_w: float) -> Float64:
    """Power of a load level."""
    return idle_w + (full_w - idle_w) * level


def level_of(length_s: float, stretches: list[tuple[float, float, float]], rng: np.random.Generator) -> Float64:
    """Share of full load on the grid: ramps of half a second, a slow wave and noise of a second."""
    t_s = np.arange(0.0, length_s, GRID_S)
    share = np.zeros(len(t_s))
    for begin_s, end_s, level in stretches:
        share += level * np.minimum(np.clip((t_s - begin_s) / 0.5, 0, 1), np.clip((end_s - t_s) / 0.5, 0, 1))
    wobble = 0.004 * np.sin(2 * np.pi * t_s / rng.uniform(30, 90)) + rng.normal(0, 0.006, int(length_s) + 2)[t_s.astype(int)]
    return np.where(share > 0, share * (1.0 + wobble), 0.0)


def shown(watts: Float64, at_s: Float64, *, window_s: float, lag_s: float) -> Float64:
    """Mean over the window before each reading, late by `lag_s`."""
    grid_s = np.arange(len(watts)) * GRID_S
    total = np.concatenate(([0.0], np.cumsum((watts[1:] + watts[:-1]) / 2.0) * GRID_S))
    late, early = np.interp(at_s - lag_s, grid_s, total), np.interp(at_s - lag_s - window_s, grid_s, total)
    return np.asarray((late - early) / window_s)


def series_of(meter: MeterInfo, at_s: Float64, watts: Float64, begin_ns: int, *, window_s: float) -> Series:
    """Readings in steps of the meter, each at the middle of its window."""
    t_ns = begin_ns + np.round((at_s - window_s / 2.0) * NS).astype(np.int64)
    counts = np.round(watts / 10.0**meter.exponent / meter.step).astype(np.int64) * meter.step
    return Series.plain(meter, t_ns, counts, t_unc_ns=1_000_000)


@dataclass(frozen=True)
class Sensor:
    """One imperfect sensor: reading = (true - offset) / gain, averaged, late, noisy, in steps."""

    gain: float
    offset_w: float
    lag_s: float
    noise_w: float
    step_w: int
    every_s: float

    def read(self, watts: Float64, begin_ns: int, rng: np.random.Generator, *, drifted: float = 1.0) -> Series:
        """What it shows of a load."""
        meter = replace(SENSOR, step=self.step_w, averaging_window_s=self.every_s, update_period_s=self.every_s)
        at_s = np.arange(self.every_s + max(self.lag_s, 0.0) + rng.uniform(0, self.every_s), len(watts) * GRID_S, self.every_s)
        seen = shown(watts, at_s, window_s=self.every_s, lag_s=self.lag_s)
        says = (seen - self.offset_w) / self.gain * drifted + rng.normal(0, self.noise_w, len(at_s))
        return series_of(meter, at_s, says, begin_ns, window_s=self.every_s)


SENSOR: Final = MeterInfo(
    meter_id="redfish:trial:S1:power",
    kind="redfish",
    quantity=Quantity.POWER,
    exponent=0,
    boundary=Boundary.SERVER_INPUT,
    current=Current.AC,
    serial="S1",
    averaging=Averaging.BOXCAR,
)
REFERENCE: Final = MeterInfo(
    meter_id="scpi:trial:R1:sum",
    kind="scpi",
    quantity=Quantity.POWER,
    exponent=-2,
    boundary=Boundary.WALL_ANALYZER,
    current=Current.AC,
    serial="R1",
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    update_period_s=1.0,
)


def good(seed: int) -> Pair:
    """A pair within what the standard allows, every property drawn from `seed`."""
    rng = np.random.default_rng([seed, 1])
    sensor = Sensor(
        gain=rng.uniform(0.92, 1.08),
        offset_w=rng.uniform(-20.0, 40.0),
        lag_s=rng.uniform(-1.0, 6.0),
        noise_w=rng.uniform(0.5, 12.0),
        step_w=int(rng.choice([1, 2, 4, 8])),
        every_s=float(rng.choice([0.5, 1.0, 2.0])),
    )
    return pair(seed, "", sensor, rng)


def pair(
    seed: int,
    bad: str,
    sensor: Sensor,
    rng: np.random.Generator,
    *,
    levels: tuple[tuple[str, float], ...] = LEVELS,
    distort: Callable[[Float64], Float64] = lambda watts: watts,
    other: bool = False,
) -> Pair:
    """The readings of a pair. `distort`: what the sensor makes of the true power before all else; `other`: it watches another load."""
    idle_w, full_w = rng.uniform(300.0, 2500.0), rng.uniform(3000.0, 10_000.0)
    begins = [LEAD_S + n * PLATEAU_S for n in range(len(levels))]
    held_s = begins[-1] + PLATEAU_S + 60.0
    stretches = [(at, at + PLATEAU_S, level) for at, (_, level) in zip(begins, levels, strict=True) if level]
    stretches.append((held_s, held_s + HELD_S, 0.7))
    length_s = held_s + HELD_S + LEAD_S
    true_w = watts_of(level_of(length_s, stretches, rng), idle_w, full_w)
    elsewhere = [(at + 77.0, at + 77.0 + PLATEAU_S / 2.0, 0.9) for at in begins]
    seen_w = watts_of(level_of(length_s, elsewhere, rng), idle_w, full_w) if other else true_w
    limit_rel = rng.uniform(0.0005, 0.005)
    wrong = 1.0 + rng.uniform(-limit_rel, limit_rel)
    reference_meter = replace(REFERENCE, accuracy=Accuracy(pct_reading=100.0 * limit_rel, source="trial"))
    at_s = np.arange(1.0 + rng.uniform(0, 1), length_s, 1.0)
    reading = shown(true_w, at_s, window_s=1.0, lag_s=0.0) * wrong + rng.normal(0, 0.1, len(at_s))
    reference = series_of(reference_meter, at_s, reading, BEGIN_NS, window_s=1.0)
    age_d = rng.uniform(1.0, 85.0)
    drifted = 1.0 + rng.uniform(-0.01, 0.01) * age_d / 90.0
    later_w = watts_of(level_of(LATER_S + 2 * LEAD_S, [(LEAD_S, LEAD_S + LATER_S, rng.uniform(0.3, 0.95))], rng), idle_w, full_w)
    later_ns = BEGIN_NS + round(age_d * 86_400) * NS
    edges_s = (LEAD_S + 20.0, LEAD_S + LATER_S - 20.0)
    grid_s = np.arange(len(later_w)) * GRID_S
    inside = (grid_s >= edges_s[0]) & (grid_s < edges_s[1])

    def at(second: float, zero_ns: int = BEGIN_NS) -> int:
        return zero_ns + round(second * NS)

    return Pair(
        seed,
        bad,
        sensor.read(distort(seen_w), BEGIN_NS, rng),
        reference,
        tuple((name, at(begin + SETTLE_S), at(begin + PLATEAU_S)) for begin, (name, _) in zip(begins, levels, strict=True)),
        (at(held_s + 60.0), at(held_s + HELD_S)),
        age_d,
        sensor.read(distort(later_w), later_ns, rng, drifted=drifted),
        at(edges_s[0], later_ns),
        at(edges_s[1], later_ns),
        Truth(sensor.gain, sensor.offset_w, sensor.lag_s, float(later_w[inside].sum() * GRID_S), drifted),
    )


def bulged(watts: Float64) -> Float64:
    """Right at idle and at full load, by 8 % too high half way between them: 5 % off a line, where 2 % are allowed."""
    share = (watts - watts.min()) / np.ptp(watts)
    return np.asarray(watts * (1.0 + 0.08 * 4.0 * share * (1.0 - share)))


def bad(seed: int) -> Pair:
    """A pair that must not be accepted; which fault it has goes round with `seed`."""
    rng = np.random.default_rng([seed, 2])
    sensor = Sensor(rng.uniform(0.95, 1.05), rng.uniform(-10.0, 20.0), rng.uniform(0.0, 3.0), 2.0, 2, 1.0)
    fault = FAULTS[seed % len(FAULTS)]
    if fault == "wrong channel":
        return pair(seed, fault, replace(sensor, gain=sensor.gain * 2.0), rng)
    if fault == "other node":
        return pair(seed, fault, sensor, rng, other=True)
    if fault == "saturated":
        return pair(seed, fault, sensor, rng, distort=lambda watts: np.minimum(watts, watts.min() + 0.7 * np.ptp(watts)))
    if fault == "nonlinear":
        return pair(seed, fault, sensor, rng, distort=bulged)
    if fault == "frozen":
        return pair(seed, fault, sensor, rng, distort=lambda watts: np.full_like(watts, float(watts[0])))
    if fault == "lag beyond range":
        return pair(seed, fault, replace(sensor, lag_s=rng.uniform(10.5, 17.0)), rng)
    if fault == "one plateau":
        return pair(seed, fault, sensor, rng, levels=(("idle", 0.0),))
    return pair(seed, fault, replace(sensor, gain=float(rng.choice([0.8, 1.25]))), rng)


FAULTS: Final = ("wrong channel", "other node", "saturated", "nonlinear", "frozen", "lag beyond range", "one plateau", "gain far off")
