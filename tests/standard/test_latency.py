"""Latency by the run's own edges: against another stream, against the marks, and by the alignment where the run has too few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.readings import Boundary
from joulemark.runs import PhaseKind, Run, Window
from joulemark.standard.case import Case
from joulemark.standard.latency import Latency, edges_ns, latencies, loaded
from tests.kit.small import COUNTER, POWER, at, case, shown
from tests.kit.spoil import good, good_case
from tests.kit.spoils.clock import late

AT_S = np.arange(-60.0, 400.0, 0.5)
GPU = replace(POWER, meter_id="nvml:node-1:G1:power", kind="nvml", boundary=Boundary.GPU)
PHASES = (("warmup-1", PhaseKind.WARMUP, 0.0, 60.0), ("measured-1", PhaseKind.MEASURED, 61.0, 181.0))


def load_w(
    at_s: np.ndarray[tuple[int, ...], np.dtype[np.float64]], *, late_s: float = 0.0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """500 W idle, 1500 W between the begin of the warm-up and the end of the phase, over ramps of one second."""
    at_s = at_s - late_s
    return 500.0 + 1000.0 * np.minimum(np.clip(at_s + 0.5, 0.0, 1.0), np.clip(181.5 - at_s, 0.0, 1.0)) + np.sin(at_s)


def loaded_case(*series: Series) -> Case:
    """A case with a warm-up and one repetition."""
    windows = tuple(Window(name, kind, at(a), at(b)) for name, kind, a, b in PHASES)
    return Case(case().folder, Evidence(Run(windows, run_id="r"), series))


def of(found: Case, *, least_edges: int = 1) -> Latency:
    """The latency of the one stream of the headline."""
    (one,) = latencies(found, least_edges=least_edges, edge_share=0.25, edge_step=0.05)
    assert isinstance(one, Latency), one
    return one


def test_loads_are_marked_from_warm_up_to_end() -> None:
    """Each repetition with the warm-up before it."""
    found = good_case("ES1")
    spans = loaded(found)
    assert len(spans) == 3
    assert [window.end_ns for window in found.measured] == [end_ns for _, end_ns in spans]
    assert {window.begin_ns for window in found.phases(PhaseKind.WARMUP)} == {begin_ns for begin_ns, _ in spans}
    assert loaded(loaded_case()) == [(at(0.0), at(181.0))]


@pytest.mark.parametrize("late_s", [-0.4, 0.0, 0.7, 2.0])
def test_a_late_stream_is_seen_against_a_gpu(late_s: float) -> None:
    """The lag comes back to a tenth of a second, and stays in the residual: nothing corrects it."""
    found = of(loaded_case(shown(AT_S, load_w(AT_S, late_s=late_s), POWER), shown(AT_S, load_w(AT_S) / 3.0, GPU)))
    assert (found.reference, found.edges, found.corrected_s) == (GPU.meter_id, 2, 0.0)
    assert found.lag_s == pytest.approx(late_s, abs=0.1)
    assert found.residual_s >= abs(found.lag_s)


def test_a_lone_stream_is_held_against_the_marks() -> None:
    """Without another stream the edges are where the run says that the load began and ended."""
    found = of(loaded_case(shown(AT_S, load_w(AT_S, late_s=1.0), POWER)))
    assert found.reference == "marks:run:load:power"
    assert found.lag_s == pytest.approx(1.0, abs=0.15)


def test_a_counter_is_held_by_its_slopes() -> None:
    """A counter in the headline has a latency too."""
    energy_j = np.cumsum(load_w(AT_S)) * 0.5 + 1000.0
    found = of(loaded_case(shown(AT_S, energy_j, COUNTER), shown(AT_S, load_w(AT_S) / 3.0, GPU)))
    assert abs(found.lag_s) < 0.3


def test_a_stream_that_never_moves_tells_nothing() -> None:
    """In words, what is wanted."""
    flat = shown(AT_S, 1000.0 + np.sin(AT_S), POWER)
    (found,) = latencies(loaded_case(flat, shown(AT_S, 300.0 + np.sin(AT_S), GPU)), least_edges=1, edge_share=0.25, edge_step=0.05)
    assert isinstance(found, str)
    assert "the lag of redfish:node-1:CN1:power" in found


def test_only_edges_where_the_load_moves_count() -> None:
    """A mark at which the reference stands still is no edge: it would only make the residual look better."""
    found = loaded_case(shown(AT_S, load_w(AT_S), POWER))
    begins_early = shown(AT_S, np.where(AT_S < 181.0, 1500.0, 500.0), GPU)
    assert edges_ns(found, begins_early, share=0.25, step=0.05) == [at(181.0)]
    assert edges_ns(found, shown(AT_S, 500.0, GPU), share=0.25, step=0.05) == []


def test_the_alignment_speaks_where_the_run_has_too_few_edges() -> None:
    """With more edges wanted than the run has, the lag of the alignment and what it left; else the run's own, less what is corrected."""
    own, told = of(good_case("ES1")), of(good_case("ES1"), least_edges=99)
    record = good("ES1").alignments[0].record
    assert (told.reference, told.edges, told.residual_s) == ("alignment kit-1", record.lag_edges, record.lag_residual_s)
    assert own.corrected_s == pytest.approx(record.lag_s, abs=1e-9)
    assert own.residual_s == pytest.approx(abs(own.lag_s - record.lag_s) + 0.12, abs=0.03)
    bare = of(Case(case().folder, late(0.0)(good("ES1"))), least_edges=99)
    assert bare.corrected_s == 0.0
    assert bare.residual_s > 1.2
