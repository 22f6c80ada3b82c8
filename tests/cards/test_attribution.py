"""Attribution of whole runs: against power that is known request by request, on recorded runs, and where it must not be made."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark import benchmarks, traces
from joulemark.benchmarks import per_request
from joulemark.cards import card
from joulemark.cards.attribution import ATTRIBUTION_SCHEMA, attribution
from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.compute import compute
from joulemark.cards.evidence import Evidence
from joulemark.energy.attribution_claims import Flight, Method
from joulemark.energy.series import Float64
from joulemark.errors import InsufficientData, UsageError
from joulemark.node import Component, Nodes
from joulemark.readings import Quantity
from joulemark.request_log import Status
from joulemark.runs import IdleKind, PhaseKind, Window
from joulemark.standard.schema import schemas
from tests.cards.attribution_truth import GPU, IDLE_W, PHASES, T0, S, Served, counter, evidence, flights
from tests.kit.lab import Lab

THREE = (Served(0, None, 20_000), Served(10_000, None, 30_000), Served(40_000, None, 50_000))
PARTS = ("requests_j", "others_j", "idle_j", "unattributed_j", "energy_upper_bound_j")


def shared_out(found: Evidence, served: tuple[Served, ...] | tuple[Flight, ...] = (), **asked: Any) -> dict[str, Any]:
    """The attribution, which keeps its schema."""
    made = tuple(one if isinstance(one, Flight) else one.flight(number) for number, one in enumerate(served))
    result = attribution(found, Told(made, "the test" if made else ""), Asked(**asked))
    jsonschema.Draft202012Validator(schemas()[ATTRIBUTION_SCHEMA]).validate(json.loads(json.dumps(result, allow_nan=False)))
    return result


def phase_of(result: dict[str, Any], name: str = "decode") -> dict[str, Any]:
    (found,) = (phase for phase in result["phases"] if phase["name"] == name)
    return found  # type: ignore[no-any-return]  # a JSON object


def closed(phase: dict[str, Any]) -> None:
    """The parts of a phase come to its energy."""
    assert math.fsum(phase[name] or 0.0 for name in PARTS) == pytest.approx(phase["energy_j"], rel=1e-12)


# --- against the truth ------------------------------------------------------------------------------------------------


def test_every_request_has_what_it_drew() -> None:
    """Three requests of 100 W, two of them overlapping: each has its true energy, idle what lay between, and nothing is left."""
    phase = phase_of(shared_out(evidence(counter(THREE)), THREE, listed=True))
    assert [row["energy_j"] for row in phase["requests"]["list"]] == pytest.approx([one.true_j for one in THREE], rel=1e-9)
    assert phase["idle_j"] == pytest.approx(IDLE_W * 20.0, rel=1e-9)
    assert [row["alone_share"] for row in phase["requests"]["list"]] == pytest.approx([0.5, 0.5, 1.0], rel=1e-9)
    closed(phase)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(2, 900)), min_size=1, max_size=25))
def test_any_requests_of_equal_power(pairs: list[tuple[int, int]]) -> None:
    """However many overlap: where each draws the same, each has its true energy to 1e-6, and the parts come to the whole."""
    served = tuple(Served(begin * 10, None, (begin + length) * 10) for begin, length in pairs)
    phase = phase_of(shared_out(evidence(counter(served)), served, listed=True))
    assert [row["energy_j"] for row in phase["requests"]["list"]] == pytest.approx([one.true_j for one in served], rel=1e-6)
    closed(phase)


def test_prefill_and_decode_by_tokens() -> None:
    """Where power goes with tokens per second, 1 J for each, the split has the true energy of both, and so has each request."""
    served = (
        Served(0, 2000, 20_000, prefill_w=500.0, decode_w=10.0, input_tokens=1000, output_tokens=181),
        Served(1000, 5000, 30_000, prefill_w=100.0, decode_w=40.0, input_tokens=400, output_tokens=1001),
    )
    phase = phase_of(shared_out(evidence(counter(served)), served, method=Method.TOKENS, listed=True))
    assert phase["split"]["prefill_j"] == pytest.approx(1400.0, rel=1e-9)
    assert phase["split"]["decode_j"] == pytest.approx(1180.0, rel=1e-9)
    for row, one in zip(phase["requests"]["list"], served, strict=True):
        assert (row["prefill_j"], row["decode_j"]) == pytest.approx((one.true_prefill_j, one.true_decode_j), rel=1e-9)
        assert row["energy_j"] == pytest.approx(row["prefill_j"] + row["decode_j"], rel=1e-12)
    closed(phase)


def test_what_it_cannot_know() -> None:
    """Two that run together, one of 300 W and one of 100 W, get 200 W each: the sum is right, the shares are not, and it says so."""
    served = (Served(0, None, 10_000, 300.0), Served(0, None, 10_000, 100.0))
    result = shared_out(evidence(counter(served)), served, listed=True)
    phase = phase_of(result)
    assert [row["energy_j"] for row in phase["requests"]["list"]] == pytest.approx([2000.0, 2000.0], rel=1e-9)
    assert [row["u95_j"] for row in phase["requests"]["list"]] == [None, None]
    assert "nobody can tell" in result["method"]["label"]


def test_the_simulated_laboratory() -> None:
    """All phases of a run at the wall: parts come to the energy that the card has, which is the true one within its U95."""
    lab = Lab.of("ES2", seed=3)
    whole = lab.evidence()
    result = shared_out(whole, tuple(Flight(request) for request in lab.requests), slice_s=100.0)
    energies = {phase["name"]: phase["energy_j"] for phase in card.build(whole)["phases"]}
    for phase, window in zip(result["phases"], lab.windows, strict=True):
        closed(phase)
        assert phase["energy_j"] == energies[phase["name"]]
        assert abs(phase["energy_j"] - lab.true_energy_j(window)) <= phase["u95_j"]
    measured = phase_of(result, "measured-1")
    assert measured["requests"]["count"] == lab.plan.requests
    assert measured["idle_share"]["source"] == "idle_ready: idle_before, idle_after"
    for cut in measured["slices"]:
        true_j = lab.true_energy_j(Window("s", PhaseKind.OTHER, cut["begin_ns"], cut["end_ns"]))
        assert abs(cut["energy_j"] - true_j) <= cut["u95_j"]


def test_a_recorded_run_of_aiperf(corpus: Path) -> None:
    """The genuine records: parts come to the headline, 3310.83 J for 3312.17 true ones, and so do prefill with decode; slices are true
    within their U95, and requests within 7 % of their equal part of the true power.
    """
    place = corpus / "aiperf/generated_0.13.0_dcgm_truth"
    run, inside = benchmarks.read(place, tz=None), per_request.read(place)
    series = tuple(traces.read(place / "gpu_telemetry_export.jsonl", tz=None))
    found = attribution(Evidence(run, series), Told(inside.flights, "aiperf records", inside.slices), Asked(listed=True))
    phase = phase_of(found, "profiling")
    closed(phase)
    (headline,) = (p["energy_j"] for p in compute(series, run)["phases"] if p["name"] == "profiling")
    assert phase["energy_j"] == headline == pytest.approx(3310.83, abs=0.01)
    split, rows = phase["split"], phase["requests"]["list"]
    assert split["prefill_j"] + split["decode_j"] == pytest.approx(phase["requests_j"], rel=1e-12)
    assert math.fsum(row["energy_j"] for row in rows) == pytest.approx(phase["requests_j"], rel=1e-12)
    assert [cut["complete"] for cut in phase["slices"]] == [True] * 5 + [False]
    assert math.fsum(cut["energy_j"] for cut in phase["slices"]) == pytest.approx(headline, rel=0.002)
    with (place / "power_truth.csv").open(newline="") as file:
        t_ns, active, watts = np.array([[float(cell) for cell in line] for line in list(csv.reader(file))[1:]]).T
    for cut in phase["slices"]:
        assert abs(cut["energy_j"] - true_j(t_ns, watts, cut)) <= cut["u95_j"]
    counters = tuple(one for one in series if one.meter.quantity is Quantity.ENERGY_COUNTER)
    alone = phase_of(attribution(Evidence(run, counters), Told(inside.flights, "", inside.slices), Asked()), "profiling")
    assert [cut["u95_j"] for cut in alone["slices"]] == [cut["u95_j"] for cut in phase["slices"]]
    equal_w = watts / np.maximum(active, 1.0)
    assert max(abs(row["energy_j"] / true_j(t_ns, equal_w, row) - 1.0) for row in rows) < 0.07


def true_j(t_ns: Float64, watts: Float64, span: dict[str, Any]) -> float:
    """The exact energy of a step function between begin and end; microseconds do not matter here."""
    return float(np.dot(watts, np.diff(np.clip(np.append(t_ns, 2.0**62), span["begin_ns"], span["end_ns"]))) / S)


# --- what must not be told --------------------------------------------------------------------------------------------


def test_requests_too_short_for_the_meter() -> None:
    """A meter of 1 s tells nothing of a request of half a second: no figure, the reason, and its joules in the sum all the same."""
    served = (*THREE, Served(52_000, None, 52_500))
    slow = counter(served, replace(GPU, update_period_s=1.0), step_ms=1000)
    phase = phase_of(shared_out(evidence(slow), served, listed=True))
    row = phase["requests"]["list"][3]
    assert row["energy_j"] is None
    assert "shorter than the 1 s" in row["reason"]
    assert (phase["requests"]["count"], phase["requests"]["resolved_count"]) == (4, 3)
    both_j = phase["requests"]["resolved_j"] + phase["requests"]["unresolved_j"]
    assert both_j == pytest.approx(phase["requests_j"], rel=1e-12)
    closed(phase)


def test_the_mean_power_is_shared_and_named() -> None:
    """By the mean power of the phase a short request has a figure: its part of the time, and the label says what that is worth."""
    served = (Served(0, None, 30_000), Served(52_000, None, 52_500))
    slow = counter(served, replace(GPU, update_period_s=1.0), step_ms=1000)
    result = shared_out(evidence(slow), served, listed=True, mean_power=True)
    phase = phase_of(result)
    assert phase["requests"]["list"][1]["energy_j"] == pytest.approx(phase["energy_j"] * 0.5 / 60.0, rel=1e-9)
    assert "mean power of the phase" in result["method"]["label"]
    closed(phase)
    part = replace(PHASES[1], name="slice 0", end_ns=T0 + 30 * S)
    told = Told(flights(served), "t", (part,))
    assert [len(phase_of(attribution(evidence(slow), told, Asked(mean_power=mean)))["slices"]) for mean in (True, False)] == [0, 1]
    with pytest.raises(UsageError, match="mean power"):
        shared_out(evidence(slow), served, mean_power=True, slice_s=10.0)


def test_slices_too_short_for_the_meter() -> None:
    """Slices of 0.5 s under a meter of 1 s have no energy, but the reason; of 7 s the last is cut off."""
    slow = counter(THREE, replace(GPU, update_period_s=1.0), step_ms=1000)
    short = phase_of(shared_out(evidence(slow), THREE, slice_s=0.5))["slices"]
    assert {cut["energy_j"] for cut in short} == {None}
    assert "shorter than" in short[0]["reason"]
    long = phase_of(shared_out(evidence(slow), THREE, slice_s=7.0))["slices"]
    assert [cut["complete"] for cut in long] == [True] * 8 + [False]
    with pytest.raises(UsageError, match="10000"):
        shared_out(evidence(slow), THREE, slice_s=0.001)


def test_slices_come_to_the_phase() -> None:
    """Slices of 5 s add up to the phase, part by part, each with the budget of itself; 600 of them go without."""
    phase = phase_of(shared_out(evidence(counter(THREE)), THREE, slice_s=5.0))
    for name in ("energy_j", "requests_j", "idle_j", "unattributed_j"):
        assert math.fsum(cut[name] for cut in phase["slices"]) == pytest.approx(phase[name], rel=1e-9), name
    assert all(cut["u95_j"] > 0.0 for cut in phase["slices"])
    many = phase_of(shared_out(evidence(counter(THREE)), THREE, slice_s=0.1))["slices"]
    assert (len(many), {cut["u95_j"] for cut in many}) == (600, {None})


def test_a_gap_is_not_bridged() -> None:
    """Three seconds without readings are nobody's: the request over them has no figure, the others keep theirs."""
    whole = counter(THREE)
    series = whole.rows((whole.t_ns <= T0 + 42 * S) | (whole.t_ns >= T0 + 45 * S))
    phase = phase_of(shared_out(evidence(series), THREE, listed=True))
    assert phase["unattributed_s"] == pytest.approx(3.0, abs=0.02)
    assert phase["unattributed_j"] == pytest.approx(300.0, rel=0.01)
    rows = phase["requests"]["list"]
    assert [row["energy_j"] is None for row in rows] == [False, False, True]
    assert "no readings" in rows[2]["reason"]
    closed(phase)


def test_no_record_of_requests() -> None:
    """Where nobody recorded when requests ran, the energy is not attributed; it is not called idle."""
    phase = phase_of(shared_out(evidence(counter(THREE))))
    assert (phase["requests_j"], phase["idle_j"], phase["requests"]) == (None, None, None)
    assert phase["unattributed_j"] == pytest.approx(phase["energy_j"], rel=1e-12)
    assert "no record" in phase["reason"]


def test_a_phase_without_energy() -> None:
    """A phase that the readings do not cover is null in every part, and a run without any is refused."""
    late = replace(PHASES[1], name="late", begin_ns=T0 + 60 * S, end_ns=T0 + 90 * S)
    phase = phase_of(shared_out(evidence(counter(THREE), windows=(*PHASES, late)), THREE), "late")
    assert {phase[name] for name in ("energy_j", "requests_j", "idle_j", "unattributed_j")} == {None}
    with pytest.raises(InsufficientData):
        shared_out(evidence(counter(THREE), windows=(late,)), THREE)


# --- nothing twice ----------------------------------------------------------------------------------------------------


def test_a_divided_gpu_is_not_given_to_one_run() -> None:
    """Of a GPU divided into instances only the whole is measured: none of two runs on it gets its energy, until somebody vouches."""
    meter = replace(GPU, note="mig_shared: the whole GPU, whatever its MIG instances do")
    series = counter(THREE, meter)
    one, other = (phase_of(shared_out(evidence(series), (served,))) for served in (THREE[0], THREE[2]))
    for phase in (one, other):
        assert phase["requests_j"] is None
        assert phase["unattributed_j"] == pytest.approx(phase["energy_j"], rel=1e-12)
        assert "MIG" in phase["unattributed_because"]
    (cut,) = phase_of(shared_out(evidence(series), THREE, slice_s=60.0))["slices"]
    assert (cut["requests_j"], cut["idle_j"], cut["unattributed_j"]) == (None, None, pytest.approx(cut["energy_j"], rel=1e-12))
    vouched = phase_of(shared_out(evidence(series), THREE, whole_device=True))
    assert vouched["requests_j"] == pytest.approx(sum(one.true_j for one in THREE), rel=1e-9)


def test_instances_that_show_the_whole() -> None:
    """Two meters that say they cover one instance each may both show the whole GPU: refused, with both named."""
    pair = [replace(GPU, meter_id=f"exec:h:m{n}:energy", covers=(f"MIG-{n}",)) for n in (1, 2)]
    result = shared_out(evidence(*(counter(THREE, meter) for meter in pair)), THREE)
    assert phase_of(result)["requests_j"] is None
    assert all(any(f"MIG-{n} " in finding for finding in result["findings"]) for n in (1, 2))


def test_two_meters_of_one_gpu_are_one() -> None:
    """The driver and an exporter that both cover a GPU are alternatives: the requests get its energy once."""
    exporter = replace(GPU, meter_id="prometheus:h:GPU-1:energy", kind="prometheus")
    phase = phase_of(shared_out(evidence(counter(THREE), counter(THREE, exporter)), THREE))
    assert phase["requests_j"] == pytest.approx(sum(one.true_j for one in THREE), rel=1e-9)


def test_two_runs_on_one_gpu_share_it() -> None:
    """Phases of two runs that overlap on one GPU: each request counts once, with its own run, and the overlap is told."""
    a, b = (replace(PHASES[1], name=name, requests=None) for name in ("a/p", "b/p"))
    served = tuple(replace(one, phase=name) for one, name in zip(THREE, ("a/p", "b/p", "b/p"), strict=True))
    parts = tuple(replace(a, name=f"{run}/slice 0", end_ns=T0 + 30 * S) for run in "ab")
    cut = attribution(evidence(counter(served), windows=(a, b)), Told(flights(served), "t", parts), Asked())
    assert [[part["name"] for part in phase["slices"]] for phase in cut["phases"]] == [["a/slice 0"], ["b/slice 0"]]
    result = shared_out(evidence(counter(served), windows=(a, b)), served)
    one, other = phase_of(result, "a/p"), phase_of(result, "b/p")
    assert (one["requests_j"], other["requests_j"]) == pytest.approx((2000.0, 3000.0), rel=1e-9)
    assert (one["others_j"], other["others_j"]) == pytest.approx((3000.0, 2000.0), rel=1e-9)
    assert any("must not be added" in finding for finding in result["findings"])


def test_every_phase_inside_another_is_told() -> None:
    """A long phase over two short ones is named with each of them; neighbours are not."""
    long, one, other = (
        replace(PHASES[1], name=name, begin_ns=T0 + b * S, end_ns=T0 + e * S) for name, b, e in (("l", 0, 60), ("a", 1, 9), ("b", 9, 20))
    )
    findings = shared_out(evidence(counter(THREE), windows=(long, one, other)), THREE)["findings"]
    assert [finding.split(" overlap")[0] for finding in findings if "overlap" in finding] == ["l and a", "l and b"]


def test_a_request_over_the_edge_of_a_phase() -> None:
    """What a request of the warm-up takes in the measured phase is told apart, and its figure says that it is not whole."""
    early = Served(-10_000, None, 5000, phase="warmup")
    warmup = Window("warmup", PhaseKind.WARMUP, T0 - 15 * S, T0 - S)
    result = shared_out(evidence(counter((early, *THREE)), windows=(warmup, PHASES[1])), (early, *THREE), listed=True)
    phase = phase_of(result)
    assert phase["others_j"] == pytest.approx(500.0, rel=1e-9)
    closed(phase)
    (row,) = phase_of(result, "warmup")["requests"]["list"]
    assert (row["whole"], row["energy_j"]) == (False, pytest.approx(900.0, rel=1e-9))


def test_what_no_meter_sees_is_not_shared_out() -> None:
    """The upper bound of a switch stands in the energy and beside the requests, not in their shares."""
    nodes = Nodes(components=(Component("switch", "upper_bound", max_spec_w=50.0),))
    phase = phase_of(shared_out(evidence(counter(THREE), nodes=nodes), THREE))
    assert phase["energy_upper_bound_j"] == pytest.approx(3000.0)
    assert phase["requests_j"] == pytest.approx(sum(one.true_j for one in THREE), rel=1e-9)
    closed(phase)


# --- what is said beside ----------------------------------------------------------------------------------------------


def test_the_idle_share() -> None:
    """Measured idle power with the engine loaded times the duration, from the phase that it names; stated, or null with the reason."""
    bare = replace(PHASES[0], name="bare", begin_ns=T0 - 29 * S, end_ns=T0 - 21 * S, idle_kind=IdleKind.BARE)
    share = phase_of(shared_out(evidence(counter(THREE), windows=(bare, *PHASES)), THREE))["idle_share"]
    assert (share["power_w"], share["energy_j"]) == pytest.approx((IDLE_W, IDLE_W * 60.0), rel=1e-6)
    assert share["source"] == "idle_ready: idle"
    stated = phase_of(shared_out(evidence(counter(THREE)), THREE, idle_w=50.0))["idle_share"]
    assert (stated["energy_j"], stated["source"]) == (3000.0, "stated")
    none = phase_of(shared_out(evidence(counter(THREE), windows=PHASES[1:]), THREE))["idle_share"]
    assert (none["power_w"], none["energy_j"], none["share"]) == (None, None, None)
    assert "no idle phase" in none["reason"]


def test_records_that_are_not_complete() -> None:
    """Fewer requests on record than the phase had, and requests without an end, are findings, and nothing is called idle."""
    half = (flights(THREE)[0], replace(flights(THREE)[1], request=replace(flights(THREE)[1].request, end_ns=None)))
    result = shared_out(evidence(counter(THREE)), half, slice_s=30.0)
    assert (
        "decode: the records tell of 2 of 3 completed requests and 1 requests have no end on record; the others take no share"
        in result["findings"]
    )
    phase = phase_of(result)
    assert [phase["idle_j"], *(cut["idle_j"] for cut in phase["slices"])] == [None, None, None]
    assert math.fsum(cut["unattributed_j"] for cut in phase["slices"]) == pytest.approx(phase["unattributed_j"], rel=1e-9)
    closed(phase)


def test_a_request_that_failed_took_energy() -> None:
    """A failed request has its share; beside it tokens decide nothing, and the split says for how long."""
    served = (
        Served(0, 5000, 20_000, input_tokens=100, output_tokens=200),
        Served(10_000, None, 30_000, status=Status.FAILED),
    )
    phase = phase_of(shared_out(evidence(counter(served)), served, method=Method.TOKENS, listed=True))
    assert [row["energy_j"] for row in phase["requests"]["list"]] == pytest.approx([2000.0, 2000.0], rel=1e-9)
    assert phase["split"]["evenly_s"] == pytest.approx(10.0)
    assert phase["split"]["undivided_j"] == pytest.approx(2000.0, rel=1e-9)


def test_a_split_without_first_tokens() -> None:
    """Requests of which nobody recorded the first token are not divided, and it is said why."""
    split = phase_of(shared_out(evidence(counter(THREE)), THREE))["split"]
    assert (split["prefill_j"], split["decode_j"]) == (None, None)
    assert "first token" in split["reason"]


def test_a_split_finer_than_the_meter_says_so() -> None:
    """A prefill of 5 ms under a counter of 10 ms is split by time and tokens alone, and the label says that."""
    fine, coarse = (
        phase_of(shared_out(evidence(counter(served)), served))["split"]["label"]
        for served in ((Served(0, 500, 9000),), (Served(0, 5, 9000),))
    )
    assert "shorter" not in fine
    assert "0.005 s is shorter than the 0.01 s" in coarse


def test_ten_thousand_requests_are_quick() -> None:
    """A long list with much overlap comes to the whole too."""
    rng = np.random.default_rng(5)
    served = tuple(
        Served(int(b), None, int(b) + int(n)) for b, n in zip(rng.integers(0, 55_000, 10_000), rng.integers(20, 4000, 10_000), strict=True)
    )
    phase = phase_of(shared_out(evidence(counter(THREE)), served, listed=True))
    closed(phase)
    assert math.fsum(row["energy_j"] for row in phase["requests"]["list"]) == pytest.approx(phase["requests_j"], rel=1e-12)
