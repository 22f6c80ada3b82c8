from __future__ import annotations

from typing import Any

import pytest

from joulemark.calibration.ring import Assigned, Result, Scores, algorithm_a, en_score, evaluate, scores
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
    found = evaluate(laboratories(worked), reference=Result(*worked["ring"]["reference"]))[1][lab]
    assert (found.z, found.z_prime, found.zeta, found.en) == pytest.approx(
        (expected["z"], expected["zprime"], expected["zeta"], expected["En_vs_ref"]), rel=1e-6
    )
    assert found.judged == found.z_prime


def test_verdicts_of_example_e(worked: dict[str, Any]) -> None:
    """E is questionable and fails; H is close enough but understates its uncertainty, so it gets no badge; A passes."""
    _, found = evaluate(laboratories(worked), reference=Result(*worked["ring"]["reference"]))
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


def test_few_laboratories_are_judged_by_en_and_get_no_badge() -> None:
    """Five laboratories with a reference have their En and a verdict by it, no z', and so no badge; without reference nothing."""
    results = {name: Result(x, 3.0) for name, x in zip("ABCDE", (250.0, 251.0, 249.0, 253.0, 258.0), strict=True)}
    assigned, found = evaluate(results, reference=Result(250.0, 1.5))
    assert assigned is None
    assert [found[name].verdict for name in "ABCDE"] == ["satisfactory"] * 4 + ["unsatisfactory"]
    assert {score for one in found.values() for score in (one.z, one.z_prime, one.zeta, one.judged)} == {None}
    assert not any(one.passed for one in found.values())
    assert "fewer than 6 laboratories" in found["A"].refusals[0]
    with pytest.raises(InsufficientData):
        evaluate(results)


@pytest.mark.parametrize(
    ("krai_w", "qualcomm_w", "en"), [(438.98528, 436.11320, 0.402), (591.15427, 593.68499, -0.262)], ids=["r282_z93_q5e", "r282_z93_q8e"]
)
def test_two_laboratories_of_the_same_system(krai_w: float, qualcomm_w: float, en: float) -> None:
    """Two public submissions of one system each agree: with 1 % as limit of error of both meters |En| is well below 1."""
    krai, qualcomm = (Result(watts, 2.0 * 0.01 * watts / 3**0.5) for watts in (krai_w, qualcomm_w))
    assert en_score(krai, qualcomm) == pytest.approx(en, abs=0.001)


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [(2.0, "satisfactory"), (-2.0001, "questionable"), (2.9999, "questionable"), (3.0, "unsatisfactory"), (-3.5, "unsatisfactory")],
)
def test_limits_of_the_verdict(judged: float, verdict: str) -> None:
    """2 is still satisfactory, 3 is already unsatisfactory, of either sign; above 2 there is no badge."""
    found = Scores(z=judged, z_prime=judged, zeta=0.0, judged=judged)
    assert found.verdict == verdict
    assert found.passed is (verdict == "satisfactory")


@pytest.mark.parametrize(("zeta", "z", "understated"), [(2.0, 1.0, False), (2.001, 1.0, True), (-2.001, 2.0, True), (2.001, 2.001, False)])
def test_an_understated_uncertainty(zeta: float, z: float, understated: bool) -> None:
    """|zeta| above 2 with |z| of 2 and less means that the budget is too small, and refuses the badge."""
    found = Scores(z=z, z_prime=z, zeta=zeta, judged=z)
    assert found.understates_uncertainty is understated
    assert found.passed is (not understated and abs(z) <= 2.0)


@pytest.mark.parametrize(("spread", "negligible"), [(2.39, True), (2.41, False)])
def test_z_takes_the_place_of_z_prime_where_the_mean_is_well_known(spread: float, negligible: bool) -> None:
    """Up to u(x_pt) = 0.3 sigma_pt z counts, beyond z'."""
    assigned = Assigned(250.0, spread * 6**0.5 * 0.3 * 5.0 / 1.25 / 2.4, 6)
    found = scores(Result(255.0, 4.0), assigned)
    assert assigned.u_negligible is negligible
    assert found.judged == (found.z if negligible else found.z_prime)
