from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.gpu import fields, observer, page
from tests.bench.gpu.fields import Poll
from tests.bench.gpu.observer import Turn
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave

PERIOD_NS = 100_000_000


def polls(*, stamped: str, count: int = 400, step_ns: int = 5_000_000) -> list[Poll]:
    """Polls of a value that is new every 100 ms, dated by its sample or by the query."""
    times = [i * step_ns for i in range(1, count)]
    stamps = {"sample": [t // PERIOD_NS * PERIOD_NS + 1 for t in times], "query": times, "none": [0] * len(times)}
    return [Poll(t, stamp, t // PERIOD_NS) for t, stamp in zip(times, stamps[stamped], strict=True)]


@pytest.mark.parametrize("stamped", ["sample", "query", "none"])
def test_stamps_are_told_apart(stamped: str) -> None:
    """Known stamps are called what they are, and the refresh is found."""
    found = fields.judged(polls(stamped=stamped))
    assert found["stamp"] == stamped
    assert found["refresh_s"] == pytest.approx(0.1)


def test_a_value_that_never_repeats_tells_nothing() -> None:
    """Without repeats nobody can know whose moment a stamp is, and it is said so."""
    assert fields.judged([Poll(t, t, t) for t in range(1, 50)])["stamp"] == "unclear"


def test_the_effect_of_known_pairs() -> None:
    """Pairs that are 2 % slower and draw 1 % more on average say so, each with the interval of its scatter; one pair has none."""
    rates, powers = [(100.0, 98.0), (200.0, 198.0), (50.0, 48.5)], [(400.0, 402.0), (500.0, 505.0), (200.0, 203.0)]
    turns = [tuple(map(Turn, rate, power)) for rate, power in zip(rates, powers, strict=True)]
    found = observer.effect([(alone, watched) for alone, watched in turns])
    assert found["power_rise"] == pytest.approx(0.01)
    assert found["power_u95"] == pytest.approx(4.3027 * 0.005 / 3**0.5, rel=1e-4)
    assert observer.effect([(Turn(1.0, 1.0), Turn(1.0, 1.0))])["u95"] is None
    assert found["slowdown"] == pytest.approx(0.02)
    assert found["u95"] == pytest.approx(4.3027 * 0.01 / 3**0.5, rel=1e-4)


def test_the_study_runs_on_a_driver_and_its_figures_are_not_for_the_page(tmp_path: Path) -> None:
    """Against the stand-in driver every figure is there and as the stand-in is set; its page is refused, for it is no real GPU.

    Its power is steady: a turn of half a second would else say where in a wave it fell.
    """
    wave = NvmlWave(gpus=1, low_w=300, high_w=300, half_period_ns=400_000_000, energy_step_ns=50_000_000, settings={"STAMP": "query"})
    env = {**os.environ, **wave.env(), "LIBRARY": str(nvml_standin.build(tmp_path)), "PAIRS": "1", "SECONDS_EACH": "2"}
    done = subprocess.run([sys.executable, "-m", "tests.bench.gpu"], capture_output=True, text=True, env=env, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stamps"]["energy"]["stamp"] == "query"
    assert found["stamps"]["energy"]["refresh_s"] == pytest.approx(0.05, rel=0.2)
    assert found["cost_us"]["nvmlDeviceGetPowerUsage"]["p50"] > 0
    assert found["energy"]["idle"]["energy_counter_j"] == pytest.approx(600.0, rel=0.1)
    assert set(found["observer"]) == {"1 Hz", "10 Hz", "50 Hz"}
    assert abs(found["observer"]["50 Hz"]["power_rise"]) < 0.5
    assert found["simulated"]
    with pytest.raises(ValueError, match="stand-in"):
        page.fill(found, tmp_path / "page.md")


def test_the_page_is_filled_between_its_marks(tmp_path: Path) -> None:
    """Figures of a real GPU take the place of what stood between the marks, and the rest of the page stays."""
    copy = Path(shutil.copy(page.PAGE, tmp_path))
    judged = {"stamp": "sample", "refresh_s": 0.1, "age_s": None}
    found = {
        "simulated": False,
        "joulemark": "1",
        "product": "GPU",
        "driver": "driver 1",
        "gpus": 1,
        "load": "matmul",
        "scopes": {"energy": {"gpu": "5", "module": "Not Supported"}},
        "cost_us": {"call": {"p50": 1.0, "p99": 2.0}},
        "stamps": {"energy": judged},
        "ring": {"supported": False, "reason": "Not Supported"},
        "energy": {"idle": dict.fromkeys(("energy_counter_j", "energy_trapezoid_j", "disagreement_rel", "mean_of_samples_w"), None)},
        "observer": {"1 Hz": {"slowdown": 0.001, "u95": 0.002, "power_rise": -0.003, "power_u95": 0.004, "pairs": 10}},
    }
    page.fill(found, copy)
    text = copy.read_text()
    assert "| energy | sample | 0.1000 | not seen |" in text
    assert "| 1 Hz | +0.100% | +-0.200% | -0.300% | +-0.400% | 10 |" in text
    assert "None yet" not in text
    assert text.startswith(page.PAGE.read_text().partition(page.BEGIN)[0])
    page.fill(found, copy)
    assert copy.read_text() == text
