"""What `joulemark calibrate` says; how it measures is in tests/e2e/test_calibrate.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from joulemark.cli.calibrate import align_text, plateau_text, show_text, shown
from tests.command import joulemark
from tests.kit import alignment

BEFORE_NS = 1_800_000_000_000_000_000
DAY_NS = 86_400 * 10**9
RESULT: dict[str, Any] = {
    "level": "ES1",
    "accepted": True,
    "stored": True,
    "faults": [],
    "gates_accepted": [],
    "sensor": "ipmi:h:1:power",
    "reference": "scpi:h:2:power",
    "method": "deming",
    "gain": 1.05,
    "u_gain": 0.001,
    "offset_w": -12.0,
    "u_offset_w": 2.5,
    "lag_s": 1.5,
    "lag_residual_s": 0.1,
    "residual_rel": 0.004,
    "held_out_rel": -0.001,
    "mid": 0.5,
    "mid_share": 0.5,
    "folder": "made",
}


def test_an_accepted_alignment_in_plain_language() -> None:
    """The line with its sign, its uncertainty, the lag, the residuals and where it went; nothing is not met."""
    said = align_text(RESULT)
    assert said.startswith("ACCEPTED (ES1): scpi:h:2:power = 1.05000 x ipmi:h:1:power -12.00 W\n")
    assert "standard uncertainty 0.00100 and 2.50 W, by deming" in said
    assert "the sensor is +1.50 s late, within 0.10 s" in said
    assert "the farthest plateau lies +0.40% from the line, the held-out run -0.10%" in said
    assert said.endswith("written to made, stored by the collector, valid for 90 days")
    assert "not met" not in said


def test_a_rejected_one_says_why_and_what_to_try() -> None:
    """Each fault, each gate that was accepted by hand, a better level for a mid plateau that is off, and that it was not handed in."""
    fault = "the mid plateau lies at 71.0% between idle and full, 40% to 60% is wanted"
    said = align_text(
        {
            **RESULT,
            "accepted": False,
            "stored": False,
            "faults": [fault],
            "mid_share": 0.71,
            "gates_accepted": ["clocks"],
            "held_out_rel": None,
        }
    )
    assert said.startswith("REJECTED (ES1)")
    assert f"not met: {fault}" in said
    assert "halfway is nearer with --mid 0.35" in said
    assert "gate clocks was accepted by hand" in said
    assert "the held-out run not known" in said
    assert said.endswith("written to made; not handed in")
    assert align_text({**RESULT, "accepted": False}).startswith("usable, but short of the standard (ES1)")


def test_a_stored_alignment_in_the_list() -> None:
    """Age, gain, what is left of its 90 days, and all it is bound to; an expired one says so."""
    record = asdict(alignment.made(1, before_ns=BEFORE_NS).record)
    one = shown(record, record["made_ns"] + 10 * DAY_NS)
    assert (one["age_days"], one["expired"]) == (10.0, False)
    assert one["voided_by_change_of"]["bmc_firmware"] == record["binding"]["bmc_firmware"]
    assert "settings_sha256" not in one["voided_by_change_of"]
    said = show_text({"alignments": [one]})
    assert "10.0 d old, 80 d left" in said
    assert "void when this changes: " in said
    late = shown(record, record["expires_ns"] + 1)
    assert late["expired"] is True
    assert "EXPIRED" in show_text({"alignments": [late]})
    assert "joulemark calibrate align" in show_text({"alignments": []})


def test_a_plateau_in_one_line() -> None:
    """Mean, scatter, slope, and whether it is steady."""
    data = {"meter_id": "m", "mean_power_w": 400.0, "cv": 0.01, "slope_per_min": -0.003, "steady": False}
    assert plateau_text(data) == "m: mean 400.0 W, CV 1.00%, slope -0.30% per minute: NOT steady"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["align", "--load", "cpu"], "--sensor and --reference are needed"),
        (["align", "--load", "mine"], "does not hold {level}"),
        (["align", "--load", "cpu", "--sensor", "a", "--reference", "a"], "both sensor and reference"),
        (["align", "--load", "cpu", "--resume", "."], "holds no procedure.json"),
        (["idle", "--meter", "m", "--accept", "everything"], "is not one of"),
    ],
)
def test_wrong_use_is_told_before_anything_is_asked(
    arguments: list[str], said: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, although no collector is there."""
    monkeypatch.chdir(tmp_path)
    done = joulemark("calibrate", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
