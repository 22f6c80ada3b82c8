"""Every bad input through its real door: `python -m tests.bad_input`, behind `make bad-input SEED=n COUNT=n`.

The named cases, then `COUNT` seeded mutations. Ends with one line of JSON; exit 0 only when every input got a clear error.
`WRITE=1` writes the table of the named cases to docs/reference/bad-input.md.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tests.bad_input import baseline, documents, logs, stores, table, wire
from tests.bad_input.case import Case
from tests.bad_input.doors import Collector
from tests.bad_input.judge import Answer, Verdict, judged
from tests.bad_input.mutations import mutations
from tests.collector import conftest

PARALLEL = 2
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reference" / "bad-input.md"


@dataclass(frozen=True, slots=True)
class Result:
    """A case, its answer and what that is worth."""

    case: Case
    answer: Answer
    verdict: Verdict
    why: str


def named() -> list[Case]:
    """Every case of the table."""
    return [*logs.cases(), *documents.cases(), *stores.cases(), *wire.cases()]


def tried(cases: Iterable[Case], collector: Collector, work: Path) -> list[Result]:
    """The cases, each in a folder of its own; those that need the collector one after another, the others in parallel."""
    numbered = [(case, work / f"{number:04}") for number, case in enumerate(cases)]
    for _, folder in numbered:
        folder.mkdir(parents=True)

    def attempt(entry: tuple[Case, Path]) -> Result:
        case, folder = entry
        answer = case.knock(folder, collector)
        return Result(case, answer, *judged(answer, case.wanted))

    with ThreadPoolExecutor(PARALLEL) as pool:
        results = list(pool.map(attempt, [entry for entry in numbered if not entry[0].alone]))
    return results + [attempt(entry) for entry in numbered if entry[0].alone]


def in_order(cases: Sequence[Case]) -> list[Case]:
    """The cases as `tried` gives them back: those of the collector last."""
    return sorted(cases, key=lambda case: case.alone)


def line(results: Sequence[Result]) -> dict[str, int]:
    """The counts, as printed."""
    counts = Counter(result.verdict for result in results)
    return {"tried": len(results), **{str(verdict): counts[verdict] for verdict in (Verdict.CLEAR, Verdict.ACCEPTED, Verdict.CRASHED)}}


def complaints(results: Sequence[Result]) -> list[str]:
    """What was not a clear error, in words."""
    return [f"{r.case.group}, {r.case.name}: {r.verdict}: {r.why}" for r in results if r.verdict is not Verdict.CLEAR]


def some(cases: Sequence[Case], seed: int, commands: int) -> list[Case]:
    """The cases of the collector, which cost little, and `commands` of the others, drawn by `seed`, in their order."""
    others = [number for number, case in enumerate(cases) if not case.alone]
    drawn = set(random.Random(seed).sample(others, min(commands, len(others))))
    return [case for number, case in enumerate(cases) if case.alone or number in drawn]


def execute(work: Path, seed: int, *, count: int, harmless: int, commands: int = 10_000) -> tuple[list[Result], list[Result], list[str]]:
    """(the named cases, `commands` of those that start a process; the mutations; what is wrong with the doors themselves)."""
    process = conftest.Collector(work / "collector").start()
    try:
        collector = Collector(process.rest, process.grpc)
        collector.request("POST", "/v1/runs", json.dumps({**wire.START, "run_id": wire.RUN_ID}).encode())
        shut = [
            f"valid input refused: {r.case.group}: {r.answer}"
            for r in tried(baseline.cases(), collector, work / "valid")
            if r.answer.status != "exit 0"
        ]
        (work / "harmless").mkdir()
        shut += baseline.differing(seed, harmless, work / "harmless")
        table_results = tried(some(named(), seed, commands), collector, work / "named")
        return table_results, tried(islice(mutations(seed), count), collector, work / "mutated"), shut
    finally:
        process.stop()


def main() -> None:
    """Run, print, judge."""
    seed, count = int(os.environ.get("SEED") or 1), int(os.environ.get("COUNT") or 200)
    with tempfile.TemporaryDirectory(prefix="joulemark-bad-input-") as folder:
        found, mutated, shut = execute(Path(folder), seed, count=count, harmless=20)
    page = table.page([(r.case.group, r.case.name, r.answer) for r in found])
    if os.environ.get("WRITE") == "1":
        PAGE.write_text(page, encoding="utf-8")
    elif table.verdicts(PAGE.read_text(encoding="utf-8")) != table.verdicts(page):
        shut.append("docs/reference/bad-input.md is out of date: run make bad-input WRITE=1")
    for complaint in (*shut, *complaints([*found, *mutated])):
        print(f"red: {complaint}", file=sys.stderr)
    counts = line([*found, *mutated])
    print(json.dumps(counts))
    raise SystemExit(0 if counts["tried"] == counts["clear_error"] and not shut else 1)


if __name__ == "__main__":
    main()
