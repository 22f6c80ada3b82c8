from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy import uncertainty as u
from joulemark.energy.uncertainty import NAMES, Budget, Component, combined, coverage_factor, displayed, effective_dof
from joulemark.readings import Accuracy

METER = Accuracy(pct_reading=0.2, pct_range=0.05, range_w=10_000.0)


def example_a(energy_j: float = 3e6, duration_s: float = 600.0) -> Budget:
    """The budget of Example A of the standard."""
    known = {
        "spec": u.u_spec(energy_j, duration_s, accuracy=METER),
        "cert": u.u_cert(energy_j, u95_rel=0.0010),
        "time": u.u_time(0.050, power_load_w=5000.0, power_idle_w=2400.0),
        "sampling": u.u_samp(duration_s, sd_w=150.0, duty=1.0, count=600),
        "resolution": u.u_q(duration_s, resolution_w=0.1, sd_w=150.0, count=600),
        "gap": u.u_gap(2.0, span_w=400.0),
    }
    return Budget.of([Component(name, known.get(name, 0.0), "example") for name in NAMES])


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("spec", "u_spec_J"),
        ("cert", "u_cert_J"),
        ("time", "u_time_J"),
        ("sampling", "u_samp_J"),
        ("resolution", "u_q_J"),
        ("gap", "u_gap_J"),
    ],
)
def test_components_of_example_a(worked: dict[str, Any], name: str, key: str) -> None:
    """Each component of Example A comes out of its formula."""
    assert example_a().component(name).u_j == pytest.approx(worked["phase_es2"][key], rel=1e-6)


def test_budget_of_example_a(worked: dict[str, Any]) -> None:
    """The combined and the expanded uncertainty of Example A come out of the budget."""
    budget = example_a()
    assert budget.u_c_j == pytest.approx(worked["phase_es2"]["u_c_J"], rel=1e-6)
    assert budget.u95_j == pytest.approx(worked["phase_es2"]["U95_J"], rel=1e-6)
    assert budget.to_json(3e6)["u95_rel"] == pytest.approx(worked["phase_es2"]["U95_rel"], rel=1e-6)
    assert sum(c.share for c in budget.components) == pytest.approx(1.0)
    assert budget.missing == ()


def test_part_time_sensor(worked: dict[str, Any]) -> None:
    """Example C: a sensor that looks 25 ms of every 100 ms."""
    expected = worked["part_time_sensor"]
    assert u.u_samp(600.0, sd_w=150.0, duty=expected["c"], count=expected["n"]) == pytest.approx(expected["u_samp_J"], rel=1e-6)


def test_other_components() -> None:
    """Components without a worked number follow the formulas of the standard."""
    assert u.u_temp(1e6, coefficient_per_k=1e-4, outside_k=3.0) == pytest.approx(300.0 / math.sqrt(3))
    assert u.u_temp(1e6, coefficient_per_k=1e-4, outside_k=-3.0) == 0.0
    assert u.u_drift(1e6, age_days=45.0) == pytest.approx(5000.0 / math.sqrt(3))
    assert u.u_res(600.0, plateau_residual_w=40.0, held_out_j=30_000.0) == pytest.approx(30_000.0 / math.sqrt(3))
    assert u.u_edge(1.0, averaging_window_s=2.0, power_load_w=5000.0, power_idle_w=2400.0) == pytest.approx(3900.0 / math.sqrt(3))
    assert u.u_ctr(3.0, refresh_s=0.1, power_w=40.0) == pytest.approx(5.0 / math.sqrt(6))
    assert u.u_q(600.0, resolution_w=1.0, sd_w=0.5, count=100) == pytest.approx(600.0 / math.sqrt(12))
    assert u.u_estimate(10.0, half_width_w=3.0) == pytest.approx(30.0 / math.sqrt(3))
    assert u.u_tokens(6000.0) == pytest.approx(6000.0 / math.sqrt(3))


@pytest.mark.parametrize("worse", [{"delta_s": 0.1}, {"power_load_w": 6000.0}, {"power_idle_w": 100.0}])
def test_timing_moves_the_right_way(worse: dict[str, float]) -> None:
    """A worse clock or a larger step of load makes the timing component grow."""
    base = {"delta_s": 0.05, "power_load_w": 5000.0, "power_idle_w": 2400.0}
    at = {**base, **worse}

    def value(of: dict[str, float]) -> float:
        return u.u_time(of["delta_s"], power_load_w=of["power_load_w"], power_idle_w=of["power_idle_w"])

    assert value(at) > value(base)


def test_meters_of_one_model_add_linearly_and_noise_in_quadrature() -> None:
    """Lines of one correlation group add up, lines without a group add in quadrature."""
    same = [Component("spec", 3.0, "s", correlation_group="m"), Component("spec", 4.0, "s", correlation_group="m")]
    alone = [Component("sampling", 3.0, "s"), Component("sampling", 4.0, "s")]
    assert combined(same).u_j == pytest.approx(7.0)
    assert combined(alone).u_j == pytest.approx(5.0)


def test_lines_together_have_the_fewest_degrees_of_freedom_of_any() -> None:
    """Several meters as one line claim no more degrees of freedom than the one that has the fewest: k errs to the wide side."""
    lines = [Component("sampling", 3.0, "s", dof=dof) for dof in (math.inf, 4.0, 9.0)]
    assert combined(lines).dof == 4.0


def test_an_unknown_component_is_named_and_not_counted_as_zero() -> None:
    """A component that is not known stays null, and the budget names it."""
    lines = [Component(name, None if name == "spec" else 1.0, "s") for name in NAMES]
    budget = Budget.of(lines)
    assert budget.missing == ("spec",)
    assert budget.u_c_j == pytest.approx(math.sqrt(len(NAMES) - 1))
    assert combined([Component("spec", 1.0, "s"), Component("spec", None, "s")]).u_j is None


def test_a_budget_without_one_of_the_names_is_refused() -> None:
    """UNC-1: every component must be there."""
    with pytest.raises(ValueError, match="each of"):
        Budget.of([Component("spec", 1.0, "s")])


def test_degrees_of_freedom_and_coverage() -> None:
    """Few degrees of freedom widen the interval, from ten on k is 2."""
    assert math.isinf(effective_dof([(1.0, math.inf)]))
    assert effective_dof([(1.0, 4.0), (1.0, math.inf)]) == 16.0
    assert effective_dof([(1.0, 4.0), (0.5, math.inf)]) == 6.0
    assert coverage_factor(math.inf) == 2.0
    assert coverage_factor(10) == 2.0
    assert coverage_factor(4) == pytest.approx(2.87, abs=0.005)
    assert coverage_factor(9) > 2.0


@given(st.floats(0.01, 1e6), st.integers(1, 30))
def test_one_term_keeps_its_degrees_of_freedom(u_j: float, dof: int) -> None:
    """Truncation takes the fraction, never a whole degree that floating point left a hair below."""
    assert effective_dof([(u_j, float(dof))]) == dof


@pytest.mark.parametrize(
    ("value", "u95", "shown"),
    [
        (249.94321, 0.913768, ("249.94", "0.91")),
        (3_000_000.0, 10_827.55, ("3000000", "11000")),
        (1.23456, 0.00999, ("1.235", "0.010")),
        (12.5, 0.0, ("12.5", "0")),
    ],
)
def test_display(value: float, u95: float, shown: tuple[str, str]) -> None:
    """U is shown with at most two significant digits and the value to the same place."""
    assert displayed(value, u95) == shown


@pytest.mark.parametrize(
    ("nu", "k"), [(1, 13.97), (2, 4.53), (3, 3.31), (4, 2.87), (5, 2.65), (6, 2.52), (7, 2.43), (8, 2.37), (9, 2.32), (10, 2.0), (50, 2.0)]
)
def test_coverage_factors_of_the_guide(nu: int, k: float) -> None:
    """Below ten degrees of freedom k is the 95.45 % column of table G.2 of JCGM 100; from ten on the standard takes 2."""
    assert coverage_factor(nu) == pytest.approx(k, abs=0.005)


def test_degrees_of_freedom_of_the_guide() -> None:
    """Example G.4.1 of JCGM 100: 0.25 %, 0.57 % and 0.82 % of 10, 5 and 15 observations give 18.999, which is cut to 18."""
    terms = [(0.25, 9.0), (0.57, 4.0), (0.82, 14.0)]
    assert effective_dof(terms) == 18.0
    exact = math.fsum(u_i**2 for u_i, _ in terms) ** 2 / math.fsum(u_i**4 / dof for u_i, dof in terms)
    assert exact == pytest.approx(19.0, abs=0.01)


def test_degrees_of_freedom_of_example_d(worked: dict[str, Any]) -> None:
    """Five repeats with 4 degrees of freedom beside the rest of Example A, which has none to lose, come to nu_eff = 17."""
    repeats = worked["repeats"]
    repeat_rel = repeats["u_typeA"] / repeats["mean"]
    assert effective_dof([(repeat_rel, 4.0), (worked["per_1k"]["u_rel"], math.inf)]) == 17.0
    assert math.hypot(repeat_rel, worked["per_1k"]["u_rel"]) == pytest.approx(repeats["u_total_rel"], rel=1e-9)


@pytest.mark.parametrize(
    ("value", "u95", "shown"), [(10.05762, 0.027, ("10.058", "0.027")), (100.02147, 0.00079, ("100.02147", "0.00079"))]
)
def test_rounding_of_the_guide(value: float, u95: float, shown: tuple[str, str]) -> None:
    """The resistance and the mass of clause 7.2 of JCGM 100 are rounded as printed there."""
    assert displayed(value, u95) == shown
