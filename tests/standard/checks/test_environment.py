"""What the rules ENV come to at their limits and on odd evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.node import Build, Gpu
from joulemark.readings import Accuracy, Quantity
from joulemark.standard.checks.environment import CHECKS
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Outcome, Verdict
from tests.kit.change import each_series, in_measured, meters, nodes, of_node, of_nodes, where_measured, without
from tests.kit.lab import BEGIN_NS
from tests.kit.sensors import GPUS
from tests.kit.spoil import good, good_case, unwritten
from tests.kit.spoils.environment import INLET, THROTTLE, overhead

DAY_NS = 86_400 * 10**9


def asked(rule_id: str, evidence: Evidence, grade: str) -> Outcome:
    """One rule over a bundle of `evidence`."""
    return CHECKS[rule_id](unwritten(evidence), edition().rule(rule_id), grade)


def test_a_machine_without_accelerators_needs_no_driver() -> None:
    """What is asked of accelerators is not asked of a node that has none, but of one whose inventory is not known."""
    bare = of_node(gpus=(), driver="", cuda="")
    assert asked("ENV-1", bare(good("ES1")), "ES1").verdict is Verdict.PASS
    assert asked("ENV-1", of_node(gpus=None)(good("ES1")), "ES1").verdict is Verdict.CANNOT_TELL
    assert asked("ENV-1", of_node(gpus=(Gpu("GPU-x"),))(good("ES1")), "ES1").verdict is Verdict.CANNOT_TELL


def test_an_extrapolated_run_describes_the_nodes_that_were_measured() -> None:
    """Of a run that was extrapolated the description of the measured nodes is enough."""
    assert asked("ENV-1", of_nodes(participating=100, extrapolated=True)(good("ES1")), "ES1").verdict is Verdict.PASS


def test_settings_read_too_late_are_not_those_before() -> None:
    """Settings count as before the run only where they were read before its first phase."""
    late = nodes(
        lambda found: replace(
            found,
            nodes=tuple(replace(one, settings=tuple(replace(s, t_ns=s.t_ns + 60 * 10**9) for s in one.settings)) for one in found.nodes),
        )
    )
    assert asked("ENV-2", late(good("ES1")), "ES1").verdict is Verdict.CANNOT_TELL


def at_inlet(low_c: float, high_c: float) -> Evidence:
    """The long run with an inlet that goes from one temperature to the other within its measured phases."""
    evidence = good("ES2")

    def between(one: Series) -> Series:
        rows = np.flatnonzero(in_measured(evidence, one))
        value = np.full(len(one), round(low_c * 10), dtype=np.int64)
        value[rows[len(rows) // 2] :] = round(high_c * 10)
        return replace(one, value=value)

    return each_series(between, where=INLET)(evidence)


@pytest.mark.parametrize(
    ("low_c", "high_c", "verdict"),
    [
        (18.0, 21.0, Verdict.PASS),
        (17.9, 20.0, Verdict.FAIL),
        (24.0, 27.0, Verdict.PASS),
        (25.0, 27.1, Verdict.FAIL),
        (20.0, 23.1, Verdict.FAIL),
    ],
)
def test_the_air_at_the_inlet_has_limits(low_c: float, high_c: float, verdict: Verdict) -> None:
    """From 18 to 27 C, and by 3 K at most; at ES1 beyond it is a warning."""
    evidence = at_inlet(low_c, high_c)
    assert asked("ENV-3", evidence, "ES2").verdict is verdict
    assert asked("ENV-3", evidence, "ES1").verdict is (Verdict.PASS if verdict is Verdict.PASS else Verdict.WARN)


@pytest.mark.parametrize(("kelvin", "verdict"), [(2.0, Verdict.PASS), (2.1, Verdict.FAIL)])
def test_the_sensor_at_the_inlet_is_good_to_two_kelvin(kelvin: float, verdict: Verdict) -> None:
    """A sensor that is worse than 2 K does not show what the air was."""
    evidence = meters(where=INLET, accuracy=Accuracy(abs_w=kelvin))(good("ES2"))
    assert asked("ENV-3", evidence, "ES2").verdict is verdict


@pytest.mark.parametrize(("every", "verdict"), [(2, Verdict.PASS), (3, Verdict.FAIL)])
def test_the_inlet_is_looked_at_each_minute(every: int, verdict: Verdict) -> None:
    """Readings each 60 s are enough, each 90 s are not."""
    evidence = each_series(lambda one: one.rows(slice(0, None, every)), where=INLET)(good("ES2"))
    assert asked("ENV-3", evidence, "ES2").verdict is verdict


def throttled_share(share: float) -> Evidence:
    """The short run, looked at so often that a share of the readings of one GPU can say that heat held it back."""

    def dense(one: Series, rows: object) -> Series:
        t_ns = np.arange(one.t_ns[0], one.t_ns[-1], 10**9 // 4)
        value = np.zeros(len(t_ns), dtype=np.int64)
        inside = np.zeros(len(t_ns), dtype=bool)
        window = good("ES1").run.measured[1]
        inside[(t_ns >= window.begin_ns) & (t_ns <= window.end_ns)] = True
        value[np.flatnonzero(inside)[: int(inside.sum() * share)]] = 1
        return Series.plain(one.meter, t_ns, value)

    return where_measured(dense, where=THROTTLE)(good("ES1"))


@pytest.mark.parametrize(("share", "es1"), [(0.0099, Verdict.PASS), (0.0125, Verdict.FAIL)])
def test_throttling_in_one_phase_counts_for_all(share: float, es1: Verdict) -> None:
    """One per cent of the time of one phase is allowed at ES1, and nothing at ES2."""
    evidence = throttled_share(share)
    assert asked("ENV-4", evidence, "ES1").verdict is es1
    assert asked("ENV-4", evidence, "ES2").verdict is Verdict.FAIL


def test_nodes_without_accelerators_are_not_throttled() -> None:
    """The rule is of accelerators: without one it does not apply."""
    bare = without(lambda one: bool(set(GPUS) & set(one.meter.covers)))(of_node(gpus=())(good("ES1")))
    assert asked("ENV-4", bare, "ES1").verdict is Verdict.NOT_APPLICABLE


def test_a_process_before_the_run_is_not_of_the_run() -> None:
    """What ran before the first phase is no foreign load of it."""
    early = nodes(
        lambda found: replace(
            found,
            nodes=tuple(
                replace(one, surveys=(replace(one.surveys[0], t_ns=BEGIN_NS, foreign_processes=("apt",)), *one.surveys[1:]))
                for one in found.nodes
            ),
        )
    )
    assert asked("ENV-5", early(good("ES1")), "ES1").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("loss_rel", "es1", "es2"),
    [
        (0.01, Verdict.PASS, Verdict.PASS),
        (0.0101, Verdict.PASS, Verdict.FAIL),
        (0.02, Verdict.PASS, Verdict.FAIL),
        (0.0201, Verdict.FAIL, Verdict.FAIL),
    ],
)
def test_monitoring_may_cost_so_much(loss_rel: float, es1: Verdict, es2: Verdict) -> None:
    """Two per cent at ES1, one at ES2, as the mean of the pairs."""
    evidence = overhead(loss_rel=(loss_rel - 0.004, loss_rel, loss_rel + 0.004))(good("ES2"))
    assert asked("ENV-6", evidence, "ES1").verdict is es1
    assert asked("ENV-6", evidence, "ES2").verdict is es2


@pytest.mark.parametrize(("days", "verdict"), [(90, Verdict.PASS), (91, Verdict.FAIL), (-1, Verdict.FAIL)])
def test_the_cost_of_monitoring_counts_for_ninety_days(days: int, verdict: Verdict) -> None:
    """It is old after 90 days, and one from after the run proves nothing of it."""
    begin_ns = good("ES1").run.measured[0].begin_ns
    assert asked("ENV-6", overhead(measured_ns=begin_ns - days * DAY_NS)(good("ES1")), "ES1").verdict is verdict


def test_each_build_of_the_agent_needs_its_own_figure() -> None:
    """A second agent of another build, of which nothing was measured, leaves the rule open."""
    other = nodes(lambda found: replace(found, builds=(*found.builds, Build("agent", "node-2", "9.9", "77" * 32))))
    assert asked("ENV-6", other(good("ES1")), "ES1").verdict is Verdict.CANNOT_TELL


def test_without_evidence_nothing_is_told() -> None:
    """No rule takes an absent description for a pass; a warning stays one."""
    empty = replace(good_case("ES1"), evidence=None)
    for rule_id in CHECKS:
        assert CHECKS[rule_id](empty, edition().rule(rule_id), "ES2").verdict is Verdict.CANNOT_TELL, rule_id


def test_temperature_of_another_thing_is_not_that_of_the_inlet() -> None:
    """A temperature of an accelerator says nothing of the air."""
    evidence = without(INLET)(good("ES2"))
    assert any(one.meter.quantity is Quantity.TEMPERATURE for one in evidence.series)
    assert asked("ENV-3", evidence, "ES2").verdict is Verdict.CANNOT_TELL


def test_a_loss_that_is_no_number_is_no_small_one() -> None:
    """ENV-6: pairs so large that their mean cannot be told do not pass."""
    with np.errstate(all="ignore"):
        assert asked("ENV-6", overhead(loss_rel=(1.7e308, -1.7e308) * 8)(good("ES1")), "ES1").verdict is Verdict.FAIL
