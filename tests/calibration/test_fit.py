from __future__ import annotations

from typing import Any

import pytest

from joulemark.calibration.fit import Plateau, two_plateaus
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
