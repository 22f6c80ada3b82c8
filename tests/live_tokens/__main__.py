"""Joules per 1k tokens of running services against the record of every request: `make live-tokens`.

The last line is one JSON object, computed by a checker that shares no arithmetic with the product. SEEDS=n nodes side by side;
MUTATE=drop or double spoils the engines' pages, and must turn it red.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.live_tokens.bench import Bench
from tests.live_tokens.checker import Verdict, counters, grown, judged
from tests.waiting import eventually

S = 1_000_000_000
LENGTHS_S = (2.0, 3.7, 5.0, 8.0)
SETTLE_S = 2.0
COVERED = 0.95
"""So many figures in a hundred have to hold the truth within U95; the bounds hold for all."""

PAGE_REL = 0.02
"""How far the rates on the collector's page may be off: what was made between two reads at both edges of 20 s."""


def main() -> int:
    seeds = [int(os.environ.get("SEED", "1")) + n for n in range(int(os.environ.get("SEEDS", "3")))]
    measured_s = float(os.environ.get("SECONDS_LONG", "20"))
    with tempfile.TemporaryDirectory(prefix="live-tokens-") as work, Bench(Path(work), seeds, os.environ.get("MUTATE", "")) as bench:
        bench.wait_until_read(time.time_ns())
        begin_ns = time.time_ns() + S
        first = page_until(bench, begin_ns)
        time.sleep(measured_s + 1.0)
        last = page_until(bench, time.time_ns())
        end_ns = time.time_ns()
        bench.wait_until_read(end_ns + round(SETTLE_S * S))
        verdicts, off_page = [], []
        for node in bench.nodes:
            chance = random.Random(node.seed)
            for _ in range(10):
                length_ns = round(chance.choice(LENGTHS_S) * S)
                at_ns = begin_ns + round(chance.random() * (end_ns - begin_ns - length_ns))
                asked = f"/v1/serving?agent=node{node.seed}&begin_ns={at_ns}&end_ns={at_ns + length_ns}"
                [service] = bench.ask(asked)["services"]
                verdicts.append((node.seed, judged(service["slices"][0], node.wave, node.service)))
            name = f'service="node{node.seed}"'
            joules = grown(first, last, ("serving_joules_total", name))
            tokens = grown(first, last, ("serving_tokens_total", name, 'kind="output"'))
            until = [round(grown({}, page, ("serving_until_timestamp_seconds", name)) * S) for page in (first, last)]
            true = node.wave.joules(*until) / node.service.truth(*until)["output"]
            off_page.append(abs(joules / tokens / true - 1.0) if tokens else 1.0)
    return told(verdicts, off_page)


def page_until(bench: Bench, t_ns: int) -> dict[str, float]:
    """The counters of the collector's page, once every service on it was read until `t_ns`: a busy machine takes its time."""
    page: dict[str, float] = {}

    def reached() -> bool:
        page.clear()
        page.update(counters(bench.page()))
        names = [f'service="node{node.seed}"' for node in bench.nodes]
        return all(grown({}, page, ("serving_until_timestamp_seconds", name)) * S >= t_ns for name in names)

    eventually(reached, "the page has every service")
    return page


def told(verdicts: list[tuple[int, Verdict]], off_page: list[float]) -> int:
    """Print what was wrong, and the JSON line; the exit status."""
    for seed, verdict in verdicts:
        for line in (*verdict.outside, *verdict.missing):
            print(f"seed {seed}: {line}", file=sys.stderr)
    off = [distance for _, verdict in verdicts for distance in verdict.off.values()]
    per_1k = [verdict.off.get("joules_per_1k_output_tokens", float("inf")) for _, verdict in verdicts]
    within = sum(distance <= 1.0 for distance in off)
    wrong = sum(not verdict.right for _, verdict in verdicts)
    ok = not wrong and within >= COVERED * len(off) and max(off_page) < PAGE_REL
    result = {
        "seeds": len({seed for seed, _ in verdicts}),
        "windows": len(verdicts),
        "windows_outside_bounds": wrong,
        "figures": len(off),
        "within_u95": within,
        "worst_j_per_1k_over_u95": round(max(per_1k), 3),
        "worst_metrics_rel": round(max(off_page), 4),
        "ok": ok,
    }
    print(json.dumps(result))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
