"""The files for the OpenAIPerf site: a log whose plain mean is ours, cards that it does not stumble over."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulemark.cards import bundle, card, site
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Boundary
from joulemark.runs import PhaseKind, Run, Window
from joulemark.units import NS_PER_S
from tests.interop import openaiperf_bundles as made
from tests.kit.lab import Lab

Gather = Callable[..., Evidence]
BEGIN_NS = 1_790_000_000 * NS_PER_S


def told(evidence: Evidence) -> list[dict[str, Any]]:
    """The lines of the log."""
    return [json.loads(line) for line in site.system_log(evidence, card.build(evidence)).decode().splitlines()]


def plain_mean(lines: list[dict[str, Any]]) -> float:
    """What the site shows."""
    return math.fsum(line["power_watts"] for line in lines) / len(lines)


def moving(wall: Series, seed: int) -> Series:
    """The wall with a power that moves at random."""
    return replace(wall, value=np.random.default_rng(seed).integers(2_000, 6_000, len(wall)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("begin_s", "end_s"), [(0.0, 600.0), (0.25, 9.5), (3.7, 5.1), (100.999, 301.001)])
def test_plain_mean_is_the_time_weighted_mean(gather: Gather, wall: Series, seed: int, begin_s: float, end_s: float) -> None:
    """Whatever the power does and wherever the edges lie, the site's plain mean is energy over time of the card."""
    window = Window("decode", PhaseKind.MEASURED, BEGIN_NS + round(begin_s * NS_PER_S), BEGIN_NS + round(end_s * NS_PER_S))
    evidence = gather(series=(moving(wall, seed),), run=Run((window,)))
    figures = card.build(evidence)["phases"][0]
    lines = told(evidence)
    assert plain_mean(lines) == pytest.approx(figures["energy_j"] / figures["duration_s"], rel=1e-12)
    stamps = [line["timestamp"] for line in lines]
    assert stamps == sorted(set(stamps))
    assert all(stamp.endswith("Z") and len(stamp) == 20 for stamp in stamps)
    assert len(lines) == math.ceil(end_s) - math.ceil(begin_s)


def test_lines_are_the_power_of_their_second(gather: Gather, wall: Series) -> None:
    """On whole seconds each line is the trapezoid of its own second, with a factor of one."""
    one = moving(wall, 1)
    lines = told(gather(series=(one,)))
    watts = one.si()[80:681]
    assert [line["power_watts"] for line in lines] == pytest.approx(((watts[1:] + watts[:-1]) / 2).tolist(), rel=1e-9)
    assert set(lines[0]) == {"timestamp", "power_watts"}


def test_gaps_are_left_out_and_never_zero(gather: Gather, with_gap: Series) -> None:
    """Seconds without readings have no line, no line is zero, and the mean is still that of the card."""
    drawn = moving(with_gap, 7).value
    evidence = gather(series=(replace(with_gap, value=np.where(with_gap.value == 0, 0, drawn)),))
    lines = told(evidence)
    assert 595 <= len(lines) < 600
    assert min(line["power_watts"] for line in lines) > 0
    assert plain_mean(lines) == pytest.approx(site.mean_power_w(card.build(evidence)), rel=1e-12)


def test_only_the_measured_phases_are_in(gather: Gather) -> None:
    """Idle before the phase has no line."""
    lines = told(gather())
    assert len(lines) == 600
    assert {line["power_watts"] for line in lines} == {5000.0}


@pytest.mark.parametrize("level", ["ES1", "ES2"])
def test_aligned_and_repeated(level: str) -> None:
    """With an aligned sensor, with an analyser, with several repetitions: the mean is energy over time of all that counts."""
    evidence = Lab.of(level, seed=3).evidence()
    made_card = card.build(evidence)
    phases = [phase for phase in made_card["phases"] if phase["name"] in made_card["headline"]["phases"]]
    mean_w = math.fsum(phase["energy_j"] for phase in phases) / math.fsum(phase["duration_s"] for phase in phases)
    assert len(phases) > 1
    assert plain_mean(told(evidence)) == pytest.approx(mean_w, rel=1e-12)


def test_a_counter_that_leads(gather: Gather, counter: Series) -> None:
    """Where a counter leads its differences are the powers; at the boundary of a GPU there is no power of the wall to tell."""
    inside = replace(counter, meter=replace(counter.meter, boundary=Boundary.SERVER_INPUT))
    assert plain_mean(told(gather(series=(inside,)))) == pytest.approx(700.0, rel=1e-9)
    with pytest.raises(InsufficientData, match="that of the wall"):
        told(gather(series=(counter,)))


def test_a_phase_below_a_second_has_no_line(gather: Gather) -> None:
    """A phase in which no whole second lies cannot be told in whole seconds."""
    window = Window("decode", PhaseKind.MEASURED, BEGIN_NS + 100_000_000, BEGIN_NS + 900_000_000)
    with pytest.raises(InsufficientData, match="no whole second"):
        told(gather(run=Run((window,))))


@pytest.mark.parametrize(
    ("line", "power_w"),
    [
        ('{"power_watts": 600}', 600.0),
        ('{"power_watts": "600"}', None),
        ('{"power_watts": null}', None),
        ('{"power_watts": true}', None),
        ("2026 power_watts", None),
        ('{"power": 5}', None),
    ],
)
def test_power_as_the_site_reads_it(tmp_path: Path, line: str, power_w: float | None) -> None:
    """A line counts when its power is a number, as on the site."""
    assert site.power_of(line) == power_w
    (tmp_path / "system.log").write_text(f"{line}\n")
    assert site.shows_power(tmp_path / "system.log") is (power_w is not None)


@pytest.mark.parametrize("dialect", ["docs", "ob_tools", "site_seed", "four_cards_one_log"])
def test_cards_are_flat_and_keep_task_and_scenario(tmp_path: Path, gather: Gather, dialect: str) -> None:
    """Copies are made of nested cards alone, with task, engine and framework as text; the words of task and scenario stay."""
    folder = made.bundle(tmp_path, made.DIALECTS[dialect]())
    copies = {path: json.loads(data) for path, data in site.cards(folder, bundle.summary(card.build(gather()))).items()}
    if dialect in ("site_seed", "four_cards_one_log"):
        assert copies == {}
        return
    run = copies["energy/site/run.json"]
    assert (run["task"], run["scenario"]) == ("llm", {"docs": "offline", "ob_tools": "unknown"}[dialect])
    assert run["energy"]["avg_power_w"] == pytest.approx(5000)
    assert "energy_per_token_j" not in run["energy"]
    assert "joulemark" in run["notes"]
    stack = copies["energy/site/stack.json"]
    assert (stack["engine"], stack["framework"]) == {"docs": ("vLLM 0.11", "PyTorch 2.9"), "ob_tools": ("unknown", "unknown")}[dialect]
    assert isinstance(copies["energy/site/model.json"]["name"], str)


def test_notes_of_the_benchmark_stay(tmp_path: Path, gather: Gather) -> None:
    """A run card that has notes keeps them, and one around which a writer put its name is taken out of it."""
    files = dict(made.docs())
    files["run.json"] = json.dumps({"run": {**json.loads(files["run.json"]), "notes": "theirs"}})
    folder = made.bundle(tmp_path, files)
    copies = site.cards(folder, bundle.summary(card.build(gather())))
    run = json.loads(copies["energy/site/run.json"])
    assert (run["task"], run["notes"]) == ("llm", "theirs")
