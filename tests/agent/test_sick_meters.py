"""What a sick meter comes to: agent, spool, store and energy of a phase, in one process on a clock that is moved by hand.

A phase of 150 s begins 50 s after the first read; the fault strikes in its middle. Whatever it is, the joules are right within
their uncertainty, or there are none, and the card shows that something is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import Runner
from joulemark.agent.spool import Spool
from joulemark.agent.wiring import RunnerConfig
from joulemark.collector.store.base import Received
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.config import MeterTable, build
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.meters.fake import DRIVER, FakeConfig, energy_j
from joulemark.proto import convert
from joulemark.readings import Quality
from joulemark.runs import PhaseKind, Window
from tests.conftest import ManualClock

S = 1_000_000_000
READS = 250
BEGIN_S, END_S = 50, 200
WAVE = {"waveform": "sine", "period_s": 37.0, "counter_step_s": 1.0}


@dataclass
class Measured:
    """A phase as a card would show it, the rows of each meter, and the truth."""

    phase: dict[str, Any] | None
    why: str
    power: Series
    counter: Series
    truth_j: float

    @property
    def coverage(self) -> float:
        assert self.phase is not None
        return min(device["coverage"] for device in self.phase["devices"])

    def qualities(self, series: Series) -> set[Quality]:
        return {Quality(q) for q in series.quality}


Measure = Callable[..., Measured]


@pytest.fixture
def measured(tmp_path: Path, spool: Spool, batcher_of: Callable[..., Batcher], manual_clock: ManualClock) -> Measure:
    def run(only: str = "", **options: Any) -> Measured:
        """Read one fake meter each second, deliver it, and measure the phase from all its channels or from `only`."""
        settings = {**WAVE, **options}
        batcher = batcher_of(spool)
        meter = DRIVER.build(MeterTable("fake", settings), host="h")
        runner = Runner("fake", meter, RunnerConfig(), clock=manual_clock, batcher=batcher, interval_ms=1000)
        begin_ns = manual_clock.utc + 123_456_789
        for _ in range(READS):
            runner.poll()
            manual_clock.advance(S)
        batcher.close()
        store = SqliteStore(tmp_path / "readings.db")
        for stored in spool.claim((-1, -1), 999):
            view = convert.decode(stored.frozen.body)
            store.append(Received("h", view, stored.frozen.body, manual_clock.utc, same_clock=True)).result()
        store.seal(manual_clock.utc, everything=True)
        series = {s.meter.channel: s for s in store.series(["fake:h:0:power", "fake:h:0:energy"], begin_ns - S, begin_ns + 2 * READS * S)}
        store.close()
        window = Window("decode", PhaseKind.MEASURED, begin_ns + BEGIN_S * S, begin_ns + END_S * S)
        wave = build(FakeConfig, settings, "fake")
        truth_j = energy_j(wave, window.begin_ns, window.end_ns)
        try:
            phase = measure(window, [s for name, s in series.items() if only in name]).to_json()
        except InsufficientData as error:
            return Measured(None, error.what, series["power"], series["energy"], truth_j)
        return Measured(phase, " ".join(phase["findings"]), series["power"], series["energy"], truth_j)

    return run


def right(found: Measured) -> None:
    """The joules are those of the wave within what the card says of them."""
    assert found.phase is not None
    assert abs(found.phase["energy_j"] - found.truth_j) <= found.phase["u95_j"] + 1e-6 * found.truth_j


STRUCK = {"fault_after": 100, "fault_for": 40}
AWAY = {"fault": "gone", "fault_after": 100, "fault_for": 5}
"""Gone, and then for the four attempts that waits of 1, 2, 4 and 8 s separate: back after 31 s."""


def test_a_healthy_meter_is_complete(measured: Measure) -> None:
    """Without a fault nothing is flagged, coverage is 1, and power and counter both give the energy of the wave."""
    found = measured()
    right(found)
    assert found.qualities(found.power) == found.qualities(found.counter) == {Quality.OK}
    assert found.coverage == 1.0
    assert found.phase is not None
    assert found.phase["energy_counter_j"] == pytest.approx(found.truth_j, rel=2e-4)
    assert found.phase["energy_trapezoid_j"] == pytest.approx(found.truth_j, rel=2e-3)


@pytest.mark.parametrize(
    ("fault", "flag"),
    [
        ("zero", Quality.OK),
        ("negative", Quality.OK),
        ("sentinel", Quality.SENTINEL),
        ("over_range", Quality.OVER_RANGE),
        ("squelched", Quality.SQUELCHED),
        ("garbage", Quality.GAP),
        ("error", Quality.GAP),
    ],
)
def test_power_without_a_value_is_a_gap_on_the_card(measured: Measure, fault: str, flag: Quality) -> None:
    """40 of 150 s in which a power meter has no power are missing on the card, widen the uncertainty, and are never 0 W."""
    found = measured("power", fault=fault, **STRUCK)
    right(found)
    assert flag in found.qualities(found.power)
    assert found.coverage == pytest.approx(1 - 40 / 150, abs=0.03)
    assert found.phase is not None
    assert found.phase["max_gap_s"] >= 40.0
    assert f"40 readings {'are ' + flag.name.lower() if flag is not Quality.OK else 'of 0 W or less'}" in found.why
    assert found.phase["energy_j"] > 0.6 * found.truth_j


def test_a_device_that_comes_back_was_missing(measured: Measure) -> None:
    """31 s without the device are missing from its power, each second of them a gap that says why."""
    found = measured("power", **AWAY)
    right(found)
    assert found.coverage == pytest.approx(1 - 31 / 150, abs=0.01)
    assert list(found.power.reasons.values()) == ["the fake device left on demand"] * 31


@pytest.mark.parametrize("fault", [{"fault": fault, **STRUCK} for fault in ("sentinel", "garbage", "error")] + [AWAY])
def test_a_counter_measures_across_a_fault(measured: Measure, fault: dict[str, Any]) -> None:
    """A cumulative counter that was away in the middle of a phase gives its whole energy, and the card still shows the gap."""
    found = measured(**fault)
    right(found)
    assert found.phase is not None
    assert found.phase["energy_method"] == "counter"
    assert found.phase["energy_j"] == pytest.approx(found.truth_j, rel=2e-4)
    assert found.coverage < 0.81


@pytest.mark.parametrize("fault", ["sentinel", "garbage", "error", "faulty", "gone"])
def test_a_meter_that_stays_away_has_no_energy(measured: Measure, fault: str) -> None:
    """A meter that does not come back before the end of the phase has no energy, and the reason says how far its readings reach."""
    found = measured(fault=fault, fault_after=100)
    assert found.phase is None
    assert "before its end" in found.why
    assert int(found.power.t_ns[-1]) > int(found.power.t_ns[0]) + 240 * S
    assert found.power.reasons


def test_a_frozen_device_is_no_flat_line(measured: Measure) -> None:
    """A device whose values and time stand still for 40 s adds nothing for them to power, and is stale after 30 s."""
    found = measured("power", fault="frozen", **STRUCK)
    right(found)
    assert Quality.STALE in found.qualities(found.power)
    assert found.coverage == pytest.approx(1 - 40 / 150, abs=0.03)
    assert measured_reason(found.power, Quality.STALE).startswith("unchanged for ")


def measured_reason(series: Series, quality: Quality) -> str:
    """The first reason of that quality."""
    return next(series.reasons[i] for i, q in enumerate(series.quality) if q == quality)


@pytest.mark.parametrize("device_time", [True, False])
def test_a_frozen_counter_gives_the_energy_it_missed_when_it_moves(measured: Measure, device_time: bool) -> None:
    """A counter that stood still for 40 s and then shows the truth loses no joule; one that stands to the end has no energy."""
    found = measured("energy", fault="frozen", device_time=device_time, **STRUCK)
    right(found)
    assert Quality.STALE in found.qualities(found.counter)
    assert found.phase is not None
    assert found.phase["energy_j"] == pytest.approx(found.truth_j, rel=2e-3)


def test_a_counter_frozen_to_the_end_has_no_energy(measured: Measure) -> None:
    """A counter that never moves again is no 0 W: there is no energy, and it says so."""
    found = measured("energy", fault="frozen", fault_after=100)
    assert found.phase is None
    assert "before its end" in found.why


def test_a_reset_ends_the_counter_and_power_takes_over(measured: Measure) -> None:
    """A counter that begins anew inside the phase is flagged, not integrated; power gives the energy; alone it gives none."""
    found = measured(fault="reset", fault_after=100)
    right(found)
    assert Quality.RESET in found.qualities(found.counter)
    assert found.phase is not None
    assert (found.phase["energy_method"], found.phase["energy_counter_j"]) == ("trapezoid", None)
    assert "was reset" in found.why


def test_a_reset_counter_alone_has_no_energy(measured: Measure) -> None:
    """A counter that was reset inside the phase, and no power beside it: no energy, never a negative one."""
    found = measured("energy", fault="reset", fault_after=100)
    assert found.phase is None
    assert "was reset" in found.why


@pytest.mark.parametrize("range_j", [2000.0, 7001.0, 10_000.0])
def test_wraps_lose_nothing(measured: Measure, range_j: float) -> None:
    """A counter that wraps many times inside the phase gives the energy of the wave, each wrap flagged."""
    found = measured("energy", counter_range_j=range_j)
    right(found)
    assert found.qualities(found.counter) == {Quality.OK, Quality.WRAPPED}
    assert found.phase is not None
    assert found.phase["energy_j"] == pytest.approx(found.truth_j, rel=2e-4)


@pytest.mark.parametrize("fault", ["noise", "leap"])
def test_a_counter_that_is_not_one_is_not_believed(measured: Measure, fault: str) -> None:
    """A counter that falls back by noise, or shows a number that no power can have made, is unusable; power gives the energy."""
    options = {"waveform": "constant", "mean_w": 0.2, "amplitude_w": 0.0} if fault == "noise" else {}
    found = measured(fault=fault, **STRUCK, **options)
    right(found)
    assert Quality.RESET in found.qualities(found.counter)
    assert found.phase is not None
    assert found.phase["energy_counter_j"] is None
