"""Power over time: what is summed, what is broken, and that thinning keeps every peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.cards.card import build
from joulemark.cards.evidence import Evidence
from joulemark.cards.trace import Trace, traces
from joulemark.energy.series import Series
from joulemark.readings import Boundary
from tests.cards.pages import full

S = 1_000_000_000


def of(*power_w: float, begin_s: int = 0) -> tuple[Any, Any]:
    return (begin_s + np.arange(len(power_w), dtype=np.int64)) * S, np.array(power_w, dtype=np.float64)


def test_devices_of_one_boundary_are_summed() -> None:
    """Two GPUs that are read half a second apart are one line, whose mean is the sum of theirs."""
    t_ns, power_w = of(*[100.0] * 10)
    line = Trace.summed("gpu", [(t_ns, power_w, 0.0), (t_ns + S // 2, power_w * 2, 0.0)])
    inside = np.isfinite(line.power_w)
    assert line.meters == 2
    assert np.all(line.power_w[inside] == 300.0)
    assert line.t_ns[inside][0] == S // 2
    assert line.t_ns[inside][-1] == 9 * S


def test_a_gap_of_one_device_is_a_gap_of_the_sum() -> None:
    """Where one of two is not read, their sum is not known, though the other is."""
    whole, power_w = of(*[100.0] * 20)
    torn = np.concatenate([whole[:5], whole[10:]])
    line = Trace.summed("gpu", [(whole, power_w, 0.0), (torn, power_w[:15], 0.0)])
    assert list(line.missing()) == [(4 * S, 10 * S)]
    assert all(t <= 4 * S or t >= 10 * S for t, _, _ in line.thinned(0, 19 * S, parts=10))


def test_the_line_is_that_of_the_energy(gather: Callable[..., Evidence], wall: Series, counter: Series) -> None:
    """The mean of each line over the measured phase is the mean power of the card, at the wall and by a counter."""
    evidence = gather(series=(wall, counter))
    (phase,) = [one for one in build(evidence)["phases"] if one["kind"] == "measured"]
    lines = {line.boundary: line for line in traces(evidence)}
    assert list(lines) == ["server_input", "gpu"]
    means = {one["boundary"]: one["mean_power_w"] for one in (phase, *phase["other_boundaries"])}
    for boundary, line in lines.items():
        inside = (line.t_ns >= phase["begin_ns"]) & (line.t_ns <= phase["end_ns"])
        assert np.nanmean(line.power_w[inside]) == pytest.approx(means[boundary], rel=1e-6)


def test_an_aligned_meter_is_drawn_as_it_is_counted() -> None:
    """The line of a corrected BMC has the mean power of the card, not the raw one, which is eight percent lower."""
    run = full("ES1")
    (line,) = [one for one in traces(run.evidence) if one.boundary == Boundary.SERVER_INPUT]
    (phase,) = [one for one in run.card["phases"] if one["name"] == "idle_before"]
    inside = (line.t_ns >= phase["begin_ns"]) & (line.t_ns <= phase["end_ns"])
    assert np.nanmean(line.power_w[inside]) == pytest.approx(phase["mean_power_w"], rel=0.01)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=400), st.integers(1, 50), st.sets(st.integers(0, 399), max_size=20))
def test_thinning_keeps_peaks_ends_and_gaps(power_w: list[float], parts: int, lost: set[int]) -> None:
    """At most two readings in each part and the two ends stay: highest and lowest among them, and a break wherever one was."""
    t_ns, power = of(*power_w)
    power[[row for row in lost if row < len(power)]] = np.nan
    line = Trace("gpu", 1, t_ns, power)
    kept = line.thinned(0, int(t_ns[-1]), parts=parts)
    known = power[np.isfinite(power)]
    assert len(kept) <= 2 * (parts + 1) + 2
    if len(known):
        drawn = [watts for _, watts, _ in kept]
        assert (max(drawn), min(drawn)) == (known.max(), known.min())
        rows = [t // S for t, _, _ in kept]
        assert rows == sorted(set(rows))
        assert [kept[0][1], kept[-1][1]] == [known[0], known[-1]]
        for (before, _, _), (after, _, anew) in pairwise(kept):
            assert anew == bool(np.isnan(power[before // S : after // S + 1]).any())


def test_a_meter_without_a_valid_reading_has_no_line(gather: Callable[..., Evidence], wall: Series, counter: Series) -> None:
    """A boundary whose readings are all 0 W is left out, and the other stays."""
    dead = replace(wall, value=np.zeros_like(wall.value))
    assert [line.boundary for line in traces(gather(series=(dead, counter)))] == ["gpu"]
