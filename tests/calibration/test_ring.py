from __future__ import annotations

from typing import Any

import pytest

from joulemark.calibration.ring import Result, algorithm_a, en_score, evaluate
from joulemark.errors import InsufficientData


def laboratories(worked: dict[str, Any]) -> dict[str, Result]:
    return {name: Result(lab["x"], lab["U95"]) for name, lab in worked["ring"]["labs"].items()}


def test_assigned_value_of_example_e(worked: dict[str, Any]) -> None:
    """Algorithm A gives the robust mean and deviation of Example E, and u(x_pt) that is not negligible."""
    expected = worked["ring"]
    assigned = algorithm_a([result.x for result in laboratories(worked).values()])
    assert assigned.x_pt == pytest.approx(expected["robust_mean"], rel=1e-6)
    assert assigned.sd == pytest.approx(expected["robust_sd"], rel=1e-6)
    assert assigned.u == pytest.approx(expected["u_assigned"], rel=1e-6)
    assert assigned.sigma_pt == pytest.approx(expected["sigma_pt"], rel=1e-6)
    assert assigned.u_negligible is expected["u_negligible"]


@pytest.mark.parametrize("lab", list("ABCDEFGH"))
def test_scores_of_example_e(worked: dict[str, Any], lab: str) -> None:
    """Every laboratory of Example E has its z, z', zeta and En."""
    expected = worked["ring"]["labs"][lab]
    found = evaluate(laboratories(worked), reference=Result(*worked["ring"]["reference"]))[lab]
    assert (found.z, found.z_prime, found.zeta, found.en) == pytest.approx(
        (expected["z"], expected["zprime"], expected["zeta"], expected["En_vs_ref"]), rel=1e-6
    )
    assert found.judged == found.z_prime


def test_verdicts_of_example_e(worked: dict[str, Any]) -> None:
    """E is questionable and fails; H is close enough but understates its uncertainty, so it gets no badge; A passes."""
    found = evaluate(laboratories(worked), reference=Result(*worked["ring"]["reference"]))
    assert (found["E"].verdict, found["E"].passed) == ("questionable", False)
    assert (found["H"].verdict, found["H"].understates_uncertainty, found["H"].passed) == ("satisfactory", True, False)
    assert (found["A"].verdict, found["A"].understates_uncertainty, found["A"].passed) == ("satisfactory", False, True)


def test_an_outlier_hardly_moves_the_robust_mean(worked: dict[str, Any]) -> None:
    """A laboratory that is wildly off moves the assigned value less than its own deviation over the count."""
    values = [result.x for result in laboratories(worked).values()]
    assert abs(algorithm_a([*values[:4], 1000.0, *values[5:]]).x_pt - algorithm_a(values).x_pt) < 1.0


def test_few_laboratories_have_only_en() -> None:
    """Below six laboratories there is no robust mean, but En against a reference."""
    with pytest.raises(InsufficientData, match="5 laboratories"):
        algorithm_a([1.0, 2.0, 3.0, 4.0, 5.0])
    assert en_score(Result(251.0, 3.0), Result(250.0, 4.0)) == pytest.approx(0.2)
