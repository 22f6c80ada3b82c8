"""A small case by hand: one phase and few meters, every value and time as the test says, to stand just inside a limit or just outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.readings import Averaging, Boundary, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Run, Window
from joulemark.standard.case import Case
from joulemark.standard.checks import checks
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Outcome
from tests.kit.sensors import dated

NS: Final = 1_000_000_000
BEGIN_NS: Final = 1_790_000_000 * NS
"""UTC of second 0, where the measured phase begins."""

POWER: Final = MeterInfo(
    meter_id="redfish:node-1:CN1:power",
    kind="redfish",
    quantity=Quantity.POWER,
    exponent=-3,
    boundary=Boundary.SERVER_INPUT,
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    update_period_s=1.0,
)
COUNTER: Final = replace(
    POWER,
    meter_id="redfish:node-1:CN1:energy",
    quantity=Quantity.ENERGY_COUNTER,
    averaging=Averaging.UNKNOWN,
    averaging_window_s=None,
    rated_w=2000.0,
)


def at(second: float) -> int:
    """UTC of a second of the phase."""
    return BEGIN_NS + round(second * NS)


def shown(at_s: Sequence[float] | np.ndarray[Any, Any], si: Sequence[float] | np.ndarray[Any, Any] | float, meter: MeterInfo) -> Series:
    """Readings that are true at the seconds `at_s`: SI values, or one of them for all."""
    t_ns = BEGIN_NS + np.round(np.asarray(at_s, dtype=np.float64) * NS).astype(np.int64)
    return dated(meter, t_ns + meter.lag_ns, np.broadcast_to(np.asarray(si, dtype=np.float64), t_ns.shape))


def moving(at_s: Sequence[float] | np.ndarray[Any, Any], meter: MeterInfo = POWER) -> Series:
    """Readings of about 1000 W, each of which is news."""
    at_s = np.asarray(at_s, dtype=np.float64)
    return shown(at_s, 1000.0 + np.arange(len(at_s)) % 2, meter)


def case(*series: Series, phase_s: tuple[float, float] = (0.0, 120.0), **more: Any) -> Case:
    """A case with one measured phase; `more`: other evidence."""
    window = Window("measured-1", PhaseKind.MEASURED, at(phase_s[0]), at(phase_s[1]))
    return Case(Path(), Evidence(Run((window,), run_id="r"), tuple(series), **more))


def judged(rule_id: str, grade: str, found: Case) -> Outcome:
    """What the check of a rule says."""
    return checks()[rule_id](found, edition().rule(rule_id), grade)


def verdict(rule_id: str, grade: str, found: Case) -> str:
    """The verdict alone."""
    return str(judged(rule_id, grade, found).verdict)
