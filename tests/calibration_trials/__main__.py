"""Aligns TRIALS seeded pairs and as many bad ones, and judges them without the product's maths.

SEED, TRIALS and MUTATE come from the environment. Last line: {"trials": n, "inside_u95": n, "rejected_bad": n, "bad": n}. Exit code 1
below 95 % inside, or when a bad pair is accepted.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections import Counter

from tests.calibration_trials import pairs, product
from tests.calibration_trials.pairs import Pair
from tests.calibration_trials.product import Said

WANTED = 0.95
T95 = {8: 2.37, 9: 2.32, 10: 2.28, 11: 2.25, 12: 2.23, 13: 2.21, 14: 2.20, 15: 2.18}
"""Student's t for 95.45 %, from tables."""


def outside(pair: Pair, said: Said) -> list[str]:
    """Which of gain, offset, lag and energy are not within their stated U95 of the truth."""
    record, truth = said.record, pair.truth
    if record is None:
        return [f"refused: {said.refused}"]
    k = T95.get(round(record.dof or 0), 2.0)
    lowest_w = min(w.reference_w for plateau in record.plateaus for w in plateau.windows)
    limits = {
        "gain": (record.gain - truth.gain, k * math.hypot(record.u_gain, record.reference_u_rel * truth.gain)),
        "offset_w": (record.offset_w - truth.offset_w, k * math.hypot(record.u_offset_w, record.reference_u_rel * lowest_w)),
        "lag_s": (record.lag_s - truth.lag_s, 2.0 * record.lag_residual_s),
        "energy_j": (said.energy_j - truth.energy_j, said.u95_j),
    }
    return [f"{name} off by {error:.4g}, U95 {u95:.4g}" for name, (error, u95) in limits.items() if not abs(error) <= u95]


def main() -> int:
    """Run all trials."""
    seed, count, mutate = int(os.environ.get("SEED") or 1), int(os.environ.get("TRIALS") or 200), os.environ.get("MUTATE") or ""
    inside, rejected, reasons = 0, 0, Counter[str]()
    for number in range(seed * 10_000, seed * 10_000 + count):
        good = pairs.good(number)
        if beyond := outside(good, product.of(good, mutate=mutate)):
            print(f"pair {number}: {'; '.join(beyond)}")
            reasons.update(what.split()[0] for what in beyond)
        inside += not beyond
        bad = pairs.bad(number)
        said = product.of(bad)
        if not said.refused:
            print(f"bad pair {number} was accepted: {bad.bad}")
        rejected += bool(said.refused)
    if reasons:
        print("outside:", dict(reasons))
    print(json.dumps({"trials": count, "inside_u95": inside, "rejected_bad": rejected, "bad": count}))
    return 0 if inside >= WANTED * count and rejected == count else 1


if __name__ == "__main__":
    sys.exit(main())
