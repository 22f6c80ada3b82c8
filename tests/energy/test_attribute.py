from __future__ import annotations

from typing import Any

import pytest

from joulemark.energy.attribute import joules_per, joules_per_1k, score
from joulemark.energy.uncertainty import u_rep
from joulemark.errors import InsufficientData


def test_joules_per_1k_of_example_a(worked: dict[str, Any]) -> None:
    """J per 1k output and total tokens of Example A, with the token count in the uncertainty."""
    phase, expected = worked["phase_es2"], worked["per_1k"]
    output = joules_per_1k(phase["E_J"], 12_000_000, u_energy_j=phase["u_c_J"], disagreement=6000)
    total = joules_per_1k(phase["E_J"], 48_000_000)
    assert output is not None
    assert total is not None
    assert output.value_j == pytest.approx(expected["J_per_1k_output"], rel=1e-6)
    assert total.value_j == pytest.approx(expected["J_per_1k_total"], rel=1e-6)
    assert output.u_rel == pytest.approx(expected["u_rel"], rel=1e-6)
    assert output.u95_j == pytest.approx(expected["U95_J_per_1k_output"], rel=1e-6)
    assert output.value_wh == pytest.approx(expected["Wh_per_1k_output"], rel=1e-6)


def test_unknown_and_no_tokens_give_no_number() -> None:
    """Neither an unknown count nor zero tokens make a figure."""
    assert joules_per_1k(1.0, None) is None
    assert joules_per_1k(1.0, 0) is None
    with pytest.raises(ValueError, match="count"):
        joules_per(1.0, -1)


def test_more_tokens_and_less_energy_lower_the_figure() -> None:
    """The figure follows the energy and falls with the tokens."""
    base, more, hotter = joules_per_1k(100.0, 10), joules_per_1k(100.0, 11), joules_per_1k(101.0, 10)
    assert base is not None
    assert more is not None
    assert hotter is not None
    assert more.value_j < base.value_j < hotter.value_j


def test_repeats_of_example_d(worked: dict[str, Any]) -> None:
    """Five repetitions: Olympic mean, its uncertainty, s and CV; three and four: median."""
    expected = worked["repeats"]
    values = expected["values"]
    found = score(values)
    assert found.method == "olympic"
    assert found.value == pytest.approx(expected["olympic_mean"], rel=1e-6)
    assert found.u_rep == pytest.approx(expected["u_rep_olympic"], rel=1e-6)
    assert (found.mean, found.sd, found.cv) == pytest.approx((expected["mean"], expected["s"], expected["cv"]), rel=1e-6)
    u_mean = u_rep(found.sd, count=5)
    assert u_mean == pytest.approx(expected["u_typeA"], rel=1e-6)
    of_energy = joules_per(1.0, 1.0, u_energy_j=worked["per_1k"]["u_rel"], u_count=u_mean / found.mean)
    assert of_energy is not None
    assert of_energy.u_rel == pytest.approx(expected["u_total_rel"], rel=1e-6)
    assert score(values[:3]).value == 250.4
    assert score(values[:4]).u_rep == pytest.approx(1.09 * score(values[:4]).sd / 2)


def test_two_repetitions_have_no_score() -> None:
    """Fewer than three repetitions are refused."""
    with pytest.raises(InsufficientData, match="2 repetitions"):
        score([1.0, 2.0])
