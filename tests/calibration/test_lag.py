from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.calibration.lag import Lag, lag_of
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from tests.kit.sensors import BMC, WALL, Sensors
from tests.kit.truth import Truth

NS = 1_000_000_000
EDGES_S = (60.0, 130.0, 200.0, 270.0)
EDGES_NS = [round(at * NS) for at in EDGES_S]


def pair(
    lag_s: float, *, every_s: float = 1.0, window_s: float = 1.0, step: int = 4, noise_w: float = 2.0, seed: int = 0
) -> tuple[Series, Series]:
    """A sensor late by `lag_s`, and the reference, over four steps of the load."""
    sensors = Sensors(Truth(330.0, [(60.0, 130.0, 1.0), (200.0, 270.0, 0.5)], seed), 0, seed)
    meter = replace(BMC, step=step, averaging_window_s=window_s, update_period_s=every_s)
    watts = (sensors.truth.node_ac_w - 21.0) / 1.04
    sensor = sensors.series(meter, watts, every_s=every_s, lag_s=lag_s, noise_w=noise_w)
    return sensor, sensors.series(WALL, sensors.truth.node_ac_w, noise_w=0.05)


@pytest.mark.parametrize("lag_s", [-3.2, 0.0, 0.37, 1.3, 4.85, 8.9])
@pytest.mark.parametrize("seed", range(3))
def test_the_lag_is_found_within_its_residual(lag_s: float, seed: int) -> None:
    """A sensor of 1 s means and 4 W steps is as late as it is told to be, within twice what the result claims."""
    found = lag_of(*pair(lag_s, seed=seed), EDGES_NS)
    assert abs(found.lag_s - lag_s) <= 2.0 * found.residual_s
    assert found.residual_s <= 0.25
    assert found.edges == 4


@pytest.mark.parametrize(("every_s", "window_s", "step"), [(0.1, 0.1, 1), (0.25, 1.0, 1), (2.0, 2.0, 4), (5.0, 5.0, 10), (1.0, 1.0, 50)])
def test_rates_windows_and_steps_differ(every_s: float, window_s: float, step: int) -> None:
    """Fast, slow, and coarse sensors: the lag beyond the middle of the averaging window, each within what its interval allows."""
    found = lag_of(*pair(1.3, every_s=every_s, window_s=window_s, step=step, seed=5), EDGES_NS)
    assert abs(found.lag_s - 1.3) <= max(0.15, 2.0 * found.residual_s)


def test_the_residual_holds_the_interval_and_shrinks_with_edges() -> None:
    """One edge leaves at least the interval / sqrt 12; four edges leave less, and no scatter is claimed from one."""
    sensor, reference = pair(1.3)
    one, four = lag_of(sensor, reference, EDGES_NS[:1]), lag_of(sensor, reference, EDGES_NS)
    assert one.residual_s == pytest.approx(1.0 / np.sqrt(12.0), rel=1e-3)
    assert np.sqrt(1.0 / 48.0) <= four.residual_s < one.residual_s
    assert isinstance(one, Lag)


def test_an_edge_that_is_known_badly_is_found_all_the_same() -> None:
    """Marks two seconds beside the step change the lag by less than the grid of the search."""
    sensor, reference = pair(1.3)
    moved = lag_of(sensor, reference, [at + 2 * NS for at in EDGES_NS])
    assert moved.lag_s == pytest.approx(lag_of(sensor, reference, EDGES_NS).lag_s, abs=0.06)


@pytest.mark.parametrize("lag_s", [10.6, 12.5, -11.0])
def test_a_lag_beyond_the_search_is_refused(lag_s: float) -> None:
    """A sensor more than 10 s late has no lag: the largest one searched is never given in its place."""
    with pytest.raises(InsufficientData, match="within 10 s"):
        lag_of(*pair(lag_s), EDGES_NS)


def test_a_sensor_of_another_load_is_refused() -> None:
    """A channel that does not step with the reference has no lag."""
    sensor, reference = pair(0.0)
    rng = np.random.default_rng(3)
    other = replace(sensor, value=(600 + rng.normal(0, 20, len(sensor))).astype(np.int64))
    with pytest.raises(InsufficientData, match="alike"):
        lag_of(other, reference, EDGES_NS)
    with pytest.raises(InsufficientData, match="alike"):
        lag_of(replace(sensor, value=np.full_like(sensor.value, 600)), reference, EDGES_NS)


def test_without_readings_around_an_edge_there_is_no_lag() -> None:
    """An edge at the end of the recording cannot be told, and none is left."""
    sensor, reference = pair(1.3)
    with pytest.raises(InsufficientData, match="no edge"):
        lag_of(sensor, reference, [325 * NS])
    assert lag_of(sensor, reference, [*EDGES_NS, 325 * NS]).edges == 4


def test_a_mark_without_a_step_is_left_out() -> None:
    """A phase that begins under the load of the one before tells nothing of the lag, and does not count as an edge."""
    sensor, reference = pair(1.3)
    found = lag_of(sensor, reference, [*EDGES_NS, 95 * NS, 165 * NS])
    assert found == lag_of(sensor, reference, EDGES_NS)
