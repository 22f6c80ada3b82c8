from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from joulemark.calibration.fit import Plateau, deming, exact, two_plateaus, weighted
from joulemark.errors import InsufficientData

LOW = Plateau(2000.0, 2200.0, u_sensor_w=10.0, u_reference_w=5.0)
HIGH = Plateau(5000.0, 5400.0, u_sensor_w=10.0, u_reference_w=5.0)


def test_example_b(worked: dict[str, Any]) -> None:
    """Gain, offset, covariance and the corrected power of Example B."""
    expected = worked["two_point"]
    fit = two_plateaus(LOW, HIGH)
    for found, key in (
        (fit.gain, "gain"),
        (fit.offset_w, "offset_W"),
        (fit.u_gain, "u_gain"),
        (fit.u_offset_w, "u_offset_W"),
        (fit.cov_w, "cov_go"),
        (fit.energy_j(4600.0 * 600.0, 600.0), "E_600s_J"),
    ):
        assert found == pytest.approx(expected[key], rel=1e-6)
    at = fit.corrected(4600.0, reference_rel=0.005, residual_w=40.0)
    for found, key in (
        (at.power_w, "P_W"),
        (at.u_random_w, "u_rand_W"),
        (at.u_random_w, "u_rand_check_W"),
        (at.u_reference_w, "u_sys_W"),
        (at.u_residual_w, "u_resid_W"),
        (at.u_w, "u_P_W"),
        (at.u95_rel, "U95_rel"),
    ):
        assert found == pytest.approx(expected[key], rel=1e-6)


def test_the_line_goes_through_its_plateaus_and_not_through_a_third() -> None:
    """Both plateaus lie on the line; a mid plateau shows its distance."""
    fit = two_plateaus(LOW, HIGH)
    assert fit.residual_w(LOW) == pytest.approx(0.0, abs=1e-9)
    assert fit.residual_w(HIGH) == pytest.approx(0.0, abs=1e-9)
    assert fit.residual_w(Plateau(3500.0, 3840.0)) == pytest.approx(40.0)


def test_noisier_plateaus_widen_the_fit_and_the_middle_is_best() -> None:
    """More noise means more uncertainty; between the plateaus it is lowest."""
    noisy = two_plateaus(Plateau(2000.0, 2200.0, 20.0, 5.0), HIGH)
    fit = two_plateaus(LOW, HIGH)
    assert noisy.u_gain > fit.u_gain
    assert fit.corrected(3500.0).u_random_w < fit.corrected(2000.0).u_random_w < fit.corrected(1000.0).u_random_w


def test_plateaus_that_do_not_differ_are_refused() -> None:
    """One load twice spans no line."""
    with pytest.raises(InsufficientData, match="do not span a line"):
        two_plateaus(LOW, LOW)


def plateaus_of(gain: float, offset_w: float, *, noise_w: float = 0.0, seed: int = 0) -> list[Any]:
    """Five windows at each of three levels, with noise on both meters."""
    rng = np.random.default_rng(seed)
    levels = [s + rng.normal(0, 20, 5) for s in (600.0, 1500.0, 2400.0)]
    return [np.column_stack([s + rng.normal(0, noise_w, 5), gain * s + offset_w + rng.normal(0, noise_w, 5)]) for s in levels]


@pytest.mark.parametrize("fit", [deming, weighted])
def test_a_line_without_noise_is_found_exactly(fit: Any) -> None:
    """Both fits give the line that the windows lie on."""
    found = fit(plateaus_of(1.04, 21.0))
    assert (found.gain, found.offset_w) == pytest.approx((1.04, 21.0), rel=1e-9)


def test_deming_covers_the_truth_as_often_as_it_claims() -> None:
    """Over 400 seeds gain and offset lie within Student's 95.45 % in 93 to 98 of 100 cases: the covariance is neither small nor wide."""
    inside = [0, 0]
    for seed in range(400):
        found = deming(plateaus_of(1.04, 21.0, noise_w=6.0, seed=seed))
        inside[0] += abs(found.gain - 1.04) <= 2.21 * found.u_gain
        inside[1] += abs(found.offset_w - 21.0) <= 2.21 * found.u_offset_w
    assert all(0.93 * 400 <= count <= 0.985 * 400 for count in inside), inside


def test_exchanging_the_meters_inverts_the_line() -> None:
    """Errors in both variables: the line of S on R is the line of R on S, which no least squares of one variable gives."""
    windows = plateaus_of(1.04, 21.0, noise_w=30.0, seed=3)
    there, back = deming(windows), deming([one[:, ::-1] for one in windows])
    assert there.gain * back.gain == pytest.approx(1.0, rel=1e-4)


def test_too_few_levels_and_windows_are_refused() -> None:
    """Deming wants three levels, a scatter two windows, and the sensor must move."""
    windows = plateaus_of(1.0, 0.0)
    with pytest.raises(InsufficientData, match="too few"):
        deming(windows[:2])
    with pytest.raises(InsufficientData, match="has no scatter"):
        exact(windows[0][:1], windows[2])
    with pytest.raises(InsufficientData, match="do not span"):
        deming([windows[0], windows[0], windows[0]])


def test_the_exact_line_takes_its_uncertainty_from_the_windows() -> None:
    """Two levels: the line through their means, u of R - g S over the windows, and their degrees of freedom together."""
    windows = plateaus_of(1.04, 21.0, noise_w=5.0, seed=1)
    found = exact(windows[0], windows[2])
    (s1, r1), (s2, r2) = windows[0].mean(axis=0), windows[2].mean(axis=0)
    assert found.gain == pytest.approx((r2 - r1) / (s2 - s1))
    u = [np.std(w[:, 1] - found.gain * w[:, 0], ddof=1) / np.sqrt(5) for w in (windows[0], windows[2])]
    assert found.u_gain == pytest.approx(np.hypot(*u) / (s2 - s1))
    assert found.dof is not None
    assert 4.0 <= found.dof <= 8.0
