"""Power held against the times of phases: an offset is found with its size, and nothing is made of noise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from joulemark import benchmarks, traces
from joulemark.energy.edges import Edges, Verdict, edges, loads, zone_s
from joulemark.energy.series import Float64, Series
from joulemark.readings import Boundary, Quantity
from joulemark.runs import ClockKind, PhaseKind, Window
from tests.energy.waves import T0_NS, S, meter

SEEDS = range(200)
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
A100 = "traces/mlperf_inference_v1.0_power_localtime/closed/NVIDIA/results/A100-PCIex8_TRT_MaxQ/bert-99/Offline/performance/run_1"
V20 = "traces/mlperf_inference_v2.0_power/closed"
DELL = f"{V20}/Dell/results/XR12_A2x1_TRT_MaxQ/bert-99/Offline/performance/run_1"
DGX = f"{V20}/NVIDIA/results/DGX-A100_A100-SXM-80GBx8_TRT_MaxQ/bert-99/Server/performance/run_1"
H200 = "mlperf_power/inference_v4.1_nvidia_h200x8_llama2-70b-99"
SMC = "mlperf_power/training_v4.0_smc_llama2_70b_lora_1node"
NOISES = ("white", "correlated", "spikes", "bursts")
DRIFT = "drift"
"""No idle machine wanders so far, and still next to nothing may be made of it."""


def phase(begin_s: float, end_s: float, kind: PhaseKind = PhaseKind.MEASURED, *, unc_s: float = 0.0) -> Window:
    return Window("p", kind, T0_NS + round(begin_s * S), T0_NS + round(end_s * S), round(unc_s * S))


CLAIM = (phase(60, 120),)


def noise(rng: np.random.Generator, kind: str, t_s: Float64) -> Float64:
    """Of about one standard deviation, or in the shape that an idle machine has: short spikes, or bursts of seconds."""
    white = rng.normal(0.0, 1.0, len(t_s))
    if kind == "white":
        return white
    if kind == "correlated":
        return np.asarray(np.convolve(white, 0.2 * 0.98 ** np.arange(300))[: len(t_s)])
    if kind == DRIFT:
        return np.asarray(np.cumsum(white)) * 0.3
    if kind == "spikes":
        return 0.2 * white + (rng.random(len(t_s)) < 0.05) * rng.uniform(0.0, 60.0, len(t_s))
    out = 0.2 * white
    for begin_s in rng.uniform(0.0, t_s[-1], rng.integers(2, 12)):
        out += 60.0 * ((t_s >= begin_s) & (t_s < begin_s + rng.uniform(0.3, 8.0)))
    return out


def recorded(
    seed: int,
    *,
    kind: str = "white",
    idle_w: float = 100.0,
    load_w: float = 600.0,
    late_s: float = 0.0,
    pace_s: float = 0.1,
    span_s: float = 180.0,
) -> Series:
    """Power of a machine that is loaded from 60 s to 120 s, read at jittered times, whose clock is `late_s` ahead."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(rng.uniform(0.0, pace_s), span_s, pace_s)
    t_s = t_s + rng.uniform(0.0, 0.1 * pace_s, len(t_s))
    power_w = np.where((t_s >= 60.0) & (t_s < 120.0), load_w, idle_w) + 5.0 * noise(rng, kind, t_s)
    t_ns = T0_NS + np.round((t_s + late_s) * S).astype(np.int64)
    return Series.plain(meter("power", Quantity.POWER), t_ns, np.round(np.maximum(power_w, 1.0) * 1000).astype(np.int64))


@pytest.mark.parametrize("late_s", [0.5, -0.5, 2.0, -2.0, 20.0, -45.0, 3600.0, -18000.0, 19800.0])
@pytest.mark.parametrize("kind", ["white", "spikes"])
def test_an_offset_is_found_with_its_size(late_s: float, kind: str) -> None:
    """Over seeds: every one is found, within its U95 at least as often as that promises, and its sign is that of the power."""
    found = [edges([recorded(seed, kind=kind, late_s=late_s)], CLAIM) for seed in range(40)]
    assert {one.verdict for one in found} == {Verdict.OFFSET}
    inside = [abs((one.offset_s or 0.0) - late_s) <= 2.0 * (one.u_s or 0.0) for one in found]
    assert sum(inside) >= 38
    said = found[0].finding(ClockKind.LOCAL) or ""
    assert ("after the phases" if late_s > 0 else "before the phases") in said
    assert ("looks like a time zone: give --tz" in said) == (abs(late_s) >= 1800)
    assert said.endswith("No figure was changed.")


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize(("pace_s", "span_s"), [(0.1, 180.0), (1.0, 180.0), (0.1, 122.0)])
def test_what_is_in_time_is_consistent(kind: str, pace_s: float, span_s: float) -> None:
    """Over seeds: no offset is told where there is none, whatever the noise, and with two seconds of idle power at the end."""
    found = Counter(edges([recorded(seed, kind=kind, pace_s=pace_s, span_s=span_s)], CLAIM).verdict for seed in range(40))
    assert found[Verdict.OFFSET] == 0
    assert found[Verdict.CONSISTENT] >= (40 if span_s > 150 and kind != "bursts" else 0)


def test_nothing_is_made_of_constant_load_and_noisy_idle(capsys: pytest.CaptureFixture[str]) -> None:
    """The rate of false alarms over seeds, by noise and level, is printed: none in 200 of each, and of a random walk at most two."""
    rates = {}
    for kind in (*NOISES, DRIFT):
        for name, level_w in (("idle", 100.0), ("load", 600.0)):
            told = [edges([recorded(seed, kind=kind, idle_w=level_w, load_w=level_w, pace_s=0.25)], CLAIM) for seed in SEEDS]
            rates[f"{kind} {name}"] = sum(one.verdict is Verdict.OFFSET for one in told)
            assert all(one.reason for one in told if one.verdict is Verdict.UNKNOWN)
    with capsys.disabled():
        print(f"\nfalse alarms of {len(SEEDS)}: {rates}")
    assert max(rates.pop(f"{DRIFT} idle"), rates.pop(f"{DRIFT} load")) <= 2
    assert set(rates.values()) == {0}


@pytest.mark.parametrize(
    ("windows", "series", "why"),
    [
        ((), recorded(1), "no phase says"),
        ((phase(0, 59, PhaseKind.IDLE_BEFORE),), recorded(1), "no phase says"),
        (CLAIM, recorded(1, pace_s=100.0), "too few readings"),
        ((phase(-10, 200),), recorded(1), "not longer than the phases"),
        (CLAIM, recorded(1, idle_w=600.0), "its load is constant, or another"),
        ((phase(70, 110),), recorded(1), "not alike"),
        ((phase(95, 105),), recorded(1), "its load is constant, or another"),
        ((phase(60, 119.9), phase(100, 150, PhaseKind.OTHER)), recorded(1, idle_w=100.0), "only where power rises"),
        ((phase(60, 120), phase(121.5, 150, PhaseKind.COOLDOWN)), recorded(1, late_s=10.0), None),
        ((phase(60, 120), phase(120, 150, PhaseKind.COOLDOWN)), recorded(1, late_s=10.0), "only where power rises"),
    ],
)
def test_what_cannot_be_told_has_its_reason(windows: tuple[Window, ...], series: Series, why: str | None) -> None:
    """No load, too few readings, none outside, no step, an edge with something beside it, a load of another length: each says which."""
    found = edges([series], windows)
    assert (found.verdict is Verdict.UNKNOWN) == (why is not None)
    assert (why or "") in found.reason
    assert (found.finding(ClockKind.UTC) is None) == (why is not None)


def test_no_power_is_no_verdict() -> None:
    """Without a series there is nothing to tell, and a temperature is no power."""
    one = recorded(1)
    warm = replace(one, meter=replace(one.meter, quantity=Quantity.TEMPERATURE))
    assert edges([], CLAIM).reason == edges([warm], CLAIM).reason == "there is no power"


def stepped(*levels: tuple[float, float, int], span_s: float = 400.0) -> Series:
    """Power that is 90 W but for (begin in s, end in s, W) of each of `levels`."""
    t_s = np.arange(0.0, span_s, 0.5)
    power_w = np.full(len(t_s), 90)
    for begin_s, end_s, level_w in levels:
        power_w[(t_s >= begin_s) & (t_s < end_s)] = level_w
    return Series.plain(meter("power", Quantity.POWER), T0_NS + np.round(t_s * S).astype(np.int64), power_w * 1000)


def test_repeated_loads_are_one_pattern() -> None:
    """Loads of two lengths are found hours away; six of the seven alike in the log, or one of two, are not picked."""
    far = edges([stepped((50, 100, 500), (200, 330, 500))], (phase(50 - 7200, 100 - 7200), phase(200 - 7200, 330 - 7200)))
    assert (far.verdict, round(far.offset_s or 0.0), far.edges) == (Verdict.OFFSET, 7200, 4)
    seven = stepped(*((120 * n + 60, 120 * n + 120, 500) for n in range(7)), span_s=900.0)
    claims = [phase(120 * n - 7200, 120 * n - 7140) for n in range(7)]
    assert edges([seven], claims).verdict is Verdict.OFFSET
    assert "more than one place" in edges([seven], claims[:6]).reason
    one = (phase(50 - 7200, 100 - 7200),)
    assert edges([stepped((50, 100, 600), (300, 350, 600))], one).verdict is Verdict.UNKNOWN
    assert edges([stepped((50, 100, 600), (300, 350, 200))], one).verdict is Verdict.OFFSET


def test_uncertain_phases_and_clocks_are_allowed_for() -> None:
    """What the phase, the readings or the clock state as their own uncertainty is no offset; a hair more is."""
    series = recorded(3, late_s=1.0)
    assert edges([series], (phase(60, 120, unc_s=1.2),)).verdict is Verdict.CONSISTENT
    assert edges([series], (phase(60, 120, unc_s=0.7),)).verdict is Verdict.OFFSET
    assert edges([replace(series, clock_bound_ns=1_200_000_000)], CLAIM).verdict is Verdict.CONSISTENT
    assert edges([replace(series, t_unc_ns=np.full(len(series), 1_200_000_000))], CLAIM).verdict is Verdict.CONSISTENT
    slow = replace(series.meter, averaging_window_s=2.4)
    assert edges([replace(series, meter=slow)], CLAIM).verdict is Verdict.CONSISTENT


def test_the_boundary_that_tells_most_is_asked() -> None:
    """A wall meter that is too slow to tell does not silence the GPUs; counters are asked where there are no powers."""
    wall = recorded(1, pace_s=50.0)
    wall = replace(wall, meter=replace(wall.meter, meter_id="wall", boundary=Boundary.WALL_ANALYZER))
    assert edges([wall, recorded(1, late_s=5.0)], CLAIM).verdict is Verdict.OFFSET
    power = recorded(1, late_s=5.0, kind="spikes")
    energy_j = np.cumsum(power.si()[:-1] * np.diff(power.t_ns) / S)
    counter = Series.plain(meter("energy", Quantity.ENERGY_COUNTER), power.t_ns[1:], np.round(energy_j * 1000).astype(np.int64))
    found = edges([counter], CLAIM)
    assert (found.verdict, round(found.offset_s or 0.0, 0)) == (Verdict.OFFSET, 5.0)


def test_touching_phases_are_one_load() -> None:
    """Warm-up and measured phase 13 ms apart are one load; an idle phase is none; what lies beside an edge takes it out."""
    windows = [phase(0, 10, PhaseKind.WARMUP), phase(10.013, 60), phase(60, 90, PhaseKind.IDLE_AFTER), phase(90, 99)]
    assert [((one.begin_ns - T0_NS) // S, (one.end_ns - T0_NS) // S, one.edges) for one in loads(windows)] == [
        (0, 60, (0, 1)),
        (90, 99, (0, 1)),
    ]
    beside = [phase(-5, 0, PhaseKind.OTHER), phase(0, 10), phase(10.5, 20, PhaseKind.COOLDOWN), phase(2, 3, PhaseKind.OTHER)]
    assert [one.edges for one in loads(beside)] == [()]


@pytest.mark.parametrize(
    ("offset_s", "zone"),
    [
        (3600, 3600),
        (-3603, -3600),
        (19800, 19800),
        (20700, 20700),
        (-12600, -12600),
        (4500, None),
        (900, None),
        (51300, None),
        (120, None),
        (3650, None),
    ],
)
def test_zones(offset_s: float, zone: int | None) -> None:
    """Whole hours and those with 30 or 45 minutes are zones, up to 14 h; a quarter of an hour is none, and 50 s off an hour is not one."""
    assert zone_s(offset_s, 0.5) == zone


def test_a_written_file_is_named_as_the_clock() -> None:
    """For phases dated by a file's modification time the warning says so."""
    found = Edges(Verdict.OFFSET, 3.0, 0.1, 2, 0.2)
    assert "when their file was written" in (found.finding(ClockKind.MTIME) or "")
    assert "their clocks differ" in (found.finding(ClockKind.UTC) or "")


@pytest.mark.parametrize(
    ("name", "run", "power", "zone", "power_zone", "expected_s"),
    [
        ("A100, the zone it was", A100, "spl.txt", LOS_ANGELES, LOS_ANGELES, 0),
        ("A100, without one", A100, "spl.txt", UTC, LOS_ANGELES, 25_200),
        ("A100, the zone its own file names, off by daylight saving", A100, "spl.txt", LOS_ANGELES, timezone(timedelta(hours=-8)), 3600),
        ("Dell", DELL, "spl.txt", UTC, UTC, 0),
        ("DGX", DGX, "spl.txt", UTC, UTC, 0),
        ("H200", H200, "*spl.txt.gz", UTC, UTC, 0),
        ("H200 by a meter in New York", H200, "*spl.txt.gz", UTC, timezone(timedelta(hours=-5)), 18_000),
        ("AIPerf", "aiperf/generated_0.13.0_streaming", "gpu_telemetry_export.jsonl", UTC, UTC, 0),
    ],
)
def test_recorded_runs(corpus: Path, name: str, run: str, power: str, zone: tzinfo, power_zone: tzinfo, expected_s: int) -> None:
    """Runs that were recorded with one clock are consistent; read in a wrong zone the offset is the zone's, to the seconds of a load."""
    (log,) = (corpus / run).glob(power)
    windows = benchmarks.read(corpus / run, tz=zone).windows
    found = edges(traces.read(log, tz=power_zone), windows)
    assert found.verdict is (Verdict.OFFSET if expected_s else Verdict.CONSISTENT), name
    assert abs((found.offset_s or 0.0) - expected_s) < 4.0
    assert ("time zone" in (found.finding(ClockKind.LOCAL) or "")) == bool(expected_s)


@pytest.mark.parametrize(
    "log", [f"{H200}/*spl.txt.gz", f"{SMC}/ac/result_4951*", f"{SMC}/dc/result_5027*", f"{A100}/spl.txt", f"{DGX}/spl.txt"]
)
def test_a_phase_anywhere_in_a_recorded_load_is_not_suspected(corpus: Path, log: str) -> None:
    """Claims at random in real power, with its epochs, pauses and ramps: over seeds not one is told an offset."""
    (path,) = corpus.glob(log)
    series = traces.read(path, tz=UTC)
    first_s, last_s = ((max if row == 0 else min)(int(one.t_ns[row]) for one in series) / S for row in (0, -1))
    rng = np.random.default_rng(7)
    for length_s, share in zip(rng.uniform(30, 600, 40), rng.random(40), strict=True):
        begin_s = first_s + share * (last_s - first_s - length_s)
        claim = Window("p", PhaseKind.MEASURED, round(begin_s * S), round((begin_s + length_s) * S))
        assert edges(series, (claim,)).verdict is not Verdict.OFFSET


@pytest.mark.parametrize(
    ("run", "power", "reason"),
    [
        (f"{SMC}/results/result_4951-240509201759121728742_1.txt.gz", f"{SMC}/ac/result_4951*", "only where power"),
        (f"{SMC}/results/result_4951-240509201759121728742_1.txt.gz", f"{SMC}/dc/result_4951*", "only where power"),
        ("aiperf/generated_0.13.0_dcgm_truth", "aiperf/generated_0.13.0_dcgm_truth/gpu_telemetry_export.jsonl", "only where power"),
    ],
)
def test_recorded_runs_that_cannot_be_told(corpus: Path, run: str, power: str, reason: str) -> None:
    """An initialisation beside the begin, a pause and two readings of idle power: unknown, each with its reason and without a warning."""
    (log,) = corpus.glob(power)
    found = edges(traces.read(log, tz=UTC), benchmarks.read(corpus / run, tz=UTC).windows)
    assert (found.verdict, reason in found.reason) == (Verdict.UNKNOWN, True), found
    assert found.finding(ClockKind.UTC) is None
