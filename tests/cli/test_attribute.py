"""`joulemark attribute` as a user calls it: on recorded files, on a bundle, with bad input."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from joulemark import benchmarks, traces
from joulemark.cards.attribution import ATTRIBUTION_SCHEMA
from joulemark.cards.evidence import Evidence
from joulemark.cli.attribute import command, text
from joulemark.errors import JoulemarkError
from joulemark.pricing.snapshot import Snapshot
from joulemark.standard.schema import schemas
from joulemark.standard.unit_names import nameless
from tests.command import joulemark
from tests.kit.lab import Lab, write

TRUTH = "aiperf/generated_0.13.0_dcgm_truth"
PARTS = ("requests_j", "others_j", "idle_j", "unattributed_j", "energy_upper_bound_j")


def attributed(*args: object) -> dict[str, Any]:
    done = joulemark("attribute", *args, "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()[ATTRIBUTION_SCHEMA]).validate(result)
    return result


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the simulated laboratory."""
    return write(tmp_path_factory.mktemp("attribute") / "run", Lab.of("ES1", seed=4).evidence())


def test_recorded_files_as_compute_reads_them(corpus: Path) -> None:
    """Every phase comes to the energy that `compute` prints; every number is named by its unit."""
    given = ("--power", corpus / TRUTH / "gpu_telemetry_export.jsonl", "--benchmark", corpus / TRUTH)
    result = attributed(*given, "--requests", "--share", "tokens")
    computed = json.loads(joulemark("compute", *given, "--json").stdout)
    for phase, same in zip(result["phases"], computed["phases"], strict=True):
        assert phase["energy_j"] == same["energy_j"]
        assert math.fsum(phase[name] or 0.0 for name in PARTS) == pytest.approx(phase["energy_j"], rel=1e-12)
    assert [len(phase["requests"]["list"]) for phase in result["phases"]] == [8, 40]
    assert result["requests_from"] == "aiperf records"
    assert {path for path in nameless(result, path="") if not path.endswith(".id")} == set()


def test_a_bundle(bundle: Path) -> None:
    """The request log of a bundle tells when its requests ran; idle phases name the idle power."""
    result = attributed(bundle, "--slice", 60)
    measured = [phase for phase in result["phases"] if phase["kind"] == "measured"]
    assert result["requests_from"] == "the request log of the bundle"
    assert all(phase["requests"]["count"] == 260 and phase["requests_j"] > 0.9 * phase["energy_j"] for phase in measured)
    assert all(phase["idle_share"]["source"] == "idle_ready: idle_before, idle_after" for phase in measured)
    assert [cut["complete"] for cut in measured[0]["slices"]] == [True, True, False]


def test_records_beside_a_bundle_come_first(corpus: Path, tmp_path: Path) -> None:
    """Where the benchmark's records of the same run lie beside `energy/` they tell its requests, since they know first tokens."""
    place = corpus / TRUTH
    evidence = Evidence.gathered(benchmarks.read(place, tz=None), traces.read(place / "gpu_telemetry_export.jsonl", tz=None), Snapshot())
    both = write(tmp_path / "both", evidence)
    for name in ("profile_export.jsonl", "profile_export_aiperf_timeslices.json"):
        shutil.copy(place / name, both)
    result = attributed(both)
    assert len(result["phases"][1]["slices"]) == 6
    assert result["requests_from"] == "the benchmark's records beside the bundle"
    assert result["phases"][1]["split"]["prefill_j"] > 0.0


def test_records_of_another_run_are_none_of_its(bundle: Path, corpus: Path, tmp_path: Path) -> None:
    """Records beside a bundle of which no request falls into its phases are another run's, and are left alone."""
    both = tmp_path / "both"
    shutil.copytree(bundle, both)
    shutil.copy(corpus / TRUTH / "profile_export.jsonl", both)
    assert attributed(both)["requests_from"] == "the request log of the bundle"
    place = corpus / TRUTH
    evidence = Evidence.gathered(benchmarks.read(place, tz=None), traces.read(place / "gpu_telemetry_export.jsonl", tz=None), Snapshot())
    same_names = write(tmp_path / "same", evidence)
    shutil.copy(corpus / "aiperf/generated_0.13.0_streaming/profile_export.jsonl", same_names)
    assert attributed(same_names)["requests_from"] is None


def test_a_call_without_a_subject_is_told_so() -> None:
    """Nothing is read from the folder where one happens to stand."""
    for args in ([], ["--power", "x"], ["--benchmark", "x"]):
        done = CliRunner().invoke(command, args)
        assert "nothing to attribute" in str(done.exception)


def test_the_text_says_what_it_is(corpus: Path) -> None:
    """People read the parts with their share of the phase, and that they are an estimate."""
    place = corpus / TRUTH
    done = joulemark("attribute", "--power", place / "gpu_telemetry_export.jsonl", "--benchmark", place, "--requests", "--idle-w", 240)
    assert done.returncode == 0, done.stderr
    for said in ("requests      3271.58 J  98.81%", "no request    39.2467 J", "idle share", "request 47", "nobody can tell", "cut off"):
        assert said in done.stdout


def test_the_text_of_what_is_not_known() -> None:
    """A phase without energy, a slice and a request without a figure say why."""
    nothing = {"name": "p", "kind": "measured", "duration_s": 1.0, "boundary": "gpu", "energy_j": None, "reason": "no reading"}
    assert "not known: no reading" in text({"phases": [nothing], "method": {"label": "m"}, "findings": ["f"]})
    split, idle = {"label": None}, {"energy_j": None}
    rows = [{"id": n, "energy_j": None, "reason": "too short"} for n in range(50)]
    requests = {"count": 50, "resolved_count": 0, "resolved_j": 0.0, "list": rows}
    cut = {"name": "slice 0", "energy_j": None, "reason": "shorter"}
    parts = dict.fromkeys(PARTS) | {"unattributed_j": 5.0, "unattributed_because": "MIG", "u95_j": None, "energy_method": "counter"}
    phase = {**nothing, **parts, "energy_j": 5.0, "split": split, "idle_share": idle, "slices": [cut], "requests": requests}
    said = text({"phases": [phase], "method": {"label": "m"}, "findings": []})
    for line in (
        "slice 0       not known: shorter",
        "request 0     not known: too short",
        "10 more: --json",
        "unattributed  5 J 100.00%",
        "(MIG)",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), 2),
        (("{bundle}", "--benchmark", "x"), 2),
        (("--power", "x"), 2),
        (("{bundle}", "--tz", "UTC"), 2),
        (("{bundle}", "--slice", "0"), 2),
        (("{bundle}", "--slice", "nan"), 2),
        (("{bundle}", "--slice", "10", "--mean-power"), 2),
        (("{bundle}", "--slice", "0.001"), 2),
        (("{bundle}", "--share", "power"), 2),
        (("/nowhere/run",), 2),
        (("{empty}",), 4),
    ],
)
def test_bad_calls(bundle: Path, tmp_path: Path, args: tuple[str, ...], code: int) -> None:
    """Nothing to attribute, two things, slices that make no sense and folders without a run end with their code, and print nothing."""
    done = CliRunner().invoke(command, [arg.format(bundle=bundle, empty=tmp_path) for arg in args])
    assert isinstance(done.exception, JoulemarkError | SystemExit)
    assert (done.exception.exit_code if isinstance(done.exception, JoulemarkError) else done.exception.code) == code
    assert done.stdout == ""
