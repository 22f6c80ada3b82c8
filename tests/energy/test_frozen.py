from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulemark.energy.frozen import marked
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from tests.energy.waves import T0_NS, S, window

SECONDS = 200
BEGIN, END = 80, 140


def stream(
    meter_id: str, boundary: Boundary, watts: np.ndarray, *, quantity: Quantity = Quantity.POWER, exponent: int = 0, **stated: Any
) -> Series:
    """Read each second; a counter of the same power where that is asked for."""
    info = MeterInfo(meter_id, "x", quantity, exponent, boundary, **stated)
    value = np.round(watts / 10.0**exponent).astype(np.int64)
    if quantity is Quantity.ENERGY_COUNTER:
        value = np.cumsum(value)
    return Series.plain(info, T0_NS + np.arange(len(value), dtype=np.int64) * S, value)


def load(swing_w: float, *, half_s: int = 25) -> np.ndarray:
    """Power that changes between two levels."""
    return 300.0 + swing_w * (np.arange(SECONDS) // half_s % 2)


def node(watts: np.ndarray, **stated: Any) -> Series:
    return stream("ipmi:h:bmc:power", Boundary.SERVER_INPUT, watts, **stated)


def gpu(watts: np.ndarray, *, host: str = "h", index: int = 0, **changes: Any) -> Series:
    return stream(f"nvml:{host}:GPU-{index}:power", Boundary.GPU, watts, exponent=-3, **changes)


def frozen(watts: np.ndarray) -> np.ndarray:
    """The same power with its value of BEGIN shown until END."""
    out = watts.copy()
    out[BEGIN:END] = out[BEGIN]
    return out


def stale(series: Series) -> list[int]:
    """Seconds that are marked stale."""
    return [row for row, quality in enumerate(series.quality) if quality == Quality.STALE]


def test_a_frozen_bmc_is_a_gap() -> None:
    """A BMC that stands still for 60 s while a GPU moves is stale from its second equal value on, with what moved as the reason."""
    rng = np.random.default_rng(1)
    real = 900.0 + load(250.0) + rng.integers(-3, 4, SECONDS)
    bmc, other = marked([node(frozen(real)), gpu(load(250.0))])
    assert stale(bmc) == list(range(BEGIN + 1, END))
    assert bmc.reasons[BEGIN + 1] == "unchanged for 59 s while nvml:h:GPU-0:power moved by 249 W"
    assert stale(other) == []
    found = measure(window(10, 190), [bmc])
    assert found.devices[0].headline is not None
    assert found.devices[0].headline.coverage.share == pytest.approx(1 - 59 / 180)
    assert found.u95_j is not None
    assert found.energy_j == pytest.approx(float(real[10:191].mean()) * 180, abs=found.u95_j)


def test_a_bmc_frozen_to_the_end_has_no_energy() -> None:
    """A meter that never moves again has no energy for the phase, not that of its last value."""
    real = 900.0 + load(250.0) + np.arange(SECONDS) % 3
    real[BEGIN:] = 7000.0
    bmc, _ = marked([node(real), gpu(load(250.0))])
    with pytest.raises(InsufficientData, match="before its end"):
        measure(window(10, 190), [bmc])


@pytest.mark.parametrize(
    "others",
    [
        [],
        [gpu(load(0.0))],
        [gpu(load(2.9))],
        [gpu(load(11.9))],
        [gpu(load(250.0), host="elsewhere")],
        [gpu(load(250.0, half_s=1))],
        [stream("snmp:h:pdu:1", Boundary.PDU_INLET, load(250.0))],
        [gpu(load(250.0)[:20])],
        [gpu(np.zeros(SECONDS))],
    ],
    ids=["alone", "steady", "below three steps", "below one percent", "another node", "too fast", "what contains it", "silent", "no power"],
)
def test_a_steady_power_is_no_fault(others: list[Series]) -> None:
    """A server that draws the same watts for minutes stays a measurement where nothing that it contains moved."""
    steady = node(np.full(SECONDS, 1200.0))
    assert stale(marked([steady, *others])[0]) == []


@pytest.mark.parametrize("half_s", [0.11, 0.73, 0.9])
def test_a_fast_wave_is_no_movement(half_s: float) -> None:
    """A GPU that swings by 550 W many times in ten seconds, wherever its periods are cut, leaves a BMC that averages them alone."""
    t_s = np.arange(0.0, SECONDS, 0.05)
    watts = np.where(np.floor(t_s / half_s) % 2 == 0, 100.0, 650.0)
    info = MeterInfo("nvml:h:GPU-0:power", "nvml", Quantity.POWER, -3, Boundary.GPU)
    fast = Series.plain(info, T0_NS + np.round(t_s * S).astype(np.int64), np.round(watts * 1000).astype(np.int64))
    for rows in (slice(0, 200), slice(13, 151), slice(7, 41)):
        steady = node(np.full(SECONDS, 512.0)).rows(rows)
        assert stale(marked([steady, fast])[0]) == []


def test_what_a_neighbour_does_is_no_evidence() -> None:
    """An idle GPU stands still beside a busy one, and beside the server that feeds both."""
    idle = gpu(np.full(SECONDS, 70.0), index=1)
    assert stale(marked([idle, gpu(load(250.0)), node(900.0 + load(250.0))])[0]) == []


@pytest.mark.parametrize("quantity", list(Quantity))
def test_another_channel_of_the_same_device_is_evidence(quantity: Quantity) -> None:
    """A power that stands still beside an average or a counter of the same GPU that moves is frozen."""
    sick = gpu(frozen(load(250.0) + np.arange(SECONDS) % 7))
    beside = stream("nvml:h:GPU-0:other", Boundary.GPU, load(250.0), quantity=quantity, exponent=-3)
    assert stale(marked([sick, beside])[0]) == list(range(BEGIN + 1, END))


@pytest.mark.parametrize(("length", "period_s", "is_stale"), [(31, None, False), (32, None, True), (51, 5.0, False), (52, 5.0, True)])
def test_a_value_may_stand_for_ten_periods_and_thirty_seconds(length: int, period_s: float | None, is_stale: bool) -> None:
    """Up to 30 s, or ten update periods where that is longer, equal values are no run at all."""
    real = 900.0 + load(250.0) + np.arange(SECONDS) % 7
    begin = 100 - length // 2
    real[begin : begin + length] = 5000.0
    bmc = node(real, update_period_s=period_s)
    assert bool(stale(marked([bmc, gpu(load(250.0))])[0])) is is_stale


def test_coarse_steps_are_known_from_what_was_shown() -> None:
    """A meter that has only ever shown steps of 100 W is frozen only when more than three of them were missed."""
    coarse = np.where(np.arange(SECONDS) < 5, 1100.0, 1200.0)
    assert stale(marked([node(coarse), gpu(load(250.0))])[0]) == []
    assert stale(marked([node(coarse), gpu(load(310.0))])[0])


def test_gaps_do_not_hide_a_frozen_value() -> None:
    """Failed reads among equal values are passed over: the values on both sides are one run."""
    bmc = node(frozen(900.0 + load(250.0) + np.arange(SECONDS) % 7))
    bmc.quality[BEGIN + 20] = Quality.GAP
    found = stale(marked([bmc, gpu(load(250.0))])[0])
    assert found == [row for row in range(BEGIN + 1, END) if row != BEGIN + 20]


def test_outlets_of_one_strip_are_no_witnesses_of_each_other() -> None:
    """A steady outlet beside a moving one feeds another machine, and is not frozen, also where its reader has a GPU."""
    steady = stream("snmp:h:SN7:o1", Boundary.OUTLET, np.full(SECONDS, 200.0), covers=("SN7/1",))
    moving = stream("snmp:h:SN7:o2", Boundary.OUTLET, load(250.0), covers=("h/psu1",), cords=("h/psu1",))
    assert stale(marked([steady, moving])[0]) == []
    assert stale(marked([steady, moving, gpu(load(250.0))])[0]) == []


def test_an_outlet_follows_the_gpus_of_its_cord() -> None:
    """An outlet that another host reads is frozen when the GPUs behind its cord move."""
    real = 900.0 + load(250.0) + np.random.default_rng(1).integers(-3, 4, SECONDS)
    outlet = stream("snmp:pdu:SN7:o1", Boundary.OUTLET, frozen(real), covers=("h/psu1",))
    chip = gpu(load(250.0), cords=("h/psu1",))
    assert stale(marked([outlet, chip])[0]) == list(range(BEGIN + 1, END))
    assert stale(marked([outlet, gpu(load(250.0))])[0]) == []
