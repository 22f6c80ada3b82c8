"""What can be judged: bundles of ours, old ones, and artefacts of benchmarks alone; the last two are ES0, never INVALID."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest

from joulemark.cards import bundle, card
from joulemark.cards.evidence import Evidence
from joulemark.standard import read
from joulemark.standard.case import Case
from joulemark.standard.validator import Report, validate
from joulemark.standard.verdict import Verdict
from tests.kit.spoil import TRUST, good, written


def told(report: Report, rule_id: str, grade: str = "ES1") -> tuple[Verdict, str]:
    outcome = next(one for one in report.judged if one.rule.id == rule_id).outcomes[grade]
    return outcome.verdict, outcome.detail


def report_on(folder: Path) -> tuple[Case, Report]:
    case = read.case(folder, trust=TRUST, tz=UTC)
    return case, validate(case)


@pytest.mark.parametrize(
    ("place", "meters"),
    [
        ("aiperf/ai-dynamo_run1_v0.1", False),
        ("aiperf/generated_0.13.0_streaming", True),
        ("aiperf/generated_0.13.0_dcgm_truth", True),
        ("mlperf_power/inference_v4.1_nvidia_h200x8_llama2-70b-99", True),
        ("mlperf_power/training_v4.0_smc_llama2_70b_lora_1node", True),
        ("traces/mlperf_inference_v1.0_power_localtime", True),
        ("traces/mlperf_inference_v2.0_power", True),
    ],
)
def test_artefacts_of_others_are_informative(corpus: Path, place: str, meters: bool) -> None:
    """Every rule has a verdict, what is missing is named, and the level is ES0: nothing in them contradicts itself."""
    case, report = report_on(corpus / place)
    assert case.foreign
    assert bool(case.series) is meters
    assert (report.level, report.contradictions, len(report.judged)) == ("ES0", (), 84)
    untold = [one.outcomes["ES1"] for one in report.judged if one.outcomes["ES1"].verdict is Verdict.CANNOT_TELL]
    assert len(untold) > 40
    assert all(outcome.detail for outcome in untold)
    for rule_id in ("INT-1", "INT-2", "INT-3", "INT-5", "INT-7"):
        assert told(report, rule_id)[0] is Verdict.CANNOT_TELL


def test_the_energy_of_a_submission_is_computed(corpus: Path) -> None:
    """The case of an MLPerf submission has the figure of its wall analyser: 6152.98 W over the window that the log names."""
    case, _ = report_on(corpus / "mlperf_power/inference_v4.1_nvidia_h200x8_llama2-70b-99")
    (window,) = case.measured
    assert case.figures(window)["mean_of_samples_w"] == pytest.approx(6152.984435173287, rel=1e-9)


def test_a_log_without_zone_is_named(corpus: Path) -> None:
    """Where times carry no zone and none is given, nothing is guessed: there is no evidence, the fault says what to do, and it is ES0."""
    case = read.case(corpus / "traces/mlperf_inference_v1.0_power_localtime", trust=TRUST)
    assert case.evidence is None
    assert any("zone" in fault for fault in case.faults.values())
    assert validate(case).level == "ES0"


@pytest.mark.parametrize("place", ["mlperf_power/tiny_v1.0_stm_u575_kws", "traces/mlperf_ptd_example_2020"])
def test_power_without_a_run_is_informative(corpus: Path, place: str) -> None:
    """A power log, readable or not, of which no file says when the benchmark ran: no evidence, a fault that says so, ES0."""
    case, report = report_on(corpus / place)
    assert (case.evidence, report.level) == (None, "ES0")
    assert case.faults["."] == "no file says when what was measured"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A bundle as the first version wrote it: readings, phases and a card, no edition, no chain, no conditions."""
    evidence = good("ES1")
    bundle.write(tmp_path, Evidence(evidence.run, evidence.series, clocks=evidence.clocks))
    return tmp_path


def test_a_bundle_of_an_older_version_is_informative(old: Path) -> None:
    """What was never recorded cannot be told; nothing of it is a contradiction."""
    case, report = report_on(old)
    assert not case.foreign
    assert (report.level, report.contradictions) == ("ES0", ())
    for rule_id in ("INT-3", "INT-5", "INT-7", "INT-8"):
        assert told(report, rule_id)[0] is Verdict.CANNOT_TELL, rule_id


def test_an_older_card_with_another_figure_is_a_contradiction(old: Path) -> None:
    """That a bundle names no edition excuses no figure that its readings do not bear out: INVALID."""
    path = old / "energy" / "card.json"
    card = json.loads(path.read_text())
    card["headline"]["energy_j"] *= 1.001
    path.write_text(json.dumps(card))
    manifest = old / "energy" / "manifest.json"
    manifest.unlink()
    _, report = report_on(old)
    assert told(report, "INT-2")[0] is Verdict.FAIL
    assert (report.level, report.contradictions) == ("INVALID", ("INT-2",))


def test_a_bundle_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The evidence of a written bundle makes the card again, number by number and meter by meter in the same order."""
    case = read.case(written(tmp_path, "ES1"), trust=TRUST)
    assert case.faults == {}
    assert case.evidence is not None
    assert [one.meter for one in case.evidence.series] == [one.meter for one in good("ES1").series]
    assert card.build(case.evidence) == case.card
    assert {**(case.rebuilt or {}), "hashes": (case.card or {})["hashes"]} == case.card


def test_an_empty_folder_has_no_evidence(tmp_path: Path) -> None:
    """Nothing of ours and nothing of a benchmark: a case without evidence, without documents and without faults."""
    case = read.case(tmp_path, trust=TRUST)
    assert (case.evidence, dict(case.documents), dict(case.faults)) == (None, {}, {})
