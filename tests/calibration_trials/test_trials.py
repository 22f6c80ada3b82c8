from __future__ import annotations

import json

import pytest

from tests.calibration_trials.__main__ import main
from tests.calibration_trials.pairs import FAULTS, bad
from tests.calibration_trials.product import of


def test_twenty_pairs_are_inside_and_twenty_bad_ones_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The short form of the proof: gain, offset, lag and a later energy within their U95, every bad pair refused."""
    monkeypatch.setenv("TRIALS", "20")
    assert main() == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"trials": 20, "inside_u95": 20, "rejected_bad": 20, "bad": 20}


@pytest.mark.parametrize("fault", ["half_u", "no_lag", "no_offset"])
def test_a_broken_product_turns_the_proof_red(fault: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Halved uncertainties, an ignored lag or a lost offset are seen."""
    monkeypatch.setenv("TRIALS", "12")
    monkeypatch.setenv("MUTATE", fault)
    assert main() == 1
    assert "outside" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("wrong channel", "the gain is"),
        ("other node", "alike"),
        ("saturated", "not linear"),
        ("nonlinear", "not linear"),
        ("frozen", "alike"),
        ("lag beyond range", "within 10 s"),
        ("one plateau", "spans no line"),
        ("gain far off", "the gain is"),
    ],
)
def test_each_bad_pair_is_refused_with_its_reason(fault: str, reason: str) -> None:
    """Whoever is refused reads what is wrong."""
    assert reason in of(bad(FAULTS.index(fault))).refused
