"""How close the headline comes to the exact integral of a bursty load."""

from __future__ import annotations

import numpy as np
import pytest

from joulemark.energy.phase import measure
from joulemark.runs import PhaseKind, Window
from tests.energy.waves import T0_NS, SquareWave, device, polls_ns

WINDOWS_S = (0.35, 1.3, 3.7, 9.6)
GPUS, COUNT, STEP_S, LOW_W, HIGH_W = 8, 40, 0.1, 100.0, 650.0


def trial(seed: int, length_s: float, *, sample_stamps: bool) -> tuple[float, float, float]:
    """Energy found, exact energy and U95 of one random window on eight GPUs, in J."""
    rng = np.random.default_rng(seed)
    waves = [SquareWave(0.73, low_w=LOW_W, high_w=HIGH_W, phase_s=float(rng.uniform(0.0, 1.46)))] * GPUS
    begin_s = 2.0 + float(rng.uniform(0.0, 2.0))
    t_ns = polls_ns(rng, begin_s + length_s + 2.0, rate_hz=20.0, pinned_s=(begin_s, begin_s + length_s))
    series = [one for gpu, wave in enumerate(waves) for one in device(wave, t_ns, gpu=gpu, sample_stamps=sample_stamps)]
    begin_ns, end_ns = round(begin_s * 1e9), round((begin_s + length_s) * 1e9)
    found = measure(Window("w", PhaseKind.MEASURED, T0_NS + begin_ns, T0_NS + end_ns), series)
    exact = sum(float(w.energy_j(np.float64(end_ns / 1e9)) - w.energy_j(np.float64(begin_ns / 1e9))) for w in waves)
    assert found.energy_j is not None
    assert found.u95_j is not None
    return found.energy_j, exact, found.u95_j


def trials(length_s: float, *, sample_stamps: bool) -> np.ndarray:
    return np.array([trial(1000 * round(length_s * 100) + i, length_s, sample_stamps=sample_stamps) for i in range(COUNT)])


@pytest.mark.parametrize("length_s", WINDOWS_S)
def test_sample_time_stamps(length_s: float) -> None:
    """With sample-time stamps the median error is at most 0.05 %, none exceeds a counter step of the swing, 95 % lie inside U95."""
    found, exact, u95 = trials(length_s, sample_stamps=True).T
    error = np.abs(found - exact)
    assert np.median(error / exact) <= 5e-4
    assert error.max() <= STEP_S * (HIGH_W - LOW_W) * GPUS
    assert np.mean(error <= u95) >= 0.95
    assert np.median(u95 / exact) <= {0.35: 0.5, 1.3: 0.12, 3.7: 0.05, 9.6: 0.02}[length_s]


@pytest.mark.parametrize("length_s", WINDOWS_S)
def test_query_time_stamps(length_s: float) -> None:
    """With stamps of the query the error stays below a counter step of the swing and inside U95, at the 95 % level."""
    found, exact, u95 = trials(length_s, sample_stamps=False).T
    error = np.abs(found - exact)
    assert error.max() <= STEP_S * (HIGH_W - LOW_W) * GPUS
    assert np.mean(error <= u95) >= 0.95
