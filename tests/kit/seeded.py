"""Simulated runs of many laboratories: `make seeded-runs RUNS=100 SEED=1`. Each is written, read back and validated from its files.

Half of them are aligned (ES1), half metered (ES2). The truth is the integral of the simulated power, of which the product knows nothing.
The last line counts the phases whose true energy lies within U95 of the card's, the runs that reach their level, and the runs whose
score holds the true joules per 1k tokens. Red below 95 % of either, or with a level missed. MUTATE=gain makes every meter lie by 3 %.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.runs import PhaseKind
from joulemark.standard import read
from joulemark.standard.validator import validate
from tests.kit.lab import Lab, write

WANTED: Final = 0.95
LIE: Final = 1.03


@dataclass(frozen=True)
class Told:
    """What one run came to: its level, and for each measured phase and for its score whether the truth lies inside."""

    wanted: str
    level: str
    phases_inside: tuple[bool, ...]
    score_inside: bool
    failing: tuple[str, ...]


def told(lab: Lab, folder: Path, *, mutate: str = "") -> Told:
    """One laboratory from its evidence to the validator's word on its files."""
    evidence = lying(lab.evidence()) if mutate == "gain" else lab.evidence()
    case = read.bundle(write(folder, evidence))
    report = validate(case)
    card: dict[str, Any] = case.rebuilt or {}
    measured = [window for window in lab.windows if window.kind is PhaseKind.MEASURED]
    true_j = [lab.true_energy_j(window) for window in measured]
    inside = tuple(
        abs(figures["energy_j"] - truth_j) <= figures["u95_j"] for truth_j, figures in zip(true_j, map(case.figures, measured), strict=True)
    )
    per_1k = sorted(1000.0 * truth_j / float(window.tokens.output or 1) for truth_j, window in zip(true_j, measured, strict=True))
    truth = float(np.median(per_1k)) if len(per_1k) < 5 else float(np.mean(per_1k[1:-1]))
    score = card.get("score") or {}
    held = bool(score) and abs(score["joules_per_1k_output_tokens"] - truth) <= score["u95_j"]
    return Told(lab.level, report.level, inside, held, report.failing(lab.level))


def lying(evidence: Evidence) -> Evidence:
    """The same with every power 3 % higher than it was shown."""
    series = tuple(
        replace(one, value=np.round(one.value * LIE).astype(np.int64)) if one.meter.quantity.measures_energy else one
        for one in evidence.series
    )
    return replace(evidence, series=series)


def main() -> int:
    """Run them, print the line."""
    runs, first = int(os.environ.get("RUNS") or 100), int(os.environ.get("SEED") or 1)
    found = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="joulemark-run-") as folder:
            level = ("ES1", "ES2")[number % 2]
            one = told(Lab.of(level, seed=first + number), Path(folder) / "bundle", mutate=os.environ.get("MUTATE", ""))
        found.append(one)
        if one.level != one.wanted:
            print(f"seed {first + number}: {one.level}, not {one.wanted}: {', '.join(one.failing)}", file=sys.stderr)
    phases = [inside for one in found for inside in one.phases_inside]
    line = {
        "runs": runs,
        "reached": {level: sum(one.level == level for one in found) for level in ("ES1", "ES2")},
        "phases": len(phases),
        "inside_u95": sum(phases),
        "scores_inside_u95": sum(one.score_inside for one in found),
    }
    print(json.dumps(line))
    good = sum(phases) >= WANTED * len(phases) and line["scores_inside_u95"] >= WANTED * runs  # type: ignore[operator]  # a count
    return 0 if good and all(one.level == one.wanted for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
