"""The conformance matrix and the latency of a read: `make conformance`. WRITE=1 puts both into `docs/reference/meters/conformance.md`.

Every check of the suite runs against the living device of every kind, and then READS reads are timed by their brackets (200 unless told
otherwise). The last line is one JSON object; a check that fails makes the command fail.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from joulemark.errors import JoulemarkError
from joulemark.units import NS_PER_MS
from tests.meters.conformance import CHECKS, Check, built, polled
from tests.meters.live import LIVE, Stage

PAGE: Final = Path("docs/reference/meters/conformance.md")
BEGIN, END = "<!-- figures: make conformance WRITE=1 -->", "<!-- end -->"
OK, EXEMPT, FAILED = "ok", "n/a", "FAILED"


def verdict(kind: str, stage: Stage, check: Check) -> tuple[str, str]:
    """What a check of one kind comes to, and the reason where it is not simply kept."""
    with tempfile.TemporaryDirectory(prefix=f"joulemark-{kind}-") as folder, stage.live(Path(folder)) as living:
        if reason := living.exempt.get(check.__name__):
            return EXEMPT, reason
        try:
            check(kind, living)
        except (AssertionError, JoulemarkError, pytest.fail.Exception) as error:
            return FAILED, str(error) or "see the suite"
    return OK, ""


def latency_ms(kind: str, stage: Stage, reads: int) -> tuple[float, float]:
    """Median and 99th percentile of a read, first bracket to last, in milliseconds."""
    with (
        tempfile.TemporaryDirectory(prefix=f"joulemark-{kind}-") as folder,
        stage.live(Path(folder)) as living,
        built(kind, living.options) as meter,
    ):
        meter.open()
        polls = [poll for _ in range(reads) if (poll := polled(meter)) is not None]
    spans = [(max(s.t_read1_ns for s in poll) - min(s.t_read0_ns for s in poll)) / NS_PER_MS for poll in polls]
    return statistics.median(spans), statistics.quantiles(spans, n=100, method="inclusive")[98]


def text(verdicts: dict[str, dict[str, tuple[str, str]]], latencies: dict[str, tuple[float, float]], reads: int) -> str:
    """Both tables, and under them why a check does not apply."""
    lines = ["| check | " + " | ".join(verdicts) + " |", "|---|" + "---|" * len(verdicts)]
    for check in CHECKS:
        name = check.__name__
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(found[name][0] for found in verdicts.values()) + " |")
    lines += ["", f"A read of each kind's living device, {reads} of them:", "", "| kind | p50, ms | p99, ms |", "|---|---|---|"]
    lines += [f"| {kind} | {p50:.3f} | {p99:.3f} |" for kind, (p50, p99) in latencies.items()]
    why = {(kind, reason) for kind, found in verdicts.items() for state, reason in found.values() if state == EXEMPT}
    lines += ["", "Not applicable:", "", *(f"- {kind}: {reason}" for kind, reason in sorted(why))]
    return "\n".join(lines)


def main() -> int:
    """Run everything, print the tables and the verdict."""
    reads = int(os.environ.get("READS", "200"))
    verdicts: dict[str, dict[str, tuple[str, str]]] = {}
    for kind, stage in LIVE.items():
        verdicts[kind] = {check.__name__: verdict(kind, stage, check) for check in CHECKS}
        print(f"{kind}: {', '.join(state for state, _ in verdicts[kind].values())}", file=sys.stderr)
    latencies = {kind: latency_ms(kind, stage, reads) for kind, stage in LIVE.items()}
    tables = text(verdicts, latencies, reads)
    print(tables)
    if os.environ.get("WRITE") == "1":
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{tables}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    states = [state for found in verdicts.values() for state, _ in found.values()]
    failed = [f"{kind}: {name}: {why}" for kind, found in verdicts.items() for name, (state, why) in found.items() if state == FAILED]
    print(
        json.dumps(
            {"kinds": len(verdicts), "checks": len(CHECKS), "ok": states.count(OK), "exempt": states.count(EXEMPT), "failed": failed}
        )
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
